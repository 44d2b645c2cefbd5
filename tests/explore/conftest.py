"""A tiny network of digits on the embedded circuit, for all tests of the page's second tab."""

from pathlib import Path

import pytest

import neurocircuit as nc
from tests.test_obvious_way import SMALL


@pytest.fixture(scope="package")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a mapped network, its weights and its noise table."""
    folder = tmp_path_factory.mktemp("mapped")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        nc.snn.train("digits", settings=SMALL, out="start").save("weights.pt")
        train = nc.data.digits("train")
        net = nc.map(nc.snn.load("weights.pt"), nc.NeuronSpec(), images=train[:10])
        net.save("network.toml")
        nc.calibrate(net, images=train[:3], chips=4, points=40).save(Path("table.nc"))
    return folder
