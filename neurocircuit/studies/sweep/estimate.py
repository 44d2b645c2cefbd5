"""How long a sweep will take, before it runs."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

from neurocircuit.studies.sweep import readings
from neurocircuit.studies.sweep.identity import Environment
from neurocircuit.studies.sweep.ledger import Ledger
from neurocircuit.studies.sweep.plan import Batch, SweepRequest
from neurocircuit.studies.sweep.run import Work
from neurocircuit.studies.sweep.worker import compute

_PROBE_TRIALS = {"bsource": 2, "transistor": 1}
_FAST_PROBE_TRIALS = 200


def estimate(request: SweepRequest, ledger_path: Path, jobs: int) -> dict[str, Any]:
    """Evaluations by level (all, and those not stored yet), seconds per evaluation and their source, total seconds.

    Writes nothing. Raises InputError for an unusable ledger, SimulatorMissing.
    """
    environment = Environment.here(tuple(dict.fromkeys([*request.levels, readings.LEVEL, "ideal"])))
    variants, _ = readings.requests(request)
    work = Work.plan(request, variants, environment)
    stored_seconds: dict[str, float | None] = {}
    work.take_stored(ledger_path)
    if ledger_path.exists() and ledger_path.stat().st_size:
        with Ledger(ledger_path, read_only=True) as ledger:
            stored_seconds = {level: ledger.seconds_per_evaluation(level) for level in environment.engines}
    total: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for key, batch in work.batches.items():
        total[batch.level] += batch.count
        missing[batch.level] += 0 if key in work.results else batch.count
    levels: dict[str, dict[str, Any]] = {}
    for level in total:
        seconds = stored_seconds.get(level)
        source = "durations in the ledger" if seconds is not None else "a timed probe"
        if seconds is None:
            seconds = _probe(next(batch for batch in work.batches.values() if batch.level == level))
        levels[level] = {
            "evaluations": total[level],
            "to_compute": missing[level],
            "seconds_per_evaluation": seconds,
            "source": source,
        }
    busy_s = sum(found["to_compute"] * found["seconds_per_evaluation"] for found in levels.values())
    return {"levels": levels, "jobs": jobs, "estimate_s": busy_s / jobs}


def _probe(batch: Batch) -> float:
    """Seconds per evaluation at the batch's level, measured here on a few draws after a first one."""
    trials = min(batch.count, _PROBE_TRIALS.get(batch.level, _FAST_PROBE_TRIALS))
    probe = Batch(batch.spec, batch.testbench, batch.seed, batch.level, batch.row, 0, trials)
    compute(probe)
    start = time.perf_counter()
    compute(probe)
    return (time.perf_counter() - start) / trials
