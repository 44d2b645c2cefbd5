"""What share of the accuracy that a circuit costs is won back by training under its noise, with an interval.

share = (trained - clean)/(software - clean): the clean network and the trained ones, each on chips of its own mapping;
software: the clean network by eq. (4). Controls had as many steps without the noise: what the trained ones have beyond
them is the noise's. All meet the same images and chip numbers, whether by noise tables or in the circuit itself. The
interval is a bootstrap that draws images, chips and training seeds anew, each with replacement (crossed: Owen, Annals
of Applied Statistics 1, 2007), and adds to each accuracy a normal error of its finite calibration. An accuracy of 0 or
1 has Wilson's interval.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import file_sha256, read_json
from neurocircuit.core.pool import Progress, part_of, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.stats import wilson_interval
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.noise import NoiseTable
from neurocircuit.results.compare import Comparison, InCircuit, NetworkOnChips, Recovery, ReplayedNetwork, Triple
from neurocircuit.snn.data import sets
from neurocircuit.snn.hardware.evaluate import FIRST_PASSAGE_NEURONS, HardwareAccuracy, evaluate_on_chips
from neurocircuit.snn.model import load as load_model
from neurocircuit.spec import MappedNetwork
from neurocircuit.studies.evaluation import accuracy_of, torch_threads

DRAWS = 4000
Pair = tuple[Path | str, Path | str]  # weights, and the noise table that was calibrated for them


@dataclass(frozen=True)
class Network:
    """Shares right [chip, image] of one network, and the standard error that a finite calibration gives their mean."""

    right: Floats
    table_error: float = 0.0


def compare_networks(
    clean: Pair,
    trained: Sequence[Pair],
    control: Sequence[Pair] = (),
    *,
    replays: Sequence[Path | str] = (),
    chips: int = 10,
    first: int | None = None,
    tables: int = 4,
    first_passage_neurons: int | None = None,
    rounded: bool = False,
    data: Path | str | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Return what noise-aware training wins back of the accuracy that a circuit costs, in pairs.

    Networks are pairs of a checkpoint and the noise table that was calibrated for it: the clean one, one trained under
    the noise for each training seed, and controls that had as many steps without it, in the order of `trained`.
    replays: folders of `verify`, whole images at one level, of clean, each trained, then each control. chips: that each
    image meets; first: only so many test images; tables: redrawn ones of each network;
    first_passage_neurons: as in `evaluate`; rounded: the loss counts from the clean network with its bank's weights, as
    befits networks that were trained at its bits. progress: hears how far each network is.

    Raise InputError where a table is of other weights, and for replays that do not fit.

    >>> compare_networks(("clean.pt", "clean.nc"), [("aware.pt", "aware.nc")]).recovery.share  # doctest: +SKIP
    """
    clock = RunClock()
    names = ["clean", *(f"trained {k + 1}" for k in range(len(trained)))]
    names += [f"control {k + 1}" for k in range(len(control))]
    in_circuit = _in_circuit([Path(folder) for folder in replays], names, len(trained), rounded)
    neurons = FIRST_PASSAGE_NEURONS if first_passage_neurons is None else first_passage_neurons
    on_chips: list[tuple[HardwareAccuracy, NetworkOnChips]] = []
    with torch_threads(threads):
        for name, (weights, table) in zip(names, (clean, *trained, *control), strict=True):
            of_network = part_of(progress, len(on_chips), len(names), f"{name} on {chips} chips")
            on_chips.append(
                _on_chips(name, Path(weights), Path(table), chips, first, tables, neurons, rounded, data, of_network)
            )
    rights = [Network(accuracy.right.mean(axis=1), accuracy.components.table) for accuracy, _ in on_chips]
    split = 1 + len(trained)
    software = on_chips[0][0].software.astype(float)  # weights rounded where `rounded` says so
    return Comparison(
        recovery=recovery(rights[0], rights[1:split], software, rights[split:]),
        networks=tuple(network for _, network in on_chips),
        in_circuit=in_circuit,
        valid=all(accuracy.valid for accuracy, _ in on_chips),
        run=clock.record(),
    )


def _on_chips(
    name: str,
    weights: Path,
    table_path: Path,
    chips: int,
    first: int | None,
    tables: int,
    neurons: int,
    rounded: bool,
    data: Path | str | None,
    progress: Progress,
) -> tuple[HardwareAccuracy, NetworkOnChips]:
    """Return one network on the chips of its table. Raise InputError where the table is of other weights."""
    model = load_model(weights)
    table = NoiseTable.load(table_path)
    mapped = MappedNetwork.from_dict(table.provenance["network"])
    if mapped.checkpoint_sha256 != file_sha256(weights):
        raise InputError(f"{table_path} must be calibrated for {weights}: its network has other weights")
    images = sets.load(model.subject.data, "test", data).first(first)
    accuracy = evaluate_on_chips(
        model.network,
        images,
        model.subject,
        table,
        chips,
        1,
        outside="nearest",
        tables=tables,
        first_passage_neurons=neurons,
        progress=progress,
    )
    if rounded:
        accuracy = replace(accuracy, software=accuracy.rounded)
    return accuracy, NetworkOnChips(
        **dict(accuracy_of(accuracy)),
        name=name,
        weights=str(weights),
        table=str(table_path),
        n=len(images),
        lead_rad=tuple(layer.lead_rad for layer in mapped.layers),
    )


def _in_circuit(folders: list[Path], names: list[str], trained: int, rounded: bool) -> InCircuit | None:
    """Return the comparison by whole images in the circuit. Raise InputError for folders that do not fit."""
    if not folders:
        return None
    if len(folders) not in (1 + trained, len(names)):
        either = " or ".join(str(n) for n in sorted({1 + trained, len(names)}))
        raise InputError(f"--replay must be given {either} times, got {len(folders)}")
    levels = {read_json(folder / "result.json")["level"] for folder in folders}
    if len(levels) != 1:
        raise InputError(f"--replay folders must be of one level, got {', '.join(sorted(levels))}")
    decisions = [_replayed(folder, "rounded" if rounded else "software") for folder in folders]
    common = set(decisions[0]).intersection(*decisions[1:])
    images, chips = sorted({image for image, _ in common}), sorted({chip for _, chip in common})
    if len(common) != len(images) * len(chips) or len(images) < 2:
        raise InputError("--replay folders must have at least two images in common, each on the same chips")
    rights = [
        np.array([[right[image, chip][0] for image in images] for chip in chips], dtype=float) for right in decisions
    ]
    software = np.array([decisions[0][image, chips[0]][1] for image in images], dtype=float)
    networks = [Network(right) for right in rights]
    return InCircuit(
        level=levels.pop(),
        images=len(images),
        chips=len(chips),
        recovery=recovery(networks[0], networks[1 : 1 + trained], software, networks[1 + trained :]),
        networks=tuple(
            ReplayedNetwork(
                name=name,
                replay=str(folder),
                accuracy=float(right.mean()),
                by_chip=tuple(right.mean(axis=1).tolist()),
            )
            for name, folder, right in zip(names, folders, rights, strict=False)
        ),
    )


def _replayed(folder: Path, exact: str) -> dict[tuple[int, int], tuple[bool, bool]]:
    """Return by image and chip whether the circuit and eq. (4), the column `exact`, are right."""
    path = folder / "images.csv"
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {
            (int(row["image"]), int(row["chip"])): (row["decided"] == row["label"], row[exact] == row["label"])
            for row in rows
        }
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, ValueError) as error:
        raise FileFormatError(f"{path} is no table of replayed images: {error}") from None


def recovery(
    clean: Network, trained: list[Network], software: Floats, control: list[Network] | None = None, seed: int = 0
) -> Recovery:
    """Return the recovery of one clean network (software [image]: right by eq. (4)) by trained ones, and of controls.

    All on the same number of chips and images; the first control has the seed of the first trained network, and so on.
    """
    controls = control or []
    networks = [clean, *trained, *controls]
    rights = np.stack([evaluation.right for evaluation in networks])  # [network, chip, image]
    errors = np.array([evaluation.table_error for evaluation in networks])
    generator = np.random.default_rng([seed, 41])
    trained_, control_ = len(trained), len(controls)
    plain = (np.full(trained_, 1 / trained_), np.full(control_, 1 / max(control_, 1)))
    values = _summary(rights.mean(axis=(1, 2)), software.mean(), *plain)
    redrawn = np.array([_drawn(rights, software, errors, trained_, control_, generator) for _ in range(DRAWS)])
    known = np.isfinite(redrawn).all(axis=0)
    low, high = (np.where(known, np.quantile(redrawn, q, axis=0), np.nan) for q in (0.025, 0.975))
    triples = [(float(v), float(a), float(b)) for v, a, b in zip(values, low, high, strict=True)]
    by_name = dict(zip(tuple(Recovery.model_fields)[1:], triples, strict=True))
    for name in ("clean", "trained", "control"):
        by_name[name] = _of_images(by_name[name], len(software))
    return Recovery(software=float(software.mean()), **by_name)


def _of_images(accuracy: Triple, images: int) -> Triple:
    """Return an accuracy with an interval that fits it where every image, or none, is right: redrawing shows no error.

    Wilson's, of as many independent images.
    """
    value, low, high = accuracy
    return (value, *wilson_interval(round(value * images), images)) if value in (0.0, 1.0) else (value, low, high)


def _summary(means: Floats, software: float, of_trained: Floats, of_control: Floats) -> Floats:
    """Return the recovery from accuracies [network] and the weights of the training seeds of both kinds."""
    clean, trained = means[0], float(of_trained @ means[1 : 1 + len(of_trained)])
    control = float(of_control @ means[1 + len(of_trained) :]) if len(of_control) else np.nan
    lost = software - clean
    share = (trained - clean) / lost if lost > 0 else np.nan
    return np.array([clean, trained, trained - clean, share, control, trained - control])


def _drawn(
    rights: Floats, software: Floats, errors: Floats, trained: int, control: int, generator: np.random.Generator
) -> Floats:
    def resampled(n: int) -> Floats:
        return np.asarray(generator.multinomial(n, np.full(n, 1 / n)) / n)

    _, chips, n = rights.shape
    image, chip, of_trained = resampled(n), resampled(chips), resampled(trained)
    of_control = of_trained if control == trained else resampled(control) if control else np.empty(0)
    means = (rights @ image) @ chip + errors * generator.standard_normal(len(errors))
    return _summary(means, float(software @ image), of_trained, of_control)
