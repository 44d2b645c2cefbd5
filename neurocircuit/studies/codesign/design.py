"""A design: the values of a trial as NeuronSpec, variation and power, and the limits that no circuit may break."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, sqrt

from neurocircuit.errors import InputError
from neurocircuit.results.inference import NeuronPower
from neurocircuit.spec import Lead, NeuronSpec, Variation
from neurocircuit.studies.codesign.study import Power

Values = Mapping[str, float]


@dataclass(frozen=True)
class Design:
    """A circuit; power: of a neuron; window_over_tau: None leaves the window to the mapping."""

    neuron: NeuronSpec
    variation: Variation
    power: NeuronPower
    window_over_tau: float | None


def base_values(
    base: NeuronSpec, variation: Variation, power: Power, readout_window: float | None = None
) -> dict[str, float]:
    """Return the base circuit in the parameters of a study, SI units, windows in tau.

    readout_window: T of a windowed network.
    """
    values = {
        "cycles_per_tau": base.cycles_per_tau,
        "f0": base.f0_Hz,
        "loop_ratio": base.loop_ratio,
        "phase_per_weight": base.phase_per_weight_rad,
        "lead": lead_of(base),
        "weight_bits": base.weight_bank.excitatory.bits,
        "bias": power.bias_A,
        "trim_resolution": max(variation.neuron.frequency) * sqrt(12.0),
        "window": base.window_over_tau,
    }
    return values if readout_window is None else values | {"readout_window": readout_window}


def lead_of(base: NeuronSpec) -> float:
    """Return θ of the base, rad. Raise InputError for a ramp, to which no network is mapped."""
    if not base.threshold.is_fixed:
        raise InputError(f"circuit: threshold must be a lead to map a network, got {base.threshold.kind}")
    return base.threshold.lead_rad


def impossible(base: NeuronSpec, power: Power, values: Values, kept: bool) -> dict[str, float]:
    """Return the limits that no spec may break, as value over bound less 1: positive is broken, and by how much.

    kept: a and θ are those of every layer (else the mapping lowers them where a limit asks for it).
    """
    full = base_values(base, Variation(), power) | dict(values)
    excess = {}
    if base.comparator == "modulo_2pi":
        excess["lead below π"] = full["lead"] / (pi * (1 - 1e-9)) - 1.0
    tau_s, ratio = full["cycles_per_tau"] / full["f0"], base.threshold_vco_ratio
    swing_Hz = full["lead"] / (2.0 * full["phase_per_weight"] * tau_s)
    if kept:
        excess["VCO4 swing"] = swing_Hz / (2.0 * full["f0"] * ratio) - 1.0
    noise = max(base.phase_noise) * _noise_factor(base, power, full)
    excess["phase noise within an edge"] = noise / (0.1 * full["f0"]) - 1.0
    return excess


def design_of(base: NeuronSpec, variation: Variation, power: Power, values: Values) -> Design:
    """Return the circuit with these values, by the scaling laws of `Power`. Raise SpecError for an impossible one."""
    full = base_values(base, variation, power) | dict(values)
    f0_Hz = full["f0"]
    tau_s = full["cycles_per_tau"] / f0_Hz
    lead_rad, a = full["lead"], full["phase_per_weight"]
    # Each layer gets its own swing from the mapping; the base one only has to be valid.
    swing_Hz = min(lead_rad / (2.0 * a * tau_s), 2.0 * f0_Hz * base.threshold_vco_ratio)
    d1, d2, d3, d4 = (value * _noise_factor(base, power, full) for value in base.phase_noise)
    flicker = base.flicker
    if flicker is not None:
        h1, h2, h3, h4 = (h * power.bias_A / full["bias"] for h in flicker.h)
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
    power_W = power.oscillators_W * full["bias"] / power.bias_A + power.rest_W * f0_Hz / base.f0_Hz
    power_of = NeuronPower(power_W=power_W, ramp_power_W=power.ramp_share * power_W, source=power.source)
    return Design(neuron, variation, power_of, values.get("window"))


def _noise_factor(base: NeuronSpec, power: Power, full: Values) -> float:
    return (full["f0"] / base.f0_Hz) ** 2 * power.bias_A / full["bias"]
