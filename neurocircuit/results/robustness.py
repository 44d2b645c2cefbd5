"""Accuracy of a network against hardware: weight bits, weight noise, errors of spikes and thresholds."""

from typing import ClassVar

from neurocircuit.core.result import Number, Result, Values
from neurocircuit.spec import FullScale


class Table4Row(Values):
    """Accuracy at so many bits: weights only rounded, and retrained with them; nan where nothing is trained."""

    bits: int
    after: float
    retrained: Number


class Table4(Values):
    """Accuracy at fewer bits, of the paper's words and of the circuit's bank; unrounded: at 32 bit."""

    unrounded: float
    bits: tuple[int, ...]
    quantisers: dict[str, tuple[Table4Row, ...]]


class WeightNoise(Values):
    """Accuracy over bits (by quantiser) and over noise on the weights (by network, [snr][draw]); zero: without both."""

    zero: dict[str, float]
    bits: tuple[int, ...]
    rounded: dict[str, tuple[float, ...]]
    snr_dB: tuple[float, ...]
    trained_snr_dB: float
    noise: dict[str, tuple[tuple[float, ...], ...]]


class SpikeJitter(Values):
    """Accuracy over jitter of every spike time (by network, [jitter][draw]); zero: without.

    time_origin: of relative jitter, "image", or "layer" where each layer has a clock of its own, from which its jitter
    counts; "none": jitter in units of τ (windowed networks).
    """

    zero: dict[str, float]
    jitter: tuple[float, ...]
    trained_jitter: float
    accuracy: dict[str, tuple[tuple[float, ...], ...]]
    time_origin: str


class SpikeErrors(Values):
    """Accuracy over errors of spikes that free and windowed networks have alike, by network, [value][draw].

    jitter_over_tau: deviation of every spike, input included. missed: share of the neurons' spikes that are lost.
    threshold_error: relative deviation of each neuron's threshold; a draw is a chip. zero: without errors.
    """

    zero: dict[str, float]
    jitter_over_tau: tuple[float, ...]
    jittered: dict[str, tuple[tuple[float, ...], ...]]
    missed: tuple[float, ...]
    lost: dict[str, tuple[tuple[float, ...], ...]]
    threshold_error: tuple[float, ...]
    mismatched: dict[str, tuple[tuple[float, ...], ...]]


class Robustness(Result):
    """Accuracy of one network on `n` test images against what hardware does to it; studies by their names.

    full_scale: of rounded weights, one for each layer or neuron.
    """

    kind: ClassVar[str] = "robustness"

    studies: dict[str, Table4 | WeightNoise | SpikeJitter | SpikeErrors]
    weights: str
    data: str
    network: str
    n: int
    draws: int
    epochs_of_each_step: int
    full_scale: FullScale = "layer"
    recipe_sha256: str

    def summary(self) -> str:
        """Return what was measured, on how many images."""
        return f"{', '.join(self.studies)} of {self.weights} on {self.n} test images of {self.data}"
