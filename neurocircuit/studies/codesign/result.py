"""What a co-design study found, as one typed result."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PrivateAttr

from neurocircuit.core.result import Number, Result, Values

Setting = int | float  # weight bits are whole numbers
Settings = dict[str, Setting]  # by parameter, SI units; window in units of tau


class ParameterRange(Values):
    """How far a parameter may vary, in `unit` ("": a pure number); scale: linear or log."""

    low: Setting
    high: Setting
    scale: str
    unit: str


class Trial(Values):
    """One design at one fidelity.

    objectives: accuracy, energy (J), latency (s); constraints: positive where broken, by how much; front: no other
    feasible design of the same fidelity is better in every objective. details: figures of the run, SI units.
    """

    number: int
    source: str
    values: Settings
    objectives: dict[str, Number]
    constraints: dict[str, Number]
    feasible: bool
    front: bool
    details: dict[str, Any]


class FidelityTrials(Values):
    """All designs at one fidelity; causes: what it holds and what it leaves out, in a sentence."""

    name: str
    causes: str
    trials: tuple[Trial, ...]


class Importance(Values):
    """Share of a parameter in what decides an objective (all sum to 1), and its rank correlation with it."""

    share: float
    rank_correlation: float | None


class Recommended(Values):
    """A recommended design: its trial at the last fidelity, its files below the study's folder, and its replay."""

    trial: int
    values: Settings
    outcome: dict[str, Any]
    folder: str
    verification: dict[str, Any]


class Codesign(Result):
    """A co-design study: every design at every fidelity, what decides the objectives, and the recommended designs.

    study: content of the study file; ranges, base: range of each parameter, and where the base circuit stands;
    between_fidelities: how far two agree on the designs that both evaluated; importance: by objective and parameter;
    recommended: by role (accuracy, energy, balanced), empty where the replay was not asked for.
    """

    kind: ClassVar[str] = "codesign"

    name: str
    study: dict[str, Any]
    ranges: dict[str, ParameterRange]
    base: Settings
    fidelities: tuple[FidelityTrials, ...]
    between_fidelities: tuple[dict[str, Any], ...]
    importance: dict[str, dict[str, Importance]]
    recommended: dict[str, Recommended]
    workers: int
    cpu_s_of_all_trials: float
    _out: Path | None = PrivateAttr(None)

    @property
    def out(self) -> Path | None:
        """Folder that the study stands in; None for a result that was read from a file."""
        return self._out

    def files(self) -> Mapping[str, str]:
        """Return trials.csv: all designs of all fidelities, a row each."""
        names, objectives = list(self.study["parameters"]), list(self.study["objectives"])
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["fidelity", "number", "source", *names, *objectives, "feasible", "front"])
        for fidelity in self.fidelities:
            for trial in fidelity.trials:
                values = [f"{trial.values[name]:.6g}" for name in names]
                reached = [f"{trial.objectives[name]:.6g}" for name in objectives]
                flags = [int(trial.feasible), int(trial.front)]
                writer.writerow([fidelity.name, trial.number, trial.source, *values, *reached, *flags])
        return {"trials.csv": stream.getvalue()}

    def summary(self) -> str:
        """Return two lines for each recommended design: what it costs and reaches, and its values."""
        if not self.recommended:
            return f"all designs are evaluated, none is replayed: {self.out or self.name}"
        lines = []
        for role, design in self.recommended.items():
            details = design.outcome["details"]
            value, low, high = design.verification["images"]["accuracy"]["circuit"]
            lines.append(
                f"{role}: {1e9 * details['energy_J']:.3g} nJ, {1e9 * details['latency_s']:.3g} ns; whole images at "
                f"edge {value:.1%} ({low:.1%} to {high:.1%}); {design.folder}/network.toml"
            )
            lines.append("  " + ", ".join(f"{name} {value:.3g}" for name, value in design.values.items()))
        return "\n".join(lines)
