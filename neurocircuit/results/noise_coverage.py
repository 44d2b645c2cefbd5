"""Transistor neurons under the noise of their devices, beside what their spec predicts."""

import math
from typing import ClassVar

import numpy as np
from scipy.special import ndtri

from neurocircuit.core.arrays import Floats
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.core.stats import variance_interval
from neurocircuit.results.replay import Coverage

INTERVALS = (0.68, 0.95)
_LARGEST_SCORE = 4.0  # of a run beyond all that were predicted


class NoisyRun(Values):
    """One run under noise. case: its place among the cases; fired_over_tau: nan for a silent one.

    pit_value: share of the predicted fire times below it; of_shift: the same for the time by which noise moved it from
    the run without noise; nan where one of the levels is silent without noise.
    """

    case: int
    draw: int
    fired_over_tau: Number
    pit_value: float
    of_shift: Number


class NeuronCase(Values):
    """A neuron and its inputs; times from the inputs' origin in units of tau, nan for silent.

    without_noise: in transistors; edge: predicted without noise. predicted: quantiles (QUANTILES) of the fire time
    under noise.
    """

    inputs: int
    first_input: float
    without_noise: Number
    edge: Number
    predicted: tuple[Number, ...]


class Spread(Values):
    """Root mean square of normal scores: 1 where the predicted spread is right, 0.5 where it is twice as wide.

    low, high: 95 % interval by χ² for independent normal scores.
    """

    runs: int
    ratio: float
    low: float
    high: float


class WalkOfVco3(Values):
    """Diffusion of VCO3's phase in the runs, rad²/s, with its 95 % interval, beside the characterised one."""

    measured: float
    low: float
    high: float
    characterised: float
    increments: int


QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)


class NoiseCoverage(Result):
    """Fire times of transistor neurons under noise against their predicted distributions.

    coverage, of_shift: central intervals of the fire time, and of the time by which noise moves it. failed: reasons of
    runs that failed, which nothing else counts. flicker, white: which of the two was drawn. share_drawn: of the white
    noise of VCO1 and VCO3, what straight lines between its draws would leave, were the densities not raised by as much.
    """

    kind: ClassVar[str] = "noise_coverage"

    process: str
    condition: str
    white: bool
    flicker: bool
    seed: int
    predictions: int
    cases: tuple[NeuronCase, ...]
    runs: tuple[NoisyRun, ...]
    coverage: tuple[Coverage, ...]
    of_shift: tuple[Coverage, ...]
    spread: Spread
    share_drawn: tuple[float, float]
    walk: WalkOfVco3 | None
    failed: tuple[str, ...]

    def summary(self) -> str:
        """Return the coverage, the spread, and VCO3's diffusion."""
        lines = [
            f"{len(self.runs)} runs of {len(self.cases)} transistor neurons of {self.process} ({self.condition})",
            *(f"fire time in its {_counted(row, len(self.runs))}" for row in self.coverage),
            *(f"shift by noise in its {_counted(row, row.independent_runs)}" for row in self.of_shift),
            f"spread over the predicted one: {spread_text(self.spread)}",
        ]
        if self.walk is not None:
            lines.append(
                f"VCO3 walks by {1e-3 * self.walk.measured:.0f} krad²/s ({1e-3 * self.walk.low:.0f} … "
                f"{1e-3 * self.walk.high:.0f}), characterised {1e-3 * self.walk.characterised:.0f}"
            )
        return "\n".join([*lines, *(f"failed: {reason}" for reason in self.failed)])


def _counted(row: Coverage, runs: int) -> str:
    return (
        f"{row.nominal:.0%} interval: {row.inside} of {runs}, {row.share:.1%} ({row.low:.1%} … {row.high:.1%}, "
        f"P = {row.p_value:.2g})"
    )


def spread_text(spread: Spread) -> str:
    """Return the ratio with its interval."""
    return f"{spread.ratio:.2f} ({spread.low:.2f} … {spread.high:.2f})"


def coverage_of(pit_values: Floats) -> tuple[Coverage, ...]:
    """Return how many independent runs lie in their central intervals; none for no runs."""
    if not len(pit_values):
        return ()
    inside = [int((np.abs(pit_values - 0.5) <= nominal / 2).sum()) for nominal in INTERVALS]
    return tuple(
        Coverage.counted(nominal, count, len(pit_values)) for nominal, count in zip(INTERVALS, inside, strict=True)
    )


def spread_of(pit_values: Floats) -> Spread:
    """Return the root mean square of the runs' normal scores."""
    score = np.clip(ndtri(pit_values), -_LARGEST_SCORE, _LARGEST_SCORE)
    n, total = len(score), float(score @ score)
    low, high = map(math.sqrt, variance_interval(total, n))
    return Spread(runs=n, ratio=float(np.sqrt(total / n)), low=low, high=high)
