"""neurocircuit study circuit-curves: accuracy of whole images against quantities of the circuit."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurocircuit.cli.common import data_option, echo_json, jobs_option, json_option, load_spec, scheduler_option
from neurocircuit.cli.network import seed_option, write_json
from neurocircuit.core.pool import shown
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError, SpecError
from neurocircuit.units import parse_numbers

if TYPE_CHECKING:
    from neurocircuit.network.run import EncodedImages
    from neurocircuit.studies.circuit_curves.quantities import Quantity, Setting
    from neurocircuit.studies.circuit_curves.run import Network, Point

_PATH = click.Path(path_type=Path)
EMBEDDED = "embedded"
GROUPS = ("clean", "aware")
NAMES = ("cycles", "mismatch", "phase_noise", "headroom", "ratio")


@click.command("circuit-curves")
@click.option(
    "--clean",
    required=True,
    multiple=True,
    type=_PATH,
    metavar="WEIGHTS",
    help="A network trained without the circuit's noise; once for each training seed.",
)
@click.option("--aware", multiple=True, type=_PATH, metavar="WEIGHTS", help="One trained under it; likewise.")
@click.option(
    "--circuit",
    "circuits",
    multiple=True,
    nargs=2,
    metavar="SPEC VARIATION",
    help="Circuit to change (TOML files, or the word embedded); may be repeated.  [default: embedded embedded]",
)
@click.option(
    "--quantity",
    "wanted",
    multiple=True,
    metavar="NAME[=V1,V2,...]",
    help=f"What to change, and its values beside the circuit's own: {', '.join(NAMES)} "
    "(phase_noise in rad2/s, headroom as the used share of the phase range). Default: all.",
)
@click.option("--images", "count", default=40, show_default=True, type=click.IntRange(min=2), help="Images.")
@click.option(
    "--split",
    type=click.Choice(("train", "held_out", "test", "official")),
    default="test",
    show_default=True,
    help="Which images.",
)
@click.option(
    "--map-images",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Training images that the mappings see.",
)
@click.option(
    "--chips",
    default=3,
    show_default=True,
    type=click.IntRange(min=2),
    help="Chips, dealt to the networks of a group in turn.",
)
@click.option(
    "--level", type=click.Choice(("edge", "averaged")), default="edge", show_default=True, help="Level of the neuron."
)
@jobs_option
@scheduler_option
@click.option("--out", required=True, type=_PATH, help="Directory of tasks, result.json and report.")
@seed_option
@data_option
@json_option
def command(
    clean: tuple[Path, ...],
    aware: tuple[Path, ...],
    circuits: tuple[tuple[str, str], ...],
    wanted: tuple[str, ...],
    count: int,
    split: str,
    map_images: int,
    chips: int,
    level: str,
    jobs: int,
    scheduler: str | None,
    out: Path,
    seed: int,
    data: Path | None,
    as_json: bool,
) -> None:
    """Change one quantity of a circuit at a time, map each network again, and run whole images neuron by neuron.

    Networks trained without and with the circuit's noise meet the same images, chips and events. A mapping that breaks
    a limit is run and marked; a circuit that cannot be is a row with its reason. Finished tasks stay in OUT/tasks.
    """
    clock = RunClock()
    quantities = _quantities(wanted)
    settings = _settings(circuits or ((EMBEDDED, EMBEDDED),))

    from neurocircuit.report import write_report
    from neurocircuit.studies.circuit_curves import rows
    from neurocircuit.studies.circuit_curves import run as curves

    groups = {name: paths for name, paths in zip(GROUPS, (clean, aware), strict=True) if paths}
    chips_of = {name: curves.dealt(paths, chips) for name, paths in groups.items()}
    networks, seen = _networks(groups, split, count, map_images, data)
    tasks = [
        curves.Task(network, point, chips_of[network.group][network.number - 1], seen, level, seed)
        for point in _points(settings, quantities)
        for network in networks
    ]
    with shown() as progress:
        found = curves.run(tasks, out / "tasks", jobs, scheduler, progress)
    numbers: dict[str, Any] = {
        "kind": "circuit_curves",
        "schema": 1,
        "level": level,
        "split": split,
        "images": count,
        "map_images": map_images,
        "chips": chips,
        "seed": seed,
        "groups": {
            name: {
                "weights": [str(path) for path in paths],
                "chips": chips_of[name],
                "sha256": [one.sha256 for one in networks if one.group == name],
                "software": rows.software(tasks, found, name),
            }
            for name, paths in groups.items()
        },
        "circuits": {
            name: {one.name: one.read(setting) for one, _ in quantities} for name, setting in settings.items()
        },
        "quantities": {one.name: one.label for one, _ in quantities},
        "rows": rows.rows(tasks, found),
        "gains": rows.gains(tasks, found, *GROUPS) if len(groups) == 2 else [],
        "cpu_s_of_all_tasks": sum(one["cpu_s"] for one in found.values()),
        "jobs": jobs,
        "run": clock.record().model_dump(),
    }
    write_json(out / "result.json", numbers)
    write_report(out / "result.json")
    if as_json:
        echo_json(numbers)
    else:
        click.echo(f"report: {out / 'report.html'}")


def _quantities(wanted: tuple[str, ...]) -> "list[tuple[Quantity, tuple[float, ...]]]":
    from neurocircuit.studies.circuit_curves import quantities

    asked = {}
    for text in wanted or NAMES:
        name, equals, values = text.partition("=")
        if name in asked:
            raise InputError(f"--quantity must name each quantity once, got {name} again")
        asked[name] = quantities.asked(name, parse_numbers(values, f"--quantity {name}") if equals else None)
    return list(asked.values())


def _settings(circuits: tuple[tuple[str, str], ...]) -> "dict[str, Setting]":
    """Circuits by the names in their specs. Raises InputError for a name that comes twice."""
    from neurocircuit.spec.variation import EMBEDDED as EMBEDDED_VARIATION
    from neurocircuit.spec.variation import Variation
    from neurocircuit.studies.circuit_curves.quantities import Setting

    made: dict[str, Setting] = {}
    for spec, variation in circuits:
        neuron = load_spec(None if spec == EMBEDDED else Path(spec))
        own = EMBEDDED_VARIATION if variation == EMBEDDED else Variation.from_toml(Path(variation))
        if neuron.name in made:
            raise InputError(f"--circuit must give circuits of different names, got {neuron.name} twice")
        made[neuron.name] = Setting(neuron, own)
    return made


def _points(settings: "dict[str, Setting]", quantities: "list[tuple[Quantity, tuple[float, ...]]]") -> "list[Point]":
    """Each circuit as it is, then with each value that it does not have already."""
    from neurocircuit.studies.circuit_curves.run import Point

    points = []
    for name, setting in settings.items():
        points.append(Point(name, None, None, setting))
        for one, values in quantities:
            for value in values:
                if abs(value - one.read(setting)) <= 1e-6 * value:
                    continue
                try:
                    points.append(Point(name, one.name, value, one.at(setting, value)))
                except SpecError as error:
                    points.append(Point(name, one.name, value, setting, f"no such circuit: {error}"))
    return points


def _networks(
    groups: dict[str, tuple[Path, ...]], split: str, count: int, map_images: int, data: Path | None
) -> "tuple[list[Network], EncodedImages]":
    """Networks of all groups, and the images that they decide. Raises InputError where they read other images."""
    from neurocircuit.snn import unroll
    from neurocircuit.studies.circuit_curves.run import Network

    first = unroll.load(groups[GROUPS[0]][0])
    training = first.images("train", data, map_images)
    seen = first.images(split, data, count)
    made = [
        Network(group, number, path, training)
        for group, paths in groups.items()
        for number, path in enumerate(paths, 1)
    ]
    reads = [(one.unrolled.subject.data.name, one.unrolled.subject.encoding) for one in made]
    for own, network in zip(reads, made, strict=True):
        if own != reads[0]:
            raise InputError(f"{network.path} must read {reads[0][0]} encoded as {made[0].path} has it, got {own[0]}")
    return made, seen
