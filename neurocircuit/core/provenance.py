"""Which code, on which machine, by which command a result was made: one RunRecord for everything that writes a run."""

import hashlib
import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import neurocircuit
from neurocircuit import _kernel

_DEPENDENCIES = ("numpy", "scipy")
_CANNOT_MOVE_A_NUMBER = ("cli", "rendering")  # they show numbers; everything else of the package may make one
_OPTIONAL = ("torch", "xarray", "optuna", "distributed")  # stated where they are installed


class RunRecord(BaseModel):
    """What a run was, beside what it found.

    command: as typed; "" from Python. commit: of the checkout, with + where its files differ; "" when installed.
    code_sha256: of everything in the package that can move a number. cpu_s: of this process and of those it started.
    "" and None: not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    version: str
    commit: str
    code_sha256: str
    python: str
    packages: dict[str, str]
    processor: str
    host: str
    date: str
    wall_s: float | None
    cpu_s: float | None


class RunClock:
    """Starts with a run and gives its record at the end.

    >>> clock = RunClock()
    >>> clock.record().wall_s >= 0
    True
    """

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), _cpu_s()

    def record(self) -> RunRecord:
        """Return the record of the run from the start of this clock until now."""
        identity = machine_identity()
        names = (*_DEPENDENCIES, *_OPTIONAL)
        return RunRecord(
            command=command_line(),
            version=neurocircuit.__version__,
            commit=commit(),
            code_sha256=identity["code_sha256"],
            python=platform.python_version(),
            packages={name: version for name in names if (version := _version(name))},
            processor=identity["processor"],
            host=platform.node(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            wall_s=round(time.perf_counter() - self._wall_s, 3),
            cpu_s=round(_cpu_s() - self._cpu_s, 3),
        )


def command_line() -> str:
    """Return the command as it was typed; "" where Python code called the package."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else ""
    is_ours = program == "neurocircuit" or sys.argv[0].endswith("neurocircuit/__main__.py")
    return shlex.join(["neurocircuit", *sys.argv[1:]]) if is_ours else ""


def commit() -> str:
    """Return the commit of a working checkout, with + when files beside its reports differ from it; "" when installed.

    Results are written under reports/, so that a chain of commands changes files there while its code stays.
    """
    root = Path(neurocircuit.__file__).parent.parent
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)reports")
    return f"{head}+" if head and changed else head


@cache
def machine_identity() -> dict[str, str]:
    """Return processor type, versions and code hash of this process."""
    return {"processor": _processor(), "code_sha256": code_sha256(Path(neurocircuit.__file__).parent)} | versions()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute."""
    python = ".".join(platform.python_version_tuple()[:2])
    packages = {name: metadata.version(name) for name in _DEPENDENCIES}
    return {"python": python, "neurocircuit": neurocircuit.__version__} | packages


def code_sha256(package: Path) -> str:
    """Return one hash over every file of a package folder that can move a number, and over the compiled kernel.

    A version number does not follow a working checkout. Left out are `cli` and `report` (_CANNOT_MOVE_A_NUMBER), and
    what Python and tests leave behind.
    """
    files = [
        file
        for file in sorted(package.rglob("*"))
        if file.is_file()
        and file.suffix not in (".pyc", ".so")
        and file.relative_to(package).parts[0] not in _CANNOT_MOVE_A_NUMBER
    ]
    if _kernel.native is not None and _kernel.native.__file__ is not None:
        files.append(Path(_kernel.native.__file__))
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        name = file.relative_to(package).as_posix() if file.is_relative_to(package) else file.name
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _cpu_s() -> float:
    """Return the processor time of this process and of the ended ones that it started."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """Return the model name and instruction set: compiled code and numpy pick their variants by it."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return f"{platform.machine()} {platform.processor()}"
    first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    about = {name.strip(): value.strip() for name, value in pairs}
    flags = about.get("flags", about.get("Features", ""))
    digest = hashlib.sha256(flags.encode()).hexdigest()[:12]
    return f"{platform.machine()} {about.get('model name', platform.processor())} {digest}"


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
