"""What noise-aware training wins back of the accuracy that a circuit costs."""

from typing import ClassVar

import numpy as np

from neurocircuit.core.result import Number, Result, Values
from neurocircuit.results.evaluation import AccuracyOnChips

Triple = tuple[Number, Number, Number]  # value, and the ends of its 95 % interval


class Recovery(Values):
    """Accuracies with their 95 % intervals, each (value, low, high); those of a control are nan without one.

    gain: trained less clean; share: gain over software less clean; beyond_control: trained less control.
    """

    software: float
    clean: Triple
    trained: Triple
    gain: Triple
    share: Triple
    control: Triple
    beyond_control: Triple

    def sentence(self) -> str:
        """Return the accuracies and the share of the loss that is won back."""
        share, low, high = self.share
        won = f"{share:.0%} of the loss won back ({low:.0%} to {high:.0%})"
        if not np.isfinite([share, low, high]).all():
            won = "a loss too small for a share of it"
        return f"clean {self.clean[0]:.2%}, trained {self.trained[0]:.2%}, software {self.software:.2%}: {won}"


class NetworkOnChips(AccuracyOnChips):
    """One of the networks that are compared, on `n` images by the noise table of its own mapping.

    weights, table: their files; lead_rad: of each layer.
    """

    name: str
    weights: str
    table: str
    n: int
    lead_rad: tuple[float, ...]


class ReplayedNetwork(Values):
    """One of the networks that are compared, as whole images in the circuit (folder of `verify`)."""

    name: str
    replay: str
    accuracy: float
    by_chip: tuple[float, ...]


class InCircuit(Values):
    """The comparison by whole images at a level, of the images and chips that the replays share."""

    level: str
    images: int
    chips: int
    recovery: Recovery
    networks: tuple[ReplayedNetwork, ...]


class Comparison(Result):
    """A clean network, networks trained under noise, and controls, on the same images, chip numbers and events.

    valid: no network has more than 0.1 % of its neurons beyond its noise table.
    """

    kind: ClassVar[str] = "compare"

    recovery: Recovery
    networks: tuple[NetworkOnChips, ...]
    in_circuit: InCircuit | None
    valid: bool

    def summary(self) -> str:
        """Return what was won back, by noise tables and in the circuit."""
        lines = [self.recovery.sentence()]
        if self.in_circuit is not None:
            lines.append(f"in the circuit ({self.in_circuit.level}): {self.in_circuit.recovery.sentence()}")
        if not self.valid:
            lines.append("INVALID: more than 0.1 % of the neurons lay beyond a noise table (see the report)")
        return "\n".join(lines)
