"""What the fast levels are told of a trimmed chip; its rings and synapses are planted."""

from math import pi

import numpy as np
import pytest

from neurocircuit.process import monte_carlo
from tests.studies.sweep import fake_transistor as fake


def test_the_fast_levels_get_what_an_instrument_tells_of_the_chip(monkeypatch):
    nominal = fake.make_spec(circuit=fake.make_circuit(f1_Hz=750e6, f3_Hz=937.5e6, lead_rad=1.8))
    (drawn,) = monte_carlo.drawn(nominal, 1, 1)
    chip = drawn.circuit.replace(f1_Hz=735e6, f3_Hz=918.75e6, lead_rad=1.98)
    usual = monte_carlo.Measured(np.array([45e12, 45e12, 26e12, 27e12]), 70e6, 1.8e-6)
    own = monte_carlo.Measured(np.array([1.1, 0.8, 1.0, 1.2]) * usual.gain_Hz_per_A, 91e6, 2.0e-6)
    monkeypatch.setattr(monte_carlo, "_measured", lambda circuit, bias, n: usual if circuit.chip_seed is None else own)
    told = monte_carlo.spec_as_measured(drawn, chip, 2)
    assert told.circuit == chip
    # K = V/π · 2π k2/(R1 + R2) and τ = 1/K; the swing as it was seen.
    assert told.tau_s == pytest.approx(nominal.tau_s / 0.8)
    assert told.loop_ratio == pytest.approx(nominal.loop_ratio)
    assert told.vco4_swing_Hz == pytest.approx(1.3 * nominal.vco4_swing_Hz)
    # A full-scale jump is 2π k1 times a charge: 0.2 uA more over the spike, all at a gain that is higher by a tenth.
    most = nominal.weight_bank.excitatory.max_weight
    more_rad = 2 * pi * 45e12 * 0.2e-6 * chip.spike_width_s
    assert told.phase_per_weight_rad * most == pytest.approx(1.1 * (nominal.phase_per_weight_rad * most + more_rad))
    assert told.threshold.lead_rad == pytest.approx(1.1 * nominal.threshold.lead_rad)
    assert told.f0_Hz == pytest.approx(0.98 * nominal.f0_Hz)
    assert told.threshold_vco_ratio == pytest.approx(nominal.threshold_vco_ratio)


def test_resistors_and_capacitor_of_a_chip_move_its_loop(monkeypatch):
    nominal = fake.make_spec(circuit=fake.make_circuit(f1_Hz=750e6, f3_Hz=937.5e6, lead_rad=1.8))
    (drawn,) = monte_carlo.drawn(nominal, 1, 1)
    usual = drawn.circuit.components
    parts = usual.replace(r1_Ohm=1.1 * usual.r1_Ohm, r2_Ohm=1.1 * usual.r2_Ohm, c_F=0.9 * usual.c_F)
    read = monte_carlo.Measured(np.array([45e12, 45e12, 26e12, 27e12]), 70e6, 1.8e-6)
    monkeypatch.setattr(monte_carlo, "_measured", lambda circuit, bias, n: read)
    told = monte_carlo.spec_as_measured(drawn, drawn.circuit.replace(components=parts), 2)
    # τ = (R1 + R2)/(2 V k2) and w_lf = 1/(R1 C)
    assert told.tau_s == pytest.approx(1.1 * nominal.tau_s)
    assert told.loop_filter_rad_per_s == pytest.approx(nominal.loop_filter_rad_per_s / (1.1 * 0.9))
    assert told.vco4_swing_Hz == pytest.approx(nominal.vco4_swing_Hz)


def test_each_chip_is_built_of_parts_of_its_own_and_always_the_same():
    nominal = fake.make_spec(circuit=fake.make_circuit(process="generic65"))
    first, second = (monte_carlo.built(chip.circuit) for chip in monte_carlo.drawn(nominal, 2, 1))
    assert first.components != second.components
    assert first.components != nominal.circuit.components
    again, _ = (monte_carlo.built(chip.circuit) for chip in monte_carlo.drawn(nominal, 2, 1))
    assert again == first
