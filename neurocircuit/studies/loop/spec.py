"""The file of a loop: which circuit, which recipes, and how large each stage is."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from neurocircuit.spec import FullScale
from neurocircuit.spec.fields import Ratio, Spec, read_toml

_PATH = Annotated[str, Field(min_length=1)]
_COUNT = Annotated[int, Field(ge=1, strict=True)]


class SweepStage(Spec):
    """The sweep of input jitter and weight bits, as in Table 3."""

    jitter: Annotated[
        tuple[Annotated[Ratio, Field(gt=0, le=0.2)], ...], Field(description="relative input jitter, one row each")
    ] = (0.01, 0.03, 0.05, 0.07, 0.09)
    bits: Annotated[
        tuple[Annotated[int, Field(ge=1, le=52, strict=True)], ...],
        Field(description="resolutions of the weight bank, one row each"),
    ] = (4, 8, 16)
    trials: Annotated[_COUNT, Field(le=1_000_000, description="draws of each row; the paper's testbench has 2000")] = (
        2000
    )
    level: Annotated[
        Literal["averaged", "edge", "bsource"], Field(description="of the neuron; bsource needs ngspice")
    ] = "edge"


class ConversionStage(Spec):
    """How the ReLU network of the recipe becomes neurons that spike in windows, as `neurocircuit convert` does it."""

    window: Annotated[Ratio, Field(gt=0, le=20, description="of every layer and of the pixels, units of tau")] = 0.5
    form: Annotated[Literal["ramp", "forced"], Field(description="ramp: for the circuit, wants a recipe")] = "ramp"
    quantile: Annotated[Ratio, Field(gt=0, le=1, description="X is this quantile of a layer's activations")] = 1.0
    images: Annotated[_COUNT, Field(description="training images that choose X")] = 500
    recipe: Annotated[
        str, Field(description="fine-tunes the converted network, path from this file or a shipped name; empty: none")
    ] = ""


class MappingStage(Spec):
    """How scales of the layers are chosen, as `neurocircuit map` does it."""

    images: Annotated[_COUNT, Field(description="training images; the deepest membrane of all sets the lead")] = 300
    full_scale: Annotated[
        FullScale,
        Field(description="of the weight bank, one for each layer or neuron; that of both later trainings too"),
    ] = "layer"


class CalibrationStage(Spec):
    """How the noise table is made, as `neurocircuit calibrate` does it."""

    images: Annotated[_COUNT, Field(description="training images whose operating points are simulated")] = 30
    chips: Annotated[int, Field(ge=4, strict=True, description="that each operating point meets")] = 100
    points: Annotated[int, Field(ge=40, strict=True, description="neurons of each layer")] = 400


class VerificationStage(Spec):
    """Whole images, every neuron simulated, as `neurocircuit verify` does it."""

    images: Annotated[int, Field(ge=2, strict=True, description="test images")] = 100
    chips: Annotated[_COUNT, Field(description="that each image meets")] = 3
    level: Annotated[Literal["edge", "averaged"], Field(description="of the neuron")] = "edge"


class EvaluationStage(Spec):
    """Many images by the noise tables, clean against noise-aware, as `neurocircuit study compare-networks` does it."""

    images: Annotated[int, Field(ge=0, strict=True, description="test images; 0: all")] = 0
    chips: Annotated[int, Field(ge=2, strict=True, description="that each image meets")] = 10
    tables: Annotated[int, Field(ge=0, strict=True, description="redrawn within the error of the calibration")] = 4


class LoopSpec(Spec):
    """From circuit to accuracy: sweep, train, map, calibrate, verify, and again trained under the circuit's noise."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a label")] = "loop"
    circuit: Annotated[_PATH, Field(description="neuron spec, path from this file; embedded: the embedded circuit")] = (
        "circuit.toml"
    )
    variation: Annotated[
        str, Field(description="how chips differ, path from this file; empty: the embedded numbers")
    ] = ""
    recipe: Annotated[_PATH, Field(description="of the first training, path from this file or a shipped name")] = (
        "recipe.toml"
    )
    noise_aware_recipe: Annotated[
        _PATH,
        Field(description="of the training under the circuit's noise, which starts from the weights of the first"),
    ] = "noise_aware.toml"
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True, description="of sweep, chips and events")] = 1
    threads: Annotated[_COUNT, Field(description="of torch; part of what determines the last bits of weights")] = 1
    sweep: SweepStage = SweepStage()
    conversion: Annotated[
        ConversionStage | None, Field(description="of a ReLU network into neurons with windows; absent: none")
    ] = None
    mapping: MappingStage = MappingStage()
    calibration: CalibrationStage = CalibrationStage()
    verification: VerificationStage = VerificationStage()
    evaluation: EvaluationStage = EvaluationStage()

    @classmethod
    def read(cls, path: Path) -> "LoopSpec":
        """Read a loop's file. Raise InputError or SpecError naming file or field."""
        return cls.from_dict(read_toml(path))
