"""The committed studies: their study files are those that stand there, their designs load and are worth their names."""

import json
from pathlib import Path

import pytest

from neurocircuit.kinds import load
from neurocircuit.process.power import characterised_neuron, folder_of
from neurocircuit.rendering import write_report
from neurocircuit.results import measurement as measurements
from neurocircuit.results.codesign import Codesign
from neurocircuit.spec import MappedNetwork, NeuronSpec
from neurocircuit.studies.codesign.study import StudySpec

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "reports/published"
FOLDER = PUBLISHED / "codesign"
CONDITION = PUBLISHED / "datasheet-generic65/conditions/tt_27C_1V"
STUDIES = {"codesign": "mnist", "codesign-windowed": "mnist_windowed"}


@pytest.fixture(scope="module")
def numbers():
    return numbers_of("codesign")


def numbers_of(folder):
    return json.loads((PUBLISHED / folder / "result.json").read_bytes())


@pytest.mark.parametrize("folder", STUDIES)
def test_the_base_circuit_is_better_than_no_recommended_design_in_everything(folder):
    result = load(PUBLISHED / folder)
    base = {name: result.base[name] for name in result.ranges}
    of_base = next(row for row in result.fidelities[-1].trials if row.values == base)
    objectives = {"accuracy": -1.0, "energy": 1.0, "latency": 1.0}
    for role, design in result.recommended.items():
        reached = {name: getattr(design.outcome, name) for name in objectives}
        gains = [sign * (of_base.objectives[name] - reached[name]) for name, sign in objectives.items()]
        assert max(gains) > 0, role


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
    if "neuron" not in numbers:
        pytest.skip(f"{folder} is of before designs had the limits of a characterised neuron: make published-{folder}")
    assert study.to_dict() == numbers["study"]
    assert len(numbers["fidelities"][0]["trials"]) == study.trials


@pytest.mark.parametrize("name", STUDIES.values())
def test_ranges_of_the_study_are_characterised(name):
    study = StudySpec.from_toml(ROOT / f"training/codesign/{name}.toml")
    base, neuron = NeuronSpec.from_toml(ROOT / "training/codesign/codesign_base.toml"), characterised_neuron(CONDITION)
    assert folder_of(base).name == CONDITION.name
    for bias_A in (study.parameters.bias.low, study.parameters.bias.high):
        neuron.check(bias_A, 1.0)
    assert study.parameters.f0 is None
    assert (
        study.mapping.largest_fan_in > neuron.largest_fan_in
    )  # stated as an assumption, since it is not characterised
    noise = measurements.load(CONDITION / "assumed_noise.json")
    assert noise.value("low") < max(base.phase_noise) < noise.value("high")


@pytest.mark.parametrize("folder", STUDIES)
def test_recommended_designs_load(folder):
    for one in numbers_of(folder)["recommended"].values():
        path = PUBLISHED / folder / one["folder"] / "network.toml"
        assert MappedNetwork.from_toml(path).checkpoint_path(path).is_file()
        NeuronSpec.from_toml(path.with_name("circuit.toml"))
