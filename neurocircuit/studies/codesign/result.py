"""What a co-design study found: all trials, and the recommended designs with their replay on the circuit."""

import csv
import io
from collections.abc import Mapping
from typing import Any, ClassVar

from neurocircuit.core.result import Result


class Codesign(Result):
    """A co-design study: its trials at each fidelity, and the recommended designs by role.

    between_fidelities: how values at one fidelity compare with the next. cpu_s_of_all_trials: of every worker.
    """

    kind: ClassVar[str] = "codesign"

    name: str
    study: dict[str, Any]
    ranges: dict[str, Any]
    base: dict[str, Any]
    fidelities: tuple[dict[str, Any], ...]
    between_fidelities: Any
    importance: Any
    recommended: dict[str, dict[str, Any]]
    workers: int
    cpu_s_of_all_trials: float

    def files(self) -> Mapping[str, bytes | str]:
        """Return trials.csv: all trials of all fidelities, a row each."""
        names = list(self.study["parameters"])
        objectives = list(self.study["objectives"])
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["fidelity", "number", "source", *names, *objectives, "feasible", "front"])
        for fidelity in self.fidelities:
            for row in fidelity["trials"]:
                values = [f"{row['values'][name]:.6g}" for name in names]
                reached = [f"{row['objectives'][name]:.6g}" for name in objectives]
                flags = [int(row["feasible"]), int(row["front"])]
                writer.writerow([fidelity["name"], row["number"], row["source"], *values, *reached, *flags])
        return {"trials.csv": stream.getvalue()}

    def summary(self) -> str:
        """Return the recommended designs in lines."""
        lines = []
        for role, design in self.recommended.items():
            details, replay = design["outcome"]["details"], design["verification"]["images"]
            accuracy = replay["accuracy"]["circuit"]
            lines.append(
                f"{role}: {1e9 * details['energy_J']:.3g} nJ, {1e9 * details['latency_s']:.3g} ns; whole images at "
                f"edge {accuracy[0]:.1%} ({accuracy[1]:.1%} to {accuracy[2]:.1%}); {design['folder']}/network.toml"
            )
            lines.append("  " + ", ".join(f"{name} {value:.3g}" for name, value in design["values"].items()))
        return "\n".join(lines)
