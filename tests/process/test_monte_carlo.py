"""What the fast levels are told of a trimmed chip; its rings and synapses are planted."""

from math import pi
from typing import Any

import numpy as np
import pytest

from neurocircuit.neuron import levels
from neurocircuit.process import monte_carlo
from neurocircuit.process.trimming import CHIP_ARM_s, TrimResult
from neurocircuit.spec import Circuit
from tests.studies.sweep import fake_transistor as fake

WEIGHTS = (2.0, 1.2)  # on codes of the bank, the first at full scale


def trimmed(circuit: Circuit, **values: float) -> TrimResult:
    """A trim that leaves nothing, unless asked for."""
    fields: dict[str, Any] = {"f1_Hz": 750e6, "f3_Hz": 937.5e6, "lead_rad": 1.8, "lag_residual_rad": 0.0}
    fields |= {"drift_rad_per_s": 0.0, "gain_Hz_per_A": 45e12, "gain3_Hz_per_A": 26e12, "resolution": 1e-4}
    fields |= {"untrimmed": (0.0,) * 4, "steps": (), "ring_runs": 8, "idle_runs": 3, "bias": circuit.bias}
    return TrimResult(**(fields | values))


def test_the_fast_levels_get_what_an_instrument_tells_of_the_chip(monkeypatch):
    nominal = fake.make_spec(circuit=fake.make_circuit(f1_Hz=750e6, f3_Hz=937.5e6, lead_rad=1.8))
    (drawn,) = monte_carlo.drawn(nominal, 1, 1)
    trim = trimmed(drawn.circuit, f1_Hz=735e6, f3_Hz=918.75e6, lead_rad=1.98)
    usual = monte_carlo.Measured(np.array([45e12, 45e12, 26e12, 27e12]), 70e6, np.array([1.8e-6, 1.1e-6]))
    currents_A = np.array([2.0e-6, 1.0e-6])
    own = monte_carlo.Measured(np.array([1.1, 0.8, 1.0, 1.2]) * usual.gain_Hz_per_A, 91e6, currents_A)
    seen = []

    def measured(circuit: Circuit, bias: object, codes: tuple[int, ...]) -> monte_carlo.Measured:
        seen.append(codes)
        return usual if circuit.chip_seed is None else own

    monkeypatch.setattr(monte_carlo, "_measured", measured)
    told = monte_carlo.spec_as_measured(drawn, drawn.circuit, trim, WEIGHTS)
    assert seen == [(15, 9)] * 2  # of 15 codes, which reach 2
    assert (told.circuit.f1_Hz, told.circuit.f3_Hz, told.circuit.lead_rad) == (735e6, 918.75e6, 1.98)
    assert told.circuit.arming_s == CHIP_ARM_s
    assert told.frequency_error.in_force == nominal.frequency_error.in_force
    # K = V/π · 2π k2/(R1 + R2) and τ = 1/K; the swing as it was seen.
    assert told.tau_s == pytest.approx(nominal.tau_s / 0.8)
    assert told.loop_ratio == pytest.approx(nominal.loop_ratio)
    assert told.vco4_swing_Hz == pytest.approx(1.3 * nominal.vco4_swing_Hz)
    # A jump is 2π k1 times a charge: both together 0.1 uA more over the spike, all at a gain that is higher by a tenth.
    both = sum(WEIGHTS)
    more_rad = 2 * pi * 45e12 * 0.1e-6 * drawn.circuit.spike_width_s
    assert told.phase_per_weight_rad * both == pytest.approx(1.1 * (nominal.phase_per_weight_rad * both + more_rad))
    assert told.threshold.lead_rad == pytest.approx(1.1 * nominal.threshold.lead_rad)
    assert told.f0_Hz == pytest.approx(0.98 * nominal.f0_Hz)
    assert told.threshold_vco_ratio == pytest.approx(nominal.threshold_vco_ratio)


def test_resistors_and_capacitor_of_a_chip_move_its_loop(monkeypatch):
    nominal = fake.make_spec(circuit=fake.make_circuit(f1_Hz=750e6, f3_Hz=937.5e6, lead_rad=1.8))
    (drawn,) = monte_carlo.drawn(nominal, 1, 1)
    usual = drawn.circuit.components
    parts = usual.replace(r1_Ohm=1.1 * usual.r1_Ohm, r2_Ohm=1.1 * usual.r2_Ohm, c_F=0.9 * usual.c_F)
    read = monte_carlo.Measured(np.array([45e12, 45e12, 26e12, 27e12]), 70e6, np.array([1.8e-6, 1.1e-6]))
    monkeypatch.setattr(monte_carlo, "_measured", lambda circuit, bias, codes: read)
    built = drawn.circuit.replace(components=parts)
    told = monte_carlo.spec_as_measured(drawn, built, trimmed(drawn.circuit), WEIGHTS)
    # τ = (R1 + R2)/(2 V k2) and w_lf = 1/(R1 C)
    assert told.tau_s == pytest.approx(1.1 * nominal.tau_s)
    assert told.loop_filter_rad_per_s == pytest.approx(nominal.loop_filter_rad_per_s / (1.1 * 0.9))
    assert told.vco4_swing_Hz == pytest.approx(nominal.vco4_swing_Hz)


def test_what_the_trim_leaves_moves_the_idle_membrane_of_the_chip(monkeypatch):
    """A lag beside π/2 is a mean of UP beside 1/2, which VCO4 integrates; the fast level drifts as the trim read it."""
    nominal = fake.make_spec(circuit=fake.make_circuit(f1_Hz=764e6, f3_Hz=955e6, lead_rad=1.5))
    (drawn,) = monte_carlo.drawn(nominal, 1, 1)
    read = monte_carlo.Measured(np.array([45e12, 45e12, 26e12, 27e12]), 70e6, np.array([1.8e-6, 1.1e-6]))
    monkeypatch.setattr(monte_carlo, "_measured", lambda circuit, bias, codes: read)
    lag_rad, drift_rad_per_s = 0.02, 5e6
    left = {"f1_Hz": 764e6, "f3_Hz": 955e6, "lead_rad": 1.5, "lag_residual_rad": lag_rad}
    trim = trimmed(drawn.circuit, **left, drift_rad_per_s=drift_rad_per_s)
    told = monte_carlo.spec_as_measured(drawn, drawn.circuit, trim, WEIGHTS)
    course = levels.waveforms("averaged", told, np.array([7.0]), np.array([0.1]))
    late = (course.time_over_tau > 1.0) & (course.time_over_tau < 6.0)
    slope = np.polyfit(course.time_over_tau[late], course.membrane[late], 1)[0]
    assert slope * told.threshold.lead_rad / told.tau_s == pytest.approx(drift_rad_per_s, rel=0.02)
    _, error, *_ = told.frequency_error.in_force
    assert -2 * pi * told.f0_Hz * told.tau_s * error == pytest.approx(lag_rad, rel=1e-3)


def test_each_chip_is_built_of_parts_of_its_own_and_always_the_same():
    nominal = fake.make_spec(circuit=fake.make_circuit(process="generic65"))
    first, second = (monte_carlo.built(chip.circuit) for chip in monte_carlo.drawn(nominal, 2, 1))
    assert first.components != second.components
    assert first.components != nominal.circuit.components
    again, _ = (monte_carlo.built(chip.circuit) for chip in monte_carlo.drawn(nominal, 2, 1))
    assert again == first
