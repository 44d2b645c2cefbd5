"""The directory of a run: what it may hold before a sweep starts, and its request and run records."""

import json
import re
from pathlib import Path
from typing import Any

from neurocircuit.core.files import write_atomically
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.studies.sweep.plan import SweepRequest

REQUEST, RUN = "request.json", "run.json"
_TEMPORARY = re.compile(r"\..+\.tmp")  # what write_atomically leaves when it is killed


def read_request(out: Path) -> SweepRequest:
    """Return the request that a run directory was made for. Raise InputError or FileFormatError naming the file."""
    path = out / REQUEST
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; start the sweep without --resume") from None
    except ValueError as error:
        raise FileFormatError(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise FileFormatError(f"{path} must hold a request, got {type(values).__name__}")
    try:
        return SweepRequest.from_dict(values)
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from None


def check_free(out: Path, request: SweepRequest) -> None:
    """Refuse a directory that holds anything but a finished run of the same request; touches nothing.

    Raise InputError in one line that says what stands there and how to go on.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must be a directory, got the file {out}")
    if not out.exists() or all(_TEMPORARY.fullmatch(file.name) for file in out.iterdir()):
        _check_parent(out)
        return
    if not (out / REQUEST).exists():
        raise InputError(f"--out {out} holds other files and no sweep; give an empty or a new directory")
    difference = first_difference(read_request(out).to_dict(), request.to_dict())
    if difference is not None:
        raise InputError(f"--out {out} holds a run of another request ({difference}); give another directory")
    if not (out / RUN).exists():
        raise InputError(f"--out {out} holds an unfinished run; continue it with --resume --out {out}")


def first_difference(old: Any, new: Any, path: str = "") -> str | None:
    """Return where two requests differ first, in words: "testbench.trials = 2000, asked for 100".

    None when they agree.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            difference = first_difference(old.get(name), new.get(name), f"{path}.{name}".lstrip("."))
            if difference is not None:
                return difference
        return None
    return None if old == new else f"{path} = {old!r}, asked for {new!r}"


def begin(out: Path, request: SweepRequest) -> None:
    """Make the directory, take away what says that a run is finished, write the request.

    Raise InputError when the directory cannot be made or written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file in out.iterdir():
            if file.name == RUN or _TEMPORARY.fullmatch(file.name):
                file.unlink()
    except OSError as error:
        raise InputError(f"cannot write in {out}: {error.strerror}") from None
    write_atomically(out / REQUEST, json.dumps(request.to_dict(), indent=1, sort_keys=True) + "\n")


def finish(out: Path, record: dict[str, Any]) -> None:
    """Write run.json, the mark of a finished run."""
    write_atomically(out / RUN, json.dumps(record, indent=1, allow_nan=False) + "\n")


def _check_parent(out: Path) -> None:
    above = next(parent for parent in (out, *out.absolute().parents) if parent.exists())
    if not above.is_dir():
        raise InputError(f"--out must lie in a directory, got {out} under the file {above}")
