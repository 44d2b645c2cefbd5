"""The study file: what may vary and how far, the objectives, and how each fidelity evaluates a design."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from neurocircuit.spec.fields import Amperes, Hertz, Radians, Ratio, Spec

Scale = Literal["linear", "log"]
Objective = Literal["accuracy", "energy", "latency"]
MAXIMISED = ("accuracy",)
Split = Literal["train", "held_out", "test", "official"]


class _Range(Spec):
    scale: Scale = "linear"


class RatioRange(_Range):
    """Of a pure number."""

    low: Ratio
    high: Ratio


class RadiansRange(_Range):
    """Of an angle."""

    low: Radians
    high: Radians


class HertzRange(_Range):
    """Of a frequency."""

    low: Hertz
    high: Hertz


class AmperesRange(_Range):
    """Of a current."""

    low: Amperes
    high: Amperes


class CountRange(Spec):
    """Of whole numbers, both ends included."""

    low: Annotated[int, Field(strict=True)]
    high: Annotated[int, Field(strict=True)]
    scale: Literal["linear"] = "linear"


Range = RatioRange | RadiansRange | HertzRange | AmperesRange | CountRange
# Widest ranges: beyond them no spec is valid, or a trial would take minutes.
BOUNDS: dict[str, tuple[float, float, str]] = {
    "cycles_per_tau": (2.0, 200.0, ""),
    "f0": (1e6, 1e11, "Hz"),
    "loop_ratio": (0.5, 1000.0, ""),
    "phase_per_weight": (1e-3, 10.0, "rad"),
    "lead": (1e-2, 100.0, "rad"),
    "weight_bits": (1, 16, ""),
    "bias": (1e-8, 1e-2, "A"),
    "bias_area": (1.0, 100.0, ""),
    "trim_resolution": (1e-8, 0.1, ""),
    "window": (1.0, 50.0, "τ"),
    "readout_window": (0.05, 5.0, "τ"),
}


class Parameters(Spec):
    """What varies; what is absent stays as in the base circuit."""

    cycles_per_tau: Annotated[RatioRange | None, Field(description="f0·τ: sets τ at the frequency of the circuit")] = (
        None
    )
    f0: Annotated[HertzRange | None, Field(description="frequency of the oscillators, at the same cycles per τ")] = None
    loop_ratio: Annotated[RatioRange | None, Field(description="w_lf·τ of the loop filter")] = None
    phase_per_weight: Annotated[RadiansRange | None, Field(description="a: the mapping may lower it by layer")] = None
    lead: Annotated[RadiansRange | None, Field(description="θ: the mapping may lower it by layer")] = None
    weight_bits: Annotated[CountRange | None, Field(description="bits of the bank's magnitude, both signs")] = None
    bias: Annotated[AmperesRange | None, Field(description="current of each oscillator: power and phase noise")] = None
    bias_area: Annotated[
        RatioRange | None,
        Field(description="area of bias diodes, mirrors and loads over the base's, at the same current: flicker"),
    ] = None
    trim_resolution: Annotated[
        RatioRange | None, Field(description="relative frequency step of the trim; leaves σ = step/√12 for each VCO")
    ] = None
    window: Annotated[RatioRange | None, Field(description="observation window, units of τ; absent: by the map")] = None
    readout_window: Annotated[
        RatioRange | None, Field(description="T of a windowed network: of every layer and of the pixels, units of τ")
    ] = None

    @model_validator(mode="after")
    def _within(self) -> "Parameters":
        if not self.ranges:
            raise ValueError("must name at least one parameter")
        for name, parameter_range in self.ranges.items():
            low, high, unit = BOUNDS[name]
            for end in ("low", "high"):
                value = getattr(parameter_range, end)
                if not low <= value <= high:
                    raise ValueError(
                        f"{name}.{end} must be within {low:g} … {high:g} {unit}".rstrip() + f", got {value:g}"
                    )
            if parameter_range.low >= parameter_range.high:
                raise ValueError(f"{name}.high must be > low = {parameter_range.low:g}, got {parameter_range.high:g}")
        return self

    @property
    def ranges(self) -> dict[str, Range]:
        """Ranges of the parameters that vary, by name."""
        return {
            name: parameter_range
            for name in type(self).model_fields
            if (parameter_range := getattr(self, name)) is not None
        }


class Power(Spec):
    """Which characterised neuron says what a design draws, and within what limits.

    Power follows current and frequency as eq. (P1) of process/measurements/power.py, relative to the neuron's own,
    within the currents and frequencies that were built; the lock time is proportional to τ. Every design has the input
    spike of that neuron, of a windowed network that of the base circuit.

    Phase diffusion D, flicker h and supply sensitivity follow current, frequency and the area of the bias devices as
    eq. (N1) of process/measurements/noise_law.py, relative to the base circuit's, within the rings that were measured:
    widths scale with the current, so that D and h are about inverse to it, as a ring's jitter is to its power (McNeill,
    JSSC 32 (1997) 870). A condition without noise_law.json allows another current alone, with D and h inverse to it.
    """

    condition: Annotated[
        str,
        Field(
            description="folder of a condition that `characterize` measured, with its power.json; path from the study "
            "file; empty: that of the base circuit, of generic65 for one without transistors"
        ),
    ] = ""


class Fidelity(Spec):
    """How a design is evaluated.

    table: a noise table is calibrated on the design, then many images run as a torch network under it. circuit: every
    neuron of whole images at `level`, no table.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    method: Literal["table", "circuit"]
    level: Literal["edge", "averaged"] = "edge"
    map_images: Annotated[int, Field(ge=2, le=1000, strict=True, description="images that the mapping sees")] = 8
    calibration_images: Annotated[int, Field(ge=1, le=1000, strict=True)] = 4
    calibration_chips: Annotated[int, Field(ge=4, le=1000, strict=True)] = 10
    points: Annotated[int, Field(ge=40, le=5000, strict=True, description="neurons of each layer in the table")] = 60
    images: Annotated[int, Field(ge=1, strict=True, description="for accuracy, energy and latency")] = 400
    chips: Annotated[int, Field(ge=1, strict=True)] = 2
    designs: Annotated[
        int | None, Field(ge=1, strict=True, description="how many are taken over from the fidelity before this one")
    ] = None


class Verification(Spec):
    """Of the recommended designs: whole images at `edge`, and neurons of each layer as SPICE decks."""

    split: Split = "test"
    map_images: Annotated[int, Field(ge=2, le=1000, strict=True)] = 40
    images: Annotated[int, Field(ge=1, strict=True)] = 50
    chips: Annotated[int, Field(ge=1, strict=True)] = 3
    bsource_neurons: Annotated[int, Field(ge=0, strict=True, description="of each layer; 0: none")] = 0


class Retraining(Spec):
    """Of the recommended designs only: the checkpoint trained further under the noise of each one's own circuit."""

    recipe: Annotated[str, Field(min_length=1, description="of `neurocircuit train`; path from the study file")]
    settings: Annotated[tuple[str, ...], Field(description="as train's --set: schedule.lr=1e-3")] = ()
    calibration_images: Annotated[int, Field(ge=1, le=1000, strict=True)] = 10
    calibration_chips: Annotated[int, Field(ge=4, le=1000, strict=True)] = 40
    points: Annotated[int, Field(ge=40, le=5000, strict=True, description="neurons of each layer in the table")] = 200


class Conversion(Spec):
    """How a checkpoint of a ReLU network becomes the windowed network of every design: as `neurocircuit convert`.

    Of a windowed network only the images count: they set the range of its read-out at each design's T.
    """

    images: Annotated[int, Field(ge=1, le=60_000, strict=True, description="of the training images; they choose X")] = (
        200
    )
    quantile: Annotated[Ratio, Field(gt=0, le=1, description="X is this quantile of a layer's activations")] = 0.9999
    readout_window: Annotated[
        Ratio, Field(gt=0, le=20, description="T where it does not vary; of the base circuit")
    ] = 0.5


class Limits(Spec):
    """What a design must keep to beside the limits of the mapping."""

    accuracy_at_least: Annotated[
        Ratio, Field(ge=0, le=1, description="at each fidelity; a coarse noise table says less than the circuit has")
    ] = 0.5
    undecided_at_most: Annotated[Ratio, Field(ge=0, le=1)] = 0.5


class Mapping(Spec):
    """How designs are mapped: as `neurocircuit map`."""

    scale: Annotated[
        Literal["lowered", "kept"],
        Field(description="lowered: a and θ of each layer as far down as its limits ask; kept: broken is infeasible"),
    ] = "lowered"
    xor_quantile: Annotated[Ratio, Field(gt=0, le=1)] = 0.999
    wrap_quantile: Annotated[Ratio, Field(gt=0, le=1)] = 1.0
    use: Annotated[Ratio, Field(gt=0, le=1)] = 0.9
    split: Split = "train"
    largest_fan_in: Annotated[
        int | None,
        Field(ge=1, strict=True, description="synapses that a neuron is assumed to carry; absent: as characterised"),
    ] = None


class StudySpec(Spec):
    """A co-design study. Paths count from the study file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    checkpoint: Annotated[str, Field(min_length=1, description="weights, fixed in all trials")]
    circuit: Annotated[str, Field(description="base NeuronSpec; empty: the embedded circuit")] = ""
    variation: Annotated[str, Field(description="how chips differ; empty: the embedded numbers")] = ""
    split: Annotated[Split, Field(description="images that designs are chosen by")] = "held_out"
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 1
    sampler: Literal["tpe", "nsga2"] = "tpe"
    population: Annotated[int, Field(ge=4, le=1000, strict=True, description="of nsga2; start-up trials of tpe")] = 20
    trials: Annotated[int, Field(ge=1, strict=True, description="designs at the first fidelity")] = 100
    objectives: Annotated[tuple[Objective, ...], Field(min_length=2, max_length=3)] = ("accuracy", "energy", "latency")
    parameters: Parameters
    power: Power = Power()
    limits: Limits = Limits()
    mapping: Mapping = Mapping()
    conversion: Annotated[Conversion | None, Field(description="of a ReLU or windowed network; absent: defaults")] = (
        None
    )
    fidelities: Annotated[tuple[Fidelity, ...], Field(min_length=1, max_length=5, description="cheapest first")]
    verification: Verification = Verification()
    retraining: Annotated[Retraining | None, Field(description="absent: the recommended designs keep the weights")] = (
        None
    )

    @model_validator(mode="after")
    def _consistent(self) -> "StudySpec":
        if len(set(self.objectives)) < len(self.objectives) or "accuracy" not in self.objectives:
            raise ValueError(f"objectives must differ and hold accuracy, got {', '.join(self.objectives)}")
        names = [fidelity.name for fidelity in self.fidelities]
        if len(set(names)) < len(names):
            raise ValueError(f"fidelities must have different names, got {', '.join(names)}")
        for k, fidelity in enumerate(self.fidelities):
            if (fidelity.designs is None) != (k == 0):
                what = "must not have designs: it has trials" if k == 0 else "must have designs"
                raise ValueError(f"fidelities[{k}] {what}")
        return self


@dataclass(frozen=True)
class Files:
    """Files of a study's inputs; None: the embedded circuit or variation, no recipe, the package's own power."""

    study: Path
    checkpoint: Path
    circuit: Path | None
    variation: Path | None
    recipe: Path | None = None
    power: Path | None = None


def files_of(path: Path, study: StudySpec) -> Files:
    """Return the inputs of the study that was read from `path`."""
    circuit, variation = (path.parent / name if name else None for name in (study.circuit, study.variation))
    recipe = None if study.retraining is None else path.parent / study.retraining.recipe
    power = path.parent / study.power.condition if study.power.condition else None
    return Files(path, path.parent / study.checkpoint, circuit, variation, recipe, power)
