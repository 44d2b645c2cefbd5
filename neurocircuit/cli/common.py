"""What the commands share: types of options that read files and units, and the end of each command.

A command turns options into one call of the API, and gives its result to `deliver`. It computes nothing: a test reads
every command and refuses arithmetic, loops and further calls (tests/cli/test_thin.py).
"""

import json
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from neurocircuit.core.files import finite_or_null

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from neurocircuit.core.pool import Progress
    from neurocircuit.core.result import Result


class Reads(click.ParamType):  # type: ignore[type-arg]  # generic in some versions of click
    """An option whose text a function of the package reads: from (text, name of the option) to a value.

    The function is named by module and attribute, and imported when the option is given.
    """

    def __init__(self, name: str, read: str) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value; what the function raises names the option."""
        if not isinstance(value, str):
            return value
        from importlib import import_module

        module, _, attribute = self._read.partition(":")
        field = param.opts[-1] if isinstance(param, click.Option) else (param.human_readable_name if param else "")
        return getattr(import_module(module), attribute)(value, field)


SPEC = Reads("path", "neurocircuit.cli.readers:spec")
VARIATION = Reads("path", "neurocircuit.cli.readers:variation")
NUMBERS = Reads("numbers", "neurocircuit.units:parse_numbers")
PERCENTAGES = Reads("percentages", "neurocircuit.cli.readers:percentages")
INTEGERS = Reads("integers", "neurocircuit.cli.readers:integers")
NAMES = Reads("names", "neurocircuit.cli.readers:names")
VOLTS = Reads("volts", "neurocircuit.cli.readers:volts")
METRES = Reads("metres", "neurocircuit.cli.readers:metres")
PATH = click.Path(path_type=Path)
SPLITS = ("train", "held_out", "test", "official")

spec_option = click.option("--spec", type=SPEC, help="Neuron spec (TOML); default: the embedded circuit.")


def split_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option of the split of the data set that a command's images are from."""
    return click.option(
        "--split", type=click.Choice(SPLITS), default=default, show_default=True, help="Split that the images are from."
    )


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
corner_option = click.option("--corner", default="", help="Corner; default: the process's first.")
temperature_option = click.option(
    "--temp", "temperature_C", type=float, default=27.0, show_default=True, help="Temperature, °C."
)
supply_option = click.option("--vdd", "supply_V", type=float, help="Supply, V; default: the process's nominal one.")
data_option = click.option("--data", type=PATH, help="Folder of the data sets; default: NEUROCIRCUIT_DATA.")
device_option = click.option(
    "--device", type=click.Choice(("cpu", "cuda")), default="cpu", show_default=True, help="Where torch computes."
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Threads of torch; part of what determines the last bits."
)
jobs_option = click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Processes; changes no number."
)
scheduler_option = click.option("--scheduler", help="Run on Dask: the address of a scheduler, or local.")
seed_option = click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 2**63 - 1), help="Seed of all random draws."
)
level_option = click.option(
    "--level", type=click.Choice(("edge", "averaged")), default="edge", show_default=True, help="Level of the neuron."
)
first_passage_option = click.option(
    "--first-passage-neurons",
    type=click.IntRange(min=0),
    metavar="NEURONS",
    help="Layers of at most so many neurons follow their membranes, as verify's do; others are moved by their slope, "
    "which is faster and pessimistic. Default: 10000.",
)


def whole_image_options(map_images: int, chips: int, fewest: int) -> Callable[[Any], Any]:
    """Return the options of a study that runs whole images on chips; fewest: images, and chips."""
    shared = (
        level_option,
        click.option("--images", default=40, show_default=True, type=click.IntRange(min=fewest), help="Images."),
        split_option("test"),
        click.option(
            "--map-images",
            default=map_images,
            show_default=True,
            type=click.IntRange(min=1),
            help="Training images that each mapping is chosen on.",
        ),
        click.option("--chips", default=chips, show_default=True, type=click.IntRange(min=fewest), help="Chips."),
        jobs_option,
        scheduler_option,
        seed_option,
        data_option,
        json_option,
    )
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(shared), command)


def progress() -> "AbstractContextManager[Progress]":
    """Show how far a long call is, on stderr."""
    from neurocircuit.core.pool import shown

    return shown()


class Deliverable(Protocol):
    """What a command gives to `deliver`: a Result, or what is saved and printed like one."""

    @property
    def exit_code(self) -> int:
        """What the command ends with."""

    def save(self, out: Path | str) -> Path:
        """Write the run and return the path that its report is written for."""

    def to_dict(self) -> dict[str, Any]:
        """Return its numbers."""


def deliver(result: Deliverable, as_json: bool, out: Path | None = None, report: bool = True) -> None:
    """Print the result, save it into `out`, write its report there, and end with its exit code.

    A result whose folder cannot be written has been printed by then, but as JSON, which names the report.
    """
    if not as_json:
        click.echo(str(result))
    page = None
    if out is not None:
        from neurocircuit.rendering import write_report

        saved = result.save(out)
        page = write_report(saved) if report else None
    if as_json:
        from neurocircuit.core.result import FolderResult

        files = result.beside_record() if isinstance(result, FolderResult) else {}
        echo_json(result.to_dict() | files | ({} if out is None else {"out": str(out), "report": page and str(page)}))
    elif page is not None:
        click.echo(f"report: {page}")
    if result.exit_code:
        sys.exit(result.exit_code)


def folder_of(result: "Result", as_json: bool) -> Path | None:
    """Return the folder of a result for which none was given, by its content: reports/KIND-HASH; as JSON none."""
    return None if as_json else Path("reports") / f"{result.kind}-{result.content_sha256[:8]}"


def echo_json(values: dict[str, Any]) -> None:
    """Print one strict JSON object on stdout; a number that is not finite becomes null."""
    click.echo(json.dumps(finite_or_null(values), allow_nan=False))
