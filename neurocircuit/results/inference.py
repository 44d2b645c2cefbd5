"""What images cost on a circuit, in energy and time, and what whole images on chips of it reach."""

import math
from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from neurocircuit.core.result import Number, Values
from neurocircuit.neuron.on_time import OnTimes

SUPPLY_Ohm = 0.01  # of package and grid that all neurons share; assumed


class NeuronPower(Values):
    """What one neuron draws; nan: not known. source: where all of it comes from.

    power_W: while it is on; ramp_power_W: while a ramp reads its membrane out; lock_power_W: its loop's, for the
    lock_over_tau, in units of its τ, that it takes to lock before it is armed. generator_W, trim_dac_W: of the bias
    generator and the trim DACs (of trim_bits) beside the currents that they deliver, from the lock on; assumed
    (spec/bias_network.py). supply_V: at which all this was measured. auto_zero_s: before each arming, with all
    oscillators on, to null their frequency differences (neuron/flicker.py).
    """

    power_W: Number
    ramp_power_W: Number = math.nan
    lock_power_W: Number = math.nan
    lock_over_tau: Number = math.nan
    generator_W: Number = math.nan
    trim_dac_W: Number = math.nan
    trim_bits: int | None = None
    supply_V: Number = math.nan
    auto_zero_s: float = 0.0
    source: str = ""

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the power of a neuron without an auto-zero as before there was one."""
        values: dict[str, Any] = handler(self)
        if not values.get("auto_zero_s"):
            values.pop("auto_zero_s", None)
        return values

    def on_J(self, on_over_tau: float, ramp_over_tau: float, tau_s: float) -> float:
        """Return the energy of neurons that are on for so long together, on a ramp beside. Eq. (E1)."""
        ramp_W = self.ramp_power_W * ramp_over_tau if ramp_over_tau else 0.0  # nan where nothing rests
        return tau_s * (self.power_W * on_over_tau + ramp_W)

    def lines(self, on_over_tau: float, ramp_over_tau: float, tau_s: float, neurons: int) -> "EnergyLines":
        """Return every line of the energy of an inference, each of its neurons locked once. Eq. (E2)."""
        lock_s, auto_zero_s = tau_s * self.lock_over_tau * neurons, self.auto_zero_s * neurons
        biased_s = tau_s * (on_over_tau + ramp_over_tau) + lock_s + auto_zero_s
        return EnergyLines(
            armed_J=self.on_J(on_over_tau, ramp_over_tau, tau_s),
            lock_J=self.lock_power_W * lock_s,
            generator_J=self.generator_W * biased_s,
            trim_dac_J=self.trim_dac_W * biased_s,
            auto_zero_J=self.power_W * auto_zero_s if auto_zero_s else 0.0,
            armed_A=self.power_W / self.supply_V * neurons,
        )


class EnergyLines(Values):
    """Energy of an inference by line; nan: not known.

    armed_J: all neurons while they are on, bias currents included; lock_J: one lock of every neuron before that;
    generator_J, trim_dac_J: bias generator and trim DACs, assumed; auto_zero_J: all oscillators of every neuron for the
    time of an auto-zero. armed_A: current of all neurons when they are armed at once.
    """

    armed_J: Number
    lock_J: Number
    generator_J: Number
    trim_dac_J: Number
    auto_zero_J: Number = 0.0
    armed_A: Number = math.nan

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the energy of neurons without an auto-zero as before there was one."""
        values: dict[str, Any] = handler(self)
        if values.get("auto_zero_J") == 0.0:
            values.pop("auto_zero_J")
        return values

    @property
    def drop_V(self) -> float:
        """What that current drops in the supply's resistance (SUPPLY_Ohm)."""
        return self.armed_A * SUPPLY_Ohm

    @property
    def total_J(self) -> float:
        """The sum of all lines."""
        return self.armed_J + self.lock_J + self.generator_J + self.trim_dac_J + self.auto_zero_J


class InferenceCost(Values):
    """Energy and time of an inference, means over images and chips; neurons are on as neuron/on_time.py has it.

    latency_s: until the first output spike, the end where none came; window_over_tau: that end. energy_J: of all
    neurons while they are on, eq. (E1), the reading "armed"; energy_spikes_J: of it that of neurons which spiked before
    the decision, by themselves or forced by their window's end, energy_per_spike_J for each of them. spikes: for each
    image, before the window's end; forced_spikes: what ends of windows made. power_W: of a neuron that is on,
    ramp_power_W: while a ramp reads it out; nan: not known. lines: all that an inference draws, whose sum is the
    reading "in total"; None in results of before they were counted.
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
    lines: EnergyLines | None = None

    @classmethod
    def of(
        cls, times: OnTimes, power: NeuronPower, tau_s: float, neurons: int, window_over_tau: float
    ) -> "InferenceCost":
        """Return the cost of images from how long their neurons were on."""
        before, forced = float(times.before.mean()), float(times.forced.mean())
        energy_spikes_J = power.on_J(float(times.on_of_spikes.mean()), float(times.ramp_of_spikes.mean()), tau_s)
        lines = power.lines(float(times.on.mean()), float(times.ramp.mean()), tau_s, neurons)
        return cls(
            latency_s=float(times.latency.mean()) * tau_s,
            latency_over_tau=float(times.latency.mean()),
            energy_J=lines.armed_J,
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
            lines=lines,
        )

    @model_serializer(mode="wrap")
    def _without_unknown_lines(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a result of before the lines were counted as it was."""
        values: dict[str, Any] = handler(self)
        if values.get("lines") is None:
            values.pop("lines", None)
        return values

    @property
    def total_J(self) -> float:
        """Energy of all lines; nan where one of them is not known."""
        return math.nan if self.lines is None else self.lines.total_J

    @property
    def energy(self) -> tuple[float, str]:
        """Energy in J and the name of its reading: "in total", or "armed" where not every line is known."""
        return (self.total_J, "in total") if math.isfinite(self.total_J) else (self.energy_J, "armed")

    @property
    def line_values(self) -> tuple[tuple[str, float], ...]:
        """Name and energy of each line, J; none where they were not counted."""
        if self.lines is None:
            return ()
        names = {"armed_J": "armed", "lock_J": "lock", "generator_J": "bias generator", "trim_dac_J": "trim DACs"}
        if self.lines.auto_zero_J:
            names["auto_zero_J"] = "auto-zero"
        return tuple((name, getattr(self.lines, field)) for field, name in names.items())

    def sentence(self) -> str:
        """Return the energy with its reading and lines, and the latency, in a line."""
        energy_J, reading = self.energy
        text = f"{energy_J * 1e9:.4g} nJ {reading}"
        if reading == "in total":
            text += f" = {' + '.join(f'{1e9 * value:.3g} {name}' for name, value in self.line_values)}"
        return (
            f"{text}; {self.energy_spikes_J * 1e9:.4g} nJ armed by those "
            f"that spike ({self.energy_per_spike_J * 1e12:.3g} pJ each); {self.latency_over_tau:.3f} of at most "
            f"{self.window_over_tau:.3g} tau; {self.spikes / self.neurons:.1%} of {self.neurons} neurons spike by "
            "themselves"
        )


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
