"""Measurements without a simulator: module-level, so that other processes find them."""

import time
from pathlib import Path

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process.request import Request
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import Condition

TOLD = "told"


def work(request: Request, condition: Condition, name: str, done: dict[str, Measured], folder: Path) -> Measured:
    assert folder.is_dir()
    if name == "synapse" and condition.corner == "ss":
        raise SimulatorBadOutput("no pulse; deck and log kept in /tmp/somewhere")
    before = sum(one.value("x") for one in done.values())
    return Measured((Quantity("x", "a value", before + 1.0, "s"),), cpu_s=0.5)


def slow_work(request: Request, condition: Condition, name: str, done: dict[str, Measured], folder: Path) -> Measured:
    """Take a while, so that a run can be killed before it ends."""
    time.sleep(0.5)
    return work(request, condition, name, done, folder)


def held_work(request: Request, condition: Condition, name: str, done: dict[str, Measured], folder: Path) -> Measured:
    """Measure when the file `told` stands beside the conditions: it never does before somebody has heard of it."""
    end = time.monotonic() + 60.0
    while not (folder.parent / TOLD).exists() and time.monotonic() < end:
        time.sleep(0.02)
    return work(request, condition, name, done, folder)
