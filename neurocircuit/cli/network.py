"""What the studies' commands share: numbers of a run, and its record."""

import json
from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import finite_or_null
from neurocircuit.core.files import write_atomically

seed_option = click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 2**63 - 1), help="Root of all random draws."
)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """A file of numbers that the reports read."""
    write_atomically(path, json.dumps(finite_or_null(values), indent=1, allow_nan=False) + "\n")
