"""Weights rounded to what hardware can hold, with straight-through gradients.

bank: a layer's own weight bank (spec/bank.py): bits of magnitude for each sign, conductance or resistance code, full
scale spanning the layer's weights as `map` will choose it. word: signed words of b bits, codes -(2^(b-1) - 1) ...
2^(b-1) - 1 (three at 2 bit), the reading of the paper's procedure; their step is the least-squares one for the layer.
The loss is taken at the rounded weights, and its gradient there goes to the full-precision ones unchanged: that of the
unrounded loss at the rounded weights (paper §4.2: forward quantised, backward full precision).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurocircuit.snn.models import spiking_layers
from neurocircuit.spec import WeightBank

EXACT_BITS = 32  # from here on a float32 has no finer steps: weights stay as they are
_SHARES = np.linspace(0.1, 1.0, 46)  # full scale of words, tried as shares of the largest weight


@dataclass
class Rounding:
    """What gives each layer its weights in force; `bits` may change between steps, EXACT_BITS: as they are.

    snr_dB: beside rounding, noise of rms(w) 10^(-snr/20) on each weight, drawn anew at every call; None: none.
    """

    kind: str  # "bank" or "word"
    bits: int | None  # None: those of the bank
    bank: WeightBank
    snr_dB: float | None = None
    generator: torch.Generator | None = None

    def __call__(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Weight [out, in, ...] and bias [out] or None in force; the bias is one more input and shares the bank."""
        exact = self.bits is not None and self.bits >= EXACT_BITS
        if exact and self.snr_dB is None:
            return weight, bias
        parts = [weight] if bias is None else [weight, bias]
        flat = np.concatenate([part.detach().cpu().double().numpy().ravel() for part in parts])
        rounded = flat if exact else round_to(flat, self.kind, self.bits, self.bank)
        if self.snr_dB is not None:
            rms = float(np.sqrt(np.mean(flat**2))) * 10 ** (-self.snr_dB / 20)
            rounded = rounded + rms * torch.randn(len(flat), generator=self.generator, dtype=torch.float64).numpy()
        sizes = np.cumsum([part.numel() for part in parts])[:-1]
        made = [
            _StraightThrough.apply(part, torch.from_numpy(values.reshape(part.shape)).to(part))  # type: ignore[no-untyped-call]
            for part, values in zip(parts, np.split(rounded, sizes), strict=True)
        ]
        return made[0], made[1] if len(made) > 1 else None


def round_to(weights: NDArray[np.float64], kind: str, bits: int | None, bank: WeightBank) -> NDArray[np.float64]:
    """Return the weights [n] of one layer as the kind of hardware holds them; bits None: those of the bank."""
    if kind == "bank" or bits is None:
        return (bank if bits is None else bank.with_bits(bits)).spanning(weights).quantise(weights)
    return to_words(weights, bits)


def to_words(weights: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """Return the nearest of k d, |k| <= 2^(bits - 1) - 1, with the step d of least squared error among some 50.

    Bits >= 2.
    """
    top = 2 ** (bits - 1) - 1
    largest = float(np.abs(weights).max(initial=0.0))
    if largest == 0.0:
        return weights
    steps = largest * _SHARES / top
    made = np.clip(np.round(weights / steps[:, None]), -top, top) * steps[:, None]
    errors = np.square(made - weights).sum(axis=1)
    nearest: NDArray[np.float64] = made[int(errors.argmin())]
    return nearest


def set_rounding(network: nn.Module, rounding: Rounding | None) -> None:
    """Have all layers of neurons use it."""
    for layer in spiking_layers(network):
        layer.rounding = rounding


class _StraightThrough(torch.autograd.Function):
    """The rounded weights forward, the gradient as it comes backward."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rounded: Tensor) -> Tensor:
        """Return `rounded`, shape of weight."""
        return rounded

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Pass the gradient on to the weight."""
        return grads[0], None
