"""TOML with comments reads back to an equal spec; its comments are the spec's own descriptions, units and bounds."""

import tomllib

import pytest

from neurocircuit.core.shipped import folder
from neurocircuit.snn.recipe import Recipe, load_recipe
from neurocircuit.spec import Flicker, NeuronSpec, Ramp, Sensitivity, Supply, Tone, Variation
from neurocircuit.spec.commented import commented_toml
from neurocircuit.spec.neuron import ReadoutWindow

SPECS = [
    NeuronSpec(),
    NeuronSpec(name='a "b"'.replace('"', "."), threshold=Ramp(), membrane_floor_rad=None),
    NeuronSpec(
        flicker=Flicker(h=(1e-9, 0.0, 1e-8, 1e-8), auto_zero_s=1e-6),
        supply=Supply(
            sensitivity_per_V=(1.0, 1.0, 0.5, 0.5),
            source='devices of "planted" \\ tt',
            tones=(Tone(frequency_Hz=1e6, amplitude_V=1e-3), Tone(frequency_Hz=2e6, amplitude_V=1e-3)),
        ),
        sensitivities=(Sensitivity(field="tau_s", per_supply=-0.3, source="planted … µ"),),
        readout_window=ReadoutWindow(form="ramp", armed_s=5e-8, length_s=5e-8, slope=2.0),
        membrane_floor_rad=-2.0,
    ),
    *(NeuronSpec.from_toml(file) for file in sorted(folder("netlists").rglob("characterised/spec.toml"))),
]


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_a_commented_circuit_reads_back_exactly(spec):
    text = commented_toml(spec)
    assert NeuronSpec.from_dict(tomllib.loads(text)) == spec
    words = " ".join(line.removeprefix("# ") for line in text.splitlines())
    for field in NeuronSpec.model_fields.values():
        assert field.description in words


@pytest.mark.parametrize("name", ["digits", "mnist_aware", "mnist_windowed"])
def test_a_commented_recipe_reads_back_exactly(name):
    recipe = load_recipe(name)
    assert Recipe.from_dict(tomllib.loads(commented_toml(recipe))) == recipe


def test_units_bounds_and_choices_stand_beside_the_value():
    lines = commented_toml(NeuronSpec()).splitlines()
    assert 'tau = "20 ns"  # s; > 0, <= 1' in lines
    assert 'readout = "continuous"  # one of continuous, q' in lines
    assert 'phase_noise = ["0 rad2/s", "0 rad2/s", "0 rad2/s", "0 rad2/s"]  # rad2/s' in lines
    assert "# membrane_floor: absent  # rad; < 0" in lines
    assert "bits = 4  # >= 1, <= 52" in lines


def test_the_variation_of_chips_reads_back():
    text = commented_toml(Variation())
    assert Variation.from_dict(tomllib.loads(text)) == Variation()
