"""Flicker of the VCOs: its variance against a synthesised 1/f series, draws, theory of the loop, all levels alike."""

import shutil

import numpy as np
import pytest
from scipy import stats

from neurocircuit.neuron import flicker, levels
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.sensitivity import drift, flicker_spread
from neurocircuit.spec import Flicker, NeuronSpec
from tests.neuron.conftest import check_edge_and_averaged_move_together, random_neuron, seeds

H = 1.2e-8


def spec_of(h=(H,) * 4, **values):
    return NeuronSpec(flicker=Flicker(h=h, **values))


def allowed(n):
    """Band of a variance over its expectation from n normal draws, by chi-square at 1e-7."""
    return stats.chi2.ppf([5e-8, 1 - 5e-8], n - 1) / (n - 1)


def test_variance_meets_a_synthesised_series():
    """100 periodic series of 65536 samples with S = h/f, 16 differences of averages each.

    What the series lacks below its first frequency and above half a sample's is (2π 600/65536)²/2 and 2/(π² 32)² h at
    most, below 0.1 % of the variance. Planted: the Allan variance (half of it), and no memory of the trim.
    """
    rng, count, trim, gap, window = np.random.default_rng(3), 65536, 64, 512, 32
    frequency = np.arange(1, count // 2 + 1) / count
    differences = []
    for _ in range(100):
        amplitude = np.sqrt(H / frequency / count) / 2.0  # y is twice the real part of its spectrum
        spectrum = amplitude * (rng.standard_normal((2, count // 2)) * [[1.0], [1.0j]]).sum(axis=0)
        y = np.fft.irfft(np.concatenate([[0.0], spectrum]), count) * count
        average = np.add.reduceat(y, np.arange(0, count, 32)) / 32
        first = np.arange(16) * (4096 // 32)
        use = average[first + (trim + gap) // 32]
        differences.append(use - (average[first] + average[first + 1]) / 2)
    measured = np.var(differences, ddof=1) / H
    low, high = allowed(16 * 100)
    for factor, holds in ((1.0, True), (0.5, False), (2.0, False)):
        ratio = measured / (factor * flicker.variance_over_h(trim, gap, window))
        assert (low - 1e-3 < ratio < high + 1e-3) == holds
    assert measured / flicker.variance_over_h(trim, 0.0, window) > high


@pytest.mark.parametrize("times_s", [(1e-4, 0.11, 2e-7), (1e-4, 0.09, 2e-7), (1e-6, 1e-6, 2e-7), (1e-3, 0.2, 1e-3)])
def test_variance_meets_quadrature_on_both_sides_of_the_far_limit(times_s):
    trim, since, window = times_s
    x, weight = np.polynomial.legendre.leggauss(60)
    at = (x + 1) / 2
    mean = np.sum(weight[:, None] * weight * np.log(since + trim * at[:, None] + window * at)) / 4
    expected = 3 - np.log(trim) - np.log(window) + 2 * mean
    assert flicker.variance_over_h(*times_s) == pytest.approx(expected, rel=1e-6)


def test_variance_has_the_limits_of_the_literature():
    assert flicker.variance_over_h(1e-6, 0.0, 1e-6) == pytest.approx(4 * np.log(2))  # twice the Allan variance 2 ln 2
    assert flicker.variance_over_h(1e-6, 10.0, 1e-7) == pytest.approx(3 + np.log(10.0**2 / 1e-13), rel=1e-6)


def test_draws_have_the_stated_spreads_and_shares():
    """20000 events: variances by chi-square at 1e-7, correlations within 5.3 errors."""
    n = 20000
    spec = spec_of((1e-8, 4e-8, 2e-9, 2e-9), shared_vco1_vco2=0.8, shared_vco3_vco4=0.3)
    drawn = flicker.draw(spec, seeds(n))
    low, high = allowed(n)
    ratio = drawn.var(axis=1, ddof=1) / np.square(flicker.spreads(spec))
    assert np.all((ratio > low) & (ratio < high))
    between = np.eye(4)
    between[0, 1] = between[1, 0] = 0.8
    between[2, 3] = between[3, 2] = 0.3
    np.testing.assert_allclose(np.corrcoef(drawn), between, atol=5.3 / np.sqrt(n))
    for difference, spread in zip(
        (drawn[0] - drawn[1], drawn[3] - drawn[2]), flicker.difference_spreads(spec), strict=True
    ):
        assert low < np.var(difference, ddof=1) / spread**2 < high
        assert not low < np.var(difference, ddof=1) / (1.2 * spread) ** 2 < high
    np.testing.assert_array_equal(flicker.draw(spec, seeds(3, 100)), drawn[:, 100:103])


def test_an_auto_zero_leaves_the_white_noise_of_its_measurement():
    """2000 type-I loops in lock, each averaged over T = 20 τ: the mean phase error is the frequency difference.

    e' = Δ - y + white, y' = r (e - y), times in τ, white of density q = (D1 + D2) τ. The average of e lacks
    e(T) - e(0) and what the filter holds, some τ/T of the variance: less than 8 % here. Planted: the noise of VCO1
    alone, and that of half the time.
    """
    rng, r, q, difference, step, length, runs = np.random.default_rng(5), 8.0, 0.002, 0.03, 0.01, 20.0, 2000
    error = y = np.full(runs, difference)
    total = np.zeros(runs)
    for k in range(round((length + 8.0) / step)):
        noise = rng.standard_normal(runs) * np.sqrt(q / step)
        error, y = error + step * (difference - y + noise), y + step * r * (error - y)
        total += step * error * (k >= round(8.0 / step))
    measured = total / length
    assert abs(measured.mean() - difference) < 5.3 * np.sqrt(q / length / runs)
    spec = NeuronSpec(phase_noise=(q / 2 / 20e-9,) * 4, flicker=Flicker(h=(0.0,) * 4, auto_zero_s=length * 20e-9))
    by_model = flicker.difference_spreads(spec)[0] * 2 * np.pi * spec.cycles_per_tau
    low, high = allowed(runs)
    for factor, holds in ((1.0, True), (0.5, False), (2.0, False)):
        ratio = np.var(measured, ddof=1) / (factor * by_model**2)
        assert (0.92 * low < ratio < high) == holds


def test_an_auto_zero_takes_the_flicker_since_the_trim_and_adds_its_own_noise():
    """20000 events: variances by chi-square at 1e-7; what two VCOs share they still share."""
    n, measured_s = 20000, 1e-7
    kept = spec_of((1e-8, 4e-8, 2e-9, 2e-9), shared_vco1_vco2=0.8).replace(phase_noise=(2e5, 1e5, 0.0, 0.0))
    nulled = kept.replace(flicker=kept.flicker.replace(auto_zero_s=measured_s))
    low, high = allowed(n)
    over_h = flicker.variance_over_h(measured_s, 0.0, kept.observed_s)
    white = np.array([2e5, 1e5, 0.0, 0.0]) / measured_s / (2 * np.pi * kept.f0_Hz) ** 2
    expected = np.array(kept.flicker.h) * over_h + white
    drawn = flicker.draw(nulled, seeds(n))
    ratio = drawn.var(axis=1, ddof=1) / expected
    assert np.all((ratio > low) & (ratio < high))
    assert np.all(drawn.var(axis=1, ddof=1) < 0.5 * flicker.draw(kept, seeds(n)).var(axis=1, ddof=1))
    of_pair = over_h * (1e-8 + 4e-8 - 2 * 0.8 * 2e-8) + white[0] + white[1]
    assert flicker.difference_spreads(nulled)[0] ** 2 == pytest.approx(of_pair)
    ratio = np.var(drawn[0] - drawn[1], ddof=1) / of_pair
    assert low < ratio < high
    assert not low < 1.1 * ratio < high


@pytest.mark.parametrize(
    ("white", "h", "f0_Hz", "pays_from_s"), [(204e3, 1.73e-8, 750e6, 22e-9), (61.5e3, 1.087e-9, 600e6, 155e-9)]
)
def test_an_auto_zero_pays_where_its_time_is_long_enough(white, h, f0_Hz, pays_from_s):
    """Both neurons of generic65: a measurement of a tenth less time has more noise than the flicker that it takes."""
    neuron = NeuronSpec(f0_Hz=f0_Hz, phase_noise=(white,) * 4, flicker=Flicker(h=(h,) * 4))
    for factor, pays in ((0.9, False), (1.1, True)):
        nulled = neuron.replace(flicker=neuron.flicker.replace(auto_zero_s=factor * pays_from_s))
        assert (flicker.difference_spreads(nulled)[0] < flicker.difference_spreads(neuron)[0]) == pays


@pytest.mark.parametrize(
    ("white", "h", "f0_Hz", "short_s", "long_s"),
    [(204e3, 1.73e-8, 750e6, 30e-9, 45e-9), (61.5e3, 1.087e-9, 600e6, 450e-9, 650e-9)],
)
def test_at_equal_energy_an_auto_zero_pays_in_long_inferences(white, h, f0_Hz, short_s, long_s):
    """Variance of the phase times energy: of 50 ns of lock, measurement and inference; current trades them."""

    def product(inference_s, measured_s):
        flickering = Flicker(h=(h,) * 4, auto_zero_s=measured_s)
        neuron = NeuronSpec(f0_Hz=f0_Hz, phase_noise=(white,) * 4, flicker=flickering, window_s=inference_s)
        offset = flicker.difference_spreads(neuron)[0] * 2 * np.pi * f0_Hz * inference_s
        return (2 * white * inference_s + offset**2) * (50e-9 + inference_s + (measured_s or 0.0))

    for inference_s, pays in ((short_s, False), (long_s, True)):
        best = min(product(inference_s, float(measured_s)) for measured_s in np.geomspace(1e-8, 1e-5, 40))
        assert (best < product(inference_s, None)) == pays


def test_all_of_a_shared_bias_cancels_exactly():
    spec = spec_of(shared_vco1_vco2=1.0, shared_vco3_vco4=1.0)
    one, two, three, four = flicker.draw(spec, seeds(50))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(three, four)
    assert flicker.difference_spreads(spec) == (0.0, 0.0)
    t, w = np.tile([0.3, 0.6], (50, 1)), np.tile([0.9, 0.9], (50, 1))
    times = levels.evaluate("averaged", spec, t, w).fire_time_over_tau
    np.testing.assert_array_equal(times, levels.evaluate("averaged", NeuronSpec(), t, w).fire_time_over_tau)


@pytest.mark.parametrize("level", ["averaged", "edge"])
@pytest.mark.parametrize("h", [(H, H, 0, 0), (0, 0, H, H), (H, H, H, H)])
def test_an_offset_is_a_static_phase_error_and_a_slope_of_the_membrane(level, h):
    """Without inputs the membrane moves by 2π f0 τ [(δ1 - δ2)/a + ratio (δ4 - δ3)/θ] thresholds per τ.

    The phase error is 2π f0 τ (δ1 - δ2) from the arming on: the loop has locked on it. At edge the mean over each
    whole period, whose ends differ by a period's ripple of 5 % of a threshold at most. Planted: the other sign.
    """
    spec = spec_of(h).replace(threshold_vco_ratio=1.25)
    cycles = 2 * np.pi * spec.cycles_per_tau
    for seed in range(2):
        d1, d2, d3, d4 = flicker.draw(spec, seeds(1, seed))[:, 0]
        wave = levels.waveforms(level, spec, np.array([np.inf]), np.array([1.0]), np.zeros(2), noise_seed=seed)
        slope = cycles * ((d1 - d2) / spec.phase_per_weight_rad + 1.25 * (d4 - d3) / spec.threshold.lead_rad)
        end = wave.time_over_tau[-1]
        ripple = 0.0 if level == "averaged" else 0.05
        assert wave.membrane[-1] - wave.membrane[0] == pytest.approx(slope * end, rel=1e-6, abs=1e-6 + ripple)
        assert abs(wave.membrane[-1] - wave.membrane[0] + slope * end) > 2 * ripple
        mean_up = np.trapezoid(wave.up, wave.time_over_tau) / end
        assert mean_up - 0.5 == pytest.approx(cycles * (d1 - d2) / np.pi, rel=1e-6, abs=1e-6 + 0.1 * ripple)
        moved = -drift(spec, np.array([end]), np.array([[d1], [d2], [d3], [d4]]))
        assert moved[0] == pytest.approx(slope * end)


def test_fire_times_spread_by_the_membranes_spread_over_the_slope():
    """4000 events of weak flicker: variance by chi-square at 1e-7, 3 % for what is of second order."""
    n, spec = 4000, spec_of((1e-11, 2e-11, 5e-11, 1e-11), shared_vco1_vco2=0.5)
    t, w, step = np.array([0.3, 0.6, 0.9]), np.array([0.9, 0.9, 0.4]), 1e-6
    quiet = spec.without_noise()
    moved = quiet.replace(vco4_swing_Hz=quiet.vco4_swing_Hz / (1 + step))
    at, later = (levels.evaluate("averaged", one, t, w).fire_time_over_tau[0] for one in (quiet, moved))
    times = levels.evaluate("averaged", spec, np.tile(t, (n, 1)), np.tile(w, (n, 1))).fire_time_over_tau
    low, high = allowed(n)
    ratio = np.var(times, ddof=1) / (flicker_spread(spec, at) * (later - at) / step) ** 2
    assert low - 0.03 < ratio < high + 0.03
    no_share = spec.replace(flicker=spec.flicker.replace(shared_vco1_vco2=0.0))
    assert ratio * (flicker_spread(spec, at) / flicker_spread(no_share, at)) ** 2 < low - 0.03


def test_all_levels_meet_the_same_offsets_of_a_seed():
    """A level with flicker is the level with these errors: bit for bit, whatever else the neuron has of its own."""
    rng, spec = np.random.default_rng(5), spec_of(shared_vco1_vco2=0.5).replace(phase_noise=(1e4,) * 4)
    t, w = (np.tile(values, (2, 1)) for values in random_neuron(rng, inputs=(4, 4), latest=1.0))
    own = NeuronErrors(*rng.normal(0, 0.01, (3, 2)), tuple(rng.normal(0, 1e-4, (4, 2))))
    offsets = flicker.draw(spec, seeds(2, 7))
    quiet = spec.replace(flicker=None)
    for level in ("averaged", "edge", *(["bsource"] if shutil.which("ngspice") else [])):
        with_flicker = levels.evaluate(level, spec, t, w, noise_seed=seeds(2, 7), errors=own)
        with_errors = levels.evaluate(level, quiet, t, w, noise_seed=seeds(2, 7), errors=own.with_frequencies(offsets))
        np.testing.assert_array_equal(with_flicker.fire_time_over_tau, with_errors.fire_time_over_tau)
        without = levels.evaluate(level, quiet, t, w, noise_seed=seeds(2, 7), errors=own)
        assert (with_flicker.fire_time_over_tau != without.fire_time_over_tau).any()


def test_edge_and_averaged_move_together_under_the_same_flicker():
    spec = spec_of((1e-11,) * 4).replace(f0_Hz=5e9, window_s=60e-9)
    check_edge_and_averaged_move_together(spec, 100)


def test_levels_say_who_leaves_flicker_out():
    for level, left_out in (("ideal", True), ("averaged", False), ("edge", False), ("transistor", True)):
        assert ("flicker" in levels.not_modelled(level, spec_of())) == left_out
        assert "flicker" not in levels.not_modelled(level, NeuronSpec())
