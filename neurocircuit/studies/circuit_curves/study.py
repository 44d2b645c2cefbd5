"""The study of circuit quantities: one changed at a time, each network mapped again, whole images run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError, SpecError
from neurocircuit.network.run import EncodedImages
from neurocircuit.results.circuit_curves import CircuitCurves, Group
from neurocircuit.snn import unroll
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.augment import Augmentation
from neurocircuit.snn.encode import Encoding
from neurocircuit.spec import NeuronSpec, Variation
from neurocircuit.spec.variation import EMBEDDED
from neurocircuit.studies.circuit_curves import quantities, rows
from neurocircuit.studies.circuit_curves import run as curves
from neurocircuit.studies.circuit_curves.quantities import Quantity, Setting
from neurocircuit.studies.circuit_curves.run import Method, Network, Point

GROUPS = ("clean", "aware")
Circuit = tuple[NeuronSpec, Variation]


def circuit_curves(
    clean: Sequence[Path | str] = (),
    aware: Sequence[Path | str] = (),
    *,
    beside: Sequence[tuple[str, Path | str]] = (),
    out: Path | str,
    circuits: Sequence[Circuit] = (),
    quantity: Sequence[str] | Mapping[str, Sequence[float] | None] = (),
    split: str = "test",
    images: int = 40,
    map_images: int = 100,
    chips: int = 3,
    level: str = "edge",
    method: Method = "circuit",
    seed: int = 1,
    data: Path | str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> CircuitCurves:
    """Return accuracies of whole images as one quantity of a circuit changes, each network mapped again at each value.

    clean: checkpoints trained without the circuit's noise, one for each training seed; aware: under it; beside: more
    networks, each with the name of its group. circuits: pairs of spec and variation (default: the embedded ones).
    quantity: names of `quantities.QUANTITIES` with values beside the circuit's own (None: the usual ones), or texts
    "cycles=4,30"; all by default. method: circuit runs every neuron of each image at the level; table makes a noise
    table at each point, under which an image takes less time. Networks meet the same images, chips and events. Finished
    tasks stay in out/tasks.

    Raise InputError for a quantity twice, circuits or networks of one name, or networks that read other images.

    >>> circuit_curves(["clean.pt"], out="curves", quantity={"cycles": [4, 30]})  # doctest: +SKIP
    """
    clock = RunClock()
    chosen = _quantities(quantity)
    settings = _settings(circuits or ((NeuronSpec(), EMBEDDED),))
    groups: dict[str, list[Path]] = {}
    for name, path in (*((GROUPS[0], path) for path in clean), *((GROUPS[1], path) for path in aware), *beside):
        groups.setdefault(name, []).append(Path(path))
    if not groups:
        raise InputError("at least one network is needed: clean, aware or beside")
    chips_of = {name: curves.chips_of_networks(paths, chips) for name, paths in groups.items()}
    networks, images_of = _networks(groups, split, images, map_images, data)
    tasks = [
        curves.Task(
            network,
            point,
            chips_of[network.group][network.number - 1],
            images_of[network.name],
            level,
            seed,
            method,
        )
        for point in _points(settings, chosen)
        for network in networks
    ]
    outcomes = curves.run(tasks, Path(out) / "tasks", jobs, scheduler, progress)
    return CircuitCurves(
        level=level,
        method=method,
        split=split,
        images=images,
        map_images=map_images,
        chips=chips,
        seed=seed,
        groups={
            name: Group(
                weights=tuple(str(path) for path in paths),
                chips=tuple(chips_of[name]),
                sha256=tuple(network.sha256 for network in networks if network.group == name),
                software=rows.software(tasks, outcomes, name),
            )
            for name, paths in groups.items()
        },
        circuits={
            name: {quantity.name: quantity.read(setting) for quantity, _ in chosen}
            for name, setting in settings.items()
        },
        quantities={quantity.name: quantity.label for quantity, _ in chosen},
        rows=rows.rows(tasks, outcomes),
        gains=rows.gains(tasks, outcomes, *GROUPS) if set(GROUPS) <= groups.keys() else (),
        cpu_s_of_all_tasks=sum(outcome.cpu_s for outcome in outcomes.values()),
        jobs=jobs,
        run=clock.record(),
    )


def _quantities(
    quantity: Sequence[str] | Mapping[str, Sequence[float] | None],
) -> list[tuple[Quantity, tuple[float, ...]]]:
    """Return quantities with their values. Raise InputError for one that is named twice or unknown."""
    if not isinstance(quantity, Mapping):
        named_values = [quantities.parsed(text) for text in quantity] or [
            (name, None) for name in quantities.QUANTITIES
        ]
        names = [name for name, _ in named_values]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"--quantity must name each quantity once, got {name} again")
        quantity = dict(named_values)
    return [
        quantities.quantity_and_values(name, None if values is None else tuple(values))
        for name, values in quantity.items()
    ]


def _settings(circuits: Sequence[Circuit]) -> dict[str, Setting]:
    """Return circuits by the names in their specs. Raise InputError for a name that comes twice."""
    settings: dict[str, Setting] = {}
    for neuron, variation in circuits:
        if neuron.name in settings:
            raise InputError(f"--circuit must give circuits of different names, got {neuron.name} twice")
        settings[neuron.name] = Setting(neuron, variation)
    return settings


def _points(settings: dict[str, Setting], chosen: list[tuple[Quantity, tuple[float, ...]]]) -> list[Point]:
    """Return each circuit as it is, then with each value that it does not have already."""
    points = []
    for name, setting in settings.items():
        points.append(Point(name, None, None, setting))
        for quantity, values in chosen:
            for value in values:
                if abs(value - quantity.read(setting)) <= 1e-6 * value:
                    continue
                try:
                    points.append(Point(name, quantity.name, value, quantity.at(setting, value)))
                except SpecError as error:
                    points.append(Point(name, quantity.name, value, setting, f"no such circuit: {error}"))
    return points


def _networks(
    groups: dict[str, list[Path]], split: str, count: int, map_images: int, data: Path | str | None
) -> tuple[list[Network], dict[str, EncodedImages]]:
    """Return the networks of all groups, and the images that each decides, by its name; encoded as it has them.

    Raise InputError for other data sets, or names that files cannot tell apart.
    """
    unrolled = {path: unroll.load(path) for paths in groups.values() for path in paths}
    first = next(iter(unrolled))
    subject = unrolled[first].subject
    training = sets.load(subject.data, "train", data).first(map_images)
    decided = sets.load(subject.data, split, data).first(count)
    encoded: dict[tuple[Encoding, Augmentation], tuple[EncodedImages, ...]] = {}
    networks, images_of = [], {}
    for group, paths in groups.items():
        for number, path in enumerate(paths, 1):
            reads = unrolled[path].subject
            if reads.data.name != subject.data.name:
                raise InputError(f"{path} must read {subject.data.name}, as {first} does, got {reads.data.name}")
            key = reads.encoding, reads.augmentation
            if key not in encoded:
                encoded[key] = tuple(unroll.encoded(reads, images) for images in (training, decided))
            network = Network(group, number, path, encoded[key][0])
            if network.name in images_of:
                raise InputError(f"beside must have names that differ in letters and digits, got {group!r}")
            networks.append(network)
            images_of[network.name] = encoded[key][1]
    return networks, images_of
