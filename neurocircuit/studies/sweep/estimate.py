"""How long a sweep will take, before it runs."""

import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from neurocircuit.studies.sweep import interpretations
from neurocircuit.studies.sweep.identity import Environment
from neurocircuit.studies.sweep.ledger import store_at
from neurocircuit.studies.sweep.plan import COSTS, Batch, SweepRequest
from neurocircuit.studies.sweep.run import Work
from neurocircuit.studies.sweep.worker import compute


def estimate(request: SweepRequest, ledger_path: Path, jobs: int) -> dict[str, Any]:
    """Evaluations by level (all, and those not stored yet), seconds per evaluation and their source, total seconds.

    Write nothing. Raise InputError for an unusable ledger, SimulatorMissing.
    """
    environment = Environment.here(tuple(dict.fromkeys([*request.levels, interpretations.LEVEL, "ideal"])))
    variants, _ = interpretations.requests(request)
    work = Work.plan(request, variants, environment)
    work.take(store_at(ledger_path).finished(work.tasks))
    total: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    stored_s: dict[str, float] = defaultdict(float)
    for key, batch in work.batches.items():
        total[batch.level] += batch.count
        if key in work.results:
            stored[batch.level] += batch.count
            stored_s[batch.level] += work.results[key].duration_s
        else:
            missing[batch.level] += batch.count
    levels: dict[str, dict[str, Any]] = {}
    for level in total:
        if stored[level]:
            seconds, source = stored_s[level] / stored[level], "durations in the ledger"
        else:
            seconds = _probe(next(batch for batch in work.batches.values() if batch.level == level))
            source = "a timed probe"
        levels[level] = {
            "evaluations": total[level],
            "to_compute": missing[level],
            "seconds_per_evaluation": seconds,
            "source": source,
        }
    busy_s = sum(at_level["to_compute"] * at_level["seconds_per_evaluation"] for at_level in levels.values())
    return {"levels": levels, "jobs": jobs, "estimate_s": busy_s / jobs}


def _probe(batch: Batch) -> float:
    """Return the seconds per evaluation at the batch's level, measured here on a few draws after a first one."""
    trials = min(batch.count, COSTS[batch.level].probe_draws)
    probe = Batch(batch.spec, batch.testbench, batch.seed, batch.level, batch.row, 0, trials)
    compute(probe)
    start = time.perf_counter()
    compute(probe)
    return (time.perf_counter() - start) / trials
