import re

import numpy as np
import pytest

from neurocircuit.errors import InputError, SimulatorMissing
from neurocircuit.spec import FrequencyError, Lead, NeuronSpec, Ramp
from neurocircuit.spice import bsource
from tests.spice import averaged_ode

NONE = np.zeros(2)


def fire(spec, times, weights, **options):
    times, weights = np.atleast_2d(times), np.atleast_2d(weights)
    return bsource.fire(spec, times, weights, np.zeros((len(times), 2)), np.zeros(len(times), np.uint64), **options)


def spec_for(index, rng):
    """The embedded circuit, other loop ratios and spike widths, and every third time frequency errors."""
    if index % 2 == 0:
        return NeuronSpec()
    loop_ratio = float(np.exp(rng.uniform(np.log(4), np.log(64))))
    width_over_tau = float(np.exp(rng.uniform(np.log(1e-4), np.log(0.1))))
    errors = rng.normal(0, 1e-3, 4) if index % 3 == 0 else np.zeros(4)
    return NeuronSpec(
        loop_filter_rad_per_s=loop_ratio / 20e-9,
        spike_width_s=width_over_tau * 20e-9,
        frequency_error=FrequencyError(after_trim=tuple(errors.tolist())),
    )


def threshold_of(spec):
    if isinstance(spec.threshold, Lead):
        return lambda t: spec.threshold.lead_rad + 0 * t
    return lambda t: 2 * np.pi * spec.threshold.offset_Hz * spec.tau_s * t


def test_random_neurons_fire_when_an_independent_ode_solution_does():
    rng = np.random.default_rng(20240)
    fired, near, steep = 0, 0, 0
    for index in range(48):
        times, weights = averaged_ode.random_neuron(rng, index)
        spec = spec_for(index, rng)
        expected, slope, distance = averaged_ode.solve(spec, times, weights).first_crossing(threshold_of(spec))
        record = fire(spec, times, weights)
        got = record.fire_time_over_tau[0]
        assert not record.failures
        if np.isfinite(expected) != np.isfinite(got):
            near += 1
            assert distance <= 2e-4 or slope * (spec.window_over_tau - expected) <= 2e-4
        elif np.isfinite(expected):
            fired += 1
            assert slope * abs(got - expected) <= 2e-4, (index, expected, got, slope)
            if slope >= 0.3:
                steep += 1
                assert abs(got - expected) <= 2e-4, (index, expected, got, slope)
    assert fired >= 36
    assert steep >= 24
    assert near <= 1


def test_the_whole_membrane_follows_the_ode():
    rng = np.random.default_rng(7)
    for index in range(6):
        times, weights = averaged_ode.random_neuron(rng, index)
        spec = spec_for(index, rng)
        waves = bsource.waveforms(spec, times, weights, NONE, 0)
        e, vc, membrane = averaged_ode.solve(spec, times, weights)(waves.time_over_tau)
        np.testing.assert_allclose(waves.membrane, membrane / spec.threshold.lead_rad, atol=2e-4)
        np.testing.assert_allclose(waves.up, 0.5 + e / np.pi, atol=5e-4)
        np.testing.assert_allclose(waves.loop_filter, vc, atol=5e-4)
        np.testing.assert_allclose(waves.vco_rad[0] - waves.vco_rad[1], e, atol=1.5e-3)
        np.testing.assert_allclose((waves.vco_rad[3] - waves.vco_rad[2]) / spec.threshold.lead_rad + 1, waves.membrane)


def test_q_rises_at_the_fire_time():
    waves = bsource.waveforms(NeuronSpec(), np.array([0.16, 0.16]), np.array([0.8, 0.8]), NONE, 0)
    fired_at = fire(NeuronSpec(), [0.16, 0.16], [0.8, 0.8]).fire_time_over_tau[0]
    first = np.flatnonzero(waves.q)[0]
    assert waves.time_over_tau[first - 1] < fired_at <= waves.time_over_tau[first]
    assert np.all(waves.q[first:] == 1)


def test_halving_the_steps_moves_the_fire_time_by_at_most_a_tenth_of_the_tolerance():
    coarse = fire(NeuronSpec(), [0.16, 0.4, 0.9], [0.8, -0.3, 1.2]).fire_time_over_tau[0]
    fine = fire(NeuronSpec(), [0.16, 0.4, 0.9], [0.8, -0.3, 1.2], step_divisor=2).fire_time_over_tau[0]
    exact = averaged_ode.solve(NeuronSpec(), np.array([0.16, 0.4, 0.9]), np.array([0.8, -0.3, 1.2]))
    expected = exact.first_crossing(threshold_of(NeuronSpec()))[0]
    assert 0 < abs(coarse - fine) < 2e-5 * 4
    assert abs(fine - expected) < abs(coarse - expected) / 2


def test_a_membrane_that_falls_back_fires_at_its_first_crossing():
    times, weights = np.array([0.1, 1.2]), np.array([1.9, -3.0])
    exact = averaged_ode.solve(NeuronSpec(), times, weights)
    expected = exact.first_crossing(threshold_of(NeuronSpec()))[0]
    assert exact(np.array([9.9]))[2, 0] < NeuronSpec().threshold.lead_rad  # it does fall back
    assert fire(NeuronSpec(), times, weights).fire_time_over_tau[0] == pytest.approx(expected, abs=2e-4)


def test_silent_neurons_are_inf_and_not_failures():
    record = fire(NeuronSpec(), [[np.inf, np.inf], [0.1, 0.2], [0.1, 20.0]], [[1.0, 1.0], [0.4, 0.4], [0.8, 5.0]])
    assert np.all(record.fire_time_over_tau == np.inf)
    assert not record.failures
    assert not record.false_fire.any()
    assert record.headroom[0] == pytest.approx(0, abs=1e-12)


def test_headroom_is_the_peak_phase_error_until_the_decision():
    times, weights = np.array([0.3, 3.0]), np.array([1.4, 4.0])
    record = fire(NeuronSpec(), times, weights)
    assert record.fire_time_over_tau[0] < 3.0
    e = averaged_ode.solve(NeuronSpec(), times, weights)(np.linspace(0, record.fire_time_over_tau[0], 20001))[0]
    assert record.headroom[0] == pytest.approx(np.abs(e).max() / (np.pi / 2), abs=1e-3)


def test_a_ramp_waits_for_the_first_input():
    """VCO4 runs fast: the membrane lies above the ramp before any input, and counts from the first one on."""
    fast = FrequencyError(after_trim=(0, 0, 0, 0.02))
    spec = NeuronSpec(threshold=Ramp(offset_Hz=8e6), frequency_error=fast)
    assert fire(spec, [0.7, 0.9], [0.1, 0.1]).fire_time_over_tau[0] == pytest.approx(0.7, abs=1e-12)
    assert fire(spec, [np.inf, np.inf], [0.1, 0.1]).fire_time_over_tau[0] == np.inf
    spec = NeuronSpec(threshold=Ramp(offset_Hz=8e6))
    times, weights = np.array([0.3, 0.9]), np.array([0.8, 0.9])
    expected = averaged_ode.solve(spec, times, weights).first_crossing(threshold_of(spec), 0.3)[0]
    assert np.isfinite(expected)
    assert fire(spec, times, weights).fire_time_over_tau[0] == pytest.approx(expected, abs=2e-4)


def test_static_frequency_errors_alone_can_fire_a_lead():
    """M = 2 pi f3 (d4 - d3) t reaches the lead at a time known in closed form."""
    spec = NeuronSpec(frequency_error=FrequencyError(after_trim=(0, 0, 0, 5e-3)))
    expected = spec.threshold.lead_rad / (2 * np.pi * spec.f0_Hz * 5e-3) / spec.tau_s
    assert fire(spec, [np.inf], [1.0]).fire_time_over_tau[0] == pytest.approx(expected, rel=1e-6)


def test_first_crossing_finds_a_bump_between_two_points():
    """0.1 - (t - 0.55)^2 is above 0 only within one step of the grid; a cubic holds it exactly."""
    time = np.array([0.0, 0.1, 1.0, 2.0])
    gap, slope = 0.1 - (time - 0.55) ** 2, -2 * (time - 0.55)
    assert np.all(gap < 0)
    assert bsource.first_crossing(time, gap, slope) == pytest.approx(0.55 - np.sqrt(0.1), abs=1e-12)
    assert bsource.first_crossing(time, gap - 0.11, slope) == np.inf
    assert bsource.first_crossing(time, gap, slope, start=0.5) == 0.5
    assert bsource.first_crossing(time, gap, slope, start=0.9) == np.inf


def test_failed_runs_leave_their_reason_and_the_others_stand(fake_ngspice, work_root):
    fake_ngspice("os.kill(os.getpid(), signal.SIGSEGV)")
    record = fire(NeuronSpec(), [[0.1], [0.2]], [[1.5], [1.5]])
    assert np.isnan(record.fire_time_over_tau).all()
    assert np.isnan(record.headroom).all()
    assert record.failures == dict.fromkeys((0, 1), "ngspice ended with signal 11")
    assert not record.fired.any()


def test_an_ngspice_that_does_not_say_its_version_fails_every_trial(fake_ngspice):
    fake_ngspice("").write_text("#!/bin/sh\nexit 0\n")
    record = fire(NeuronSpec(), [[0.1], [0.2]], [[1.5], [1.5]])
    assert record.failures == dict.fromkeys((0, 1), "ngspice does not say its version")


def test_a_missing_ngspice_is_raised(monkeypatch):
    monkeypatch.delenv("NEUROCIRCUIT_NGSPICE", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SimulatorMissing, match="apt-get install ngspice"):
        fire(NeuronSpec(), [0.1], [1.5])


def test_what_the_deck_cannot_express_is_refused():
    with pytest.raises(InputError, match=r"times must be >= 0 \(arming\), got -0.1"):
        fire(NeuronSpec(), [-0.1], [1.5])
    with pytest.raises(InputError, match="weights must be finite, got nan"):
        fire(NeuronSpec(), [0.1], [np.nan])
    with pytest.raises(InputError, match=r"got \(1, 2\) and \(1, 1\)"):
        fire(NeuronSpec(), [0.1, 0.2], [1.0])


def test_the_engine_names_version_options_and_netlist():
    assert re.fullmatch(
        r"ngspice-\d+(\.\d+)? method=trap reltol=1e-07 max_step=0.02tau netlist=[0-9a-f]{12} noise/1", bsource.engine()
    )
    assert bsource.engine(2) != bsource.engine()
    assert re.fullmatch(r"[0-9a-f]{64}", bsource.netlist_sha256())
