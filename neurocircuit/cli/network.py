"""What the commands on mapped networks share: options, images, numbers of a run, and its record."""

import json
import platform
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from neurocircuit import __version__
from neurocircuit.cli.common import finite_or_null
from neurocircuit.core.files import write_atomically
from neurocircuit.core.provenance import commit

if TYPE_CHECKING:
    from neurocircuit.core.arrays import Floats
    from neurocircuit.snn.unroll import Unrolled

part_option = click.option(
    "--part",
    type=click.Choice(("train", "held_out", "test", "official")),
    default="train",
    show_default=True,
    help="Which images.",
)
seed_option = click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 2**63 - 1), help="Root of all random draws."
)


def images(unrolled: "Unrolled", part: str, data: Path | None, count: int) -> "tuple[list[Floats], np.ndarray]":
    """Input spikes [number] and labels of the first images. Raises InputError when there are fewer."""
    from neurocircuit.snn.data import library
    from neurocircuit.snn.inputs import spikes_and_labels

    return spikes_and_labels(unrolled.subject, library.load(unrolled.subject.data, part, data), count)  # type: ignore[arg-type]


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
