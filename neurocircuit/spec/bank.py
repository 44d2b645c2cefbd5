"""The digitally switched weight bank: which weights the circuit can make."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from neurocircuit.errors import InputError
from neurocircuit.spec.fields import Ratio, Spec

CODE_TOLERANCE = 1e-6  # of full scale, within which a weight counts as one of the bank's

FullScale = Literal["layer", "neuron"]  # one for all neurons of a layer, or one for each, set by currents of its own


class Bank(Spec):
    """The switched elements for one sign of weight."""

    bits: Annotated[int, Field(ge=1, le=52, strict=True, description="resolution of the magnitude")] = 4
    max_weight: Annotated[Ratio, Field(gt=0, le=1e6, description="weight at full scale, units of the threshold")] = 2.0
    code: Annotated[
        Literal["conductance", "resistance"],
        Field(description="what the code is proportional to; a current source counts as a conductance"),
    ] = "conductance"
    weights: Annotated[
        tuple[Ratio, ...],
        Field(description="measured weight of each code 1 … 2^bits − 1, units of the threshold; empty: by `code`"),
    ] = ()

    @model_validator(mode="after")
    def _measured(self) -> "Bank":
        if not self.weights:
            return self
        if len(self.weights) != 2**self.bits - 1:
            raise ValueError(f"weights must have {2**self.bits - 1} entries or none, got {len(self.weights)}")
        steps = np.diff(self.weights, prepend=0.0)
        if steps.min() <= 0:
            code = int(steps.argmin()) + 1
            raise ValueError(f"weights must rise from 0 with the code, got {self.weights[code - 1]:g} at code {code}")
        if abs(self.weights[-1] / self.max_weight - 1) > 1e-9:
            raise ValueError(f"weights must end at max_weight {self.max_weight:g}, got {self.weights[-1]:g}")
        return self


class WeightBank(Spec):
    """Both signs; an excitatory element sources, an inhibitory one sinks."""

    excitatory: Bank = Bank()
    inhibitory: Bank = Bank()

    def with_bits(self, bits: int) -> "WeightBank":
        """Return the same bank at another resolution of the magnitude, for both signs.

        Measured weights hold at their own resolution; at another one the bank is proportional to its code.
        """
        excitatory, inhibitory = (
            bank if bank.bits == bits else bank.replace(bits=bits, weights=())
            for bank in (self.excitatory, self.inhibitory)
        )
        return WeightBank(excitatory=excitatory, inhibitory=inhibitory)

    def spanning(self, weights: NDArray[np.float64]) -> "WeightBank":
        """Return the same bits and code with the full scale that these weights need, three digits, rounded up.

        Measured weights keep their proportions: full scale is set by a current that all elements share.
        """
        return WeightBank(
            excitatory=_spanning(self.excitatory, float(np.max(weights, initial=0.0))),
            inhibitory=_spanning(self.inhibitory, float(-np.min(weights, initial=0.0))),
        )

    def quantise_rows(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the nearest weights [neuron, input] when each neuron's full scale is its own, as its weights need it.

        The elements of one neuron and sign share a current that sets it; those of another one have another current.
        """
        unit = self.spanning(np.array([1.0, -1.0]))
        largest, smallest = weights.max(axis=1, keepdims=True), weights.min(axis=1, keepdims=True)
        scale = np.where(weights > 0, largest, -smallest)
        scale[scale <= 0] = 1.0
        return np.asarray(unit.quantise(weights / scale) * scale)

    def quantise(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the nearest weights that the bank can make, same shape; beyond full scale they saturate."""
        excitatory = _nearest(np.maximum(weights, 0.0), self.excitatory)
        inhibitory = _nearest(np.maximum(-weights, 0.0), self.inhibitory)
        return np.asarray(excitatory - inhibitory)

    def units(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many unit currents make each weight, same shape; also of weights beyond full scale."""
        sink, source = (bank.max_weight / (2**bank.bits - 1) for bank in (self.inhibitory, self.excitatory))
        return np.asarray(np.abs(weights) / np.where(weights < 0, sink, source))

    def codes(self, weights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the signed codes of weights that the bank makes, same shape; a sink's are negative.

        Raise InputError for a weight that is further than 1e-6 of full scale from the bank's.
        """
        weights = np.asarray(weights, dtype=np.float64)
        nearest = self.quantise(weights)
        full_scale = np.where(weights < 0, self.inhibitory.max_weight, self.excitatory.max_weight)
        off = np.abs(weights - nearest) > CODE_TOLERANCE * full_scale
        if off.any():
            got, closest = weights[off].flat[0], nearest[off].flat[0]
            raise InputError(
                f"weights must be on the bank's codes at level transistor, got {got:g} (nearest {closest:g}); "
                "quantise first"
            )
        excitatory = _code(np.maximum(nearest, 0.0), self.excitatory)
        return np.asarray(excitatory - _code(np.maximum(-nearest, 0.0), self.inhibitory))


def _spanning(bank: Bank, largest: float) -> Bank:
    full_scale = 1e-6
    if largest > 0:
        step = 10.0 ** (np.floor(np.log10(largest)) - 2)
        full_scale = max(float(f"{np.ceil(largest / step - 1e-9) * step:.3g}"), 1e-6)
    measured = tuple(full_scale * weight / bank.max_weight for weight in bank.weights)
    return bank.replace(max_weight=full_scale, weights=measured)


def _nearest(magnitude: NDArray[np.float64], bank: Bank) -> NDArray[np.float64]:
    """Return the conductance: w = W k/(2^b - 1), k = 0 … 2^b - 1. Resistance: w = W/k, k = 1 … 2^b - 1, or open (0).

    With measured weights: the nearest of these and 0.
    """
    if bank.weights:
        return _nearest_of(np.array((0.0, *bank.weights)), magnitude)
    top = 2.0**bank.bits - 1
    clipped = np.minimum(magnitude, bank.max_weight)
    if bank.code == "conductance":
        return np.asarray(np.round(clipped / bank.max_weight * top) / top * bank.max_weight)
    with np.errstate(divide="ignore", over="ignore"):
        ideal_code = np.minimum(bank.max_weight / clipped, top)
    above, below = bank.max_weight / np.floor(ideal_code), bank.max_weight / np.minimum(np.ceil(ideal_code), top)
    nearest = np.where(above - clipped <= clipped - below, above, below)
    return np.asarray(np.where(clipped < bank.max_weight / top / 2, 0.0, nearest))


def _nearest_of(made: NDArray[np.float64], magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest of `made`, which rises; halfway between two the larger one."""
    return np.asarray(made[np.searchsorted((made[:-1] + made[1:]) / 2, magnitude, side="right")])


def _code(made: NDArray[np.float64], bank: Bank) -> NDArray[np.int64]:
    """Return the code of magnitudes that `_nearest` gave; 0 of a resistance is its open code."""
    if bank.weights:
        return np.asarray(np.searchsorted(np.array(bank.weights), made, side="right"))
    if bank.code == "conductance":
        return np.asarray(np.round(made / bank.max_weight * (2.0**bank.bits - 1)).astype(np.int64))
    with np.errstate(divide="ignore"):
        ratio = np.where(made > 0, bank.max_weight / made, 0.0)
    return np.asarray(np.round(ratio).astype(np.int64))
