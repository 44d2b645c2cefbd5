"""The committed noise-aware networks: files that belong together, and what they reach."""

import json
from pathlib import Path

import pytest

from neurocircuit.core.files import file_sha256
from neurocircuit.noise import NoiseTable
from neurocircuit.spec import MappedNetwork

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "reports/published/robustness/aware-stressed"


@pytest.fixture(scope="module")
def numbers():
    return json.loads((FOLDER / "result.json").read_bytes())


def test_more_than_half_of_the_loss_is_won_back_over_three_seeds_and_ten_chips(numbers):
    assert numbers["recovery"]["share"][1] > 0.5
    assert sum(one["name"].startswith("trained") for one in numbers["networks"]) >= 3
    assert all(one["chips"] >= 10 and numbers["valid"] for one in numbers["networks"])


def test_on_the_embedded_circuit_they_lose_less_than_three_tenths_of_a_point():
    found = json.loads((FOLDER.with_name("embedded-aware") / "result.json").read_bytes())["recovery"]
    assert found["trained"][0] > found["software"] - 0.003


def test_each_table_is_of_the_weights_beside_it(numbers):
    folders = sorted(path.parent for path in FOLDER.glob("*/weights.pt"))
    assert len(folders) == len(numbers["networks"]) - 1  # the clean one stands elsewhere
    for folder in folders:
        sha256 = file_sha256(folder / "weights.pt")
        own = MappedNetwork.from_dict(NoiseTable.load(folder / "table.nc").provenance["network"])
        assert own.checkpoint_sha256 == MappedNetwork.from_toml(folder / "network.toml").checkpoint_sha256 == sha256
        run = json.loads((folder / "run.json").read_bytes())
        noisy = folder.name.startswith("seed")
        assert (run["recipe"]["hardware"]["causes"] != []) == noisy
        assert not noisy or not run["run"]["commit"].endswith("+")
