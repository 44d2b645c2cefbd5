"""The checks behind `neurocircuit doctor`: each looks at one thing and says what to type to mend it."""

import importlib.util
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import numpy as np

from neurocircuit import __version__
from neurocircuit._kernel import native
from neurocircuit.core import extras
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


@dataclass(frozen=True)
class Check:
    """What one check found.

    status: "ok"; "absent", which costs comfort or speed only; "problem", which stands in the way of a sweep.
    remedy: what to type, empty where all is well. values: the same facts as numbers and text, for --json.
    """

    name: str
    status: Literal["ok", "absent", "problem"]
    detail: str
    remedy: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


def all_checks(directory: Path) -> Iterator[Check]:
    """Every check in the order of a set-up, each done when it is asked for."""
    yield check_python()
    yield Check("neurocircuit", "ok", f"{__version__} in {Path(__file__).parents[1]}", values={"version": __version__})
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
    """The interpreter is new enough."""
    running = platform.python_version()
    detail = f"{running} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return Check("python", "problem", detail, f"install Python >= {oldest} and create the environment with it")
    return Check("python", "ok", detail, values={"version": running})


def check_kernel() -> Check:
    """The compiled kernel is there, and which instructions its layers use; without it numpy and torch step in."""
    if native is None:
        remedy = "install a C++ compiler (apt-get install g++ python3-dev), then install neurocircuit again"
        detail = "not compiled: the edge level runs on numpy, causal-set layers as a torch event loop, both slowly"
        return Check("kernel", "absent", detail, remedy, {"layers_on_cpu": "event loop"})
    layers = f"native {native.instruction_set()}"
    return Check("kernel", "ok", f"compiled; causal-set layers: {layers}", values={"layers_on_cpu": layers})


def check_ngspice() -> Check:
    """The simulator answers with its version."""
    try:
        path, found = ngspice.find_ngspice(), ngspice.version()
    except SimulatorMissing as error:
        what, _, remedy = str(error).partition("; type: ")
        return Check("ngspice", "problem", what, remedy or f"unset {ngspice.EXECUTABLE_VARIABLE}")
    except NeurocircuitError as error:
        return Check("ngspice", "problem", str(error), "apt-get install --reinstall ngspice")
    built = ", ".join(f"{'with' if has else 'no'} {what}" for what, has in _features(found).items())
    values = {"version": found.number, "path": str(path), "openmp": found.openmp, "xspice": found.xspice}
    return Check("ngspice", "ok", f"{found.number} ({path}), {built}", values=values)


def _features(found: ngspice.NgspiceVersion) -> dict[str, bool]:
    return {"OpenMP": found.openmp, "XSPICE": found.xspice}


def check_extra(package: str, purpose: str) -> Check:
    """An optional package is installed; it is looked up, not imported."""
    if importlib.util.find_spec(package) is None:
        detail = f"not installed; only {purpose} needs it"
        return Check(package, "absent", detail, extras.install_line(package))
    try:
        found = version(package)
    except PackageNotFoundError:
        return Check(package, "absent", "a folder of that name without a version", f"pip install --force {package}")
    return Check(package, "ok", found, values={"version": found})


def check_writable(name: str, directory: Path) -> Check:
    """Files can be written in a directory, or in its nearest parent that exists; nothing is created."""
    existing = next(place for place in (directory, *directory.parents) if place.exists())
    values = {"path": str(directory)}
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Check(name, "ok", f"{directory} is writable", values=values)
    return Check(name, "problem", f"{existing} is not a writable directory", "cd to a directory of yours", values)


def check_ledger(path: Path) -> Check:
    """The sweep's ledger is one, or can be created."""
    remedy = "export NEUROCIRCUIT_LEDGER=FOLDER (a new folder in a directory of yours)"
    folder = check_writable("ledger", path.parent)
    if folder.status != "ok":
        return replace(folder, remedy=remedy)
    try:
        ledger.check(path)
    except NeurocircuitError as error:
        return Check("ledger", "problem", str(error), remedy)
    return replace(folder, detail=f"{path}, {'kept' if path.exists() else 'to be created'}", values={"path": str(path)})


def check_levels() -> Iterator[Check]:
    """One fixed neuron at every level: each must fire close to the level it refines."""
    spec = NeuronSpec()
    times, weights = np.array([_TIMES_OVER_TAU]), np.array([_WEIGHTS])
    tolerances = _tolerances(spec)
    fired: dict[str, float] = {}
    for level in (name for name in LEVELS if name != "transistor"):
        try:
            evaluate(level, spec, times, weights)  # imports what the level needs; the second run tells the time
            began = time.perf_counter()
            record = evaluate(level, spec, times, weights)
            duration_s = time.perf_counter() - began
        except SimulatorMissing:
            yield Check(f"level {level}", "problem", "not run: ngspice is missing", "see ngspice above")
            continue
        except NeurocircuitError as error:
            yield Check(f"level {level}", "problem", str(error), "neurocircuit simulate --level " + level)
            continue
        fired[level] = float(record.fire_time_over_tau[0])
        yield _judged(level, fired, duration_s, record.failures.get(0, ""), tolerances)


def check_transistors() -> Check:
    """The transistor level's parts: the embedded process is there, and its ring oscillator runs at its nominal bias."""
    name, remedy = "transistors", f"neurocircuit process check {_PROCESS}"
    try:
        began = time.perf_counter()
        installed = processes.load(_PROCESS)
        found = check_ring(installed, installed.condition())
        duration_s = time.perf_counter() - began
    except SimulatorMissing:
        return Check(name, "problem", "not run: ngspice is missing", "see ngspice above")
    except NeurocircuitError as error:
        return Check(name, "problem", str(error), remedy)
    detail = f"ring of {_PROCESS} at {found.f_Hz / 1e6:.1f} MHz, {duration_s:.1f} s; a neuron is trimmed first"
    return Check(name, "ok", detail, values={"ring_Hz": found.f_Hz, "duration_s": duration_s})


def check_process(name: str) -> Check:
    """Whether the models of a foreign process are on this machine; nothing is simulated."""
    try:
        installed = processes.load(name)
    except processes.ProcessMissing as error:
        return Check(name, "absent", str(error).partition("; type: ")[0], processes.describe(name).install)
    corners = ", ".join(installed.process.corners)
    values = {"folder": str(installed.folder), "corners": list(installed.process.corners)}
    return Check(name, "ok", f"process with corners {corners}; models in {installed.folder}", values=values)


def _tolerances(spec: NeuronSpec) -> dict[str, tuple[str, float]]:
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
        return Check(name, "problem", failure or f"the test neuron must fire, got {time_over_tau:g}", remedy)
    coarser, tolerance = tolerances[level]
    difference = time_over_tau - fired.get("ideal", np.nan)
    detail = f"fires at {time_over_tau:.6f} tau, {difference:+.2e} tau from ideal, {1e3 * duration_s:.1f} ms"
    values = {"fire_time_over_tau": time_over_tau, "minus_ideal_over_tau": difference, "duration_s": duration_s}
    if not abs(time_over_tau - fired.get(coarser, np.nan)) <= tolerance:
        return Check(name, "problem", f"{detail}; must be within {tolerance:g} tau of {coarser}", remedy, values)
    return Check(name, "ok", detail, values=values)
