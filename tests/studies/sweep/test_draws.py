import numpy as np
import pytest

from neurocircuit.spec import NeuronSpec, StartPhases, Uniform
from neurocircuit.studies.sweep.draws import draw, noise_seeds

SPEC = NeuronSpec()
RANDOM = {
    "input_times_over_tau": (Uniform(low=0.1, high=0.5), Uniform(low=0.2, high=0.9)),
    "weights": (Uniform(low=0.5, high=1.5), 0.9),
    "quantised_weights": (Uniform(low=0.8, high=1.2), Uniform(low=-0.4, high=-0.1)),
}
FIELDS = ("start_rad", "t_over_tau", "weights", "quantised_weights", "deviates")


def test_a_draw_depends_on_seed_and_trial_alone_wherever_its_batch_begins(testbench):
    bench = testbench(**RANDOM)
    whole = draw(SPEC, bench, 7, 0, 60)
    for first, count in [(0, 1), (13, 40), (59, 1)]:
        part = draw(SPEC, bench, 7, first, count)
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[first : first + count])
    other = draw(SPEC, bench, 8, 0, 60)
    for name in FIELDS:
        same = getattr(other, name) == getattr(whole, name)
        constant = np.ptp(getattr(whole, name), axis=0) == 0
        assert not same[:, ~constant].any()


def test_interpretations_of_the_testbench_share_their_luck(testbench):
    plain = draw(SPEC, testbench(**RANDOM), 1, 0, 50)
    uniform = draw(SPEC, testbench(**RANDOM, jitter_distribution="uniform"), 1, 0, 50)
    fixed = draw(SPEC, testbench(**(RANDOM | {"weights": (1.0, 1.0)})), 1, 0, 50)
    for name in ("start_rad", "t_over_tau", "quantised_weights"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(uniform, name))
        np.testing.assert_array_equal(getattr(plain, name), getattr(fixed, name))
    np.testing.assert_array_equal(plain.deviates, fixed.deviates)


@pytest.mark.parametrize(("distribution", "fourth_moment"), [("gaussian", 3.0), ("uniform", 1.8)])
def test_deviates_have_mean_zero_and_standard_deviation_one(testbench, distribution, fourth_moment):
    n = 20_000
    deviates = draw(SPEC, testbench(jitter_distribution=distribution), 3, 0, n).deviates
    # Standard errors: mean 1/√n, variance √((κ - 1)/n); 5 σ: false alarm below 1e-6 each.
    assert np.all(np.abs(deviates.mean(axis=0)) < 5 / np.sqrt(n))
    assert np.all(np.abs(deviates.var(axis=0) - 1) < 5 * np.sqrt((fourth_moment - 1) / n))
    assert abs((deviates**4).mean() - fourth_moment) < 0.1 * fourth_moment
    # Inputs are independent: their correlation has the standard error 1/√n.
    assert abs((deviates[:, 0] * deviates[:, 1]).mean()) < 5 / np.sqrt(n)
    if distribution == "uniform":
        assert np.abs(deviates).max() <= np.sqrt(3)


def test_values_fill_their_ranges_evenly(testbench):
    n = 20_000
    draws = draw(SPEC, testbench(**RANDOM), 3, 0, n)
    for values, low, high in [
        (draws.t_over_tau[:, 1], 0.2, 0.9),
        (draws.weights[:, 0], 0.5, 1.5),
        (draws.quantised_weights[:, 1], -0.4, -0.1),
        (draws.start_rad[:, 0], 0.0, 2 * np.pi),
        (draws.start_rad[:, 1], 0.0, 2 * np.pi),
    ]:
        assert low <= values.min() <= values.max() <= high
        # Kolmogorov's distance exceeds 2.5/√n with probability 2 exp(-12.5) = 7e-6.
        expected = (np.sort(values) - low) / (high - low)
        assert np.abs(expected - np.arange(n) / n).max() < 2.5 / np.sqrt(n)


def test_common_jitter_moves_all_inputs_alike_and_chosen_inputs_alone(testbench):
    common = draw(SPEC, testbench(jitter_correlation="common"), 1, 0, 30).deviates
    np.testing.assert_array_equal(common[:, 0], common[:, 1])
    chosen = draw(SPEC, testbench(jittered_inputs=(1,)), 1, 0, 30).deviates
    assert not chosen[:, 0].any()
    np.testing.assert_array_equal(chosen[:, 1], draw(SPEC, testbench(), 1, 0, 30).deviates[:, 1])


def test_jitter_references_and_origins(testbench):
    relative, tau = testbench(), testbench(jitter_reference="tau")
    first = testbench(time_origin="first-input")
    draws = draw(SPEC, relative, 1, 0, 40)
    step = draws.jittered_over_tau(relative, 0.05) - draws.t_over_tau
    np.testing.assert_allclose(step, 0.05 * draws.deviates * [0.16, 0.3], rtol=1e-12, atol=1e-16)
    step = draws.jittered_over_tau(tau, 0.05) - draws.t_over_tau
    np.testing.assert_allclose(step, 0.05 * draws.deviates, rtol=1e-12, atol=1e-16)
    step = draws.jittered_over_tau(first, 0.05) - draws.t_over_tau
    np.testing.assert_allclose(step, 0.05 * draws.deviates * [0.0, 0.14], rtol=1e-12, atol=1e-16)
    np.testing.assert_array_equal(draws.origin_over_tau(relative), np.zeros(40))
    np.testing.assert_array_equal(draws.origin_over_tau(first), np.full(40, 0.16))


def test_jitter_is_proportional_to_its_amplitude(testbench):
    bench = testbench()
    draws = draw(SPEC, bench, 1, 0, 40)
    small, large = (draws.jittered_over_tau(bench, amplitude) - draws.t_over_tau for amplitude in (0.01, 0.09))
    np.testing.assert_allclose(large, 9 * small, rtol=1e-9)


def test_start_phases_come_from_testbench_or_neuron(testbench):
    fixed = StartPhases(vco1_rad=1.0, vco3_rad=2.0)
    spec = SPEC.replace(start_phases=fixed)
    assert np.ptp(draw(SPEC, testbench(), 1, 0, 9).start_rad) > 0
    np.testing.assert_array_equal(draw(spec, testbench(), 1, 0, 9).start_rad, np.tile([1.0, 2.0], (9, 1)))
    np.testing.assert_array_equal(draw(SPEC, testbench(start_phases=fixed), 1, 0, 9).start_rad[0], [1.0, 2.0])
    assert np.ptp(draw(spec, testbench(start_phases="random"), 1, 0, 9).start_rad) > 0


def test_noise_seeds_depend_on_root_row_and_trial():
    seeds = noise_seeds(1, 5, 0, 20)
    np.testing.assert_array_equal(noise_seeds(1, 5, 7, 5), seeds[7:12])
    together = np.concatenate([seeds, noise_seeds(2, 5, 0, 20), noise_seeds(1, 6, 0, 20)])
    assert len(set(together.tolist())) == 60
