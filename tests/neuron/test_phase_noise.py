"""Phase noise at the levels without edges: its walks, what theory makes of them, and the same noise at every level."""

import shutil

import numpy as np
import pytest
from scipy import linalg, signal, stats

from neurocircuit.neuron import averaged, edge_state, levels, phase_noise
from neurocircuit.neuron.edge_state import Constants
from neurocircuit.neuron.sensitivity import phase_noise_spread
from neurocircuit.spec import FrequencyError, NeuronSpec
from tests.neuron.conftest import check_edge_and_averaged_move_together, random_neuron, seeds

TAU = 20e-9
DIFFUSION = (4e3, 3e3, 2e3, 1e3)


def crossing(spec, t, w):
    """Fire time without noise and the membrane's slope there, thresholds per tau, by moving the threshold a little."""
    quiet, step = spec.replace(phase_noise=(0.0,) * 4, locked_under_noise=False), 1e-6
    moved = quiet.replace(vco4_swing_Hz=quiet.vco4_swing_Hz / (1 + step))
    at, later = (levels.evaluate("averaged", one, t, w).fire_time_over_tau[0] for one in (quiet, moved))
    return at, step / (later - at)


def membrane_spread(spec, t_over_tau):
    """σ of the membrane at t, thresholds, by white noise of the frequencies, the loop's second pole in it.

    A step of VCO1's phase drives the membrane by h, the step response of (s + r)/(s (s² + r s + r)): its phase noise
    leaves D ∫ h² as VCO2's does; VCO3 and VCO4 walk freely. What came s before the arming of a loop in lock has moved
    the membrane by h(t + s) - h(s) since then.
    """
    r = spec.loop_ratio
    x = np.linspace(0.0, 30.0, 60001)
    h = signal.impulse(([1.0, r], [1.0, r, r, 0.0]), T=x)[1]
    until = np.linspace(0.0, t_over_tau, 20001)
    squares = np.trapezoid(np.interp(until, x, h) ** 2, until)
    if spec.locked_under_noise:
        squares += np.trapezoid((np.interp(x + t_over_tau, x, h) - h) ** 2, x)
    d1, d2, d3, d4 = (d * spec.tau_s for d in spec.phase_noise)
    held = (d1 + d2) / spec.phase_per_weight_rad**2 * squares
    return np.sqrt(held + (d3 + d4) * t_over_tau / spec.threshold.lead_rad**2)


def test_walks_have_the_stated_diffusion_and_do_not_correlate():
    """3000 draws, four VCOs: variance by chi-square at 1e-7 each, correlations within 5.3 errors (1e-7 each)."""
    n, spec = 3000, NeuronSpec(phase_noise=DIFFUSION, window_s=60e-9)
    walks = [phase_noise.walk(spec, seed) for seed in range(n)]
    assert all(one.corners_over_tau[[0, -1]].tolist() == [0.0, spec.window_over_tau] for one in walks)
    ends = np.array([[one.at(vco, 3.0) for vco in (1, 2, 3, 4)] for one in walks])
    halves = np.array([[one.at(vco, 1.5) for vco in (1, 2, 3, 4)] for one in walks])
    low, high = stats.chi2.ppf([5e-8, 1 - 5e-8], n - 1) / (n - 1)
    for found, time in ((ends, 3.0), (halves, 1.5)):
        ratio = found.var(axis=0, ddof=1) / (np.array(DIFFUSION) * time * TAU)
        assert np.all((ratio > low) & (ratio < high)), ratio
    between = np.corrcoef(np.concatenate([halves, ends - halves], axis=1).T)
    np.testing.assert_allclose(between, np.eye(8), atol=5.3 / np.sqrt(n))


def test_a_shorter_window_has_the_same_walk_and_no_noise_has_none():
    spec = NeuronSpec(phase_noise=DIFFUSION)
    long, short = phase_noise.walk(spec, 7), phase_noise.walk(spec.replace(window_s=47e-9), 7)
    time = np.linspace(0.0, 47e-9 / TAU, 200)
    for vco in (1, 2, 3, 4):
        np.testing.assert_allclose(short.at(vco, time), long.at(vco, time), atol=1e-12)
    assert phase_noise.walk(NeuronSpec(), 7) is None


def test_the_edge_level_has_the_same_walk():
    """The k-th frequency is the same number; edges shift when it acts by up to a half period, and by noise.

    So the walks differ by some steps of a half period at most, while 92 of them lie behind each other.
    """
    spec = NeuronSpec(phase_noise=(4e3,) * 4, window_s=60e-9)
    step = np.sqrt(4e3 / (2 * spec.f0_Hz))
    for seed in range(5):
        waves = levels.waveforms("edge", spec, np.array([np.inf]), np.array([1.0]), np.zeros(2), noise_seed=seed)
        walk = phase_noise.walk(spec, seed)
        for vco in (1, 3):
            found = waves.vco_rad[vco - 1] - waves.vco_rad[vco - 1][0]
            assert np.abs(found - walk.at(vco, waves.time_over_tau)).max() < 3 * step
            assert np.ptp(walk.phase_rad[vco - 1]) > 6 * step


@pytest.mark.parametrize(
    ("noise", "locked"),
    [
        ((800.0, 0, 0, 0), False),
        ((0, 800.0, 0, 0), False),
        ((0, 0, 300.0, 0), False),
        ((0, 0, 0, 300.0), False),
        ((200.0, 200.0, 0, 0), True),
    ],
)
def test_fire_times_spread_by_the_membranes_spread_over_the_slope(noise, locked):
    """4000 draws of weak noise: variance by chi-square at 1e-7, and 3 % for what is of second order.

    The loop that starts without an error is no loop in lock under its noise, and the other way round.
    """
    n, spec = 4000, NeuronSpec(phase_noise=noise, locked_under_noise=locked, window_s=80e-9)
    t, w = np.array([0.3, 0.6, 0.9]), np.array([0.9, 0.9, 0.4])
    at, slope = crossing(spec, t, w)
    found = levels.evaluate(
        "averaged", spec, np.tile(t, (n, 1)), np.tile(w, (n, 1)), noise_seed=seeds(n)
    ).fire_time_over_tau
    low, high = stats.chi2.ppf([5e-8, 1 - 5e-8], n - 1) / (n - 1)
    variance = np.var(found, ddof=1)
    assert low - 0.03 < variance / (membrane_spread(spec, at) / slope) ** 2 < high + 0.03
    assert np.mean(found) == pytest.approx(at, abs=5.4 * np.std(found) / np.sqrt(n) + 2 * np.var(found))
    if any(noise[:2]):
        planted = variance / (membrane_spread(spec.replace(locked_under_noise=not locked), at) / slope) ** 2
        assert not low - 0.03 < planted < high + 0.03


def test_first_order_knows_the_loop_in_lock():
    """What the noise model takes for the membrane's spread is that of a fast loop filter."""
    for locked in (False, True):
        spec = NeuronSpec(phase_noise=(200.0, 100.0, 50.0, 50.0), loop_filter_rad_per_s=2e10, locked_under_noise=locked)
        for at in (0.5, 1.5, 4.0):
            found = phase_noise_spread(spec, np.array(at))
            assert found == pytest.approx(membrane_spread(spec, at), rel=0.01)


def test_a_loop_in_lock_starts_with_the_stationary_spread():
    """The covariance of 4000 starts is what white noise of VCO1 and VCO2 keeps up in the equations of the loop."""
    n, spec = 4000, NeuronSpec(phase_noise=DIFFUSION, locked_under_noise=True, window_s=60e-9)
    r, density = spec.loop_ratio, (DIFFUSION[0] + DIFFUSION[1]) * TAU
    expected = linalg.solve_continuous_lyapunov(np.array([[0.0, -1.0], [r, -r]]), -np.diag([density, 0.0]))
    found = np.cov(phase_noise.start_of_loop(spec, seeds(n)))
    low, high = stats.chi2.ppf([5e-8, 1 - 5e-8], n - 1) / (n - 1)
    assert np.all((np.diag(found) / np.diag(expected) > low) & (np.diag(found) / np.diag(expected) < high))
    correlation = found[0, 1] / np.sqrt(found[0, 0] * found[1, 1])
    theory = expected[0, 1] / np.sqrt(expected[0, 0] * expected[1, 1])
    assert np.arctanh(correlation) == pytest.approx(np.arctanh(theory), abs=5.4 / np.sqrt(n - 3))  # Fisher's z
    assert not np.any(phase_noise.start_of_loop(spec.replace(locked_under_noise=False), seeds(3)))


def test_edges_start_with_the_error_that_is_asked_for():
    """Also one beyond an edge of VCO2, where the XOR's output turns over."""
    spec = NeuronSpec(phase_noise=DIFFUSION)
    constants, t = Constants.of(spec), np.array([[0.5]])
    for begin in (0.1, 1.5, 3.0):
        start = np.array([[begin, 0.0]])
        plain = edge_state.start_state(constants, t, start)
        for error in (-2.0, -0.1, 0.1, 2.0):
            moved = edge_state.start_state(constants, t, start, beside=np.array([[error], [0.3]]))
            one, two = (
                row[edge_state.CYCLES] * np.pi + row[edge_state.PHASE1] - row[edge_state.PHASE2]
                for row in (plain[0], moved[0])
            )
            assert two - one == pytest.approx(error, abs=1e-12)
            assert 0.0 <= moved[0, edge_state.PHASE2] < np.pi
            turned = moved[0, edge_state.UP] != plain[0, edge_state.UP]
            assert turned == ((moved[0, edge_state.CYCLES] - plain[0, edge_state.CYCLES]) % 2 == 1)
            assert moved[0, edge_state.FILTER] - plain[0, edge_state.FILTER] == pytest.approx(0.3 / np.pi)


def test_half_the_step_gives_the_same_spread(monkeypatch):
    """Exact spread of a fire time: each half period alone gets one σ, and the squares of what that does add up.

    f0 does nothing else at this level than to set the step, 1/(2 f0 τ). The error against white noise falls with the
    square of the step; at the 15 cycles of the embedded circuit it is below half a percent.
    """
    t, w = np.array([0.3, 0.6, 0.9]), np.array([0.9, 0.9, 0.4])
    errors = []
    for cycles in (4.0, 8.0, 16.0):
        spec = NeuronSpec(phase_noise=(50.0,) * 4, window_s=60e-9, f0_Hz=cycles / TAU)
        at, slope = crossing(spec, t, w)
        count = phase_noise.speeds(spec, seeds(1)).shape[2]
        variance = 0.0
        for vco in range(4):
            alone = np.zeros((4, count, count))
            alone[vco] = np.eye(count) * phase_noise.held_spread(spec, 50.0)
            monkeypatch.setattr(averaged, "speeds", lambda spec, seeds, scale, ripple, alone=alone: alone)
            found = levels.evaluate("averaged", spec, np.tile(t, (count, 1)), np.tile(w, (count, 1)))
            variance += np.sum((found.fire_time_over_tau - at) ** 2)
        errors.append(np.sqrt(variance) * slope / membrane_spread(spec, at) - 1)
    assert abs(errors[2]) < 0.005
    assert np.abs(errors).argmax() == 0


@pytest.mark.parametrize("locked", [False, True])
def test_bsource_meets_averaged_under_the_same_noise(locked):
    """The deck integrates what the other level solves in closed form; slope times difference within 2e-4 τ."""
    rng = np.random.default_rng(11)
    spec = NeuronSpec(phase_noise=(1.1e5,) * 4, locked_under_noise=locked, window_s=100e-9)
    fired = 0
    for seed in seeds(14):
        t, w = random_neuron(rng, latest=2.0)
        one = np.array([seed])
        exact, found = (levels.evaluate(level, spec, t, w, noise_seed=one) for level in ("averaged", "bsource"))
        assert found.failures == {}
        moved = levels.evaluate(
            "averaged", spec.replace(vco4_swing_Hz=spec.vco4_swing_Hz * (1 - 1e-6)), t, w, noise_seed=one
        )
        assert exact.fired[0] == found.fired[0]
        if exact.fired[0]:
            slope = 1e-6 / (moved.fire_time_over_tau[0] - exact.fire_time_over_tau[0])
            assert slope * abs(found.fire_time_over_tau[0] - exact.fire_time_over_tau[0]) < 2e-4
            assert found.headroom[0] == pytest.approx(exact.headroom[0], abs=2e-3)
            fired += 1
    assert fired >= 7


def test_bsource_spreads_as_theory_says():
    """150 decks: variance of their fire times by chi-square at 1e-6."""
    n, spec = 150, NeuronSpec(phase_noise=(500.0, 300.0, 200.0, 400.0), window_s=80e-9)
    t, w = np.array([0.3, 0.6, 0.9]), np.array([0.9, 0.9, 0.4])
    at, slope = crossing(spec, t, w)
    found = levels.evaluate(
        "bsource", spec, np.tile(t, (n, 1)), np.tile(w, (n, 1)), noise_seed=seeds(n, 10_000)
    ).fire_time_over_tau
    ratio = np.var(found, ddof=1) / (membrane_spread(spec, at) / slope) ** 2
    low, high = stats.chi2.ppf([5e-7, 1 - 5e-7], n - 1) / (n - 1)
    assert low < ratio < high


def test_edge_and_averaged_move_together_under_the_same_noise():
    """100 cycles per τ, one start phase: the same walk moves both fire times, but for the shift of an edge."""
    spec = NeuronSpec(f0_Hz=100 / TAU, phase_noise=(2e3,) * 4, window_s=60e-9)
    check_edge_and_averaged_move_together(spec, 300)
    check_edge_and_averaged_move_together(spec.replace(locked_under_noise=True), 300)


@pytest.mark.parametrize("locked", [False, True])
def test_waveforms_of_a_noisy_neuron_agree_between_averaged_and_bsource(locked):
    errors = FrequencyError(after_trim=(1e-3, -1e-3, 0.0, 0.0))
    spec = NeuronSpec(
        phase_noise=(1e5, 5e4, 2e5, 3e4), locked_under_noise=locked, frequency_error=errors, window_s=80e-9
    )
    t, w, grid = np.array([0.3, 0.6]), np.array([0.9, 0.9]), np.linspace(0.0, 4.0, 300)
    one, two = (levels.waveforms(level, spec, t, w, noise_seed=9) for level in ("averaged", "bsource"))
    for vco in range(4):
        curves = [np.interp(grid, wave.time_over_tau, wave.vco_rad[vco]) for wave in (one, two)]
        np.testing.assert_allclose(curves[0], curves[1], atol=2e-3)
    np.testing.assert_allclose(*(np.interp(grid, wave.time_over_tau, wave.membrane) for wave in (one, two)), atol=1e-3)
    walk = phase_noise.walk(spec, 9)
    np.testing.assert_allclose(two.vco_rad[2] - 1.5, walk.at(3, two.time_over_tau), atol=1e-12)


def test_without_phase_noise_a_seed_changes_no_bit_of_the_deck_level():
    t, w = np.array([[0.1, 0.4]]), np.array([[0.9, 0.9]])
    one, two = (levels.evaluate("bsource", NeuronSpec(), t, w, noise_seed=seeds(1, k)) for k in (0, 5))
    assert one.fire_time_over_tau[0] == two.fire_time_over_tau[0]
    noisy = NeuronSpec(phase_noise=(1e5,) * 4)
    one, two = (levels.evaluate("bsource", noisy, t, w, noise_seed=seeds(1, k)) for k in (0, 5))
    assert one.fire_time_over_tau[0] != two.fire_time_over_tau[0]


@pytest.mark.parametrize("level", ["averaged", "edge", "bsource"])
def test_an_engine_names_the_version_of_its_phase_noise(level):
    if level == "bsource" and shutil.which("ngspice") is None:
        pytest.skip("ngspice is not installed")
    assert phase_noise.VERSION in levels.engine(level).split()
