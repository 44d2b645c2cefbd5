"""What the fast levels are told of a trimmed chip; its rings are planted."""

import numpy as np
import pytest

from neurocircuit.sweep import chips
from tests.sweep import fake_transistor as fake


def test_the_fast_levels_get_the_gains_frequencies_and_lead_of_the_chip(monkeypatch):
    nominal = fake.make_spec(circuit=fake.make_circuit(f1_Hz=750e6, f3_Hz=937.5e6, lead_rad=1.8))
    (drawn,) = chips.drawn(nominal, 1, 1)
    chip = drawn.circuit.replace(f1_Hz=735e6, f3_Hz=918.75e6, lead_rad=1.98)
    own, usual = np.array([1.1, 0.8, 1.0, 1.3]), np.ones(4)
    monkeypatch.setattr(chips, "_gains", lambda circuit, bias: usual if circuit.chip_seed is None else own)
    told = chips.told(drawn, chip)
    assert told.circuit == chip
    # K = V/π · 2π k2/(R1 + R2) and τ = 1/K; the swing goes with k4, the jump of VCO1 with k1 times a charge.
    assert told.tau_s == pytest.approx(nominal.tau_s / 0.8)
    assert told.loop_ratio == pytest.approx(nominal.loop_ratio)
    assert told.vco4_swing_Hz == pytest.approx(1.3 * nominal.vco4_swing_Hz)
    assert told.phase_per_weight_rad == pytest.approx(1.1 * nominal.phase_per_weight_rad)
    assert told.threshold.lead_rad == pytest.approx(1.1 * nominal.threshold.lead_rad)
    assert told.f0_Hz == pytest.approx(0.98 * nominal.f0_Hz)
    assert told.threshold_vco_ratio == pytest.approx(nominal.threshold_vco_ratio)
