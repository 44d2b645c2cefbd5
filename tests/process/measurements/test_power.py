"""Power over current and frequency: the fit on planted laws, and what scaling a process means."""

import numpy as np
import pytest

from neurocircuit.process.measurements import power
from neurocircuit.results import measurement
from neurocircuit.results.characterised_neuron import power_law_W
from neurocircuit.spice.process import characterised, load


def test_the_fit_finds_a_planted_law_and_not_another():
    rng = np.random.default_rng(3)
    current, frequency = rng.uniform(0.5, 4.0, 12), rng.uniform(0.7, 1.1, 12)
    exact_W = power_law_W(current, frequency, 140e-6, -30e-6, 20e-6)
    assert power.fit(current, frequency, exact_W) == pytest.approx((140e-6, -30e-6, 20e-6), rel=1e-9)
    noisy_W = exact_W * (1 + 0.002 * rng.standard_normal(12))
    fitted_W = power_law_W(current, frequency, *power.fit(current, frequency, noisy_W))
    assert np.abs(fitted_W / exact_W - 1).max() < 4 * 0.002
    # Power that rises with the square of the current is no such law, and the residual says so.
    squared_W = 100e-6 * current**2
    assert (
        np.abs(power_law_W(current, frequency, *power.fit(current, frequency, squared_W)) / squared_W - 1).max() > 0.2
    )


def test_a_scaled_process_has_other_admittances_and_the_same_times():
    process = load("generic65").process
    half = power.scaled(process, 0.5)
    assert half.sizes.w_tail_n == 0.5 * process.sizes.w_tail_n
    assert half.sizes.c_wire == 0.5 * process.sizes.c_wire
    assert half.sizes.l_bias == process.sizes.l_bias
    assert half.nominal.vco3_A == 0.5 * process.nominal.vco3_A
    for name in ("r1_Ohm", "r2_Ohm", "r4_Ohm"):
        assert getattr(half.components, name) == 2 * getattr(process.components, name)
    parts = half.components
    assert parts.r1_Ohm * parts.c_F == pytest.approx(process.components.r1_Ohm * process.components.c_F)


def test_a_shared_bias_is_scaled_too():
    process = load("generic65_low_noise").process
    assert power.scaled(process, 2.0).shared_bias.i_shared == 2 * process.shared_bias.i_shared


def test_the_shipped_law_is_the_fit_of_its_neurons_and_its_base_the_energy_measurement():
    folder = characterised("generic65") / "conditions/tt_27C_1V"
    measured, energy = (measurement.load(folder / name) for name in ("power.json", "energy.json"))
    curve = measured.curves["power"]
    current = curve["current_A"] / measured.value("current")
    frequency = curve["frequency_Hz"] / measured.value("frequency")
    law = power.fit(current, frequency, curve["power_W"])
    assert law == pytest.approx([measured.value(key) for key in ("scaled", "slope", "fixed")], rel=1e-9)
    deviation = np.abs(power_law_W(current, frequency, *law) / curve["power_W"] - 1)
    assert deviation.max() == pytest.approx(measured.value("residual"), rel=1e-9)
    assert deviation.max() < 0.05
    # Two runs of the same neuron, one from power-up, one from a saved state.
    assert curve["power_W"][0] == pytest.approx(energy.value("power"), rel=0.01)
