"""Level `averaged`: against numerical integration, against eq. (4), and its symmetries."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neurocircuit.errors import SpecError
from neurocircuit.neuron import levels, phase_noise
from neurocircuit.spec import FrequencyError, NeuronSpec, Ramp
from tests.neuron.conftest import fire_time_by_ode, random_neuron

TAU = 20e-9


def spec_with(ratio, width=0.05, **fields):
    return NeuronSpec(loop_filter_rad_per_s=ratio / TAU, spike_width_s=width * TAU, **fields)


@pytest.mark.parametrize("ratio", [0.5, 2.0, 4.0, 4.0 + 1e-7, 8.0, 64.0])
@pytest.mark.parametrize("width", [0.0, 0.05, 0.7])
def test_agrees_with_numerical_integration(rng, ratio, width):
    """Under-, critically and over-damped loops; both signs of weight; with static frequency errors in every other."""
    fired = 0
    for k in range(8):
        errors = rng.normal(0, 2e-4, 4) if k % 2 else np.zeros(4)
        spec = spec_with(ratio, width, frequency_error=FrequencyError(after_trim=tuple(errors)))
        t, w = random_neuron(rng)
        expected = fire_time_by_ode(spec, t, w)
        found = levels.evaluate("averaged", spec, t, w).fire_time_over_tau[0]
        assert found == pytest.approx(expected, abs=1e-8)
        fired += np.isfinite(found)
    assert fired >= 3


@pytest.mark.parametrize("width", [0.0, 0.05])
def test_ramp_threshold_agrees_with_numerical_integration(rng, width):
    spec = spec_with(8.0, width, threshold=Ramp(offset_Hz=8e6))
    for _ in range(12):
        t, w = random_neuron(rng)
        found = levels.evaluate("averaged", spec, t, w).fire_time_over_tau[0]
        assert found == pytest.approx(fire_time_by_ode(spec, t, w), abs=1e-8)


@pytest.mark.parametrize("ratio", [0.5, 4.0, 8.0, 64.0])
@pytest.mark.parametrize("width", [0.0, 0.05])
@pytest.mark.parametrize("threshold", [NeuronSpec().threshold, Ramp(offset_Hz=8e6)])
def test_phase_noise_agrees_with_numerical_integration(rng, ratio, width, threshold):
    """Strong noise on all four VCOs, whose frequencies change 122 times in the window."""
    noise = (2e5, 1e5, 3e5, 5e4)
    spec = spec_with(ratio, width, threshold=threshold, phase_noise=noise, window_s=4 * TAU)
    fired = 0
    for seed in range(3):
        t, w = random_neuron(rng, inputs=(2, 8), latest=2.0)
        expected = fire_time_by_ode(spec, t, w, phase_noise.walk(spec, seed))
        found = levels.evaluate("averaged", spec, t, w, noise_seed=np.array([seed], dtype=np.uint64))
        assert found.fire_time_over_tau[0] == pytest.approx(expected, abs=1e-8)
        fired += found.fired[0]
    assert fired >= 1


def test_a_noisy_neuron_does_not_depend_on_its_batch(rng):
    t, w = rng.uniform(0, 2, (20, 6)), rng.normal(0.4, 0.5, (20, 6))
    seeds, spec = rng.integers(0, 2**63, 20).astype(np.uint64), NeuronSpec(phase_noise=(1e5,) * 4)
    together = levels.evaluate("averaged", spec, t, w, noise_seed=seeds)
    alone = [levels.evaluate("averaged", spec, t[k], w[k], noise_seed=seeds[k : k + 1]) for k in range(20)]
    for name in ("fire_time_over_tau", "headroom"):
        np.testing.assert_array_equal(getattr(together, name), [getattr(one, name)[0] for one in alone])
    assert np.isfinite(together.fire_time_over_tau).sum() > 5


def test_without_phase_noise_the_seed_has_no_effect(rng):
    t, w = rng.uniform(0, 2, (20, 6)), rng.normal(0.4, 0.5, (20, 6))
    one, two = (levels.evaluate("averaged", NeuronSpec(), t, w, noise_seed=np.arange(k, k + 20)) for k in (0, 50))
    np.testing.assert_array_equal(one.fire_time_over_tau, two.fire_time_over_tau)
    np.testing.assert_array_equal(one.headroom, two.headroom)


def test_a_noisy_window_of_too_many_cycles_is_refused():
    spec = NeuronSpec(f0_Hz=1e5 / TAU, phase_noise=(1.0,) * 4)
    with pytest.raises(SpecError, match=r"f0·window must be <= 50000 cycles with phase noise .*, got 1e\+06"):
        levels.evaluate("averaged", spec, [0.1], [1.5])


def test_first_of_several_crossings(rng):
    """Excitation lifts the membrane over the threshold for a moment, inhibition takes it back, excitation again."""
    spec = spec_with(8.0)
    t, w = np.array([0.1, 1.2, 3.0]), np.array([1.8, -3.0, 4.0])
    found = levels.evaluate("averaged", spec, t, w).fire_time_over_tau[0]
    assert found == pytest.approx(fire_time_by_ode(spec, t, w), abs=1e-9)
    assert found < 1.2
    later = levels.evaluate("averaged", spec, t, w * [0.6, 1, 1]).fire_time_over_tau[0]
    assert later > 3.0


def test_meets_eq_4_in_first_order_of_one_over_r(rng):
    """|Δt| = c/r for random neurons: ten times r, a tenth of the error, from r = 4 to 10⁶."""
    neurons = [random_neuron(rng, inputs=(2, 6)) for _ in range(60)]
    worst = []
    ratios = 4.0 * 10.0 ** np.arange(0.0, 6.0)
    for ratio in ratios:
        spec = spec_with(ratio, 0.0)
        deltas = []
        for t, w in neurons:
            ideal, averaged = (
                levels.evaluate(name, spec, t, w).fire_time_over_tau[0] for name in ("ideal", "averaged")
            )
            slope = np.sum(w[t < ideal]) - 1 if np.isfinite(ideal) else 0
            if np.isfinite(ideal) and np.isfinite(averaged) and slope > 0.5:
                deltas.append(abs(averaged - ideal))
        assert len(deltas) > 15
        worst.append(np.median(deltas))
    orders = -np.diff(np.log10(worst))
    np.testing.assert_allclose(orders[1:], 1.0, atol=0.05)
    assert 0.4 < orders[0] < 1.3
    assert worst[-1] < 1e-5


def neuron_strategy():
    return st.lists(
        st.tuples(st.floats(0, 4, allow_subnormal=False), st.floats(-2, 2, allow_subnormal=False)),
        min_size=1,
        max_size=8,
    )


@pytest.mark.parametrize("level", ["ideal", "averaged"])
@given(neuron=neuron_strategy(), shift=st.floats(0, 2))
@settings(max_examples=60)
def test_time_shift_passes_through(level, neuron, shift):
    """Neurons that only graze the threshold are left out: there rounding decides."""
    t, w = np.array(neuron).T
    spec = NeuronSpec(window_s=100 * TAU)
    first, moved, nearby = levels.evaluate(
        level, spec, np.stack([t, t + shift, t]), np.stack([w, w, w * (1 - 1e-9)])
    ).fire_time_over_tau
    assume(np.isfinite(first) and np.isfinite(nearby) and abs(first - nearby) < 1e-7)
    assert moved == pytest.approx(first + shift, abs=1e-7)


@pytest.mark.parametrize("level", ["ideal", "averaged", "edge"])
@given(neuron=neuron_strategy(), seed=st.integers(0, 100))
@settings(max_examples=60)
def test_order_of_inputs_and_silent_inputs_do_not_matter(level, neuron, seed):
    t, w = np.array(neuron).T
    order = np.random.default_rng(seed).permutation(len(t))
    spec = NeuronSpec()
    plain = levels.evaluate(level, spec, t, w).fire_time_over_tau[0]
    shuffled = levels.evaluate(level, spec, [*t[order], np.inf], [*w[order], 1.5]).fire_time_over_tau[0]
    nearby = levels.evaluate(level, spec, t, w * (1 - 1e-9)).fire_time_over_tau[0]
    assume(np.isfinite(plain) == np.isfinite(nearby) and (np.isinf(plain) or abs(plain - nearby) < 1e-7))
    assert shuffled == pytest.approx(plain, abs=1e-7)


def test_headroom_is_the_largest_phase_error_before_the_decision():
    """One input far below threshold: the peak of the loop's step response, from the closed form."""
    spec = spec_with(8.0, 0.0)
    record = levels.evaluate("averaged", spec, [1.0], [0.6])
    assert record.headroom[0] == pytest.approx(0.6 * spec.phase_per_weight_rad / (np.pi / 2), rel=1e-9)


def test_waveform_meets_threshold_at_the_fire_time():
    t, w = np.array([0.3, 0.6]), np.array([0.9, 0.9])
    noisy = NeuronSpec(phase_noise=(1e5,) * 4)
    waves = levels.waveforms("averaged", noisy, t, w, noise_seed=3)
    fired = levels.evaluate("averaged", noisy, t, w, noise_seed=np.array([3])).fire_time_over_tau[0]
    assert np.interp(fired, waves.time_over_tau, waves.membrane) == pytest.approx(1.0, abs=1e-4)
    spec = NeuronSpec()
    fired = levels.evaluate("averaged", spec, t, w).fire_time_over_tau[0]
    waves = levels.waveforms("averaged", spec, t, w)
    assert np.interp(fired, waves.time_over_tau, waves.membrane) == pytest.approx(1.0, abs=1e-5)
    assert waves.vco_rad.shape == (4, len(waves.time_over_tau))
    # VCO1 keeps the phase that it received; VCO2 catches up to quadrature; Q rises at the fire time.
    assert waves.vco_rad[0, -1] == pytest.approx(0.5 * 1.8, rel=1e-12)
    assert waves.vco_rad[1, -1] == pytest.approx(0.5 * 1.8, abs=2e-3)
    assert waves.time_over_tau[np.argmax(waves.q > 0.5)] == pytest.approx(fired, abs=0.01)
