"""Verification: whole images and single neurons on the circuit, against eq. (4) and against a noise table."""

from pathlib import Path
from typing import Any

from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError
from neurocircuit.network.run import OnCircuit
from neurocircuit.network.verify import images as whole_images
from neurocircuit.network.verify import transfer as paper
from neurocircuit.network.verify.single import Inputs, SingleNeurons
from neurocircuit.network.verify.transfer import TransferJitter
from neurocircuit.network.verify.without import check_names, circuits_without, compared
from neurocircuit.neuron import levels
from neurocircuit.noise.table import NoiseTable
from neurocircuit.process.power import of_condition, of_neuron
from neurocircuit.results.inference import NeuronPower
from neurocircuit.results.replay import Replay, TransferReplay

SINGLE_IMAGES = 100  # single neurons come from the first images: each of them runs on a chip first
TRANSFER_IMAGES = 300  # the paper's reading says little: fewer images do


def verify(
    network: OnCircuit,
    images: Any,
    *,
    level: str = "edge",
    chips: int = 3,
    table: NoiseTable | None = None,
    runs: int = 0,
    layers: tuple[str, ...] | None = None,
    inputs: Inputs = "chips",
    whole: bool = True,
    without: tuple[str, ...] = (),
    without_images: int | None = None,
    transfer: TransferJitter | None = None,
    power: NeuronPower | Path | None = None,
    seed: int = 1,
    jobs: int = 1,
    scheduler: str | None = None,
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
        inputs: what reaches single neurons: chips: the spikes of whole images on chips, of the first 100 images at
            most; ideal: those of eq. (4), of all images, in a fraction of the time.
        layers: of the single neurons, by name. None: all.
        whole: whether whole images run.
        without: causes of `without.CAUSES`: whole images run once more without each, on the same chips with the same
            events. Such a run takes as long as the first.
        without_images: so many of the first images run without each cause. None: all.
        power: of a neuron, for the energy, or the folder of a condition that `characterize` measured; None: that of the
            package's own characterisation.
        transfer: jitters of `transfer_jitter`: also what the paper's simpler reading says.
        seed: root of all random draws.
        jobs: processes; changes no number.
        scheduler: "local" or the address of a Dask scheduler, to run there.
        progress: hears how far it is.

    Returns:
        The replay; it is saved with images.csv, a row for each image on each chip.

    Raise InputError for options that do not go together, FileFormatError for a table or jitters of another network.
    """
    clock = RunClock()
    circuit = network.circuit
    mapped = circuit.mapped
    check_options(level, runs, table is not None, whole, without)
    if without_images is not None and (without_images < 1 or not without):
        raise InputError(f"without_images must be >= 1 and come with causes, got {without_images}")
    others = circuits_without(circuit, without)
    names = tuple(layer.name for layer in mapped.layers)
    for name in layers or ():
        if name not in names:
            raise InputError(f"layers must be among {', '.join(names)}, got {name!r}")
    if table is not None:
        table.check_network(mapped, "the noise table")
    if transfer is not None:
        mapped.check_free("the jitter of a transfer table")
        transfer.check_network(mapped)
    if not isinstance(power, NeuronPower):
        power = of_neuron(mapped.neuron, None if power is None else of_condition(power))
    encoded = network.encoded(images)
    of_images = of_transfer = of_neurons = None
    images_csv = ""
    with open_pool(jobs, scheduler, preload=(whole_images.__name__,)) as pool:
        if whole:
            rows = whole_images.run(
                circuit,
                encoded.spikes,
                encoded.labels,
                chips=chips,
                level=level,
                seed=seed,
                table=table,
                pool=pool,
                progress=progress,
            )
            others_rows = {
                name: whole_images.run(
                    other,
                    encoded.spikes[:without_images],
                    encoded.labels[:without_images],
                    chips=chips,
                    level=level,
                    seed=seed,
                    pool=pool,
                    progress=progress,
                )
                for name, other in others.items()
            }
            of_images, images_csv = (
                whole_images.summary(rows, circuit, power, compared(rows, others_rows) or None),
                whole_images.to_csv(rows),
            )
        if transfer is not None:
            some = encoded.first(TRANSFER_IMAGES)
            jitter = list(transfer.jitter_by_layer)
            of_transfer = TransferReplay(
                **transfer.curve(), **paper.transfer_mode(circuit, some.spikes, some.labels, jitter, chips, seed)
            )
        if runs and table is not None:
            singles = SingleNeurons(
                circuit,
                table,
                encoded.spikes[: SINGLE_IMAGES if inputs == "chips" else None],
                level=level,
                runs=runs,
                seed=seed,
                layers=tuple(names.index(name) for name in (layers or names)),
                inputs=inputs,
                pool=pool,
                progress=progress,
            )
            of_neurons = singles.replay()
    replay = Replay(
        name=mapped.name,
        level=level,
        split=encoded.split,
        seed=seed,
        images=of_images,
        transfer=of_transfer,
        neurons=of_neurons,
        run=clock.record(),
    )
    replay._images_csv = images_csv
    return replay


def check_options(level: str, runs: int, table: bool, whole: bool, without: tuple[str, ...] = ()) -> None:
    """Raise InputError for options of `verify` that do not go together."""
    if level not in levels.LEVELS:
        raise InputError(f"level must be among {', '.join(levels.LEVELS)}, got {level!r}")
    if runs and not table:
        raise InputError("runs must come with a table: single neurons are held against a noise table")
    check_names(without)
    if without and not whole:
        raise InputError("without must come with whole images: single neurons are not compared")
    if whole and level == "transistor":
        raise InputError("level transistor must run single neurons only: whole images would take days")
