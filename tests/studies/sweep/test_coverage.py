"""Intervals of a sweep's rows cover 93 … 97 % at every number of draws at which they are printed, level by level.

A pool of draws of the shipped testbench is made once for each level; small sweeps are drawn from it, and its mean is
the truth. Counts of hits are judged by the binomial law: a coverage of 93 … 97 % fails by chance once in a million.
"""

import functools

import numpy as np
import pytest
from scipy import stats

from neurocircuit.core.stats import separated_difference, size_interval, size_mixture_interval, student_interval
from neurocircuit.neuron import levels
from neurocircuit.spec import NeuronSpec, SweepSpec
from neurocircuit.studies.sweep import control_variate, resolution
from neurocircuit.studies.sweep.library import load_testbench
from neurocircuit.studies.sweep.plan import Batch, Row, SweepRequest
from neurocircuit.studies.sweep.worker import evaluate, inputs
from neurocircuit.tables.jitter import LEAST_EXPONENT_DRAWS, curve_exponent, pulse_moves, relative_error

POOL, SWEEPS = 20_000, 1000
JITTER, BITS = (0.01, 0.03, 0.05, 0.07, 0.09), (4, 8)


def _request(name, **changes):
    testbench = load_testbench(name).replace(**changes)
    return SweepRequest.build(NeuronSpec(), testbench, SweepSpec(jitter=JITTER, bits=BITS), None)


@pytest.fixture(scope="module")
def pool():
    """Δ/t and whether the spike moved to another pulse, [trial], by level and row."""
    request, made = _request("paper"), {}

    def fires(level, row):
        batch = Batch(request.effective_spec, request.testbench, 5, level, row, 0, POOL)
        return evaluate(batch).fire_time_over_tau

    for level in ("ideal", "edge"):
        spacing = resolution.pulse_spacing_over_tau(request.effective_spec, level)
        for half in request.halves:
            clean = fires(level, Row(half, "clean"))
            for row in request.disturbed(half):
                measured = fires(level, row)
                moved = pulse_moves(clean, measured, spacing)
                made[level, row] = relative_error(clean, measured), moved
    return made


def covers(hits, of=SWEEPS):
    return stats.binom.ppf(5e-7, of, 0.93) <= hits <= stats.binom.ppf(1 - 5e-7, of, 0.97)


def hits_of(interval, truth, values, n, *others):
    generator, count = np.random.default_rng(n), 0
    for _ in range(SWEEPS):
        chosen = generator.integers(0, len(values), n)
        _, low, high = interval(values[chosen], *(other[chosen] for other in others))
        count += low <= truth <= high
    return count


def least_draws(request, level, row):
    shape = resolution.shape(request, level, row)
    return next(n for n in range(2, 5000) if not shape.shortage(n))


@pytest.mark.parametrize(
    "row", [Row("jitter", "disturbed", a) for a in JITTER] + [Row("bits", "disturbed", b) for b in BITS], ids=str
)
@pytest.mark.parametrize("level", ["ideal", "edge"])
def test_printed_intervals_cover_from_the_least_number_of_draws_on(pool, level, row):
    request = _request("paper")
    least = least_draws(request, level, row)
    relative, moved = pool[level, row]
    sizes = np.abs(relative)
    for n in (least, 3 * least):
        if level == "edge":
            assert covers(hits_of(size_mixture_interval, sizes.mean(), sizes, n, moved))
        else:
            assert covers(hits_of(size_interval, sizes.mean(), sizes, n))


@pytest.mark.parametrize("n", [12, 40, 100])
def test_the_mean_and_its_spread_alone_do_not_cover_and_this_sees_it(pool, n):
    row = Row("jitter", "disturbed", 0.01)
    sizes = np.abs(pool["edge", row][0])
    assert not covers(hits_of(student_interval, sizes.mean(), sizes, n))
    assert resolution.shape(_request("paper"), "edge", row).shortage(n)


def test_the_exponent_covers_where_it_is_printed(pool):
    request = _request("paper")
    rows = request.disturbed("jitter")
    for level in ("ideal", "edge"):
        relative = np.stack([pool[level, row][0] for row in rows])
        truth = curve_exponent(np.array(JITTER), relative)[0]
        n = max(LEAST_EXPONENT_DRAWS, *(least_draws(request, level, row) for row in rows))
        generator, hits = np.random.default_rng(n), 0
        for _ in range(SWEEPS):
            _, low, high = curve_exponent(np.array(JITTER), relative[:, generator.integers(0, POOL, n)])
            hits += low <= truth <= high
        assert covers(hits)


def test_rows_that_moves_do_not_resolve_have_no_interval_and_say_why():
    request = _request("paper")
    for row, level in ((Row("bits", "disturbed", 16), "edge"), (Row("jitter", "disturbed", 0.09), "transistor")):
        assert "moves of the spike to another pulse are expected in 12 draws" in resolution.shape(
            request, level, row
        ).shortage(12)


SURROGATES = {  # for transistors, which are too slow: the costly level, and the levels that stand beside it
    "the same pulses": ("edge", 0.01, ("edge", "ideal")),
    "neighbouring pulses": ("edge", 0.1, ("edge", "ideal")),
    "no pulses beside": ("edge", 0.0, ("averaged", "ideal")),
}


@functools.cache
def _surrogate(name, jitter=0.09):
    """|Δ|/t of a costly level and of its controls, and which spikes moved, in a row; both [..., trial].

    The costly level's start phases differ from those of its controls by normal errors of some rad: transistors start
    where their saved states let them.
    """
    level, phase_error_rad, controls = SURROGATES[name]
    made, rows = _request("paper"), (Row("jitter", "clean"), Row("jitter", "disturbed", jitter))
    shifts = phase_error_rad * np.random.default_rng(3).standard_normal((POOL, 2))

    def fires(level, row, shift_rad):
        t, weights, start_rad = inputs(Batch(made.effective_spec, made.testbench, 5, level, row, 0, POOL))
        record = levels.evaluate(level, made.effective_spec, t, weights, start_rad=start_rad + shift_rad)
        return record.fire_time_over_tau

    clean, measured = (fires(level, row, shifts) for row in rows)
    beside = [np.abs(relative_error(*(fires(name, row, 0.0) for row in rows))) for name in controls]
    spacing = resolution.pulse_spacing_over_tau(made.effective_spec, "transistor")
    costly = np.abs(relative_error(clean, measured))
    return costly, np.stack(beside), pulse_moves(clean, measured, spacing)


@pytest.mark.parametrize("name", SURROGATES)
def test_intervals_beside_controlled_means_cover(name):
    """The plain mean's, and that of its difference from the control's mean, which 20 000 draws know."""
    costly, beside, moved = _surrogate(name)
    least = least_draws(_request("paper"), "transistor", Row("jitter", "disturbed", 0.09))
    edge = student_interval(beside[0])
    truth = costly.mean() - beside[0].mean()

    def difference(sizes, moved):
        return separated_difference(size_mixture_interval(sizes, moved), (edge[0], edge[0], edge[0]))

    for n in (least, 3 * least):
        assert covers(hits_of(size_mixture_interval, costly.mean(), costly, n, moved))
        assert covers(hits_of(difference, truth, costly, n, moved))


def _controlled_hits(name, n, jitter, known=control_variate.MOVES_KNOWN, biased_by=0.0):
    """How many of the sweeps of n draws have the truth in the interval of their controlled mean.

    biased_by: planted error of the controls' mean, a ratio. A clean spike comes at about 1.1 τ.
    """
    costly, beside, _ = _surrogate(name, jitter)
    spec = _request("paper").effective_spec
    pulse = resolution.pulse_spacing_over_tau(spec, "transistor") / 1.1
    generator, hits, means = np.random.default_rng(n), 0, beside.mean(axis=1) * (1 + biased_by)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control_variate, "MOVES_KNOWN", known)
        for _ in range(SWEEPS):
            chosen = generator.integers(0, POOL, n)
            found = control_variate.estimate(costly[chosen], beside[:, chosen], means, pulse)
            hits += found.low <= costly.mean() <= found.high
    return hits


@pytest.mark.parametrize("jitter", [0.01, 0.09])
@pytest.mark.parametrize("n", [control_variate.LEAST_DRAWS, 160])
@pytest.mark.parametrize("name", SURROGATES)
def test_intervals_of_controlled_means_cover_at_least(name, n, jitter):
    assert _controlled_hits(name, n, jitter) >= stats.binom.ppf(5e-7, SWEEPS, 0.93)


def test_what_the_draws_do_not_show_is_in_the_interval_of_a_controlled_mean():
    """Where pulses nearly agree, the few draws in which they do not carry the spread: Student's t alone misses."""
    alone = _controlled_hits("the same pulses", control_variate.LEAST_DRAWS, 0.09, known=0)
    assert alone < stats.binom.ppf(5e-7, SWEEPS, 0.93)


@pytest.mark.parametrize("name", ["the same pulses", "neighbouring pulses"])
def test_a_wrong_mean_of_the_controls_is_missed_by_the_interval(name):
    assert _controlled_hits(name, 160, 0.09, biased_by=0.2) < SWEEPS / 2


def test_heavy_tails_have_no_interval_at_any_number_of_draws():
    """Weights drawn at random: |Δ|/t of their rounding grows as 1/(W_C - 1), whose tail has an exponent of 2."""
    request = _request("random-operating-points")
    shape = resolution.shape(request, "ideal", Row("bits", "disturbed", 8))
    assert shape.tail_exponent < resolution.LEAST_TAIL_EXPONENT
    assert "too heavy a tail" in shape.shortage(10**6)
    assert not resolution.shape(request, "ideal", Row("jitter", "disturbed", 0.05)).shortage(40)


def test_fixed_start_phases_count_moves_at_the_level_itself():
    """Phase by phase the chance of a move differs from |δ|/spacing, which holds for evenly drawn phases only."""
    chances = [
        resolution.shape(_request("paper", start_phases=phases), "edge", Row("jitter", "disturbed", 0.05)).move_chance
        for phases in ("random", *({"vco1_rad": phase} for phase in (0.0, 1.5)))
    ]
    assert chances[0] == pytest.approx(0.16, abs=0.04)
    assert max(chances[1:]) - min(chances[1:]) > 0.02
