"""What spikes that overlap in VCO1, and sinks that act early, take from the membranes of a layer of form `ramp`.

With x_i the time from a spike to the arming, h(x_i) the charge by then of a unit weight and κ_ij the overlap of a pair
by its lag and signs (neuron/pulse_overlap.py), the membrane misses by all pairs

    m = a/2 Σ_i Σ_j≠i κ_ij w_i w_j h(x_i)

On the time in which spikes come κ is a Fourier series, which makes products of sums over inputs of a sum over pairs;
dense layers give those sums. With A_n = Σ w √h e^{iω_n x} over sources, B_n over sinks,

    m = a/2 {Σ_n [s_n |A_n|² + k_n |B_n|² + 2 Re(b_n A_n B_n*)] - Σ_i κ_ii w_i² h(x_i)}

where √(h_i h_j) stands for (h_i + h_j)/2: spikes that meet have charged alike. For sinks h(x + advance) is in place of
h(x). No gradient runs through it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurocircuit.neuron.pulse_overlap import SINK_AFTER_SOURCE, SINKS, SOURCE_AFTER_SINK, SOURCES, PulseOverlap, share
from neurocircuit.snn.windowed import weighted
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.windowed import Term

HARMONICS_PER_WIDTH = 0.5  # of the narrowest overlap in the period of the series
_SAMPLES = 4096  # of the period


@dataclass(frozen=True)
class Received:
    """Spikes of one term [N, channel, ...] as x, units of tau, 0: silent; padded where padding spikes.

    weights: w [out, in, ...] of the synapses, thresholds.
    """

    term: Term
    x: Tensor
    weights: Tensor


class WindowedOverlap:
    """Overlap and early sinks in one layer of a circuit that has them."""

    def __init__(self, spec: NeuronSpec, charge: Callable[[Tensor], Tensor]) -> None:
        """charge: h of times x."""
        overlap = PulseOverlap.of(spec)
        self._advance, self._charge, self._armed = overlap.sink_advance, charge, spec.armed_over_tau
        self._half_rad = spec.phase_per_weight_rad / 2
        period = self._armed + max(overlap.width)
        self._first = 2 * math.pi / period
        count = math.ceil(HARMONICS_PER_WIDTH * period / min(overlap.width)) + 1
        kinds = ((SOURCES, SOURCES), (SINKS, SINKS), (SINK_AFTER_SOURCE, SOURCE_AFTER_SINK))
        self._series = np.stack([_series(overlap, *kind, period)[:count] for kind in kinds])

    @torch.no_grad()
    def taken(self, received: list[Received], bias: Tensor) -> Tensor:
        """Return m [N, out, ...], thresholds; bias: weights [out] of the bias spikes, which come at the origin."""
        parts = [_Part(item, self._charged, self._first) for item in received]
        early = torch.stack([part.early() for part in parts]).sum(0)
        each = (1, -1, *(1 for _ in early.shape[2:]))
        charged = float(self._charge(torch.tensor(self._armed, dtype=torch.float64)))
        signed = [(weight * math.sqrt(charged)).view(each) for weight in _signed(bias)]
        at_once = [float(series.real.sum()) for series in self._series[:2]]  # κ_ii
        alone = sum(at_once[k] * (signed[k].square() + sum(part.squares(k) for part in parts)) for k in range(2))
        m: Tensor = -early - self._half_rad * alone
        for n, (s, k, b) in enumerate(self._series.T):
            turn = n * self._first * self._armed
            (a_re, a_im), (b_re, b_im) = (
                [
                    sum(part.sums(sign)[axis] for part in parts) + signed[sign] * turned
                    for axis, turned in enumerate((math.cos(turn), math.sin(turn)))
                ]
                for sign in range(2)
            )
            pairs = s.real * (a_re.square() + a_im.square()) + k.real * (b_re.square() + b_im.square())
            pairs += 2 * b.real * (a_re * b_re + a_im * b_im)
            if b.imag:
                pairs += 2 * b.imag * (a_re * b_im - a_im * b_re)
            m += self._half_rad * pairs
            for part in parts:
                part.turn()
        return m

    def _charged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the charges of unit sources and sinks, like x; none acts before the origin."""
        early = (x + self._advance).clamp(max=self._armed)
        return self._charge(x), torch.where(x > 0, self._charge(early), 0.0)


class _Part:
    """One term while harmonics are run through; 0: its sources, 1: its sinks."""

    def __init__(self, received: Received, charged: Callable[[Tensor], tuple[Tensor, Tensor]], omega: float) -> None:
        self._term, x = received.term, received.x
        self._charges = charged(x)
        self._gained = self._charges[1] - self._charges[0]
        self._roots = [values.clamp(min=0.0).sqrt() for values in self._charges]
        self._weights = _signed(received.weights)
        self._step = torch.cos(omega * x), torch.sin(omega * x)
        self._phasor = torch.ones_like(x), torch.zeros_like(x)

    def early(self) -> Tensor:
        """Return what sinks gain by acting early."""
        return weighted(self._term, self._gained, self._weights[1])

    def squares(self, sign: int) -> Tensor:
        """Return Σ w² h."""
        return weighted(self._term, self._charges[sign], self._weights[sign].square())

    def sums(self, sign: int) -> tuple[Tensor, Tensor]:
        """Return Σ w √h cos ωx and Σ w √h sin ωx at the present harmonic."""
        waves = torch.cat([self._roots[sign] * wave for wave in self._phasor])
        cosine, sine = weighted(self._term, waves, self._weights[sign]).chunk(2)
        return cosine, sine

    def turn(self) -> None:
        """Go on to the next harmonic."""
        (c, s), (dc, ds) = self._phasor, self._step
        self._phasor = c * dc - s * ds, s * dc + c * ds


def _signed(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights of sources and of sinks, 0 in place of the others'."""
    return weights.clamp(min=0.0), weights.clamp(max=0.0)


def _series(overlap: PulseOverlap, after: int, before: int, period: float) -> NDArray[np.complex128]:
    """Return c_n of κ(lag) = Re Σ_n c_n e^{iω_n lag}; kinds of pairs by whether the lag is >= 0 or below."""
    lag = (np.arange(_SAMPLES) / _SAMPLES + 0.5) % 1.0 * period - period / 2
    kind = np.where(lag >= 0, after, before)
    strength = share(np.abs(lag), np.array(overlap.width)[kind], np.array(overlap.strength)[kind], np)
    series = 2.0 * np.fft.rfft(strength) / _SAMPLES
    series[0] /= 2.0
    return np.asarray(series)
