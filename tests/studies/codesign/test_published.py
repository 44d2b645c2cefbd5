"""The committed studies: their study files are those that stand there, their designs load and are worth their names."""

import json
from pathlib import Path

import pytest

from neurocircuit.kinds import load
from neurocircuit.rendering import write_report
from neurocircuit.results import measurement as measurements
from neurocircuit.results.codesign import Codesign
from neurocircuit.spec import MappedNetwork, NeuronSpec
from neurocircuit.studies.codesign.study import StudySpec

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "reports/published"
FOLDER = PUBLISHED / "codesign"
STUDIES = {"codesign": "mnist", "codesign-windowed": "mnist_windowed"}


@pytest.fixture(scope="module")
def numbers():
    return numbers_of("codesign")


def numbers_of(folder):
    return json.loads((PUBLISHED / folder / "result.json").read_bytes())


def test_the_balanced_design_reaches_the_base_circuit_at_a_quarter_of_its_energy(numbers):
    own = {name: numbers["base"][name] for name in numbers["ranges"]}
    rows = numbers["fidelities"][-1]["trials"]
    base = next(row["details"] for row in rows if row["values"] == own)
    balanced = numbers["recommended"]["balanced"]["outcome"]["details"]
    assert balanced["accuracy"] >= base["accuracy"]
    assert balanced["energy_J"] < 0.25 * base["energy_J"]
    assert balanced["latency_s"] < 0.5 * base["latency_s"]


def test_the_published_result_loads_and_is_written_as_it_is(numbers):
    result = load(FOLDER)
    assert isinstance(result, Codesign)
    assert result.to_dict() == numbers
    assert result.files()["trials.csv"] == (FOLDER / "trials.csv").read_text()
    assert len(result.summary().splitlines()) == 2 * len(numbers["recommended"])


def test_a_study_without_a_replay_has_a_report_too(tmp_path):
    folder = load(FOLDER).model_copy(update={"recommended": {}}).save(tmp_path / "study")
    text = write_report(folder).with_suffix(".md").read_text()
    assert "none is replayed" in text
    assert "The front at fidelity edge" in text


@pytest.mark.parametrize("folder", STUDIES)
def test_study_file_is_the_published_one(folder):
    study, numbers = StudySpec.from_toml(ROOT / f"training/codesign/{STUDIES[folder]}.toml"), numbers_of(folder)
    assert study.to_dict() == numbers["study"]
    assert len(numbers["fidelities"][0]["trials"]) == study.trials


@pytest.mark.parametrize("name", STUDIES.values())
def test_power_and_assumed_phase_noise_of_the_study_are_the_datasheets(name):
    """Within 10 %: a datasheet that is made anew moves a little."""
    folder = ROOT / "reports/published/datasheet-generic65/conditions/tt_27C_1V"
    energy, noise, ring, trim = (
        measurements.load(folder / f"{name}.json") for name in ("energy", "assumed_noise", "cco", "trim")
    )
    power = StudySpec.from_toml(ROOT / f"training/codesign/{name}.toml").power
    currents = [trim.value(f"vco{k}") for k in range(1, 5)]
    assert power.bias_A == pytest.approx(currents[0], rel=0.1)
    rings_W = ring.value("power") * sum(currents) / currents[0]
    assert power.oscillators_W == pytest.approx(rings_W, rel=0.1)
    assert power.oscillators_W + power.rest_W == pytest.approx(energy.value("power"), rel=0.1)
    if "windowed" in name:
        ramp_W = power.ramp_share * (power.oscillators_W + power.rest_W)
        assert ramp_W == pytest.approx(energy.value("power_ramp"), rel=0.02)
    base = NeuronSpec.from_toml(ROOT / "training/codesign/codesign_base.toml")
    assert noise.value("low") < max(base.phase_noise) < noise.value("high")


@pytest.mark.parametrize("folder", STUDIES)
def test_recommended_designs_load(folder):
    for one in numbers_of(folder)["recommended"].values():
        path = PUBLISHED / folder / one["folder"] / "network.toml"
        assert MappedNetwork.from_toml(path).checkpoint_path(path).is_file()
        NeuronSpec.from_toml(path.with_name("circuit.toml"))
