"""How far runs that share a chip, or a neuron of a chip, err alike: on the circuit and in the noise model.

Every operating point meets every chip in two events. A run's PIT value in its predictive mixture (neurons.py) becomes a
normal score; the mean product of the scores of two neurons of one chip is the correlation by the die, that of one
neuron's two events is what all of a chip's components leave. The model is asked for the very same chips, so that the
draw of the dies is no part of the difference; its error is that of a mean over chips.

At a level that is too slow for that, the runs at hand say it: pairs of runs that share a chip, one event each. There
the error is how far the model's own correlation spreads over repeated events on those chips.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import IN_PROCESS, Pool, Progress, silent
from neurocircuit.network.calibrate import ChipRun, Points, simulate_chips
from neurocircuit.network.run import Circuit
from neurocircuit.network.verify.neurons import DRAWS, FIRST_CHIP, Runs, draw_mixture
from neurocircuit.neuron.sensitivity import Terms
from neurocircuit.noise.model import NoiseModel

EVENTS = 2
REPEATS = 200
_FIRST = FIRST_CHIP + 10_000  # chips of its own
_CLIP = 0.5 / DRAWS


@dataclass(frozen=True)
class Scores:
    """Normal scores of the circuit and of the model on the same chips, both [chip, event, point]."""

    circuit: Floats
    model: Floats


def scores(
    circuit: Circuit,
    model: NoiseModel,
    points: Points,
    *,
    level: str,
    chips: int,
    seed: int,
    pool: Pool = IN_PROCESS,
    progress: Progress = silent,
) -> Scores:
    """Return every point on every chip twice.

    Points that eq. (4) leaves silent only say whether they fire, and are left out.

    points must lie within the model's table.
    """
    points = points.take(np.flatnonzero(points.point.fired))
    variation, generator = circuit.mapped.variation, np.random.default_rng([seed, 12, points.layer])
    drawn = np.sort([draw_mixture(model, points, variation, generator) for _ in range(DRAWS)], axis=0)
    runs = [ChipRun(points, _FIRST + chip, level, event) for chip in range(chips) for event in range(EVENTS)]
    label = f"layer {circuit.mapped.layers[points.layer].name}: every neuron twice on each of {chips} chips"
    simulated = iter(simulate_chips(circuit, runs, seed, pool, progress, label))
    measured: list[list[list[Floats]]] = [[], []]
    for _ in range(chips):
        by_event: list[list[Floats]] = [[], []]
        for _ in range(EVENTS):
            t, u = next(simulated)[:2]
            predicted = model.times(points.layer, points.spec, points.point, Terms(*u), generator, points.membranes)
            for times, into in ((t, by_event[0]), (predicted, by_event[1])):
                into.append(_scores(drawn, times, generator))
        for kept, values in zip(measured, by_event, strict=True):
            kept.append(values)
    return Scores(np.array(measured[0]), np.array(measured[1]))


def summary(pair: Scores) -> dict[str, Any]:
    """Correlations within a chip and within a neuron, circuit and model, their difference and its standard error."""
    result: dict[str, Any] = {"chips": len(pair.circuit), "points": pair.circuit.shape[2], "events": EVENTS}
    for name, products in (("within_chip", within_chip), ("within_neuron", within_neuron)):
        circuit, model = products(pair.circuit), products(pair.model)
        difference = circuit - model
        error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
        result |= {
            name: float(circuit.mean()),
            f"{name}_model": float(model.mean()),
            f"{name}_difference": float(difference.mean()),
            f"{name}_error": error,
        }
    return result


def of_runs(circuit: Circuit, model: NoiseModel, runs: Runs, seed: int) -> dict[str, Any]:
    """Return the correlation within a chip of runs that know their chips' terms, circuit and model.

    Silent points are left out.

    Empty where no two runs share a chip.
    """
    assert runs.u is not None  # noqa: S101
    kept = np.flatnonzero(runs.points.point.fired & ~np.isnan(runs.t_over_tau))
    points, u, chip = runs.points.take(kept), runs.u[:, kept], runs.chip[kept]
    if len(np.unique(chip)) == len(chip):
        return {}
    variation, generator = circuit.mapped.variation, np.random.default_rng([seed, 18, points.layer])
    drawn = np.sort([draw_mixture(model, points, variation, generator) for _ in range(DRAWS)], axis=0)

    def by_pairs(t: Floats) -> float:
        score = _standard(_scores(drawn, t, generator))
        sums, squares, n = (np.bincount(chip, values) for values in (score, score**2, np.ones_like(score)))
        return float((sums**2 - squares).sum() / (n * (n - 1)).sum())

    measured = by_pairs(runs.t_over_tau[kept])
    predicted = [
        by_pairs(model.times(points.layer, points.spec, points.point, Terms(*u), generator, points.membranes))
        for _ in range(REPEATS)
    ]
    return {
        "chips": len(np.unique(chip)),
        "points": len(kept),
        "events": 1,
        "within_chip": measured,
        "within_chip_model": float(np.mean(predicted)),
        "within_chip_difference": measured - float(np.mean(predicted)),
        "within_chip_error": float(np.std(predicted, ddof=1) * np.sqrt(1 + 1 / REPEATS)),
    }


def within_chip(score: Floats) -> Floats:
    """Return the mean product of the scores of two neurons on each chip, [chip], from [chip, event, point].

    Overall mean 0.
    """
    score = _standard(score)
    values = score.mean(axis=1)
    n = values.shape[1]
    pairs: Floats = (values.sum(axis=1) ** 2 - (values**2).sum(axis=1)) / (n * (n - 1))
    return pairs


def within_neuron(score: Floats) -> Floats:
    """Return the mean product of the scores of one neuron's two events, [chip], from [chip, event, point].

    Each point's mean 0.
    """
    score = score - score.mean(axis=(0, 1))
    product: Floats = (score[:, 0] * score[:, 1]).mean(axis=1) / score.var()
    return product


def _standard(score: Floats) -> Floats:
    standard: Floats = (score - score.mean()) / max(float(score.std()), 1e-9)
    return standard


def _scores(drawn: Floats, t: Floats, generator: np.random.Generator) -> Floats:
    """Return the normal scores [point] of times [point] in sorted draws [draw, point].

    Ties (at silence) broken at random.
    """
    below, ties = (drawn < t).mean(axis=0), (drawn == t).mean(axis=0)
    return np.asarray(ndtri(np.clip(below + ties * generator.random(len(t)), _CLIP, 1 - _CLIP)))
