"""Single trained neurons on the circuit against the predictive mixture of the noise model.

Each run is one neuron of one image on one chip that calibration never saw. The prediction knows the operating point
and the variation, not the chip: draws of chips and events give a distribution of the fire time with an atom at
silence. The PIT value of the measured time (its place in that distribution, ties at silence broken at random) is
uniform if the model is right, so 50 % and 95 % of the runs fall into the central intervals, binomially. Runs share
chips and images (two-way clustering): the test counts as many independent runs as have the same error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import IN_PROCESS, Pool, Progress, silent
from neurocircuit.core.stats.clustered import clustered_error, design_effect
from neurocircuit.errors import InputError
from neurocircuit.network.calibrate import ChipRun, Points, collect, simulate_chips
from neurocircuit.network.run import Circuit
from neurocircuit.neuron.chip import ChipLayer, NeuronErrors
from neurocircuit.neuron.sensitivity import COMPONENTS, Terms, membrane_terms
from neurocircuit.noise.model import NoiseModel
from neurocircuit.results.replay import Coverage, LayerCheck
from neurocircuit.spec import Variation

DRAWS = 600
INTERVALS = (0.5, 0.95)
FIRST_CHIP = 50_000


@dataclass(frozen=True)
class Runs:
    """Single neurons on chips of their own; all [run]."""

    layer: int
    pit_value: Floats  # probability integral transform: the predictive distribution at the measured time, 0 … 1
    t_over_tau: Floats
    ideal_over_tau: Floats
    median_over_tau: Floats  # of the prediction
    chip: NDArray[np.int64]
    image: NDArray[np.int64]
    points: Points
    rows: NDArray[np.int64]  # of each run among the points
    u: Floats | None = None  # membrane terms of the run's chip, [component, run]; None: not known


def points_of(
    circuit: Circuit, images: list[Floats], runs: int, seed: int, pool: Pool = IN_PROCESS, level: str | None = "edge"
) -> list[Points]:
    """Return about `runs` neurons of each layer as whole images on chips give them, none that calibration drew.

    level: of those chips; None: as images under eq. (4) give them.
    """
    return collect(circuit, images, runs, seed + 1, level, pool=pool)


def replay(
    circuit: Circuit,
    model: NoiseModel,
    points: Points,
    *,
    level: str,
    chips: int,
    seed: int,
    pool: Pool = IN_PROCESS,
    progress: Progress = silent,
) -> Runs:
    """Return the points of one layer, spread uniformly over `chips` chips, run at a level."""
    layer = points.layer
    if len(points.neuron) < chips:
        raise InputError(f"--runs must give each of {chips} chips a neuron, got {len(points.neuron)} neurons")
    generator = np.random.default_rng([seed, 11, layer])
    count = len(points.neuron)
    chip = np.arange(count) % chips
    chip = generator.permutation(chip)
    t, u = np.full(count, np.nan), np.zeros((len(COMPONENTS), count))
    chip_rows = {c: np.flatnonzero(chip == c) for c in range(chips) if (chip == c).any()}
    chip_runs = [ChipRun(points.take(rows), FIRST_CHIP + c, level) for c, rows in chip_rows.items()]
    label = f"layer {circuit.mapped.layers[layer].name}: {count} neurons"
    simulated = simulate_chips(circuit, chip_runs, seed, pool, progress, label)
    for rows, run in zip(chip_rows.values(), simulated, strict=True):
        t[rows], u[:, rows] = run.t_over_tau, run.terms
    pit, median = pit_values(model, points, circuit.mapped.variation, t, generator)
    ideal = np.where(points.point.fired, points.point.at, np.inf)
    return Runs(layer, pit, t, ideal, median, chip, points.image, points, np.arange(count), u)


def pit_values(
    model: NoiseModel, points: Points, variation: Variation, t: Floats, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the PIT value of each measured time in its predictive mixture, and that mixture's median, [point]."""
    drawn = np.stack([draw_mixture(model, points, variation, generator) for _ in range(DRAWS)])
    below = (drawn < t).mean(axis=0)
    ties = (drawn == t).mean(axis=0)
    return below + ties * generator.random(len(t)), np.quantile(drawn, 0.5, axis=0, method="nearest")


def draw_mixture(model: NoiseModel, points: Points, variation: Variation, generator: np.random.Generator) -> Floats:
    """Return one draw of chip and event for each point, independent between them, [point]."""
    terms = draw_terms(points, variation, generator)
    return model.times(points.layer, points.spec, points.point, terms, generator, points.membranes)


def draw_terms(points: Points, variation: Variation, generator: np.random.Generator) -> Terms:
    """Return the membrane terms of chips that nobody has seen, another for each point."""
    n, v = len(points.neuron), variation.neuron
    die = generator.standard_normal((4, n))
    die *= np.array([variation.die.tau, variation.die.gain, variation.die.threshold, variation.die.weight])[:, None]
    normal = generator.standard_normal((7, n))
    normal *= np.array([v.tau, v.gain, v.threshold, *(v.frequency[k] for k in (0, 1, 3, 2))])[:, None]
    tau, gain, threshold, d1, d2, d4, d3 = normal
    chip = ChipLayer(die, NeuronErrors(tau, gain, threshold, (d1, d2, d3, d4)), np.zeros((1, 1), np.float32))
    synapse = points.synapse_spread(variation.synapse) * generator.standard_normal(n)
    return membrane_terms(points.spec, points.point, chip, synapse)


def coverage(runs: Runs) -> tuple[Coverage, ...]:
    """Return for each central interval the share of runs in it and the exact binomial test of the nominal share.

    Runs share chips and images: the test counts as many independent runs as have this clustered error. P is two-sided;
    detectable: the largest share below the nominal one that so many runs reject four times in five, nan where none.
    """
    rows = []
    for nominal in INTERVALS:
        inside = np.abs(runs.pit_value - 0.5) <= nominal / 2
        independent = max(round(len(inside) / design_effect(inside, runs.chip, runs.image)), 1)
        rows.append(Coverage.counted(nominal, int(inside.sum()), len(inside), independent))
    return tuple(rows)


def _verdict(wide: Coverage, runs: int) -> str:
    """Return in words what the share within the 95 % intervals says, and what so many runs could have seen."""
    counted = f"{wide.inside} of {runs} runs ({wide.share:.1%}) lie in its 95 % intervals (exact binomial P = "
    counted += f"{wide.p_value:.2g}, as {wide.independent_runs} independent runs by chips and images)"
    if wide.rejected:
        return f"the noise model is rejected: {counted}."
    if np.isnan(wide.detectable):
        return f"too few runs to reject any noise model: {counted}."
    return (
        f"the noise model is not rejected: {counted}. So many runs reject, four times in five, a model whose 95 % "
        f"intervals hold {wide.detectable:.0%} or less."
    )


def summary(circuit: Circuit, runs: Runs) -> LayerCheck:
    """Return the coverage, bias, misses and false fires, in numbers and in a sentence."""
    fired, expected = np.isfinite(runs.t_over_tau), np.isfinite(runs.ideal_over_tau)
    both = fired & expected
    score = ndtri(np.clip(runs.pit_value, 0.5 / DRAWS, 1 - 0.5 / DRAWS))
    cover = coverage(runs)
    name = circuit.mapped.layers[runs.layer].name
    wide = cover[1]
    sentence = f"Layer {name}: {_verdict(wide, len(runs.pit_value))}"
    return LayerCheck(
        layer=name,
        runs=len(runs.pit_value),
        chips=int(runs.chip.max()) + 1,
        coverage=cover,
        rejected=wide.rejected,
        sentence=sentence,
        score_mean=float(score.mean()),
        score_error=clustered_error(score, runs.chip, runs.image),
        score_spread=float(score.std()),
        deviation_median=float(np.median(runs.t_over_tau[both] - runs.ideal_over_tau[both])) if both.any() else 0.0,
        deviation_spread=float(np.std(runs.t_over_tau[both] - runs.ideal_over_tau[both])) if both.any() else 0.0,
        missed=int((expected & ~fired).sum()),
        false=int((~expected & fired).sum()),
        pit_histogram=np.histogram(runs.pit_value, bins=20, range=(0, 1))[0].tolist(),
    )
