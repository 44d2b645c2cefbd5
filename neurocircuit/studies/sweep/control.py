"""Transistor rows beside edge rows: the edge level as control variate, their difference, the time-step floor."""

import math

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats import separated_difference, student_interval
from neurocircuit.neuron import levels
from neurocircuit.studies.sweep import resolution
from neurocircuit.studies.sweep.assemble import Fires
from neurocircuit.studies.sweep.control_variate import estimate
from neurocircuit.studies.sweep.draws import draw
from neurocircuit.studies.sweep.plan import COSTLY_LEVEL, Batch, Row, SweepRequest
from neurocircuit.studies.sweep.worker import inputs
from neurocircuit.tables.jitter import relative_error
from neurocircuit.tables.transistor_rows import CONTROL_VARIATE, PLAIN, ControlledRow

CONTROL_LEVELS = ("edge", "ideal")  # phases and pulses; and the jitter itself, whatever the pulses make of it
CONTROL_DRAWS = 100_000  # behind the controls' means
RESOLVED_FLOORS = 3.0  # a row counts from so many of its time-step floors on
_CHUNK = 10_000


def controlled_rows(fires: Fires) -> list[ControlledRow]:
    """Return every disturbed row of the costly level, which the request must have."""
    request, draws = fires.request, fires.request.levels[COSTLY_LEVEL]
    paired = control_errors(request, 0, draws)
    chunks = [control_errors(request, draws + first, _CHUNK) for first in range(0, CONTROL_DRAWS, _CHUNK)]
    others = {row: np.concatenate([chunk[row] for chunk in chunks], axis=1) for row in paired}
    return [_controlled(fires, row, np.abs(paired[row]), np.abs(others[row])) for row in paired]


def _controlled(fires: Fires, row: Row, paired: Floats, others: Floats) -> ControlledRow:
    """One row from the controls' |Δ|/t [control, trial] at the costly level's draws, `paired`, and at `others`."""
    costly = np.abs(fires.signed(COSTLY_LEVEL, row))
    others = others[:, np.isfinite(others).all(axis=0)]
    count = others.shape[1]
    means = others.mean(axis=1) if count else np.full(len(others), math.nan)
    edge, edge_low, edge_high = student_interval(others[0])
    estimated, floor = estimate(costly, paired, means, _pulse(fires, row)), fires.floor(COSTLY_LEVEL, row)
    statistics = fires.statistics(COSTLY_LEVEL, row)
    plain = (statistics["mean"], statistics["ci_low"], statistics["ci_high"])
    reported = (estimated.mean, estimated.low, estimated.high) if estimated.used else plain
    return ControlledRow(
        row.half,
        row.value,
        estimated.n,
        CONTROL_VARIATE if estimated.used else PLAIN,
        *reported,
        *plain,
        estimated.correlation,
        estimated.correlations[0],
        estimated.correlations[1],
        estimated.variance_reduction,
        *(edge, float(others[0].std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan, count),
        *separated_difference(reported, (edge, edge_low, edge_high)),
        floor,
        fires.request.draws(COSTLY_LEVEL, Row(row.half, "floor", row.value)),
        bool(estimated.mean >= RESOLVED_FLOORS * floor),
    )


def _pulse(fires: Fires, row: Row) -> float:
    """Return what one pulse of the membrane changes in |Δ|/t, at the mean clean fire time."""
    clean = fires.desired(COSTLY_LEVEL, row.half) - fires.origin[: fires.request.levels[COSTLY_LEVEL]]
    clean = clean[np.isfinite(clean)]
    spacing = resolution.pulse_spacing_over_tau(fires.request.effective_spec, COSTLY_LEVEL)
    return spacing / float(clean.mean()) if clean.size else math.nan


def control_errors(request: SweepRequest, first: int, count: int) -> dict[Row, Floats]:
    """Signed Δ/t of the control levels [control, trial] by disturbed row, at the costly level's draws and phases."""
    errors: dict[Row, Floats] = {}
    drawn = draw(request.effective_spec, request.testbench, request.sweep.seed, first, count)
    origin = drawn.origin_over_tau(request.testbench)
    for half in request.halves:
        clean = [_control_fires(request, level, Row(half, "clean"), first, count) for level in CONTROL_LEVELS]
        desired = clean[1:] * 2 if request.testbench.desired == "eq4" else clean
        for row in request.disturbed(half):
            measured = [_control_fires(request, level, row, first, count) for level in CONTROL_LEVELS]
            pairs = zip(desired, measured, strict=True)
            errors[row] = np.stack([relative_error(desired_t, measured_t, origin) for desired_t, measured_t in pairs])
    return errors


def _control_fires(request: SweepRequest, level: str, row: Row, first: int, count: int) -> Floats:
    """Return the fire times from the time origin, [trial], units of tau; nan for inputs before it."""
    batch = Batch(request.effective_spec, request.testbench, request.sweep.seed, level, row, first, count)
    t_over_tau, weights, start_rad = inputs(batch)
    fire_time = np.full(count, math.nan)
    chips = max(len(request.chips), 1)
    for chip in range(chips):
        trial = np.flatnonzero((np.arange(first, first + count) % chips == chip) & (t_over_tau >= 0).all(axis=1))
        if trial.size:
            # As far as trim tells of a chip, the fast levels know it too; a transient of transistors has no noise.
            spec = request.spec_of(COSTLY_LEVEL, chip).without_noise()
            armed = levels.arming(COSTLY_LEVEL, spec, start_rad[trial], t_over_tau.shape[1])
            later = t_over_tau[trial] + armed.wait_over_tau[:, None]
            record = levels.evaluate(level, spec, later, weights[trial], start_rad=armed.start_rad)
            fire_time[trial] = record.fire_time_over_tau - armed.wait_over_tau
    return fire_time
