"""What a neuron draws, from the files of a condition."""

import math
import shutil

import pytest

from neurocircuit.errors import InputError
from neurocircuit.process import power
from neurocircuit.results import measurement
from neurocircuit.results.inference import SUPPLY_Ohm
from neurocircuit.spec import Flicker, NeuronSpec
from neurocircuit.spec.bias_network import BiasNetwork
from neurocircuit.spice.process import characterised, default_neuron

FOLDER = characterised("generic65") / "conditions/tt_27C_1V"
NEURON = default_neuron("transistor")


def test_power_of_a_condition_is_what_its_files_hold():
    draws, energy = power.of_condition(FOLDER), measurement.load(FOLDER / "energy.json")
    assert (draws.power_W, draws.ramp_power_W) == (energy.value("power"), energy.value("power_ramp"))
    lock_J = draws.lock_power_W * draws.lock_over_tau * NEURON.tau_s
    assert lock_J == pytest.approx(energy.value("with_lock") - energy.value("spike"), rel=1e-12)
    assert draws.trim_bits == BiasNetwork().bits
    assert 0 < draws.generator_W < draws.trim_dac_W < 0.05 * draws.power_W
    # 7066 neurons of 164 uW at 1 V
    lines = draws.lines(1.0, 0.0, NEURON.tau_s, 7066)
    assert lines.armed_A == pytest.approx(7066 * energy.value("power") / 1.0)
    assert lines.drop_V == pytest.approx(SUPPLY_Ohm * lines.armed_A)
    shared = power.of_condition(FOLDER, bias=BiasNetwork(neurons_per_generator=10))
    assert shared.generator_W == pytest.approx(draws.generator_W / 10)


def test_an_auto_zero_is_a_line_of_the_energy():
    flicker = Flicker(h=(1e-8,) * 4, auto_zero_s=1e-7)
    draws, without = power.of_neuron(NEURON.replace(flicker=flicker)), power.of_neuron(NEURON)
    lines, plain = (one.lines(1.0, 0.0, NEURON.tau_s, 7) for one in (draws, without))
    assert lines.auto_zero_J == pytest.approx(7 * 1e-7 * draws.power_W)
    assert plain.auto_zero_J == 0.0
    assert lines.armed_J == plain.armed_J
    beside_J = 7 * 1e-7 * (draws.generator_W + draws.trim_dac_W)
    assert lines.total_J - plain.total_J == pytest.approx(lines.auto_zero_J + beside_J)
    assert "auto_zero_J" in lines.model_dump()
    assert "auto_zero_J" not in plain.model_dump()


def test_an_embedded_neuron_draws_what_that_of_generic65_does():
    assert power.of_neuron(NeuronSpec()) == power.of_neuron(NEURON)
    assert power.folder_of(NeuronSpec()) == FOLDER


def test_the_law_gives_the_base_to_the_digit():
    neuron = power.characterised_neuron(FOLDER)
    assert neuron.power(neuron.bias_A, 1.0) == neuron.base
    assert neuron.base.source == "generic65, tt_27C_1V"
    assert neuron.spike_width_s == NEURON.spike_width_s
    assert neuron.largest_fan_in == NEURON.circuit.largest_fan_in
    low, high = (neuron.bias_A * ratio for ratio in neuron.built)
    assert neuron.power(low, 1.0).power_W < neuron.base.power_W < neuron.power(high, 1.0).power_W
    with pytest.raises(InputError, match=r"bias must be within .* uA, the characterised currents, got"):
        neuron.power(0.99 * low, 1.0)


def test_what_is_missing_in_a_folder_is_named(tmp_path):
    shutil.copy(FOLDER / "energy.json", tmp_path)
    draws = power.of_condition(tmp_path)
    assert draws.power_W > 0
    assert math.isnan(draws.trim_dac_W)  # without a spec its currents are not known
    with pytest.raises(InputError, match=r"power\.json"):
        power.characterised_neuron(tmp_path)
