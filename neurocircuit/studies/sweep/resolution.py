"""Whether a row's draws allow an interval of its mean, decided apart from what they gave.

A rule that looks at the draws themselves ("at least ten moves among them") prints an interval just where luck made the
mean large, and that interval misses. So the rule looks at a pilot: other draws, always the same ones, at a level that
costs next to nothing. Three things must hold for n draws.

Pulses: at level edge the membrane rises in steps, one in each XOR pulse, and transistors do likewise. The start phases
shift the pulses evenly against the spike, so a change that moves the exact spike by δ moves it to another pulse with
probability min(1, |δ|/spacing). Such moves are rare, large, and carry most of the mean: LEAST_MOVES must be expected.
Where the phases are fixed or the desired time is eq. (4), that is counted in a pilot of the level itself.

Skewness: n >= LEAST_DRAWS · max(1, skewness²) (Cochran 1953 has 25 for Student's t without the logarithm).

Tails: |Δ|/t of weight errors grows as 1/(W_C - 1), which near a missed spike has no variance. Where the tail's exponent
(Hill 1975, over the largest 1 % of the pilot) is below LEAST_TAIL_EXPONENT, no number of draws is enough.

The constants are those at which intervals cover 93 … 97 % (tests/studies/sweep/test_coverage.py).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.spec import NeuronSpec, StartPhases, Testbench
from neurocircuit.studies.sweep.draws import draw
from neurocircuit.studies.sweep.plan import COSTLY_LEVEL, Batch, Row, SweepRequest
from neurocircuit.studies.sweep.worker import evaluate
from neurocircuit.tables.jitter import pulse_moves, relative_error

LEAST_MOVES = 8.0
LEAST_DRAWS = 10
LEAST_TAIL_EXPONENT = 2.5
PILOT_DRAWS = 4000
_PILOT_SEED = 2**62  # root of the pilot's draws, apart from the seeds that users give
_TAIL = 0.01
_PULSED_LEVELS = ("edge", COSTLY_LEVEL)
_CHEAP = {COSTLY_LEVEL: "edge", "bsource": "averaged"}


def pulse_spacing_over_tau(spec: NeuronSpec, level: str) -> float:
    """Return the spacing of the instants near which a level's spikes gather, units of tau; nan for a smooth level."""
    if level not in _PULSED_LEVELS:
        return float("nan")
    return 1 / spec.cycles_per_tau if spec.readout == "q" else 1 / (2 * spec.cycles_per_tau)


@dataclass(frozen=True)
class Shape:
    """What the pilot says of |Δ|/t in a row; move_chance: of a draw, that its spike moves to another pulse, or nan."""

    skewness: float
    tail_exponent: float
    move_chance: float

    def shortage(self, draws: int) -> str:
        """Return why so many draws allow no interval of the mean, "" where they do."""
        if self.move_chance * draws < LEAST_MOVES:
            return (
                f"{self.move_chance * draws:.2g} moves of the spike to another pulse are expected in {draws} draws, "
                f"{LEAST_MOVES:g} are needed"
            )
        if self.tail_exponent < LEAST_TAIL_EXPONENT:
            return f"|Δ|/t has too heavy a tail (exponent {self.tail_exponent:.1f}): rare draws carry the mean"
        needed = int(np.ceil(LEAST_DRAWS * max(1.0, self.skewness**2)))
        return f"{draws} draws of this skewness are too few, {needed} are needed" if draws < needed else ""


def shape(request: SweepRequest, level: str, row: Row) -> Shape:
    """Return the shape of |Δ|/t of a disturbed row at a level."""
    spec, testbench = request.effective_spec, request.testbench
    spacing = pulse_spacing_over_tau(spec, level)
    chosen = spec.start_phases if testbench.start_phases == "spec" else testbench.start_phases
    fixed = isinstance(chosen, StartPhases) and not np.isnan(spacing)
    if fixed or testbench.desired == "eq4":
        pilot_level, smooth = _CHEAP.get(level, level), False
    else:
        pilot_level, smooth = "averaged" if spec.is_noisy else "ideal", True
    desired_level = "ideal" if testbench.desired == "eq4" else pilot_level
    clean, origin = _pilot(spec, testbench, desired_level, Row(row.half, "clean"))
    measured, _ = _pilot(spec, testbench, pilot_level, row)
    size = np.abs(relative_error(clean, measured, origin))
    fired = np.isfinite(size)
    if fired.sum() < LEAST_DRAWS:
        return Shape(np.inf, 0.0, 0.0 if not np.isnan(spacing) else np.nan)
    chance = np.nan
    if not np.isnan(spacing) and smooth:
        chance = float(np.minimum(np.abs(measured[fired] - clean[fired]) / spacing, 1.0).mean())
    elif not np.isnan(spacing):
        chance = float(pulse_moves(clean, measured, spacing)[fired].mean())
    return Shape(_skewness(size[fired]), _tail_exponent(size[fired]), chance)


@lru_cache(maxsize=64)
def _pilot(spec: NeuronSpec, testbench: Testbench, level: str, row: Row) -> tuple[Floats, Floats]:
    """Return fire times and time origins of a row of the pilot, [trial], units of tau."""
    fire_time = evaluate(Batch(spec, testbench, _PILOT_SEED, level, row, 0, PILOT_DRAWS)).fire_time_over_tau
    return fire_time, draw(spec, testbench, _PILOT_SEED, 0, PILOT_DRAWS).origin_over_tau(testbench)


def _skewness(values: Floats) -> float:
    deviation = values - values.mean()
    spread = float(deviation.std())
    return float((deviation**3).mean()) / spread**3 if spread > 0 else 0.0


def _tail_exponent(values: Floats) -> float:
    """Return Hill's estimate over the largest values; inf where they are equal."""
    largest = np.sort(values)[-max(round(_TAIL * len(values)), 2) :]
    mean_log = float(np.log(largest[1:] / largest[0]).mean()) if largest[0] > 0 else 0.0
    return 1 / mean_log if mean_log > 0 else np.inf
