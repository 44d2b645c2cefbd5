"""From a process and a condition to the neuron that a sweep needs: trimmed, fitted, kept in the user's cache."""

from pathlib import Path

import platformdirs

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.taskstore import key_of
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import request, run, spec_files, trimming
from neurocircuit.process.random_models import refuse_random_models
from neurocircuit.spec import Condition, NeuronSpec
from neurocircuit.spice.process import load

_MEASUREMENTS = request.with_needs(("kernel",))
_CASES, _SEED = 40, 1  # as `neurocircuit characterize` has them; the kernel does not depend on either


def neuron_at(process: str, condition: Condition, jobs: int = 1, progress: Progress = silent) -> NeuronSpec:
    """Return the neuron of a process at a condition, trimmed and fitted; from the cache where that was done before.

    Raise InputError for an unknown process or corner, SimulatorBadOutput with the reason where trim or fit fail.
    """
    refuse_random_models(load(process), condition)
    requested = request.Request(process, (condition,), _MEASUREMENTS, trimming.DEFAULT_RESOLUTION, _CASES, _SEED)
    key = key_of({"request": requested.to_dict()} | run.identity(process, condition))
    out = cache_folder() / "characterised" / key[:32]
    run.begin(requested, out, resume=(out / run.REQUEST).exists())
    record = run.execute(requested, out, jobs, progress=progress)
    if record["failed"]:
        first = record["failed"][0]
        raise SimulatorBadOutput(
            f"process {process} at {first['condition']}: {first['measurement']}: {first['reason']}"
        )
    return NeuronSpec.from_toml(spec_files.write(requested, out)[0])


def cache_folder() -> Path:
    """Return the folder of this package in the user's cache."""
    return Path(platformdirs.user_cache_dir("neurocircuit"))
