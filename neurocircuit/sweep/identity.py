"""What else determines a number: processor type, versions, and the code itself."""

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import neurocircuit
from neurocircuit import _kernel, simulate
from neurocircuit.errors import SimulatorBadOutput, SimulatorMissing, SimulatorTimeout
from neurocircuit.spice.ngspice import find_ngspice

_DEPENDENCIES = ("numpy", "scipy")
_CODE = ("neuron", "spice", "spec", "sweep/draws.py", "sweep/worker.py", "simulate.py")


@dataclass(frozen=True)
class Environment:
    """Identity of the machine and the code; two machines that agree in it give the same bytes."""

    identity: dict[str, str]
    engines: dict[str, str]  # by level

    @classmethod
    def here(cls, levels: tuple[str, ...]) -> "Environment":
        """Of this process. Raises SimulatorMissing when a level's simulator is not installed or does not work."""
        try:
            return cls(machine_identity(), {level: simulate.engine(level) for level in levels})
        except (SimulatorBadOutput, SimulatorTimeout) as error:
            raise SimulatorMissing(f"{error} ({find_ngspice()}); mend it, or do without: --cross-check none") from None


@cache
def machine_identity() -> dict[str, str]:
    """Processor type, versions and code hash of this process."""
    return {"processor": _processor(), "code_sha256": _code_sha256()} | versions()


def versions() -> dict[str, str]:
    """Of Python and of the packages that compute."""
    python = ".".join(platform.python_version_tuple()[:2])
    packages = {name: metadata.version(name) for name in _DEPENDENCIES}
    return {"python": python, "neurocircuit": neurocircuit.__version__} | packages


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


def _code_sha256() -> str:
    """Hash of the files that make the numbers: a version number does not follow a working checkout."""
    package = Path(neurocircuit.__file__).parent
    files = [
        file
        for part in _CODE
        for file in ([package / part] if part.endswith(".py") else sorted((package / part).rglob("*")))
        if file.is_file() and file.suffix != ".pyc"
    ]
    if _kernel.native is not None and _kernel.native.__file__ is not None:
        files.append(Path(_kernel.native.__file__))
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
