"""Is everything here that a sweep needs, and do the levels work? Each check says what to type to mend its fault."""

import importlib.util
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from neurocircuit import __version__
from neurocircuit._kernel import native
from neurocircuit.core import extras
from neurocircuit.core.result import Result, Values
from neurocircuit.errors import NeurocircuitError, SimulatorMissing
from neurocircuit.neuron.levels import LEVELS, evaluate
from neurocircuit.process.ring import check_ring
from neurocircuit.spec import NeuronSpec
from neurocircuit.spice import ngspice
from neurocircuit.spice import process as processes
from neurocircuit.studies.sweep import ledger

OLDEST_PYTHON = (3, 11)
_PROCESS = "generic65"  # embedded: nothing else must be installed for it
# One neuron of two inputs that every level must agree on: arrival times in units of tau, and weights.
_TIMES_OVER_TAU, _WEIGHTS = (0.3, 0.6), (1.2, 1.2)


class Check(Values):
    """What one check found.

    status: "ok"; "absent", which costs comfort or speed only; "problem", which stands in the way of a sweep.
    remedy: what to type, empty where all is well. values: the same facts as numbers and text.
    """

    name: str
    status: Literal["ok", "absent", "problem"]
    detail: str
    remedy: str = ""
    values: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(
        cls, name: str, status: Literal["ok", "absent", "problem"], detail: str, remedy: str = "", **values: Any
    ) -> "Check":
        """Return a check from its parts."""
        return cls(name=name, status=status, detail=detail, remedy=remedy, values=values)

    def __str__(self) -> str:
        """Return one aligned line, and a second one with what to type where something is amiss."""
        line = f"{self.name:<21}{self.status:<9}{self.detail}"
        return f"{line}\n{'':<30}-> {self.remedy}" if self.remedy else line


class CheckUp(Result):
    """All checks of this machine."""

    kind: ClassVar[str] = "check_up"

    healthy: bool
    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """1 where something stands in the way of a sweep."""
        return 0 if self.healthy else 1

    def summary(self) -> str:
        """Return a line for each check."""
        return "\n".join(map(str, self.checks))


def check_up(directory: Path | str = ".", tell: Callable[[str], None] = lambda line: None) -> CheckUp:
    """Return the checks of Python, kernel, ngspice, optional packages, write access to `directory`, and every level.

    tell: hears the line of each check as it is done. Nothing is written.
    """
    checks = []
    for check in all_checks(Path(directory).absolute()):
        checks.append(check)
        tell(str(check))
    return CheckUp(healthy=all(check.status != "problem" for check in checks), checks=tuple(checks))


def all_checks(directory: Path) -> Iterator[Check]:
    """Yield every check in the order of a set-up, each done when it is asked for."""
    yield check_python()
    yield Check.of("neurocircuit", "ok", f"{__version__} in {Path(__file__).parent}", version=__version__)
    yield check_kernel()
    yield check_ngspice()
    yield check_extra("torch", "training")
    yield check_extra("distributed", "sweep --scheduler")
    yield check_extra("optuna", "codesign")
    yield check_writable("directory", directory)
    yield check_ledger(ledger.default_path())
    yield from check_levels()
    yield check_transistors()
    for name in processes.names():
        if name != _PROCESS:
            yield check_process(name)


def check_python() -> Check:
    """Check that the interpreter is new enough."""
    running = platform.python_version()
    detail = f"{running} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return Check.of("python", "problem", detail, f"install Python >= {oldest} and create the environment with it")
    return Check.of("python", "ok", detail, version=running)


def check_kernel() -> Check:
    """Check that the compiled kernel is there, and which instructions its layers use.

    Without it numpy and torch step in.
    """
    if native is None:
        remedy = "install a C++ compiler (apt-get install g++ python3-dev), then install neurocircuit again"
        detail = "not compiled: the edge level runs on numpy, causal-set layers as a torch event loop, both slowly"
        return Check.of("kernel", "absent", detail, remedy, layers_on_cpu="event loop")
    layers = f"native {native.instruction_set()}"
    return Check.of("kernel", "ok", f"compiled; causal-set layers: {layers}", layers_on_cpu=layers)


def check_ngspice() -> Check:
    """Check that the simulator answers with its version."""
    try:
        path, ngspice_version = ngspice.find_ngspice(), ngspice.version()
    except SimulatorMissing as error:
        what, _, remedy = str(error).partition("; type: ")
        return Check.of("ngspice", "problem", what, remedy or f"unset {ngspice.EXECUTABLE_VARIABLE}")
    except NeurocircuitError as error:
        return Check.of("ngspice", "problem", str(error), "apt-get install --reinstall ngspice")
    built = ", ".join(f"{'with' if has else 'no'} {what}" for what, has in _features(ngspice_version).items())
    values: dict[str, Any] = {
        "version": ngspice_version.number,
        "path": str(path),
        "openmp": ngspice_version.openmp,
        "xspice": ngspice_version.xspice,
    }
    return Check.of("ngspice", "ok", f"{ngspice_version.number} ({path}), {built}", **values)


def _features(ngspice_version: ngspice.NgspiceVersion) -> dict[str, bool]:
    return {"OpenMP": ngspice_version.openmp, "XSPICE": ngspice_version.xspice}


def check_extra(package: str, purpose: str) -> Check:
    """Check that an optional package is installed; it is looked up, not imported."""
    if importlib.util.find_spec(package) is None:
        detail = f"not installed; only {purpose} needs it"
        return Check.of(package, "absent", detail, extras.install_line(package))
    try:
        package_version = version(package)
    except PackageNotFoundError:
        return Check.of(package, "absent", "a folder of that name without a version", f"pip install --force {package}")
    return Check.of(package, "ok", package_version, version=package_version)


def check_writable(name: str, directory: Path) -> Check:
    """Check that the files can be written in a directory, or in its nearest parent that exists; nothing is created."""
    existing = next(folder for folder in (directory, *directory.parents) if folder.exists())
    values: dict[str, Any] = {"path": str(directory)}
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Check.of(name, "ok", f"{directory} is writable", **values)
    return Check.of(name, "problem", f"{existing} is not a writable directory", "cd to a directory of yours", **values)


def check_ledger(path: Path) -> Check:
    """Check that the sweep's ledger is one, or can be created."""
    remedy = "export NEUROCIRCUIT_LEDGER=FOLDER (a new folder in a directory of yours)"
    folder = check_writable("ledger", path.parent)
    if folder.status != "ok":
        return folder.model_copy(update={"remedy": remedy})
    try:
        ledger.check(path)
    except NeurocircuitError as error:
        return Check.of("ledger", "problem", str(error), remedy)
    kept = "kept" if path.exists() else "to be created"
    return folder.model_copy(update={"detail": f"{path}, {kept}", "values": {"path": str(path)}})


def check_levels() -> Iterator[Check]:
    """Yield a check of one fixed neuron at every level: each must fire close to the level it refines."""
    spec = NeuronSpec()
    times, weights = np.array([_TIMES_OVER_TAU]), np.array([_WEIGHTS])
    by_level = tolerances(spec)
    fired: dict[str, float] = {}
    for level in (name for name in LEVELS if name != "transistor"):
        try:
            evaluate(level, spec, times, weights)  # imports what the level needs; the second run tells the time
            began = time.perf_counter()
            record = evaluate(level, spec, times, weights)
            duration_s = time.perf_counter() - began
        except SimulatorMissing:
            yield Check.of(f"level {level}", "problem", "not run: ngspice is missing", "see ngspice above")
            continue
        except NeurocircuitError as error:
            yield Check.of(f"level {level}", "problem", str(error), "neurocircuit simulate --level " + level)
            continue
        fired[level] = float(record.fire_time_over_tau[0])
        yield _judged(level, fired, duration_s, record.failures.get(0, ""), by_level)


def check_transistors() -> Check:
    """The transistor level's parts: the embedded process is there, and its ring oscillator runs at its nominal bias."""
    name, remedy = "transistors", f"neurocircuit process check {_PROCESS}"
    try:
        began = time.perf_counter()
        installed = processes.load(_PROCESS)
        ring = check_ring(installed, installed.condition())
        duration_s = time.perf_counter() - began
    except SimulatorMissing:
        return Check.of(name, "problem", "not run: ngspice is missing", "see ngspice above")
    except NeurocircuitError as error:
        return Check.of(name, "problem", str(error), remedy)
    detail = f"ring of {_PROCESS} at {ring.f_Hz / 1e6:.1f} MHz, {duration_s:.1f} s; a neuron is trimmed first"
    return Check.of(name, "ok", detail, ring_Hz=ring.f_Hz, duration_s=duration_s)


def check_process(name: str) -> Check:
    """Check whether the models of a foreign process are on this machine; nothing is simulated."""
    try:
        installed = processes.load(name)
    except processes.ProcessMissing as error:
        return Check.of(name, "absent", str(error).partition("; type: ")[0], processes.describe(name).install)
    corners = ", ".join(installed.process.corners)
    values: dict[str, Any] = {"folder": str(installed.folder), "corners": list(installed.process.corners)}
    return Check.of(name, "ok", f"process with corners {corners}; models in {installed.folder}", **values)


def tolerances(spec: NeuronSpec) -> dict[str, tuple[str, float]]:
    """Which level each one refines, and how far it may fire from it, units of tau: the order of what it adds."""
    return {
        "ideal": ("ideal", 0.0),
        "averaged": ("ideal", 2.0 / spec.loop_ratio),
        "edge": ("averaged", 2.0 / spec.cycles_per_tau),
        "bsource": ("averaged", 1e-3),
    }


def _judged(
    level: str, fired: dict[str, float], duration_s: float, failure: str, tolerances: dict[str, tuple[str, float]]
) -> Check:
    name, time_over_tau = f"level {level}", fired[level]
    remedy = "make test (the level does not compute what it should; please report it)"
    if not np.isfinite(time_over_tau):
        return Check.of(name, "problem", failure or f"the test neuron must fire, got {time_over_tau:g}", remedy)
    coarser, tolerance = tolerances[level]
    difference = time_over_tau - fired.get("ideal", np.nan)
    detail = f"fires at {time_over_tau:.6f} tau, {difference:+.2e} tau from ideal, {1e3 * duration_s:.1f} ms"
    values: dict[str, Any] = {
        "fire_time_over_tau": time_over_tau,
        "minus_ideal_over_tau": difference,
        "duration_s": duration_s,
    }
    if not abs(time_over_tau - fired.get(coarser, np.nan)) <= tolerance:
        return Check.of(name, "problem", f"{detail}; must be within {tolerance:g} tau of {coarser}", remedy, **values)
    return Check.of(name, "ok", detail, **values)
