"""How long the neurons of a network draw power for an image, until each has spiked, closed or been outrun.

A free neuron is on from the image's start. One with a readout window is on from where the first window of its inputs
opens, since it integrates from there, to the end of its own. On a ramp VCO1 and VCO2 rest from the arming on, so that
the energy of an image is

    E = τ (P Σ_j on_j + P_ramp Σ_j ramp_j)                                                                     (E1)

with ramp_j a neuron's time on its ramp and on_j its time before. A spike ends both, and so does the decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.spec import NeuronSpec


@dataclass(frozen=True)
class Span:
    """When the neurons of a layer are on, units of τ from the image's start; ramp, end: inf for neurons without.

    forced: neurons that have not spiked by the end do so then.
    """

    begin: float = 0.0
    ramp: float = np.inf
    end: float = np.inf
    forced: bool = False

    @classmethod
    def of(cls, spec: NeuronSpec, origin_over_tau: float) -> "Span":
        """Return the span of a neuron whose times count from an origin."""
        window = spec.readout_window
        if window is None:
            return cls(origin_over_tau)
        ramp = np.inf if window.form == "forced" else origin_over_tau + spec.armed_over_tau
        return cls(origin_over_tau, ramp, origin_over_tau + spec.window_over_tau, window.form == "forced")


@dataclass(frozen=True)
class OnTimes:
    """Sums over the neurons of each image, all [image]; times in units of τ.

    latency: until the decision, or the end where none came. on, ramp: eq. (E1); on_of_spikes, ramp_of_spikes: of it
    by neurons that spiked no later than the decision, forced or not. spikes: that came by themselves; before: of them
    no later than the decision; forced: spikes that ends of windows made by then.
    """

    latency: Floats
    on: Floats
    ramp: Floats
    on_of_spikes: Floats
    ramp_of_spikes: Floats
    spikes: Floats
    before: Floats
    forced: Floats

    @classmethod
    def joined(cls, parts: Sequence["OnTimes"]) -> "OnTimes":
        """Return the images of all parts in one."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def on_times(
    times_over_tau: Sequence[NDArray[np.floating[Any]]], spans: Sequence[Span], latest_over_tau: float | Floats
) -> OnTimes:
    """Return the times on of images from the spikes [image, neuron] of each layer, units of τ from the image's start.

    inf: silent, or forced. The first spike of the last layer decides; an image without one ends at latest_over_tau.
    """
    first = times_over_tau[-1].min(axis=1)
    end = np.where(np.isfinite(first), first, latest_over_tau)
    sums = np.zeros((7, len(end)))
    for t, span in zip(times_over_tau, spans, strict=True):
        stop = np.minimum(t, np.minimum(end, span.end).astype(t.dtype)[:, None])
        ramp = np.maximum(stop - t.dtype.type(span.ramp), 0)
        on = np.maximum(stop - t.dtype.type(span.begin), 0) - ramp
        fired = np.isfinite(t)
        before = t <= end.astype(t.dtype)[:, None]
        pulse = (span.forced & (end >= span.end))[:, None] & ~fired
        spiked = before | pulse
        each = (on, ramp, on * spiked, ramp * spiked, fired, before, pulse)
        sums += [values.sum(axis=1, dtype=np.float64) for values in each]
    return OnTimes(end.astype(np.float64), *sums)
