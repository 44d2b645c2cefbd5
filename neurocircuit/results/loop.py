"""What a circuit does to a network, from its transfer table to the accuracy on its chips."""

from pathlib import Path
from typing import ClassVar

from pydantic import PrivateAttr

from neurocircuit.core.result import Number, Result, Values
from neurocircuit.results.compare import InCircuit, Recovery
from neurocircuit.results.inference import InferenceCost
from neurocircuit.tables import TransferTable


class StageRun(Values):
    """A stage: its folder below the run's, its page there, seconds that it took, and whether it ran in this call."""

    name: str
    title: str
    report: str
    wall_s: float
    reused: bool


class TransferRow(Values):
    """A row of the transfer table at its main level: mean output jitter and its 95 % interval, ratios.

    half: jitter, of an input jitter (ratio) `value`, or bits, of weights of so many bits. low and high are nan where
    the draws allow no interval.
    """

    half: str
    value: float
    mean: Number
    low: Number
    high: Number

    @classmethod
    def of(cls, table: TransferTable, level: str) -> "tuple[TransferRow, ...]":
        """Return the rows of a transfer table at a level."""
        rows = [(half, value, table.row(half, level, value)) for half in table.halves for value in table.rows(half)]
        return tuple(
            cls(half=half, value=float(value), mean=row["mean"], low=row["ci_low"], high=row["ci_high"])
            for half, value, row in rows
        )


class LoopRun(Result):
    """A loop from circuit to accuracy: what the circuit does to the network, clean and trained under its noise.

    circuit: name of the neuron; derived: what follows from its fields, in a line; remarks: what is unlikely in it.
    level: of transfer rows. broken: limits of the circuit that a mapping breaks, by stage. recovery: both networks on
    noise tables; in_circuit: whole images, every neuron simulated. cost: of an inference of the noise-aware network.
    """

    kind: ClassVar[str] = "loop"

    name: str
    circuit: str
    derived: str
    remarks: tuple[str, ...]
    network: str
    data: str
    images: int
    chips: int
    level: str
    transfer: tuple[TransferRow, ...]
    broken: tuple[str, ...]
    recovery: Recovery
    in_circuit: InCircuit
    valid: bool
    cost: InferenceCost | None
    stages: tuple[StageRun, ...]
    _report: Path | None = PrivateAttr(None)

    @property
    def report(self) -> Path | None:
        """Page that was written with the run; None for a result that was read."""
        return self._report

    @property
    def exit_code(self) -> int:
        """3 where a mapping breaks a limit of the circuit."""
        return 3 if self.broken else 0

    def sentence(self) -> str:
        """Return in one sentence what the circuit does to the network."""
        recovery, (clean, low, high) = self.recovery, self.recovery.clean
        effect = self._effect()
        aware = f"trained under the circuit's noise it has {recovery.trained[0]:.1%}, {self._gain()}"
        return (
            f"On the circuit {self.circuit} the network {self.network} has {clean:.1%} ({low:.1%} … {high:.1%}) of "
            f"{self.images} test images of {self.data} right, {recovery.software:.1%} in software: {effect}; {aware}."
        )

    def _gain(self) -> str:
        """Return what training under the circuit's noise changes, and whether that is more than its interval."""
        recovery = self.recovery
        gain, low, high = recovery.gain
        change = f"{_points(gain)} points ({_points(low)} … {_points(high)})"
        if low <= 0 <= high:
            return f"no change beyond the interval: {change}"
        if high < 0:
            return f"which is worse: {change}"
        won = f", {recovery.share[0]:.0%} of the loss" if recovery.share[1] > 0 else ""
        return f"which is better: {change}{won}"

    def _effect(self) -> str:
        """Return what the circuit costs, and whether that is more than its interval."""
        clean, low, high = self.recovery.clean
        lost = self.recovery.software - clean
        if low <= self.recovery.software <= high:
            return f"a loss of {100 * lost:.1f} points, within the interval"
        return f"the circuit costs {100 * lost:.1f} points" if lost > 0 else f"a gain of {-100 * lost:.1f} points"

    def summary(self) -> str:
        """Return the sentence, whole images, Table 3's ends, cost, limits, and the stages."""
        circuit = self.in_circuit
        lines = [
            self.sentence(),
            f"whole images at level {circuit.level}, {circuit.images} on {circuit.chips} chips: clean "
            f"{circuit.recovery.clean[0]:.1%}, noise-aware {circuit.recovery.trained[0]:.1%}, in software "
            f"{circuit.recovery.software:.1%}",
            f"neuron {self.circuit}: {self.derived}",
        ]
        for half, what in (("jitter", "% input jitter"), ("bits", "bit")):
            rows = [row for row in self.transfer if row.half == half]
            if rows:
                scale = 100 if half == "jitter" else 1
                listed = ", ".join(f"{scale * row.value:g} {what}: {100 * row.mean:.2g} %" for row in rows)
                lines.append(f"output jitter at level {self.level}: {listed}")
        if self.cost is not None:
            lines.append(f"energy and latency: {self.cost.sentence()}")
        lines += [f"remark: {remark}" for remark in self.remarks]
        lines += [f"broken limit: {limit}" for limit in self.broken]
        if not self.valid:
            lines.append("INVALID: more than 0.1 % of the neurons lay beyond a noise table (report of stage compare)")
        ran = [stage for stage in self.stages if not stage.reused]
        others = "" if len(ran) == len(self.stages) else "; the others stand as they were"
        lines.append(
            f"{len(ran)} of {len(self.stages)} stages ran, in {sum(stage.wall_s for stage in ran):.0f} s{others}"
        )
        if self.report is not None:
            lines.append(f"report: {self.report}")
        return "\n".join(lines)


def _points(ratio: float) -> str:
    return f"{100 * ratio:+.1f}".replace("-", "−")
