"""Weights rounded to what hardware can hold, with straight-through gradients.

bank: a layer's own weight bank (spec/bank.py): bits of magnitude for each sign, conductance or resistance code, full
scale spanning the layer's weights as `map` will choose it. word: signed words of b bits, codes -(2^(b-1) - 1) ...
2^(b-1) - 1 (three at 2 bit), the reading of the paper's procedure; their step is the least-squares one. One full scale
(step) serves a layer, or each neuron has its own. Of a windowed layer the synapses are rounded, as `map` does it: its
bias spikes make up for what that does to slope and bias.
The loss is taken at the rounded weights, and its gradient there goes to the full-precision ones unchanged: that of the
unrounded loss at the rounded weights (paper §4.2: forward quantised, backward full precision).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurocircuit.core.arrays import Floats
from neurocircuit.snn.models import spiking_layers
from neurocircuit.snn.windowed import WindowedSum, windowed_in
from neurocircuit.spec import FullScale, MappedNetwork, WeightBank

EXACT_BITS = 32  # from here on a float32 has no finer steps: weights stay as they are
_SHARES = np.linspace(0.1, 1.0, 46)  # full scale of words, tried as shares of the largest weight
_SHARES_OF_NEURONS = _SHARES[::5]
_TOGETHER = 2**17  # weights of neurons that stay in the cache


@dataclass
class Rounding:
    """What gives each layer its weights in force; `bits` may change between steps, EXACT_BITS: as they are.

    snr_dB: beside rounding, noise of rms(w) 10^(-snr/20) on each weight, drawn anew at every call; None: none.
    full_scale: one for all neurons of a layer, or one for each, set by a current of its own.
    """

    kind: str  # "bank" or "word"
    bits: int | None  # None: those of the bank
    bank: WeightBank
    snr_dB: float | None = None
    generator: torch.Generator | None = None
    full_scale: FullScale = "layer"

    def __call__(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Weight [out, in, ...] and bias [out] or None in force; the bias is one more input and shares the bank."""
        if self._changes_nothing:
            return weight, bias
        parts = [weight] if bias is None else [weight, bias]
        rounded = self._in_force([part.detach().cpu().double().numpy() for part in parts])
        made = [_straight_through(part, values) for part, values in zip(parts, rounded, strict=True)]
        return made[0], made[1] if len(made) > 1 else None

    def of_windowed(self, weights: list[Tensor], gains: list[Tensor]) -> list[Tensor]:
        """Weights v of each term of a windowed layer in force: its synapses are gain * v."""
        if self._changes_nothing:
            return weights
        gains = [gain.to(v) for v, gain in zip(weights, gains, strict=True)]
        synapses = [(v.detach() * gain).cpu().numpy() for v, gain in zip(weights, gains, strict=True)]
        return [
            _straight_through(v, values, gain)
            for v, values, gain in zip(weights, self._in_force(synapses), gains, strict=True)
        ]

    @property
    def _changes_nothing(self) -> bool:
        return self.bits is not None and self.bits >= EXACT_BITS and self.snr_dB is None

    def _in_force(self, parts: list[Floats]) -> list[Floats]:
        """Return the synapses [neuron, ...] of one layer as the hardware holds them."""
        by_neuron = self.full_scale == "neuron"
        flat = [part.reshape(len(part), -1) if by_neuron else part.ravel() for part in parts]
        joined = np.concatenate(flat, axis=-1)
        exact = self.bits is not None and self.bits >= EXACT_BITS
        rounded = joined if exact else round_to(joined, self.kind, self.bits, self.bank)
        if self.snr_dB is not None:
            rms = float(np.sqrt(np.mean(joined**2))) * 10 ** (-self.snr_dB / 20)
            noise = torch.randn(joined.size, generator=self.generator, dtype=torch.float64).numpy()
            rounded = rounded + rms * noise.reshape(joined.shape)
        cuts = np.cumsum([part.shape[-1] for part in flat])[:-1]
        return [
            values.reshape(part.shape) for values, part in zip(np.split(rounded, cuts, axis=-1), parts, strict=True)
        ]


def round_to(weights: Floats, kind: str, bits: int | None, bank: WeightBank) -> Floats:
    """Return weights as the kind of hardware holds them; bits None: those of the bank.

    [n]: of one layer, with one full scale; [neuron, n]: with one for each neuron.
    """
    if kind != "bank" and bits is not None:
        return to_words(weights, bits)
    bank = bank if bits is None else bank.with_bits(bits)
    return bank.spanning(weights).quantise(weights) if weights.ndim == 1 else bank.quantise_rows(weights)


def to_words(weights: Floats, bits: int) -> Floats:
    """Return the nearest of k d, |k| <= 2^(bits - 1) - 1, with the step d of least squared error among some.

    [n]: one step, of some 50; [neuron, n]: one for each neuron, of ten and then refined. Bits >= 2.
    """
    if weights.ndim == 1:
        return np.asarray(_nearest_words(weights[None], bits, _SHARES)[0])
    together = max(_TOGETHER // weights.shape[1], 1)
    pieces = [weights[first : first + together] for first in range(0, len(weights), together)]
    return np.concatenate([_nearest_words(piece, bits, _SHARES_OF_NEURONS, refine=True) for piece in pieces])


def _nearest_words(weights: Floats, bits: int, shares: Floats, *, refine: bool = False) -> Floats:
    """refine: take the step of least squared error for the codes of the best one, and round again."""
    top = 2 ** (bits - 1) - 1
    largest = np.abs(weights).max(axis=1, keepdims=True, initial=0.0)
    largest[largest == 0.0] = 1.0

    def codes(step: Floats) -> Floats:
        return np.clip(np.round(weights / step), -top, top)

    best, least = largest, np.full(len(weights), np.inf)
    for share in shares:
        step = largest * weights.dtype.type(share) / top
        error = np.square(codes(step) * step - weights).sum(axis=1)
        best, least = np.where((error < least)[:, None], step, best), np.minimum(error, least)
    if refine:
        k = codes(best)
        levels = np.square(k).sum(axis=1, keepdims=True)
        best = np.where(levels > 0, (k * weights).sum(axis=1, keepdims=True) / np.maximum(levels, 1), best)
    made: Floats = codes(best) * best
    return made


def set_rounding(network: nn.Module, rounding: Rounding | None) -> None:
    """Have all layers of neurons use it."""
    for layer in spiking_layers(network):
        layer.rounding = rounding
    for module in network.modules():
        if isinstance(module, WindowedSum):
            module.rounding = None if rounding is None else rounding.of_windowed


@torch.no_grad()
def round_once(network: nn.Module, rounding: Rounding) -> None:
    """Give all layers of neurons the weights that `rounding` makes of theirs, once for all images."""
    set_rounding(network, rounding)
    for layer in spiking_layers(network):
        rounded = rounding(layer.weight, layer.bias)
        layer.rounding = lambda weight, bias, rounded=rounded: rounded
    keep_rounded(network)


@torch.no_grad()
def keep_rounded(network: nn.Module) -> None:
    """Give all windowed layers their weights in force for good."""
    for module in network.modules():
        if isinstance(module, WindowedSum):
            for v, made in zip(module.weights, module.in_force(), strict=True):
                v.copy_(made)
            module.rounding = None


def round_to_banks(network: nn.Module, mapped: MappedNetwork) -> None:
    """Round each layer's weights to the bank that a mapped network has there, spanning this network's weights."""
    windowed = windowed_in(network)
    layers = spiking_layers(network) if windowed is None else [windowed.layer(node) for node in windowed.graph.layers]
    for layer, scale in zip(layers, mapped.layers, strict=True):
        rounding = Rounding("bank", None, scale.weight_bank, full_scale=scale.full_scale)
        layer.rounding = rounding.of_windowed if isinstance(layer, WindowedSum) else rounding


def _straight_through(part: Tensor, values: Floats, gain: Tensor | None = None) -> Tensor:
    rounded = torch.from_numpy(values).to(part)
    made: Tensor = _StraightThrough.apply(part, rounded if gain is None else rounded / gain)  # type: ignore[no-untyped-call]
    return made


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
