from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.neuron import averaged
from neurocircuit.process import run, spec_files
from neurocircuit.process.context import Context
from neurocircuit.process.fit import spec_of
from neurocircuit.process.measurements.kernel import _decay_s, _settling_s, telling
from neurocircuit.process.request import Request
from neurocircuit.process.stored import trim_from_dict, trim_to_dict
from neurocircuit.process.trimming import Step, TrimResult
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import Bias, Lead, NeuronSpec
from neurocircuit.spice.process import load
from tests.process.planted import SENSITIVITY_per_V, planted_noise, planted_supply

TRIM = TrimResult(
    bias=Bias(vco1_A=10e-6, vco2_A=10.2e-6, vco3_A=15.5e-6, vco4_A=14.1e-6, weight_A=1e-6),
    resolution=1e-4,
    f1_Hz=750e6,
    f3_Hz=938e6,
    lead_rad=1.9,
    gain_Hz_per_A=45e12,
    gain3_Hz_per_A=26e12,
    lag_residual_rad=4e-3,
    drift_rad_per_s=1e5,
    untrimmed=(0.1, 0.09, 0.12, 0.11),
    steps=(Step(1e-5, 1.4e-5, float("nan"), float("nan")), Step(1.02e-5, 1.41e-5, 1.5748, 1e5)),
    ring_runs=3,
    idle_runs=2,
    standing_V=(0.45, 0.54, 0.72, 0.33),
    cpu_s=3.0,
)
KERNEL = {
    "gain": 2.6,
    "gain_inhibitory": 2.4,
    "lead": 1.8,
    "detector_delay": 2.8e-10,
    "idle_lag": 4e-3,
    "tau": 18e-9,
    "loop_filter": 4e8,
    "drift": 2e5,
    "width": 1.8e-9,
    "width_inhibitory": 1.4e-9,
}
PAIRS = {
    "overlap_two_sources": 0.2,
    "overlap_two_sinks": 0.1,
    "overlap_both": 0.15,
    "overlap_width_two_sources": 2e-9,
    "overlap_width_two_sinks": 1e-9,
    "overlap_width_both": 1.5e-9,
}
FLIP_FLOP = {"edge": 2e-11, "pull": 5e-12, "near": 4e-10}
CODES = np.arange(1.0, 16.0)
JUMPS = {"code": CODES, "excitatory_rad": 0.062 * CODES - 4e-4 * CODES**2, "inhibitory_rad": 0.07 * CODES}


def context() -> Context:
    installed = load("generic65")
    condition = installed.condition()
    request = Request("generic65", (condition,), ("trim", "cco", "synapse", "flipflop", "kernel"), 1e-4, 4, 1)
    kernel = Measured(
        tuple(Quantity(key, key, value, "") for key, value in KERNEL.items()),
        details={"f1_Hz": 749e6, "f3_Hz": 937e6},
    )
    done = {
        "trim": Measured((), details={"trim": trim_to_dict(TRIM)}),
        "cco": Measured(()),
        "synapse": Measured(tuple(Quantity(key, key, value, "") for key, value in PAIRS.items()), {"jumps": JUMPS}),
        "flipflop": Measured(tuple(Quantity(key, key, value, "s") for key, value in FLIP_FLOP.items())),
    }
    return Context(installed, condition, request, {**done, "kernel": kernel})


def test_trim_survives_its_file() -> None:
    read = trim_from_dict(trim_to_dict(TRIM))
    assert replace(read, steps=()) == replace(TRIM, steps=())
    assert np.isnan(read.steps[0].lag_rad)
    assert read.steps[1] == TRIM.steps[1]


def test_spec_says_what_was_measured() -> None:
    spec = spec_of(context())
    assert spec.threshold_weight == pytest.approx(1.0)
    assert spec.weight_bank.codes(spec.weight_bank.quantise(np.array([-10.0, 10.0]))).tolist() == [-15, 15]
    # One input of code k in the end moves VCO1 by its jump and the membrane by gain times the jump.
    for code in (3, 15):
        weight = spec.weight_bank.excitatory.weights[code - 1]
        jump = JUMPS["excitatory_rad"][code - 1]
        assert spec.phase_per_weight_rad * weight == pytest.approx(jump)
        assert spec.membrane_gain_rad * weight == pytest.approx(2.6 * jump)
    assert NeuronSpec.from_dict(spec.to_dict()) == spec
    assert spec.circuit is not None
    assert spec.circuit.bias == TRIM.bias
    assert (spec.circuit.lead_rad, spec.circuit.overlap, spec.circuit.detector_delay_s) == (1.8, 0.2, 2.8e-10)
    assert (spec.circuit.overlap_sinks, spec.circuit.overlap_both, spec.circuit.data_pull_s) == (0.1, 0.15, 5e-12)
    assert spec.circuit.sink_advance_s == pytest.approx(0.2e-9)
    assert spec.circuit.overlap_width_s == (2e-9, 1e-9, 1.5e-9, 1.5e-9)
    # What the flip-flop needs, and what it holds VCO4's edges back, is a phase of VCO3 on top of the lead.
    assert isinstance(spec.threshold, Lead)
    assert spec.threshold.lead_rad == pytest.approx(1.8 + 2 * np.pi * 937e6 * 2.5e-11)


def test_spec_has_the_noise_of_the_devices_where_it_was_measured() -> None:
    given = context()
    assert (spec_of(given).is_noisy, spec_of(given).noise_source) == (False, None)
    measured = planted_noise(f0_Hz=(749e6, 937e6))
    spec = spec_of(replace(given, done={**given.done, "phase_noise": measured}))
    assert spec.phase_noise == (1e5, 2e5, 3e5, 4e5)
    assert spec.flicker is not None
    assert spec.flicker.h == pytest.approx((1e-8, 2e-8, 3e-8, 4e-8))
    assert (spec.flicker.shared_vco1_vco2, spec.flicker.shared_vco3_vco4) == (0.25, 0.75)
    assert spec.noise_source == "neurocircuit characterize, devices of generic65, tt_27C_1V"
    assert spec.without_noise() == spec_of(given)


def test_spec_has_the_supply_sensitivities_where_they_were_measured_and_no_ripple() -> None:
    given = context()
    spec = spec_of(replace(given, done={**given.done, "supply": planted_supply()}))
    assert spec.supply is not None
    assert spec.supply.sensitivity_per_V == SENSITIVITY_per_V
    assert spec.supply.source == "neurocircuit characterize, devices of generic65, tt_27C_1V"
    assert (spec.supply.tones, spec.ripple, spec.is_noisy) == ((), None, False)
    assert spec.replace(supply=None) == spec_of(given)


def test_residuals_of_trim_come_back_in_the_averaged_level() -> None:
    spec = spec_of(context())
    waves = averaged.waveforms(spec, np.array([np.inf]), np.array([0.5]), np.zeros(2), 0)
    assert isinstance(spec.threshold, Lead)
    slope = np.polyfit(waves.time_over_tau * spec.tau_s, (waves.membrane - 1) * spec.threshold.lead_rad, 1)[0]
    assert slope == pytest.approx(2e5, rel=1e-6)
    lag = waves.vco_rad[0] - waves.vco_rad[1]
    assert lag == pytest.approx(4e-3, rel=1e-6)


def test_spec_files_of_a_run(tmp_path: Path) -> None:
    given = context()
    run.begin(given.request, tmp_path / "r", resume=False)
    assert spec_files.write(given.request, tmp_path / "r") == ()
    run.execute(given.request, tmp_path / "r", work=lambda request, condition, name, *rest: given.done[name])
    nominal, own = spec_files.write(given.request, tmp_path / "r")
    assert NeuronSpec.from_toml(nominal) == NeuronSpec.from_toml(own) == spec_of(given)


def test_readings_of_a_planted_step_response() -> None:
    time = np.arange(0.0, 60e-9, 0.3e-9)
    error = -0.6 * np.exp(-time / 14e-9)
    assert _decay_s(time, error) == pytest.approx(14e-9, rel=1e-6)
    assert _settling_s(time, error) == pytest.approx(14e-9 * np.log(5), abs=0.3e-9)
    assert np.isnan(_settling_s(time[:60], error[:60]))  # 1.3 time constants: 28 % is left


def test_a_gain_comes_from_runs_that_outlast_a_time_constant_or_the_longest() -> None:
    duration, plus = np.array([38e-9, 30e-9, 12e-9, 8e-9]), np.array([True, True, False, False])
    assert telling(duration, plus, 20e-9).tolist() == [True, True, False, False]
    assert telling(duration, plus, 33e-9).tolist() == [True, False, False, False]
    assert telling(duration, ~plus, 20e-9).tolist() == [False, False, True, False]
