"""Which code, on which machine, a result was made with."""

import hashlib
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

import neurocircuit
from neurocircuit import _kernel

_DEPENDENCIES = ("numpy", "scipy")
_CANNOT_MOVE_A_NUMBER = ("cli", "report")  # they show numbers; everything else of the package may make one


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


def _processor() -> str:
    """Model name and instruction set: compiled code and numpy pick their variants by it."""
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
