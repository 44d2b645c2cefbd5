"""What images cost on a circuit, in energy and time, and what whole images on chips of it reach."""

import math

from neurocircuit.core.result import Number, Values
from neurocircuit.neuron.on_time import OnTimes


class NeuronPower(Values):
    """What a neuron draws that is on, and one whose membrane a ramp reads out; nan: not known. source: of both."""

    power_W: Number
    ramp_power_W: Number = math.nan
    source: str = ""


class InferenceCost(Values):
    """Energy and time of an inference, means over images and chips; neurons are on as neuron/on_time.py has it.

    latency_s: until the first output spike, the end where none came; window_over_tau: that end. energy_J: of all
    neurons while they are on, eq. (E1); energy_spikes_J: of it that of neurons which spiked before the decision, by
    themselves or forced by their window's end, energy_per_spike_J for each of them. spikes: for each image, before
    the window's end; forced_spikes: what ends of windows made. power_W: of a neuron that is on, ramp_power_W: while a
    ramp reads it out; nan: not known.
    """

    latency_s: float
    latency_over_tau: float
    energy_J: Number
    energy_spikes_J: Number
    energy_per_spike_J: Number
    spikes: float
    spikes_before_decision: float
    neurons: int
    power_W: Number
    ramp_power_W: Number = math.nan
    forced_spikes: float = 0.0
    window_over_tau: Number = math.nan
    power_source: str = ""

    @classmethod
    def of(
        cls, times: OnTimes, power: NeuronPower, tau_s: float, neurons: int, window_over_tau: float
    ) -> "InferenceCost":
        """Return the cost of images from how long their neurons were on."""
        before, forced = float(times.before.mean()), float(times.forced.mean())
        energy_spikes_J = _energy_J(times.on_of_spikes.mean(), times.ramp_of_spikes.mean(), power, tau_s)
        return cls(
            latency_s=float(times.latency.mean()) * tau_s,
            latency_over_tau=float(times.latency.mean()),
            energy_J=_energy_J(times.on.mean(), times.ramp.mean(), power, tau_s),
            energy_spikes_J=energy_spikes_J,
            energy_per_spike_J=energy_spikes_J / (before + forced) if before + forced else 0.0,
            spikes=float(times.spikes.mean()),
            spikes_before_decision=before,
            neurons=neurons,
            power_W=power.power_W,
            ramp_power_W=power.ramp_power_W,
            forced_spikes=forced,
            window_over_tau=window_over_tau,
            power_source=power.source,
        )

    def sentence(self) -> str:
        """Return both energies and the latency in a line."""
        return (
            f"{self.energy_J * 1e9:.4g} nJ while neurons are on, {self.energy_spikes_J * 1e9:.4g} nJ of it by those "
            f"that spike ({self.energy_per_spike_J * 1e12:.3g} pJ each); {self.latency_over_tau:.3f} of at most "
            f"{self.window_over_tau:.3g} tau; {self.spikes / self.neurons:.1%} of {self.neurons} neurons spike by "
            "themselves"
        )


def _energy_J(on_over_tau: float, ramp_over_tau: float, power: NeuronPower, tau_s: float) -> float:
    """Return the energy of times on. Eq. (E1)."""
    ramp_J = power.ramp_power_W * float(ramp_over_tau) if ramp_over_tau else 0.0
    return tau_s * (power.power_W * float(on_over_tau) + ramp_J)


class InferenceFigures(InferenceCost):
    """What whole images on one circuit reach and cost.

    accuracy: share of right decisions, low and high: its 95 % interval; undecided: share of images without an output
    spike. energy_paper_J: weights x share of neurons that spike x 10 pJ (paper §4.1). outside: share of operating
    points beyond the noise table.
    """

    accuracy: float
    accuracy_low: Number
    accuracy_high: Number
    images: int
    chips: int
    undecided: float
    energy_paper_J: float
    outside: float

    @property
    def interval(self) -> tuple[float, float, float]:
        """Accuracy and the ends of its 95 % interval."""
        return self.accuracy, self.accuracy_low, self.accuracy_high
