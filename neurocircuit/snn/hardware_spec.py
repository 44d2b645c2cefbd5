"""The part of a recipe that says under which hardware a network is trained."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from neurocircuit.noise.model import CAUSES
from neurocircuit.spec import FullScale
from neurocircuit.spec.fields import Ratio, Spec

Cause = Literal["systematic", "die", "neuron", "synapse", "flicker", "supply", "event"]


class HardwareSpec(Spec):
    """Noise of a circuit and rounding of the weights during training; by default neither. Files: from where one is."""

    noise: Annotated[
        str,
        Field(description='noise table of `calibrate` (mode = "transfer": transfer table of `sweep`); empty: none'),
    ] = ""
    mode: Annotated[
        Literal["calibrated", "transfer"],
        Field(description="calibrated: by operating points and chips; transfer: jitter by Table 3's curve"),
    ] = "calibrated"
    causes: Annotated[tuple[Cause, ...], Field(description="which parts of a noise table act")] = CAUSES  # type: ignore[assignment]
    chips: Annotated[
        Literal["fresh", "fixed"], Field(description="fresh: another chip at each step; fixed: chip 0 throughout")
    ] = "fresh"
    outside: Annotated[
        Literal["ideal", "nearest", "error"],
        Field(description="spikes beyond the noise table: as eq. (4) has them, as its nearest cell does, or stop"),
    ] = "ideal"
    gradient: Annotated[
        Literal["slope", "ideal"],
        Field(
            description="ideal: through eq. (4), a moved spike passing its gradient on; slope: also through how far "
            "the slope W_C - 1 lets the noise move it (exact, but of large variance)"
        ),
    ] = "ideal"
    margins: Annotated[
        Literal["mapped", "loss"],
        Field(description="limits of loss.margin: those of the scales that the table's network has, or the loss's own"),
    ] = "mapped"
    input_jitter: Annotated[Ratio, Field(gt=0, lt=1, description="of the input, relative, for mode transfer")] = 0.01
    jitter: Annotated[
        Ratio, Field(ge=0, lt=1, description="relative jitter of every spike time, input included; 0: none")
    ] = 0.0
    jitter_over_tau: Annotated[
        Ratio,
        Field(ge=0, lt=1, description="of every spike of a windowed network, input included, units of tau; 0: none"),
    ] = 0.0
    quantiser: Annotated[
        Literal["bank", "word"],
        Field(description="bank: the circuit's, bits of magnitude per sign; word: signed words of so many bits"),
    ] = "bank"
    full_scale: Annotated[
        FullScale,
        Field(description="one for all weights of a layer, or one for each neuron's, by a current of its own"),
    ] = "layer"
    bits: Annotated[int, Field(ge=1, le=32, strict=True, description="of the weights; 32: not rounded")] = 32
    gradual: Annotated[
        tuple[Annotated[int, Field(ge=1, le=32, strict=True)], ...],
        Field(
            description="bits before `bits`, one after the other, as the paper reduces them; equal shares of the steps"
        ),
    ] = ()
    weight_snr_dB: Annotated[
        Ratio | None, Field(ge=-20, le=100, description="noise on each weight at each call: rms(w) over its deviation")
    ] = None

    @model_validator(mode="after")
    def _fits(self) -> "HardwareSpec":
        stages = (*self.gradual, self.bits)
        if any(later >= earlier for earlier, later in pairwise(stages)):
            raise ValueError(f"gradual must fall towards bits = {self.bits}, got {list(self.gradual)}")
        if self.quantiser == "word" and self.bits < 2:
            raise ValueError(f"bits must be >= 2 for signed words, got {self.bits}")
        if self.noise and self.jitter:
            raise ValueError(f"jitter must be 0 beside a noise table, got {self.jitter:g}")
        return self

    @property
    def rounds(self) -> bool:
        """Whether weights are changed before they act."""
        return min((*self.gradual, self.bits)) < 32 or self.weight_snr_dB is not None

    def bits_at(self, step: int, steps: int) -> int:
        """Return the bits of step 0 … steps - 1."""
        stages = (*self.gradual, self.bits)
        return stages[min(step * len(stages) // max(steps, 1), len(stages) - 1)]
