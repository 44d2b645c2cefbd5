"""What a co-design study found, as one typed result."""

import csv
import io
from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PrivateAttr, SerializerFunctionWrapHandler, model_serializer

from neurocircuit.core.result import Number, Result, Values
from neurocircuit.results.characterised_neuron import CharacterisedNeuron
from neurocircuit.results.inference import InferenceFigures
from neurocircuit.results.replay import ImagesReplay, LevelDifference

Setting = int | float  # weight bits are whole numbers
Settings = dict[str, Setting]  # by parameter, SI units; window in units of tau


class ParameterRange(Values):
    """How far a parameter may vary, in `unit` ("": a pure number); scale: linear or log."""

    low: Setting
    high: Setting
    scale: str
    unit: str


class Evaluated(InferenceFigures):
    """A design that was run; layers: phase per weight and lead of each, rad.

    phase_noise: the largest, rad²/s; flicker: the largest h, nan without; gates_m2: gate area of a neuron without its
    synapses, nan: not known.
    """

    tau_s: float
    f0_Hz: float
    phase_noise: float
    flicker: Number = nan
    gates_m2: Number = nan
    layers: tuple[tuple[float, float], ...]
    cpu_s: float

    @model_serializer(mode="wrap")
    def _without_unknown(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a design of before noise by device was known as it was."""
        values: dict[str, Any] = handler(self)
        unknown = [name for name in ("flicker", "gates_m2", "lines") if values.get(name) is None]
        return {name: value for name, value in values.items() if name not in unknown}


class NotEvaluated(Values):
    """A design that was not run; infeasible: the reason."""

    infeasible: str
    cpu_s: float


class Outcome(Values):
    """What a design reaches at a fidelity: accuracy, energy (J), latency (s).

    constraints: by name, positive where broken, by how much. A design that was not run has accuracy 0, and the energy
    and latency of a chip that never decides.
    """

    accuracy: float
    energy: Number
    latency: float
    constraints: dict[str, Number]
    details: Evaluated | NotEvaluated

    @property
    def feasible(self) -> bool:
        """Whether every constraint is kept."""
        return all(value <= 0 for value in self.constraints.values())


class Trial(Values):
    """One design at one fidelity.

    source: where its values come from, "" for the sampler; objectives: accuracy, energy (J), latency (s); constraints:
    as of `Outcome`; front: no other feasible design of the same fidelity is better in every objective.
    """

    number: int
    source: str
    values: Settings
    objectives: dict[str, Number]
    constraints: dict[str, Number]
    feasible: bool
    front: bool
    details: Evaluated | NotEvaluated


class FidelityTrials(Values):
    """All designs at one fidelity; causes: what it holds and what it leaves out, in a sentence."""

    name: str
    causes: str
    trials: tuple[Trial, ...]


class FidelityAgreement(Values):
    """How far two successive fidelities agree in an objective on the `designs` that both evaluated.

    rank_correlation: of Spearman, None where one of them does not vary; mean_difference: later less earlier, in the
    unit of the objective.
    """

    earlier: str
    later: str
    objective: str
    designs: int
    rank_correlation: float | None
    mean_difference: float


class Importance(Values):
    """Share of a parameter in what decides an objective (all sum to 1), and its rank correlation with it."""

    share: float
    rank_correlation: float | None


class Retrained(InferenceFigures):
    """A network that was trained further at its design and mapped again: whole images at level edge.

    steps: of training; held_out_accuracy: under eq. (4) with the noise of the design; lead_rad: of each layer.
    """

    recipe_sha256: str
    steps: int
    held_out_accuracy: float | None
    lead_rad: tuple[float, ...]
    limits_met: bool


class Verification(Values):
    """Replay of a recommended design: whole images of a split on chips that no trial saw, every neuron at level edge.

    bsource: neurons of each layer as SPICE decks against their closed form; bsource_remark: why it did not run.
    retrained: None where the study retrains nothing.
    """

    split: str
    images: ImagesReplay
    bsource: tuple[LevelDifference, ...] = ()
    bsource_remark: str = ""
    retrained: Retrained | None = None


class Recommended(Values):
    """A recommended design: its trial at the last fidelity, its files below the study's folder, and its replay."""

    trial: int
    values: Settings
    outcome: Outcome
    folder: str
    verification: Verification

    @property
    def figures(self) -> Evaluated:
        """What the design reached at the last fidelity."""
        assert isinstance(self.outcome.details, Evaluated)  # noqa: S101  # only feasible designs are recommended
        return self.outcome.details


class Codesign(Result):
    """A co-design study: every design at every fidelity, what decides the objectives, and the recommended designs.

    study: content of the study file, as it stands there; ranges: of the parameters that vary; base: the base circuit in
    all parameters; between_fidelities: a row for each two successive ones and objective; importance: by objective and
    parameter;
    neuron: the characterised neuron whose power and limits the designs have; None in studies of before that.
    recommended: by role (accuracy, energy, balanced), empty without the replay.
    """

    kind: ClassVar[str] = "codesign"

    name: str
    study: dict[str, Any]
    ranges: dict[str, ParameterRange]
    base: Settings
    fidelities: tuple[FidelityTrials, ...]
    between_fidelities: tuple[FidelityAgreement, ...]
    importance: dict[str, dict[str, Importance]]
    recommended: dict[str, Recommended]
    neuron: CharacterisedNeuron | None = None
    workers: int
    cpu_s_of_all_trials: float
    _out: Path | None = PrivateAttr(None)

    @model_serializer(mode="wrap")
    def _without_unknown_neuron(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a study of before the neuron's limits were known as it was."""
        values: dict[str, Any] = handler(self)
        if values.get("neuron") is None:
            values.pop("neuron", None)
        return values

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
            value, low, high = design.verification.images.accuracy["circuit"]
            reached, (energy_J, reading) = design.figures, design.figures.energy
            lines.append(
                f"{role}: {1e9 * energy_J:.3g} nJ {reading}, {1e9 * reached.latency_s:.3g} ns; whole images at edge "
                f"{value:.1%} ({low:.1%} to {high:.1%}); {design.folder}/network.toml"
            )
            lines.append("  " + ", ".join(f"{name} {value:.3g}" for name, value in design.values.items()))
        return "\n".join(lines)
