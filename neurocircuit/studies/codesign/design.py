"""A design: the values of a trial as NeuronSpec, variation and power, and the limits that no circuit may break."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, sqrt

from neurocircuit.errors import InputError
from neurocircuit.network.limits import SPIKE_WIDTH
from neurocircuit.results.characterised_neuron import CharacterisedNeuron
from neurocircuit.results.inference import NeuronPower
from neurocircuit.spec import Lead, NeuronSpec, Variation

Values = Mapping[str, float]


@dataclass(frozen=True)
class Design:
    """A circuit; power: of a neuron; window_over_tau: None leaves the window to the mapping."""

    neuron: NeuronSpec
    variation: Variation
    power: NeuronPower
    window_over_tau: float | None


def base_values(
    base: NeuronSpec, variation: Variation, bias_A: float, readout_window: float | None = None
) -> dict[str, float]:
    """Return the base circuit in the parameters of a study, SI units, windows in tau.

    bias_A: current of its VCO1; readout_window: T of a windowed network.
    """
    values = {
        "cycles_per_tau": base.cycles_per_tau,
        "f0": base.f0_Hz,
        "loop_ratio": base.loop_ratio,
        "phase_per_weight": base.phase_per_weight_rad,
        "lead": lead_of(base),
        "weight_bits": base.weight_bank.excitatory.bits,
        "bias": bias_A,
        "trim_resolution": max(variation.neuron.frequency) * sqrt(12.0),
        "window": base.window_over_tau,
    }
    return values if readout_window is None else values | {"readout_window": readout_window}


def lead_of(base: NeuronSpec) -> float:
    """Return θ of the base, rad. Raise InputError for a ramp, to which no network is mapped."""
    if not base.threshold.is_fixed:
        raise InputError(f"circuit: threshold must be a lead to map a network, got {base.threshold.kind}")
    return base.threshold.lead_rad


def impossible(base: NeuronSpec, power: CharacterisedNeuron, values: Values, kept: bool) -> dict[str, float]:
    """Return the limits that no spec may break, as value over bound less 1: positive is broken, and by how much.

    kept: a and θ are those of every layer (else the mapping lowers them where a limit asks for it).
    """
    full = base_values(base, Variation(), power.bias_A) | dict(values)
    excess = {}
    if base.comparator == "modulo_2pi":
        excess["lead below π"] = full["lead"] / (pi * (1 - 1e-9)) - 1.0
    tau_s, ratio = full["cycles_per_tau"] / full["f0"], base.threshold_vco_ratio
    swing_Hz = full["lead"] / (2.0 * full["phase_per_weight"] * tau_s)
    if kept:
        excess["VCO4 swing"] = swing_Hz / (2.0 * full["f0"] * ratio) - 1.0
    noise = max(base.phase_noise) * _noise_factor(base, power.bias_A, full)
    excess["phase noise within an edge"] = noise / (0.1 * full["f0"]) - 1.0
    excess[SPIKE_WIDTH] = base.spike_width_s / tau_s - 1.0
    return excess


def design_of(base: NeuronSpec, variation: Variation, power: CharacterisedNeuron, values: Values) -> Design:
    """Return the circuit with these values, by the scaling laws of study.Power.

    Raise SpecError for an impossible one, InputError for a current or a frequency that was not characterised.
    """
    neuron, variation = circuit_of(base, variation, power.bias_A, values)
    draws = power.power(values.get("bias", power.bias_A), neuron.f0_Hz / base.f0_Hz, values.get("trim_resolution"))
    return Design(neuron, variation, draws, values.get("window"))


def circuit_of(base: NeuronSpec, variation: Variation, bias_A: float, values: Values) -> tuple[NeuronSpec, Variation]:
    """Return neuron and variation of a design, whatever it draws; bias_A: current of the base's VCO1. Raise SpecError.

    Scaling laws of study.Power.
    """
    full = base_values(base, variation, bias_A) | dict(values)
    f0_Hz = full["f0"]
    tau_s = full["cycles_per_tau"] / f0_Hz
    lead_rad, a = full["lead"], full["phase_per_weight"]
    # Each layer gets its own swing from the mapping; the base one only has to be valid.
    swing_Hz = min(lead_rad / (2.0 * a * tau_s), 2.0 * f0_Hz * base.threshold_vco_ratio)
    d1, d2, d3, d4 = (value * _noise_factor(base, bias_A, full) for value in base.phase_noise)
    flicker = base.flicker
    if flicker is not None:
        h1, h2, h3, h4 = (h * bias_A / full["bias"] for h in flicker.h)
        flicker = flicker.replace(h=(h1, h2, h3, h4))
    neuron = base.replace(
        name="codesign",
        tau_s=tau_s,
        f0_Hz=f0_Hz,
        loop_filter_rad_per_s=full["loop_ratio"] / tau_s,
        phase_per_weight_rad=a,
        threshold=Lead(lead_rad=lead_rad),
        vco4_swing_Hz=swing_Hz,
        weight_bank=base.weight_bank.with_bits(int(full["weight_bits"])),
        phase_noise=(d1, d2, d3, d4),
        flicker=flicker,
        window_s=full["window"] * tau_s,
    )
    if "trim_resolution" in values:
        left = full["trim_resolution"] / sqrt(12.0)  # of a residual uniform over one step
        neuron_errors = variation.neuron.replace(frequency=(left, left, left, left))
        variation = variation.replace(neuron=neuron_errors)
    return neuron, variation


def _noise_factor(base: NeuronSpec, bias_A: float, full: Values) -> float:
    return (full["f0"] / base.f0_Hz) ** 2 * bias_A / full["bias"]
