"""Verification: whole images and single neurons on the circuit, against eq. (4) and against a noise table."""

import csv
import io
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import PrivateAttr

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.core.stats import random_effects
from neurocircuit.errors import InputError
from neurocircuit.network.run import OnCircuit
from neurocircuit.network.verify import images as whole_images
from neurocircuit.network.verify import transfer as paper
from neurocircuit.network.verify.single import in_transistors, single_neurons
from neurocircuit.network.verify.transfer import TransferJitter
from neurocircuit.neuron import levels
from neurocircuit.noise.table import NoiseTable
from neurocircuit.results.replay import ImagesReplay, Interval

SINGLE_IMAGES = 100  # single neurons come from the first images: each of them runs on a chip first
TRANSFER_IMAGES = 300  # the paper's reading says little: fewer images do


class TransferReplay(Values):
    """The same images by the paper's reading: each layer's jitter by a transfer table's curve."""

    curve_level: str
    curve_jitter: tuple[float, ...]
    curve_mean: tuple[Number, ...]
    jitter_by_layer: tuple[float, ...]
    extrapolated_layers: int
    images: int
    accuracy: Interval
    agreement: Interval
    deviation: tuple[float, ...]


class Coverage(Values):
    """Runs in a central interval: their share, its 95 % interval, and the exact binomial test of the nominal share.

    The test counts as many independent runs as have the same clustered error; detectable: the largest share below the
    nominal one that so many reject four times in five, nan where none.
    """

    nominal: float
    share: float
    inside: int
    independent_runs: int
    low: float
    high: float
    p_value: float
    rejected: bool
    detectable: Number


class Case(Values):
    """One run far out in its prediction, and its membrane over time (units of τ and thresholds)."""

    pit_value: float
    measured_over_tau: Number
    predicted_over_tau: Number
    ideal_over_tau: Number
    slope: Number
    highest: Number
    chip: int
    image: int
    neuron: int
    wave: dict[str, tuple[Number, ...]]


class TransistorCase(Values):
    """One neuron in transistors beside the fast levels, times in units of τ."""

    neuron: int
    image: int
    slope: Number
    ideal: Number
    model: Number
    edge: Number
    transistor: Number


class LayerCheck(Values):
    """Single neurons of a layer against the noise table, or level against level where the causes differ.

    `sentence` says what was measured. A field that the kind of check does not have is None: coverage, scores and
    pit_histogram need a prediction of the same causes; median to only_there compare levels; failures and what follows
    are of neurons in transistors.
    """

    layer: str
    runs: int
    sentence: str
    chips: int | None = None
    coverage: tuple[Coverage, ...] | None = None
    rejected: bool | None = None
    score_mean: Number | None = None
    score_error: Number | None = None
    score_spread: Number | None = None
    deviation_median: Number | None = None
    deviation_spread: Number | None = None
    missed: int | None = None
    false: int | None = None
    pit_histogram: tuple[int, ...] | None = None
    points_of_all_images: int | None = None
    outside_share: float | None = None
    tail_share: float | None = None
    left_out: int | None = None
    valid: bool | None = None
    worst: tuple[Case, ...] | None = None
    correlation: dict[str, Number] | None = None
    median: Number | None = None
    mean_error: Number | None = None
    low: Number | None = None
    high: Number | None = None
    only_here: int | None = None
    only_there: int | None = None
    failures: int | None = None
    held: float | None = None
    eligible: float | None = None
    fan_in: int | None = None
    vco1_shift: float | None = None
    jump_gain: float | None = None
    late_median: Number | None = None
    late_quartiles: tuple[Number, Number] | None = None
    late_mean: Number | None = None
    late_spread: Number | None = None
    cases: tuple[TransistorCase, ...] | None = None
    fan_in_limit: float | None = None
    not_run: tuple[str, ...] | None = None


class NeuronsReplay(Values):
    """Single neurons at a level, against a table of `table_level`; differing_causes: what only one of them models."""

    level: str
    table_level: str
    differing_causes: tuple[str, ...]
    layers: tuple[LayerCheck, ...]


class Replay(Result):
    """What a network did on the circuit: whole images, single neurons, and what the paper's reading says."""

    kind: ClassVar[str] = "replay"

    name: str
    level: str
    split: str
    seed: int
    images: ImagesReplay | None = None
    transfer: TransferReplay | None = None
    neurons: NeuronsReplay | None = None
    _rows: whole_images.Rows | None = PrivateAttr(None)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of result.json; what was not asked for is left out."""
        return {"kind": self.kind, "schema": self.schema_version} | self.model_dump(mode="json", exclude_none=True)

    def files(self) -> Mapping[str, bytes | str]:
        """Return images.csv, a row for each image on each chip."""
        if self._rows is None:
            return {}
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        columns = ("image", "chip", "label", "software", "rounded", "decided", "predicted")
        writer.writerow([*columns, "decision_over_tau"])
        values = zip(*(getattr(self._rows, name) for name in (*columns, "decision_over_tau")), strict=True)
        writer.writerows([[int(v) for v in row[:-1]] + [f"{row[-1]:.6g}"] for row in values])
        return {"images.csv": stream.getvalue()}

    def summary(self) -> str:
        """Return accuracies, agreements and layers, and a sentence for each layer of single neurons."""
        lines = []
        split = self.split or "given"
        if self.images is not None:
            chips = self.images.chips
            lines.append(f"{self.images.images} {split} images on {chips} chips at level {self.level}")
            lines.append(f"  95 % intervals {random_effects.scope(chips)}")
            for kind, shares in (("accuracy", self.images.accuracy), ("agreement", self.images.agreement)):
                lines += [f"  {kind} {name}: {_percent(value)}" for name, value in shares.items()]
            lines += [
                f"  layer {layer.name}: latency {layer.latency[0]:.4f}, deviation {layer.deviation[0]:.4f} tau, missed "
                f"{layer.missed[0]:.2%}, false {layer.false[0]:.2%}, wrapped {layer.wrapped[0]:.3%}"
                for layer in self.images.layers
            ]
            if not self.images.valid:
                share = f"{self.images.outside_share:.2%}"
                lines.append(f"  INVALID prediction: {share} of operating points beyond the table")
        if self.transfer is not None:
            accuracy = f"accuracy {_percent(self.transfer.accuracy)} on {self.transfer.images} {split} images"
            lines.append(f"  paper's reading (Table 3's curve): {accuracy}")
        if self.neurons is not None:
            lines += [layer.sentence for layer in self.neurons.layers]
        return "\n".join(lines)


def verify(
    network: OnCircuit,
    images: Any,
    *,
    level: str = "edge",
    chips: int = 3,
    table: NoiseTable | None = None,
    runs: int = 0,
    layers: tuple[str, ...] | None = None,
    whole: bool = True,
    transfer: TransferJitter | None = None,
    seed: int = 1,
    jobs: int = 1,
    progress: Progress = silent,
) -> Replay:
    """Run a network on its circuit: whole images on chips, and single neurons against a noise table.

    Chips are the network's variation, drawn by number; with `table` the noise model says what the same chips do.

    Args:
        network: a network on a circuit, from `map`.
        images: labelled images of the network's data set, which training never saw.
        level: of the neuron on the circuit's side: ideal, averaged, edge, bsource, transistor (single neurons only).
        chips: that each whole image meets.
        table: noise table of this network, to hold against the circuit.
        runs: single neurons of each layer, each on one of 40 other chips; needs `table`.
        layers: of the single neurons, by name. None: all.
        whole: whether whole images run.
        transfer: jitters of `transfer_jitter`: also what the paper's simpler reading says.
        seed: root of all random draws.
        jobs: processes; changes no number.
        progress: hears how far it is.

    Returns:
        The replay; it is saved with images.csv, a row for each image on each chip.

    Raise InputError for options that do not go together, FileFormatError for a table or jitters of another network.
    """
    clock = RunClock()
    circuit = network.circuit
    mapped = circuit.mapped
    check_options(level, runs, table is not None, whole)
    names = tuple(layer.name for layer in mapped.layers)
    for name in layers or ():
        if name not in names:
            raise InputError(f"layers must be among {', '.join(names)}, got {name!r}")
    if table is not None:
        table.check_network(mapped, "the noise table")
    if transfer is not None:
        transfer.check_network(mapped)
    encoded = network.encoded(images)
    numbers: dict[str, Any] = {}
    rows = None
    if whole:
        rows = whole_images.run(
            circuit,
            encoded.spikes,
            encoded.labels,
            chips=chips,
            level=level,
            seed=seed,
            table=table,
            jobs=jobs,
            progress=progress,
        )
        numbers["images"] = whole_images.summary(rows, names)
    if transfer is not None:
        some = encoded.first(TRANSFER_IMAGES)
        numbers["transfer"] = transfer.curve() | paper.transfer_mode(
            circuit, some.spikes, some.labels, list(transfer.jitter_by_layer), chips, seed
        )
    if runs and table is not None:
        numbers["neurons"] = (in_transistors if level == "transistor" else single_neurons)(
            circuit,
            table,
            encoded.spikes[:SINGLE_IMAGES],
            level=level,
            runs=runs,
            seed=seed,
            layers=tuple(names.index(name) for name in (layers or names)),
            progress=progress,
        )
    replay = Replay(name=mapped.name, level=level, split=encoded.split, seed=seed, run=clock.record(), **numbers)
    replay._rows = rows
    return replay


def check_options(level: str, runs: int, table: bool, whole: bool) -> None:
    """Raise InputError for options of `verify` that do not go together."""
    if level not in levels.LEVELS:
        raise InputError(f"level must be among {', '.join(levels.LEVELS)}, got {level!r}")
    if runs and not table:
        raise InputError("runs must come with a table: single neurons are held against a noise table")
    if whole and level == "transistor":
        raise InputError("level transistor must run single neurons only: whole images would take days")


def _percent(value: Interval) -> str:
    if not math.isfinite(value[1]):
        return f"{value[0]:.2%} (too few images or chips for an interval)"
    return f"{value[0]:.2%} ({value[1]:.2%} to {value[2]:.2%})"
