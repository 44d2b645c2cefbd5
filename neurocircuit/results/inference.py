"""What whole images on chips of a circuit cost and reach."""

from neurocircuit.core.result import Number, Values


class InferenceFigures(Values):
    """Means over the images and chips of one circuit.

    accuracy: share of right decisions, low and high: its 95 % interval; undecided: share of images without an output
    spike. latency_s: until the first output spike, the window where none came. energy_J: power of a neuron x armed time
    of all neurons; energy_spikes_J: of it that of neurons which spiked before the decision, energy_per_spike_J for each
    of them; energy_paper_J: weights x share of neurons that spike x 10 pJ (paper §4.1). spikes: for each image.
    power_W: of an armed neuron, nan where it is not known. outside: share of operating points beyond the noise table.
    """

    accuracy: float
    accuracy_low: Number
    accuracy_high: Number
    images: int
    chips: int
    undecided: float
    latency_s: float
    latency_over_tau: float
    energy_J: Number
    energy_spikes_J: Number
    energy_per_spike_J: Number
    energy_paper_J: float
    spikes: float
    spikes_before_decision: float
    neurons: int
    power_W: Number
    outside: float

    @property
    def interval(self) -> tuple[float, float, float]:
        """Accuracy and the ends of its 95 % interval."""
        return self.accuracy, self.accuracy_low, self.accuracy_high
