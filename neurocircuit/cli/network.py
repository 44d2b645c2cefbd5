"""What the studies' commands share: numbers of a run, and its record."""

import json
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

import click

from neurocircuit import __version__
from neurocircuit.cli.common import finite_or_null
from neurocircuit.core.files import write_atomically
from neurocircuit.core.provenance import commit

seed_option = click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 2**63 - 1), help="Root of all random draws."
)


def record(started: float, **values: Any) -> dict[str, Any]:
    """What a run was, beside its results; started: process time at its begin. Processes that it started count too."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = time.process_time() - started + children.ru_utime + children.ru_stime
    return {
        "command": " ".join(["neurocircuit", *sys.argv[1:]]),
        "version": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "cpu_seconds": round(spent_s, 1),
        **values,
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    """A file of numbers that the reports read."""
    write_atomically(path, json.dumps(finite_or_null(values), indent=1, allow_nan=False) + "\n")
