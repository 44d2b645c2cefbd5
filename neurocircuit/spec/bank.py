"""The digitally switched weight bank: which weights the circuit can make."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from neurocircuit.spec.fields import Ratio, Spec


class Bank(Spec):
    """The switched elements for one sign of weight."""

    bits: Annotated[int, Field(ge=1, le=52, strict=True, description="resolution of the magnitude")] = 4
    max_weight: Annotated[Ratio, Field(gt=0, le=1e6, description="weight at full scale, units of the threshold")] = 2.0
    code: Annotated[
        Literal["conductance", "resistance"],
        Field(description="what the code is proportional to; a current source counts as a conductance"),
    ] = "conductance"


class WeightBank(Spec):
    """Both signs; an excitatory element sources, an inhibitory one sinks."""

    excitatory: Bank = Bank()
    inhibitory: Bank = Bank()

    def with_bits(self, bits: int) -> "WeightBank":
        """The same bank at another resolution of the magnitude, for both signs."""
        return WeightBank(
            excitatory=self.excitatory.replace(bits=bits),
            inhibitory=self.inhibitory.replace(bits=bits),
        )

    def quantise(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The nearest weights that the bank can make, same shape; beyond full scale they saturate."""
        excitatory = _nearest(np.maximum(weights, 0.0), self.excitatory)
        inhibitory = _nearest(np.maximum(-weights, 0.0), self.inhibitory)
        return np.asarray(excitatory - inhibitory)


def _nearest(magnitude: NDArray[np.float64], bank: Bank) -> NDArray[np.float64]:
    """Conductance: w = W k/(2^b - 1), k = 0 … 2^b - 1. Resistance: w = W/k, k = 1 … 2^b - 1, or open (0)."""
    top = 2.0**bank.bits - 1
    clipped = np.minimum(magnitude, bank.max_weight)
    if bank.code == "conductance":
        return np.asarray(np.round(clipped / bank.max_weight * top) / top * bank.max_weight)
    with np.errstate(divide="ignore", over="ignore"):
        ideal_code = np.minimum(bank.max_weight / clipped, top)
    above, below = bank.max_weight / np.floor(ideal_code), bank.max_weight / np.minimum(np.ceil(ideal_code), top)
    nearest = np.where(above - clipped <= clipped - below, above, below)
    return np.asarray(np.where(clipped < bank.max_weight / top / 2, 0.0, nearest))
