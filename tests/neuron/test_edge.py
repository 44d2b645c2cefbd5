"""Level `edge`: kernel against numpy, against small time steps, against `averaged`; wraps, noise, readout."""

import itertools

import numpy as np
import pytest

from neurocircuit._kernel import native
from neurocircuit.neuron import edge, edge_numpy, edge_state, levels
from neurocircuit.neuron.phase_noise import normal_pair
from neurocircuit.spec import FrequencyError, NeuronSpec, Ramp
from neurocircuit.spec.neuron import ReadoutWindow, Supply, Tone
from tests.neuron.conftest import fire_times_by_small_steps

TAU = 20e-9
NOISE = (5e4, 5e4, 5e4, 5e4)


def draws(rng, trials, inputs=2):
    return (
        rng.uniform(0.3, 1.0, (trials, inputs)),
        rng.uniform(0.8, 1.2, (trials, inputs)) * 2 / inputs,
        rng.uniform(0, 2 * np.pi, (trials, 2)),
        rng.integers(0, 2**63, trials).astype(np.uint64),
    )


def run(spec, t, w, start, seed):
    return levels.evaluate("edge", spec, t, w, start_rad=start, noise_seed=seed)


SPECS = {
    "embedded": {},
    "instant jumps": {"spike_width_s": 0.0},
    "flip-flop": {"readout": "q"},
    "noise": {"phase_noise": NOISE},
    "noise and flip-flop": {"phase_noise": NOISE, "readout": "q"},
    "ramp": {"threshold": Ramp(offset_Hz=8e6)},
    "late ramp wraps": {"threshold": Ramp(offset_Hz=60e6)},
    "detuned": {"frequency_error": FrequencyError(after_trim=(0, 1e-3, 2e-3, -1e-3))},
    "out of lock": {"frequency_error": FrequencyError(after_trim=(0, 3e-2, 0, 0))},
    "beyond the XOR": {"phase_per_weight_rad": 2.0},
    "fast VCO3": {"threshold_vco_ratio": 2.5, "readout": "q"},
    "slow filter": {"loop_filter_rad_per_s": 0.5 / TAU},
    "fast filter": {"loop_filter_rad_per_s": 1e5 / TAU},
    "wide spikes": {"spike_width_s": TAU, "f0_Hz": 4 / TAU},
    "few cycles": {"f0_Hz": 2 / TAU, "vco4_swing_Hz": 1.5 / TAU},
}


@pytest.mark.parametrize("fields", SPECS.values(), ids=SPECS)
def test_kernel_and_numpy_agree(rng, monkeypatch, fields):
    spec = NeuronSpec(**fields)
    easy = draws(rng, 60)
    mixed = (rng.uniform(0, 4, (60, 9)), rng.normal(0.2, 0.8, (60, 9)), *easy[2:])
    for batch in (easy, mixed):
        compiled = run(spec, *batch)
        with monkeypatch.context() as patch:
            patch.setattr(edge, "native", None)
            plain = run(spec, *batch)
        np.testing.assert_allclose(compiled.fire_time_over_tau, plain.fire_time_over_tau, atol=1e-10)
        np.testing.assert_allclose(compiled.headroom, plain.headroom, atol=1e-9)
        np.testing.assert_array_equal(compiled.false_fire, plain.false_fire)


TRACED = SPECS | {
    "ripple": {"supply": Supply(sensitivity_per_V=(1, 0.5, -1, 2), tones=(Tone(frequency_Hz=30e6, amplitude_V=5e-3),))},
    "readout window": {"readout_window": ReadoutWindow(form="ramp", armed_s=TAU, length_s=TAU, slope=1.0)},
}


@pytest.mark.skipif(not hasattr(native, "edge_trace"), reason="the kernel is not compiled")
@pytest.mark.parametrize("fields", TRACED.values(), ids=TRACED)
def test_traces_of_kernel_and_numpy_agree(rng, monkeypatch, fields):
    spec = NeuronSpec(**fields, window_s=4 * TAU)
    t, w, start, seed = rng.uniform(0, 3, 9), rng.normal(0.2, 0.5, 9), rng.uniform(0, 6, 2), 5
    compiled = levels.waveforms("edge", spec, t, w, start, seed)
    monkeypatch.setattr(edge, "native", None)
    plain = levels.waveforms("edge", spec, t, w, start, seed)
    for name in ("time_over_tau", "vco_rad", "up", "loop_filter", "membrane", "q"):
        np.testing.assert_allclose(getattr(compiled, name), getattr(plain, name), atol=1e-8)


def phase_error_between(spec, before, after, points=400):
    """Phase error at `points` instants between two events, by the trapezoidal rule on VCO2's frequency."""
    x = np.linspace(0.0, after[0] - before[0], points)
    duty = before[4] + (before[3] - before[4]) * np.exp(-spec.loop_ratio * x)
    speed2 = 2 * np.pi * spec.cycles_per_tau * (1 + spec.frequency_error.in_force[1]) + np.pi * (duty - 0.5)
    vco2 = np.concatenate([[0.0], np.cumsum((speed2[1:] + speed2[:-1]) / 2 * np.diff(x))])
    vco1 = (after[1] - before[1]) * x / x[-1]
    return before[0] + x, before[1] - before[2] - np.pi / 2 + vco1 - vco2


@pytest.mark.parametrize("numpy_alone", [False, True])
@pytest.mark.parametrize("name", ["embedded", "instant jumps", "detuned", "slow filter", "wide spikes", "few cycles"])
def test_headroom_is_the_largest_phase_error_of_the_waveform(rng, monkeypatch, name, numpy_alone):
    """Dense samples between the events of a trace; what the events alone show, the old headroom, is rejected.

    Nine inputs of both signs. On 400 points the trapezoidal rule is off by less than π r²P³/(12·400²), 3e-6 rad
    for half a period P of τ/4, and a turn between two samples by π r (P/400)²/8, 2e-6 rad.
    """
    if numpy_alone:
        monkeypatch.setattr(edge, "native", None)
    spec = NeuronSpec(**SPECS[name], window_s=4 * TAU)
    t, w = rng.uniform(0, 3, (16, 9)), rng.normal(0.3, 0.6, (16, 9))
    _, _, start, seed = draws(rng, 16)
    record, at_events = run(spec, t, w, start, seed), np.zeros(16)
    constants = edge_state.Constants.of(spec)
    for k in range(len(t)):
        state = edge_state.start_state(constants, t[[k]], start[[k]], may_skip=False)
        rows = np.array(edge_numpy.trace(constants, state, t[[k]], w[[k]], seed[[k]])).T
        until, largest = min(record.fire_time_over_tau[k], spec.window_over_tau), 0.0
        for before, after in itertools.pairwise(rows):
            if before[0] < until and after[0] - before[0] > 1e-12:
                time, error = phase_error_between(spec, before, after)
                kept = np.abs(np.append(error[time <= until], np.interp(until, time, error)))
                largest, at_events[k] = max(largest, kept.max()), max(at_events[k], kept[0])
        assert record.headroom[k] * np.pi / 2 == pytest.approx(largest, abs=1e-4)
    if name == "wide spikes":
        assert (record.headroom * np.pi / 2 - at_events).max() > 0.005


def test_agrees_with_small_time_steps(rng):
    """Independent: Euler steps and signs of sines, lock found by waiting; its error is a few steps."""
    t, w, start, seed = draws(rng, 40)
    w[:10, 1] *= -0.2
    spec = NeuronSpec(window_s=4 * TAU)
    step = 4e-5
    expected = fire_times_by_small_steps(spec, t, w, start[:, 0], step=step)
    found = run(spec, t, w, start, seed).fire_time_over_tau
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    fired = np.isfinite(found)
    assert 25 <= fired.sum() < 40
    # A change of the membrane near its ripple's top can move the crossing by a whole pulse: rare, hence the median.
    delta = np.abs(found[fired] - expected[fired])
    assert np.median(delta) < 20 * step
    assert np.mean(delta < 200 * step) > 0.9


def test_approaches_averaged_in_first_order_of_one_over_cycles(rng):
    """The crossing shifts within one XOR pulse: spread and bias fall as 1/(f0 τ)."""
    t, w, start, seed = draws(rng, 3000)
    cycles, spread, bias = [15.28, 61.12, 244.48, 977.92], [], []
    for count in cycles:
        spec = NeuronSpec(f0_Hz=count / TAU)
        delta = run(spec, t, w, start, seed).fire_time_over_tau
        delta = delta - levels.evaluate("averaged", spec, t, w).fire_time_over_tau
        spread.append(np.std(delta))
        bias.append(abs(np.mean(delta)))
    for values in (spread, bias):
        orders = -np.diff(np.log(values)) / np.log(4)
        np.testing.assert_allclose(orders, 1.0, atol=0.12)
    assert spread[0] < 0.3 / 15.28


def test_whole_cycles_of_delay_pass_through(rng):
    """A delay of whole half periods of VCO1 leaves its phase at the inputs, and the fire time moves along."""
    t, w, start, seed = draws(rng, 200)
    spec = NeuronSpec()
    delay = 14 / (2 * spec.cycles_per_tau)
    first, moved = (run(spec, times, w, start, seed).fire_time_over_tau for times in (t, t + delay))
    np.testing.assert_allclose(moved, first + delay, atol=1e-10)


def test_start_phase_matters_only_through_pulses(rng):
    """Half a turn of VCO1 gives the same XOR pulses; a quarter turn does not."""
    t, w, start, seed = draws(rng, 200)
    spec = NeuronSpec()
    first, half, quarter = (
        run(spec, t, w, start + np.array([shift, 0.0]), seed).fire_time_over_tau for shift in (0.0, np.pi, np.pi / 2)
    )
    np.testing.assert_allclose(half, first, atol=1e-10)
    assert np.std(quarter - first) > 1e-3


def test_flip_flop_quantises_to_one_period_of_vco3(rng):
    """Q comes at a VCO3 edge, after the crossing by less than a period: later by half of it on average."""
    t, w, start, seed = draws(rng, 4000)
    crossing = run(NeuronSpec(), t, w, start, seed).fire_time_over_tau
    spec = NeuronSpec(readout="q")
    q = run(spec, t, w, start, seed).fire_time_over_tau
    period = 1 / spec.cycles_per_tau
    edges = (q + start[:, 1] / (2 * np.pi) * period) / period
    np.testing.assert_allclose(edges, np.round(edges), atol=1e-8)
    assert np.all(q > crossing - 1e-12)
    # After the first crossing the ripple may take the membrane back under the threshold for some edges.
    wait = q - crossing
    assert 0.5 * period < np.mean(wait) < 0.75 * period
    assert np.mean(wait <= period) > 0.7


def test_phase_error_beyond_the_xor_range_loses_the_spike(rng):
    """Findings §2: within π/2 edge and averaged agree, at 2.5 rad the neuron is much later, at 3.2 rad it is lost.

    Lost: silent, or the slipped phase error drives the membrane down until it wraps into a false fire.
    """
    _, _, start, seed = draws(rng, 300)
    t = np.tile([0.3, 0.3], (300, 1))
    a, late, true_fires = 0.5, {}, {}
    for jump in (1.2, 2.5, 3.2):
        spec = NeuronSpec(spike_width_s=0.0)
        w = np.full((300, 2), jump / a / 2)
        record = run(spec, t, w, start, seed)
        expected = levels.evaluate("averaged", spec, t[:1], w[:1]).fire_time_over_tau[0]
        late[jump] = np.median(record.fire_time_over_tau / expected)
        true_fires[jump] = np.mean(record.fired & ~record.false_fire)
    assert late[1.2] == pytest.approx(1.0, abs=0.03)
    assert late[2.5] > 1.2
    assert true_fires == {1.2: 1.0, 2.5: 1.0, 3.2: 0.0}


def test_deep_inhibition_fires_falsely(rng):
    """Findings §8: a membrane below -(π/θ - 1) wraps round the flip-flop; no other level knows."""
    start = rng.uniform(0, 2 * np.pi, (50, 2))
    t, w = np.tile([0.3, 0.5], (50, 1)), np.tile([-1.5, -1.0], (50, 1))
    record = run(NeuronSpec(), t, w, start, np.zeros(50, dtype=np.uint64))
    assert record.fired.all()
    assert record.false_fire.all()
    assert not levels.evaluate("averaged", NeuronSpec(), t[:1], w[:1]).fired.any()
    shallow = run(NeuronSpec(), t, w / 4, start, np.zeros(50, dtype=np.uint64))
    assert not shallow.fired.any()
    # The membrane passes -π where the averaged one does.
    waves = levels.waveforms("averaged", NeuronSpec(), t[0], w[0])
    below = waves.time_over_tau[np.argmax(1.5 * (waves.membrane - 1) < -np.pi)]
    assert np.median(record.fire_time_over_tau) == pytest.approx(below, abs=0.05)


def test_loop_out_of_lock_does_not_compute():
    """Findings §2: the lock range is ±K/4 Hz, ±1.6 % of f0 here."""
    spec = NeuronSpec()
    limit = 1 / (4 * spec.tau_s) / spec.f0_Hz
    assert limit == pytest.approx(0.01636, abs=1e-4)
    spread = []
    for error in (0.5 * limit, 1.5 * limit):
        detuned = NeuronSpec(frequency_error=FrequencyError(after_trim=(0.0, error, 0.0, 0.0)), window_s=30 * TAU)
        waves = levels.waveforms("edge", detuned, np.array([20.0]), np.array([0.1]))
        before = (waves.time_over_tau > 10) & (waves.time_over_tau < 20)
        spread.append(np.ptp((waves.vco_rad[0] - waves.vco_rad[1])[before]))
    assert spread[0] < 0.1
    assert spread[1] > 2 * np.pi


def test_vco3_noise_spreads_the_fire_time_as_a_random_walk(rng):
    """σ_t = √(D t)/slope for noise in the reference alone.

    D is small, so that first order holds; 4000 draws: the standard error of a standard deviation is 1.1 %, the
    tolerance of 8 % leaves room for the ripple's slope at the crossing (false alarms below 1e-9).
    """
    trials, diffusion = 4000, 20.0
    spec = NeuronSpec(f0_Hz=1000 / TAU, phase_noise=(0.0, 0.0, diffusion, 0.0))
    t, w = np.tile([0.3, 0.6], (trials, 1)), np.tile([0.9, 0.9], (trials, 1))
    start = np.tile([0.4, 0.0], (trials, 1))
    noisy = run(spec, t, w, start, np.arange(trials, dtype=np.uint64)).fire_time_over_tau
    quiet = spec.replace(phase_noise=(0.0,) * 4)
    fired = levels.evaluate("averaged", quiet, t[:1], w[:1]).fire_time_over_tau[0]
    waves = levels.waveforms("averaged", quiet, t[0], w[0])
    low, high = np.interp([fired - 0.02, fired + 0.02], waves.time_over_tau, waves.membrane)
    slope = 1.5 * (high - low) / 0.04
    expected = np.sqrt(diffusion * TAU * fired) / slope
    assert np.std(noisy) == pytest.approx(expected, rel=0.08)
    assert np.mean(noisy) == pytest.approx(fired, abs=0.003)


def test_vco_phases_walk_with_the_stated_diffusion():
    """Phase variance after t is D t for each of the four VCOs, read from waveforms; chi-square, false alarms 1e-6."""
    trials, end = 120, 3.0
    spec = NeuronSpec(phase_noise=(4e3, 4e3, 4e3, 4e3), window_s=end * TAU)
    silent = np.array([np.inf])
    walks = []
    for seed in range(trials):
        waves = levels.waveforms("edge", spec, silent, np.array([1.0]), np.zeros(2), noise_seed=seed)
        walks.append(waves.vco_rad[[0, 2], -1] - waves.vco_rad[[0, 2], 0])
    ratio = np.var(walks, axis=0) / (4e3 * TAU * end)
    # For 120 draws (n-1) s²/σ² is chi-square with 119 degrees: 1e-6 two-sided lies within 0.48 … 1.80.
    assert np.all((ratio > 0.48) & (ratio < 1.80))


def test_noise_source_is_standard_normal_and_uncorrelated():
    """Kolmogorov-Smirnov at p > 1e-6 on 40 000 numbers per output; correlation below 5 standard errors."""
    from scipy.stats import kstest

    index = np.arange(40_000, dtype=np.uint64)
    streams = [x for stream in (0, 1) for x in normal_pair(np.full(40_000, 7, dtype=np.uint64), stream, index)]
    streams += list(normal_pair(index, 0, np.zeros(40_000, dtype=np.uint64)))
    for numbers in streams:
        assert kstest(numbers, "norm").pvalue > 1e-6
    correlation = np.corrcoef(streams) - np.eye(len(streams))
    assert np.max(np.abs(correlation)) < 5 / np.sqrt(40_000)
    lagged = np.corrcoef(streams[0][1:], streams[0][:-1])[0, 1]
    assert abs(lagged) < 5 / np.sqrt(40_000)


def test_noise_belongs_to_the_trial_not_to_the_batch(rng):
    t, w, start, seed = draws(rng, 50)
    spec = NeuronSpec(phase_noise=NOISE)
    together = run(spec, t, w, start, seed).fire_time_over_tau
    one_by_one = [run(spec, t[[k]], w[[k]], start[[k]], seed[[k]]).fire_time_over_tau[0] for k in range(50)]
    np.testing.assert_array_equal(together, one_by_one)
    assert np.std(run(spec, t, w, start, seed + np.uint64(1)).fire_time_over_tau - together) > 1e-3


def test_waveforms_show_the_decision(rng):
    spec = NeuronSpec()
    t, w, start = np.array([0.3, 0.6]), np.array([0.9, 0.9]), np.array([1.0, 2.0])
    fired = run(spec, t[None], w[None], start[None], np.zeros(1, dtype=np.uint64)).fire_time_over_tau[0]
    waves = levels.waveforms("edge", spec, t, w, start)
    assert np.interp(fired, waves.time_over_tau, waves.membrane) == pytest.approx(1.0, abs=1e-9)
    assert set(np.unique(waves.up)) == {0.0, 1.0}
    assert np.all((waves.loop_filter > 0) & (waves.loop_filter < 1))
    assert waves.vco_rad[0, -1] - waves.vco_rad[0, 0] == pytest.approx(0.9, abs=1e-9)
    assert waves.vco_rad[1, -1] - waves.vco_rad[1, 0] == pytest.approx(0.9, abs=0.02)
