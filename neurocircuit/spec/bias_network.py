"""What makes a neuron's bias currents: a generator, and a trim DAC for each oscillator. Assumed, not characterised."""

from collections.abc import Sequence
from math import ceil, log2
from typing import Annotated

from pydantic import Field, model_validator

from neurocircuit.spec.fields import Ratio, Spec


class BiasNetwork(Spec):
    """Bias generator and trim DACs of a neuron, of which the decks hold the currents only, from ideal sources.

    Each oscillator's current is a fixed mirror of `range_low` times its nominal current and a DAC from there to
    `range_high`, of as many bits as its smallest step asks for. The first `coarse_bits` are mirrors that are switched
    off where they are not used; they need one reference branch of a coarse step. The other bits are a ladder that
    divides one coarse step, and draws it whatever its code is (Linares-Barranco, Serrano-Gotarredona,
    Serrano-Gotarredona, IEEE Trans. Neural Networks 14 (2003) 1207). The generator is a self-biased reference of
    `generator_branches` branches of a coarse step of VCO1, for so many neurons.

    The default range holds what trim finds at all conditions of the datasheet of generic65 (0.75 … 1.12) with what
    mismatch asks for beside.

    >>> BiasNetwork().bits
    14
    """

    range_low: Annotated[Ratio, Field(ge=0, lt=1, description="smallest current over the nominal one")] = 0.5
    range_high: Annotated[Ratio, Field(gt=1, le=10, description="largest")] = 1.6
    resolution: Annotated[Ratio, Field(gt=0, lt=0.1, description="step over the nominal current")] = 1e-4
    coarse_bits: Annotated[int, Field(ge=1, le=12, strict=True)] = 6
    generator_branches: Annotated[int, Field(ge=1, le=100, strict=True)] = 3
    neurons_per_generator: Annotated[int, Field(ge=1, strict=True)] = 1

    @model_validator(mode="after")
    def _fine_beyond_coarse(self) -> "BiasNetwork":
        if self.bits < self.coarse_bits:
            raise ValueError(f"coarse_bits must be <= {self.bits}, the bits of the DAC, got {self.coarse_bits}")
        return self

    @property
    def bits(self) -> int:
        """Bits of a DAC: the trim range in steps of the resolution."""
        return ceil(log2(round((self.range_high - self.range_low) / self.resolution, 9)))

    @property
    def coarse_step(self) -> float:
        """Over the nominal current."""
        return (self.range_high - self.range_low) / float(2**self.coarse_bits)

    def trim_dac_W(self, nominal_A: Sequence[float], supply_V: float) -> float:
        """Return what the DACs of these oscillators draw beside the currents that they deliver, W."""
        return supply_V * 2 * self.coarse_step * sum(nominal_A)

    def generator_W(self, nominal_A: Sequence[float], supply_V: float) -> float:
        """Return a neuron's share of what the bias generator draws, W; the first oscillator is VCO1."""
        return supply_V * self.generator_branches * self.coarse_step * nominal_A[0] / self.neurons_per_generator
