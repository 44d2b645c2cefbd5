"""From a process and a condition to the neuron that a sweep needs: trimmed, fitted, kept in the user's cache."""

import hashlib
import json
from pathlib import Path

import platformdirs

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import request, run, spec_files, trimming
from neurocircuit.spec import Condition, NeuronSpec
from neurocircuit.spice import ngspice
from neurocircuit.spice.process import cells_text, load

_MEASUREMENTS = request.with_needs(("kernel",))
_CASES, _SEED = 40, 1  # as `neurocircuit characterize` has them; the kernel does not depend on either


def neuron_at(process: str, condition: Condition, jobs: int = 1) -> NeuronSpec:
    """The neuron of a process at a condition, trimmed and fitted; taken from the cache where that was done before.

    Raises InputError for an unknown process or corner, SimulatorBadOutput with the reason where trim or fit fail.
    """
    asked_request = request.Request(process, (condition,), _MEASUREMENTS, trimming.DEFAULT_RESOLUTION, _CASES, _SEED)
    out = cache_of(asked_request)
    run.begin(asked_request, out, resume=(out / run.REQUEST).exists())
    record = run.execute(asked_request, out, jobs, ("neurocircuit", "sweep"), lambda event: None)
    if record["failed"]:
        first = record["failed"][0]
        raise SimulatorBadOutput(
            f"process {process} at {first['condition']}: {first['measurement']}: {first['reason']}"
        )
    return NeuronSpec.from_toml(spec_files.write(asked_request, out)[0])


def cache_of(asked_request: request.Request) -> Path:
    """Folder of a characterisation in the user's cache, by all that determines it."""
    installed = load(asked_request.process)
    parts = [
        json.dumps(asked_request.to_dict(), sort_keys=True),
        installed.toml_sha256,
        *(installed.models_sha256(condition.corner) for condition in asked_request.conditions),
        cells_text(installed.process),
        ngspice.version().number,
        _code(),
    ]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return Path(platformdirs.user_cache_dir("neurocircuit")) / "characterised" / key[:32]


def _code() -> str:
    """Hash of the code that measures: a result of other code is not taken."""
    package = Path(request.__file__).parent
    files = sorted([*package.glob("*.py"), *(package.parent / "spice").glob("*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
