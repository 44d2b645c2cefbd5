"""The part of `evaluate` that puts the weights on chips of a circuit, by a noise table."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurocircuit.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from neurocircuit.snn.data.images import ImageSource
    from neurocircuit.snn.hardware.evaluate import HardwareAccuracy
    from neurocircuit.snn.recipe import Subject

passages_option = click.option(
    "--first-passage-neurons",
    type=click.IntRange(min=0),
    metavar="NEURONS",
    help="Layers of at most so many neurons follow their membranes, as verify's do; others are moved by their slope, "
    "which is faster and too dark. Default: 10000.",
)


@dataclass(frozen=True)
class OnChips:
    """Options as given; None: not given."""

    noise: Path | None
    chips: int | None
    seeds: int | None
    seed: int | None
    images: int | None
    outside: str | None
    tables: int | None
    first_passage_neurons: int | None

    def check(self) -> None:
        """Raises InputError for an option that means nothing without a noise table."""
        if self.noise is not None:
            return
        for name in ("chips", "seeds", "seed", "outside", "tables", "first_passage_neurons"):
            if getattr(self, name) is not None:
                raise InputError(f"--{name} needs --noise TABLE")

    def first(self, source: "ImageSource") -> "ImageSource":
        """The first images. Raises InputError when there are fewer."""
        from neurocircuit.snn.data.images import Section

        if self.images is None:
            return source
        if self.images > len(source):
            raise InputError(f"--images must be <= {len(source)}, got {self.images}")
        return Section(source, 0, self.images)

    def run(
        self, network: "nn.Sequential", source: "ImageSource", subject: "Subject", checkpoint: Path, energy_J: float
    ) -> dict[str, Any]:
        """The result under stable keys, SI units."""
        from neurocircuit.core.files import file_sha256
        from neurocircuit.noise import NoiseTable
        from neurocircuit.snn.hardware.evaluate import FIRST_PASSAGE_NEURONS, evaluate_on_chips
        from neurocircuit.spec import MappedNetwork

        assert self.noise is not None  # noqa: S101
        noise_sha256 = file_sha256(self.noise)
        table = NoiseTable.load(self.noise)
        mapped = MappedNetwork.from_dict(table.provenance["network"])
        seed, tables = self.seed or 0, 5 if self.tables is None else self.tables
        first_passage_neurons = (
            FIRST_PASSAGE_NEURONS if self.first_passage_neurons is None else self.first_passage_neurons
        )
        found = evaluate_on_chips(
            network,
            source,
            subject,
            table,
            self.chips or 10,
            self.seeds or 1,
            outside=self.outside or "ideal",
            seed=seed,
            tables=tables,
            first_passage_neurons=first_passage_neurons,
        )
        return to_dict(found, energy_J, mapped.neuron.tau_s) | {
            "noise_sha256": noise_sha256,
            "network_of_table": mapped.name,
            "neuron": mapped.neuron.name,
            "table_is_of_these_weights": file_sha256(checkpoint) == mapped.checkpoint_sha256,
            "seed": seed,
            "first_passage_neurons": first_passage_neurons,
        }


def to_dict(found: "HardwareAccuracy", energy_J: float, tau_s: float) -> dict[str, Any]:
    """Accuracy with its parts, spikes, energy and latency. energy: spikes on the chips x energy per spike."""
    import numpy as np

    chips, seeds, n = found.right.shape
    decided = found.decision_over_tau[np.isfinite(found.decision_over_tau)].astype(float)
    times = decided if len(decided) else np.array([np.nan])
    latency = {"mean": times.mean(), "median": np.median(times), "maximum": times.max()}
    low, high = found.interval
    return {
        "accuracy": found.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "standard_errors": vars(found.components),
        "by_chip": found.by_chip.tolist(),
        "accuracy_software": float(found.software.mean()),
        "accuracy_rounded": float(found.rounded.mean()),
        "n": n,
        "chips": chips,
        "seeds": seeds,
        "tables": found.tables,
        "undecided": found.right.size - len(decided),
        "layers": [vars(layer) for layer in found.layers],
        "spikes": {"per_inference": found.spikes},
        "energy": {"per_spike_J": energy_J, "measured_J": found.spikes * energy_J},
        "latency": {
            **{f"{name}_over_tau": float(value) for name, value in latency.items()},
            **{f"{name}_s": float(value) * tau_s for name, value in latency.items()},
            "tau_s": tau_s,
        },
        "outside": found.count.outside,
        "asked": found.count.asked,
        "outside_share": found.count.share,
        "valid": found.valid,
    }


def summary(values: dict[str, Any]) -> str:
    """The result in a few lines."""
    errors, latency, energy = values["standard_errors"], values["latency"], values["energy"]
    lines = [
        f"accuracy   {values['accuracy']:.2%} ({values['accuracy_low']:.2%} to {values['accuracy_high']:.2%}) on "
        f"{values['chips']} chips x {values['seeds']} x {values['n']} images; {values['accuracy_software']:.2%} in "
        f"software, {values['accuracy_rounded']:.2%} with rounded weights",
        "           standard errors: "
        + ", ".join(f"{name} {errors[name]:.2%}" for name in ("images", "chips", "events", "table"))
        + f"; chips {min(values['by_chip']):.2%} to {max(values['by_chip']):.2%}",
    ]
    lines += [
        f"  layer {layer['name']}: {layer['fired']:.3f} of {layer['neurons']} neurons spike; {layer['missed']:.2%} "
        f"missed, {layer['false']:.2%} false"
        for layer in values["layers"]
    ]
    lines.append(
        f"energy     {energy['measured_J'] * 1e9:.4g} nJ = {values['spikes']['per_inference']:.0f} spikes x "
        f"{energy['per_spike_J'] * 1e12:.4g} pJ; latency {latency['mean_over_tau']:.3f} tau = "
        f"{latency['mean_s'] * 1e9:.4g} ns mean, {latency['maximum_s'] * 1e9:.4g} ns at most"
    )
    if not values["table_is_of_these_weights"]:
        lines.append("           the noise table was calibrated for other weights: recalibrate for a final number")
    if not values["valid"]:
        lines.append(f"INVALID: {values['outside_share']:.2%} of the neurons lay beyond the noise table (bound 0.1 %)")
    return "\n".join(lines)
