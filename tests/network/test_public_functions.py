"""map, calibrate and verify from Python: typed results that travel; processes change no number; what is refused."""

import numpy as np
import pytest

import neurocircuit as nc
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network.calibrate import Calibration
from neurocircuit.network.mapping import Mapping
from neurocircuit.network.verify import Replay

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory):
    return nc.snn.Model(*trained).save(tmp_path_factory.mktemp("model") / "weights.pt")


@pytest.fixture(scope="module")
def network(model):
    return nc.map(model, images=nc.data.digits("train")[:6], name="tiny")


@pytest.fixture(scope="module")
def table(network):
    return nc.calibrate(network, nc.data.digits("train")[:3], chips=7, points=80)


@pytest.fixture(scope="module")
def replay(network, table):
    return nc.verify(network, nc.data.digits("test")[:3], chips=2, table=table, runs=40, layers=("conv1",))


def test_a_mapping_says_which_images_and_travels(network, tmp_path):
    written = network.save(tmp_path / "net.toml")
    assert written == tmp_path / "net.mapping.json"
    read = Mapping.load(written)
    assert (read.images, read.split, read.met) == (6, "train", network.met)
    assert read.limits == network.limits
    assert "accuracy under eq. (4) on these 6 train images" in str(network)
    again = nc.snn.NetworkOnCircuit.load(tmp_path / "net.toml")
    assert again.mapped == read.mapped
    for before, after in zip(network.circuit.weights, again.circuit.weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_model_without_a_file_is_saved_beside_its_mapping(trained, tmp_path):
    network = nc.map(nc.snn.Model(*trained), images=nc.data.digits("train")[:2])
    network.save(tmp_path / "net.toml")
    assert (tmp_path / "net.pt").is_file()
    assert (
        nc.snn.NetworkOnCircuit.load(tmp_path / "net.toml").mapped.checkpoint_sha256 == network.mapped.checkpoint_sha256
    )


def test_processes_change_no_number_of_a_noise_table_and_its_budget(network, table):
    other = nc.calibrate(network, nc.data.digits("train")[:3], chips=7, points=80, jobs=2)
    assert other.dataset.attrs["content_sha256"] == table.dataset.attrs["content_sha256"]
    assert other.budget(chips=6, jobs=2) == table.budget(chips=6)


def test_a_calibration_travels_with_its_table_and_knows_its_budget(network, table, tmp_path):
    result = table.result(table.budget())
    read = Calibration.load(result.save(tmp_path / "t.nc"))
    assert (read.images, read.split, read.chips) == (3, "train", 7)
    assert [layer.name for layer in read.layers] == ["conv1", "conv2", "fc1"]
    nc.NoiseTable.load(tmp_path / "t.nc").check_network(network.mapped, "t.nc")
    for row in read.budget:
        causes = np.array([row.die, row.neuron, row.synapse, row.event])
        assert row.all < 2 * np.sqrt((causes**2).sum())  # causes are independent: variances add
        assert row.all > 0.5 * causes.max()


def test_a_replay_says_which_images_and_travels(replay, tmp_path):
    read = Replay.load(replay.save(tmp_path / "replay"))
    assert read.to_dict() == replay.to_dict()
    assert (read.split, read.images.images, read.images.chips) == ("test", 3, 2)
    assert "3 test images on 2 chips at level edge" in str(replay)
    rows = (tmp_path / "replay" / "images.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 2
    right = [row.split(",")[2] == row.split(",")[5] for row in rows[1:]]
    assert np.mean(right) == replay.images.accuracy["circuit"][0]


def test_single_neurons_count_once_in_the_histogram_of_their_pit_values(replay):
    (layer,) = replay.neurons.layers
    assert layer.layer == "conv1"
    assert sum(layer.pit_histogram) == layer.runs
    assert layer.median is None  # that of a comparison between levels


def test_what_does_not_go_together_is_refused(network, table):
    images = nc.data.digits("test")[:1]
    with pytest.raises(InputError, match="level must be among"):
        nc.calibrate(network, images, level="x")
    with pytest.raises(InputError, match="runs must come with a table"):
        nc.verify(network, images, runs=5)
    with pytest.raises(InputError, match="layers must be among conv1, conv2, fc1, got '7'"):
        nc.verify(network, images, table=table, runs=40, layers=("7",))
    other = nc.map(network.model, images=nc.data.digits("train")[:2], use=0.5)
    with pytest.raises(FileFormatError, match="belongs to another network"):
        nc.verify(other, images, table=table)
    with pytest.raises(InputError, match="use must be within 0"):
        nc.map(network.model, images=images, use=1.5)
