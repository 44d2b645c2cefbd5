"""A chip: the errors that its neurons and synapses keep, and the events of each image, drawn reproducibly.

What a draw is depends on (seed, chip, layer) for a chip and on (seed, chip, image, layer) for an event, and on nothing
else: no call, process, batch or order enters. A chip has three components, kept apart so that each can be switched
off: `die` (a corner that all its neurons share), `neuron` (each its own) and `synapse` (each physical weight its own).
Every component is drawn from a stream of its own: switching one off leaves the others as they were.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.supply import SupplyRipple, tones
from neurocircuit.spec import NeuronSpec, StartPhases
from neurocircuit.spec.variation import SynapseVariation, Variation

COMPONENTS = ("die", "neuron", "synapse")
_STREAMS = {"die": 1, "neuron": 2, "synapse": 3, "event": 4, "supply": 5}


@dataclass(frozen=True)
class NeuronErrors:
    """Relative errors of neurons, each [trial] or a scalar: of τ (at fixed r), of the swing of VCO4, of the threshold.

    frequency: of VCO1 … VCO4, four such values, on top of those in the spec. ripple: of the supply, beside them.
    """

    tau: Any
    gain: Any
    threshold: Any
    frequency: tuple[Any, Any, Any, Any]
    ripple: SupplyRipple | None = None

    @classmethod
    def none(cls) -> "NeuronErrors":
        """Return no errors."""
        return cls(0.0, 0.0, 0.0, (0.0, 0.0, 0.0, 0.0))

    def take(self, which: Any) -> "NeuronErrors":
        """Return those of some neurons."""
        error1, error2, error3, error4 = (value[which] for value in self.frequency)
        frequency = (error1, error2, error3, error4)
        ripple = None if self.ripple is None else self.ripple.take(which)
        return NeuronErrors(self.tau[which], self.gain[which], self.threshold[which], frequency, ripple)

    def with_frequencies(self, errors: Floats) -> "NeuronErrors":
        """Return these errors with relative frequency errors of VCO1 … VCO4, [4, trial], on top; all are [trial]."""
        zero = np.zeros(errors.shape[1])
        error1, error2, error3, error4 = (mine + more for mine, more in zip(self.frequency, errors, strict=True))
        frequency = (error1, error2, error3, error4)
        return NeuronErrors(self.tau + zero, self.gain + zero, self.threshold + zero, frequency, self.ripple)

    @property
    def threshold_factor(self) -> Any:
        """By what the threshold in units of weight changes: lead over 2·swing·a·τ."""
        return (1.0 + self.threshold) / ((1.0 + self.gain) * (1.0 + self.tau))

    def spec_of(self, spec: NeuronSpec, trial: int) -> NeuronSpec:
        """Return the spec that one erroneous neuron has: for levels that take a neuron at a time, and for tests."""
        tau, gain, threshold = (float(np.reshape(value, -1)[trial]) for value in (self.tau, self.gain, self.threshold))
        frequency_errors = [float(np.reshape(value, -1)[trial]) for value in self.frequency]
        in_force = tuple(a + b for a, b in zip(spec.frequency_error.in_force, frequency_errors, strict=True))
        window = spec.readout_window
        if window is not None and window.slope is not None:  # a constant current: it follows the gain of VCO4 alone
            window = window.replace(slope=window.slope * (1 + gain) * (1 + tau) / (1 + threshold))
        return spec.replace(
            readout_window=window,
            tau_s=spec.tau_s * (1 + tau),
            loop_filter_rad_per_s=spec.loop_filter_rad_per_s / (1 + tau),
            vco4_swing_Hz=spec.vco4_swing_Hz * (1 + gain),
            threshold=spec.threshold.scaled(1 + threshold),
            ripple_guard_rad=spec.ripple_guard_rad * (1 + threshold),
            frequency_error=spec.frequency_error.replace(before_trim=in_force, after_trim=in_force),
        )


@dataclass(frozen=True)
class ChipLayer:
    """The errors of one layer of one chip; die [4]: τ, gain, threshold, weight; the others as in NeuronErrors.

    synapse: relative error of each physical weight, [neuron, input].
    """

    die: Floats
    neuron_errors: NeuronErrors
    synapse: NDArray[np.float32]

    @property
    def neurons(self) -> NeuronErrors:
        """Die and neuron together."""
        return NeuronErrors(
            self.neuron_errors.tau + self.die[0],
            self.neuron_errors.gain + self.die[1],
            self.neuron_errors.threshold + self.die[2],
            self.neuron_errors.frequency,
        )

    def weights(self, weights: Floats, synapse: NDArray[np.floating] | float) -> Floats:
        """Return what weights [neuron, input] become by the die and by the errors of their synapses, same shape."""
        return np.asarray(weights * (1.0 + self.die[3] + synapse))


def draw_layer(
    variation: Variation, seed: int, chip: int, layer: int, neurons: int, shape: tuple[int, int], units: Floats | None
) -> ChipLayer:
    """Return the errors of one layer of chip number `chip`; its die is that of all its layers.

    shape: of the synapses that are drawn, [set, input]; units: how many unit currents make each, same shape, which is
    needed where the variation has a spread of one.
    """
    die = _generator(seed, "die", chip).standard_normal(4)
    die *= (variation.die.tau, variation.die.gain, variation.die.threshold, variation.die.weight)
    raw = _generator(seed, "neuron", chip, layer).standard_normal((7, neurons))
    spreads = variation.neuron
    raw *= np.array([spreads.tau, spreads.gain, spreads.threshold, *spreads.frequency])[:, None]
    synapse = np.zeros((1, 1), dtype=np.float32)
    if variation.synapse != SynapseVariation():
        synapse = _generator(seed, "synapse", chip, layer).standard_normal(shape, dtype=np.float32)
        if units is None:
            synapse *= np.float32(variation.synapse.weight)
        else:
            synapse *= variation.synapse.spread(units).astype(np.float32)
    return ChipLayer(die, NeuronErrors(raw[0], raw[1], raw[2], (raw[3], raw[4], raw[5], raw[6])), synapse)


def draw_event(
    spec: NeuronSpec, seed: int, chip: int, image: int, layer: int, neurons: int
) -> tuple[Floats, NDArray[np.uint64]]:
    """Return the phases of VCO1 and VCO3 at arming [neuron, 2] and seeds of the phase noise [neuron] of one event."""
    generator = _generator(seed, "event", chip, image, layer)
    phases = generator.uniform(0.0, 2 * np.pi, (neurons, 2))
    seeds = generator.integers(0, 2**64, neurons, dtype=np.uint64)
    if isinstance(spec.start_phases, StartPhases):
        phases[:] = spec.start_phases.vco1_rad, spec.start_phases.vco3_rad
    return phases, seeds


def draw_supply(spec: NeuronSpec, seed: int, chip: int, image: int) -> Floats:
    """Return the phases of the supply's tones, [tone], when an image starts on a chip: all its neurons share them."""
    return _generator(seed, "supply", chip, image).uniform(0.0, 2 * np.pi, tones(spec))


def _generator(seed: int, stream: str, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_STREAMS[stream], *key))))
