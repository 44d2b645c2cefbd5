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
ASSUMED = {"codesign": "mnist", "codesign-windowed": "mnist_windowed"}  # with an assumed phase noise
STUDIES = ASSUMED | {"codesign-device-noise": "mnist_device_noise"}


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


@pytest.mark.parametrize("name", ASSUMED.values())
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


def test_the_study_under_device_noise_has_what_was_characterised():
    """Base and ranges: noise and supply sensitivities of the low-noise neuron, within the rings that were measured."""
    path = ROOT / "training/codesign/mnist_device_noise.toml"
    study, base = StudySpec.from_toml(path), NeuronSpec.from_toml(path.with_name("low_noise_base.toml"))
    condition = (path.parent / study.power.condition).resolve()
    neuron, own = characterised_neuron(condition), NeuronSpec.from_toml(condition / "spec.toml")
    assert base.phase_noise == pytest.approx(own.phase_noise, rel=1e-3)
    assert base.flicker.h == pytest.approx(own.flicker.h, rel=1e-3)
    shared = [(spec.flicker.shared_vco1_vco2, spec.flicker.shared_vco3_vco4) for spec in (base, own)]
    assert shared[0] == pytest.approx(shared[1], abs=1e-4)
    pushing = measurements.load(condition / "supply.json")
    assert base.supply.sensitivity_per_V == pytest.approx([pushing.value(f"vco{k}") for k in range(1, 5)], rel=5e-3)
    assert (base.f0_Hz, base.threshold_vco_ratio) == pytest.approx((own.f0_Hz, own.threshold_vco_ratio), rel=5e-3)
    assert base.locked_under_noise
    for bias_A in (study.parameters.bias.low, study.parameters.bias.high):
        neuron.check(bias_A, 1.0)
    for x in (1.0, base.threshold_vco_ratio):
        neuron.noise.check(x, study.parameters.bias_area.high)


def test_recommended_designs_have_the_noise_that_the_law_gives_them():
    """Each design's circuit file against D, h and shares by the law, from its current and area alone."""
    numbers = numbers_of("codesign-device-noise")
    base = NeuronSpec.from_toml(ROOT / "training/codesign/low_noise_base.toml")
    study = StudySpec.from_toml(ROOT / "training/codesign/mnist_device_noise.toml")
    neuron = characterised_neuron(ROOT / "training/codesign" / study.power.condition)
    law = neuron.noise
    for one in numbers["recommended"].values():
        values = one["values"]
        circuit = NeuronSpec.from_toml(PUBLISHED / "codesign-device-noise" / one["folder"] / "circuit.toml")
        s, area = values["bias"] / neuron.bias_A, values["bias_area"]

        def factor(scaling, s=s, area=area):
            return s**-scaling.scale_exponent * area**-scaling.area_exponent

        assert circuit.phase_noise == pytest.approx([d * factor(law.white) for d in base.phase_noise])
        of_bias = law.h_bias / (law.h_bias + law.h_rest)
        left = of_bias * factor(law.flicker_bias) + (1 - of_bias) * factor(law.flicker_rest)
        assert circuit.flicker.h[0] == pytest.approx(base.flicker.h[0] * left)
        shared = base.flicker.shared_vco1_vco2 * factor(law.flicker_common) / left
        assert circuit.flicker.shared_vco1_vco2 == pytest.approx(shared)
        pushed = [sensitivity * factor(law.pushing) for sensitivity in base.supply.sensitivity_per_V]
        assert circuit.supply.sensitivity_per_V == pytest.approx(pushed)
        assert circuit.supply.tones == base.supply.tones
        assert circuit.locked_under_noise


@pytest.mark.parametrize("folder", STUDIES)
def test_recommended_designs_load(folder):
    for one in numbers_of(folder)["recommended"].values():
        path = PUBLISHED / folder / one["folder"] / "network.toml"
        assert MappedNetwork.from_toml(path).checkpoint_path(path).is_file()
        NeuronSpec.from_toml(path.with_name("circuit.toml"))
