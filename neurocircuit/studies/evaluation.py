"""What a trained network does on images, in software or on chips of a circuit: accuracy, spikes, energy, latency."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError
from neurocircuit.noise import NoiseTable
from neurocircuit.process.power import of_condition, of_neuron
from neurocircuit.results import measurement as measurements
from neurocircuit.results.evaluation import (
    AccuracyOnChips,
    ChipEvaluation,
    Evaluation,
    Images,
    Latency,
)
from neurocircuit.results.inference import InferenceCost, NeuronPower
from neurocircuit.snn.data import library, sets
from neurocircuit.snn.data.sets import Data, Dataset
from neurocircuit.snn.data.torch_sets import MapStyle
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.evaluate import PAPER_ENERGY_PER_SPIKE_J
from neurocircuit.snn.evaluate import Evaluation as Counts
from neurocircuit.snn.evaluate import evaluate as count
from neurocircuit.snn.hardware.evaluate import FIRST_PASSAGE_NEURONS, HardwareAccuracy, evaluate_on_chips
from neurocircuit.snn.hardware.quantise import Rounding, round_once
from neurocircuit.snn.model import Model, as_model
from neurocircuit.snn.training.parallel import device_of_process
from neurocircuit.snn.windowed import windowed_in
from neurocircuit.spec import FullScale, MappedNetwork, NeuronSpec, WeightBank
from neurocircuit.units import parse_quantity


def evaluate(
    model: Model | nn.Module | Path | str,
    images: Dataset | MapStyle | str = "test",
    *,
    encoding: Encoding | None = None,
    first: int | None = None,
    data: Data | None = None,
    noise: NoiseTable | Path | str | None = None,
    chips: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    outside: str | None = None,
    tables: int | None = None,
    first_passage_neurons: int | None = None,
    bits: int | None = None,
    full_scale: FullScale | None = None,
    spec: NeuronSpec | None = None,
    energy_per_spike: float | str = PAPER_ENERGY_PER_SPIKE_J,
    device: str = "cpu",
    threads: int | None = None,
    progress: Progress = silent,
) -> Evaluation | ChipEvaluation:
    """Return accuracy with its 95 % interval, spikes, energy (J) and latency of a trained network on images.

    model: of `nc.snn.load`, `nc.snn.train` or `nc.snn.convert`, the path of a checkpoint, or a torch module of one's
    own, which needs a data set and the encoding of its pixels. images: a data set (one of torch too), or the name of a
    split of the model's own (test: images that training never saw), read from `data`; first: only so many.
    bits: weights are rounded to the circuit's bank of so many bits for each sign, with one full scale for each layer
    or neuron (default: as in training, layer where it did not round). spec: gives tau without a noise table; default
    the embedded circuit. energy_per_spike: J, text ("10 pJ"), or the folder of a condition that `characterize`
    measured, whose power counts then too; else that of the package's own characterisation does (process/power.py).

    noise: a noise table of `calibrate`, or its path: each image meets `chips` (10) chips of the table's circuit,
    `repeats` (1) times with other events. seed (0): root of chips and events. outside ("ideal"): spikes beyond the
    table as eq. (4) has them, as its "nearest" cell does, or an "error". tables (5): tables redrawn for the
    calibration's share of the interval. first_passage_neurons (10000): layers of at most so many neurons follow their
    membranes, as `verify` does; others are moved by their slope, which is faster and too dark.

    Raise InputError for an option that means nothing without a table, and where model, images and table do not fit.

    >>> print(evaluate("weights.pt", noise="table.nc", chips=20))  # doctest: +SKIP
    """
    clock = RunClock()
    options = {"chips": chips, "repeats": repeats, "seed": seed, "outside": outside, "tables": tables}
    for name, value in (options | {"first_passage_neurons": first_passage_neurons}).items():
        if noise is None and value is not None:
            raise InputError(f"{name.replace('_', '-')} needs a noise table: give noise")
    if noise is not None and bits is not None:
        raise InputError("bits must be left out beside a noise table: weights are rounded to the table's bank")
    energy_J, power = _energy_J(energy_per_spike), _power(energy_per_spike)
    model = as_model(model, images, encoding)
    if windowed_in(model.network) is not None:
        for name, value in (("outside", outside), ("first-passage-neurons", first_passage_neurons)):
            if value is not None:
                raise InputError(
                    f"{name} is for free networks: every windowed neuron follows its membrane, at any time"
                )
    if isinstance(images, str):
        images = sets.load(model.subject.data, images, data)
    images = sets.images_for(model.subject.data, images)
    images = images.first(first)
    if images.data.is_own:
        progress(0, 1, images.summary)
    network = model.network.to(device_of_process(device))
    about: dict[str, Any] = {
        "name": model.subject.name,
        "network": model.subject.network.name,
        "images": Images(
            data=images.name,
            split=images.split,
            n=len(images),
            sha256=images.sha256,
            canonical=library.is_canonical(images.name, images),
        ),
    }
    if bits is not None:
        network = copy.deepcopy(network)
        full_scale = full_scale or model.full_scale or "layer"
        round_once(network, Rounding("bank", bits, WeightBank(), full_scale=full_scale))
        about |= {"bits": bits, "full_scale": full_scale}
    if noise is None:
        neuron = spec or NeuronSpec()
        with torch_threads(threads):
            counts = count(network, images, model.subject, window_over_tau=neuron.window_over_tau, progress=progress)
        accuracy_and_energy = of_counts(counts, energy_J, of_neuron(neuron, power), neuron.tau_s)
        return Evaluation(**about, **accuracy_and_energy, run=clock.record())
    table = noise if isinstance(noise, NoiseTable) else NoiseTable.load(Path(noise))
    mapped = MappedNetwork.from_dict(table.provenance["network"])
    neurons = FIRST_PASSAGE_NEURONS if first_passage_neurons is None else first_passage_neurons
    with torch_threads(threads):
        on_chips = evaluate_on_chips(
            network,
            images,
            model.subject,
            table,
            10 if chips is None else chips,
            1 if repeats is None else repeats,
            outside=outside or "ideal",
            seed=seed or 0,
            tables=5 if tables is None else tables,
            first_passage_neurons=neurons,
            progress=progress,
        )
    return ChipEvaluation(
        **about,
        **of_chips(
            on_chips,
            energy_J,
            of_neuron(mapped.neuron, power),
            mapped.neuron.tau_s,
        ),
        seed=seed or 0,
        first_passage_neurons=neurons,
        noise_sha256=str(table.dataset.attrs.get("content_sha256", "")),
        mapped=mapped.name,
        neuron=mapped.neuron.name,
        table_is_of_these_weights=model.sha256 == mapped.checkpoint_sha256,
        run=clock.record(),
    )


def of_counts(counts: Counts, energy_per_spike_J: float, power: NeuronPower, tau_s: float) -> dict[str, Any]:
    """Return the fields of an `Evaluation` that follow from what was counted, J and s."""
    spikes, before = counts.overall * counts.neurons, counts.before_decision * counts.neurons
    return {
        "accuracy": counts.accuracy,
        "accuracy_low": counts.accuracy_low,
        "accuracy_high": counts.accuracy_high,
        "undecided": counts.undecided,
        "weights": counts.weights,
        "neurons": counts.neurons,
        "layers": counts.layers,
        "spikes": spikes,
        "spikes_before_decision": before,
        "energy_per_spike_J": energy_per_spike_J,
        "energy_J": spikes * energy_per_spike_J,
        "energy_before_decision_J": before * energy_per_spike_J,
        "paper_energy_J": counts.weights * counts.overall * PAPER_ENERGY_PER_SPIKE_J,
        "latency": Latency.of(counts.decision_over_tau, tau_s),
        "exact": counts.exact,
        "confusion": counts.confusion,
        "cost": InferenceCost.of(counts.on, power, tau_s, counts.neurons, counts.window_over_tau),
    }


def of_chips(on_chips: HardwareAccuracy, energy_per_spike_J: float, power: NeuronPower, tau_s: float) -> dict[str, Any]:
    """Return the fields of a `ChipEvaluation` that follow from what the chips decided, J and s."""
    decided = on_chips.decision_over_tau[np.isfinite(on_chips.decision_over_tau)].astype(float)
    return dict(accuracy_of(on_chips)) | {
        "accuracy_rounded": float(on_chips.rounded.mean()),
        "repeats": on_chips.right.shape[1],
        "tables": on_chips.tables,
        "undecided": on_chips.right.size - len(decided),
        "spikes": on_chips.spikes,
        "energy_per_spike_J": energy_per_spike_J,
        "energy_J": on_chips.spikes * energy_per_spike_J,
        "latency": Latency.of(decided, tau_s),
        "outside": on_chips.count.outside,
        "points": on_chips.count.points,
        "valid": on_chips.valid,
        "confusion": on_chips.confusion,
        "cost": None
        if on_chips.on is None
        else InferenceCost.of(
            on_chips.on, power, tau_s, sum(layer.neurons for layer in on_chips.layers), on_chips.window_over_tau
        ),
    }


def accuracy_of(on_chips: HardwareAccuracy) -> AccuracyOnChips:
    """Return the accuracy of a network on chips, with its interval and its layers' events."""
    low, high = on_chips.interval
    return AccuracyOnChips(
        accuracy=on_chips.accuracy,
        accuracy_low=low,
        accuracy_high=high,
        standard_errors=vars(on_chips.components),
        by_chip=tuple(on_chips.by_chip.tolist()),
        accuracy_software=float(on_chips.software.mean()),
        chips=on_chips.right.shape[0],
        layers=on_chips.layers,
        outside_share=on_chips.count.share,
    )


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Compute with so many threads of torch inside the block; None: as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _power(energy: float | str) -> NeuronPower | None:
    """Return what a neuron draws at a condition, from its folder; None for an energy."""
    return of_condition(Path(energy)) if isinstance(energy, str) and Path(energy).is_dir() else None


def _energy_J(energy: float | str) -> float:
    """Return J from a number, text with its unit, or a condition's folder of `characterize` (from arming to Q)."""
    if isinstance(energy, str) and Path(energy).is_dir():
        return measurements.load(Path(energy) / "energy.json").value("spike")
    value = parse_quantity(energy, "J", "energy-per-spike") if isinstance(energy, str) else float(energy)
    if not 0 < value < np.inf:
        raise InputError(f"energy-per-spike must be > 0, got {energy!r}")
    return value
