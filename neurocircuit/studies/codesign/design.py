"""A design: the values of a trial as NeuronSpec, variation and power, and the limits that no circuit may break."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import nan, pi, sqrt
from typing import Any

from neurocircuit.errors import InputError
from neurocircuit.network.limits import SPIKE_WIDTH
from neurocircuit.process.power import of_neuron
from neurocircuit.results.characterised_neuron import CharacterisedNeuron
from neurocircuit.results.inference import NeuronPower
from neurocircuit.spec import Lead, NeuronSpec, Variation
from neurocircuit.spec.neuron import Vcos

Values = Mapping[str, float]


@dataclass(frozen=True)
class Design:
    """A circuit; power: of a neuron; window_over_tau: None leaves the window to the mapping.

    gates_m2: gate area of a neuron without its synapses; nan: not known.
    """

    neuron: NeuronSpec
    variation: Variation
    power: NeuronPower
    window_over_tau: float | None
    gates_m2: float = nan


def base_values(
    base: NeuronSpec, variation: Variation, bias_A: float, readout_window: float | None = None
) -> dict[str, float]:
    """Return the base circuit in the parameters of a study, SI units, windows in tau.

    bias_A: current of its VCO1; readout_window: T of a windowed network.
    """
    values = _circuit_values(base, variation) | {"bias": bias_A, "bias_area": 1.0}
    return values if readout_window is None else values | {"readout_window": readout_window}


def _circuit_values(base: NeuronSpec, variation: Variation) -> dict[str, float]:
    """Return the parameters that power and noise do not come from."""
    return {
        "cycles_per_tau": base.cycles_per_tau,
        "f0": base.f0_Hz,
        "loop_ratio": base.loop_ratio,
        "phase_per_weight": base.phase_per_weight_rad,
        "lead": lead_of(base),
        "weight_bits": base.weight_bank.excitatory.bits,
        "trim_resolution": max(variation.neuron.frequency) * sqrt(12.0),
        "window": base.window_over_tau,
    }


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
    noise = max(white_of(base, power, full))
    excess["phase noise within an edge"] = noise / (0.1 * full["f0"]) - 1.0
    excess[SPIKE_WIDTH] = base.spike_width_s / tau_s - 1.0
    return excess


def design_of(base: NeuronSpec, variation: Variation, power: CharacterisedNeuron, values: Values) -> Design:
    """Return the circuit with these values, by the scaling laws of study.Power.

    Raise SpecError for an impossible one, InputError for a current, a frequency or an area of bias devices that was not
    characterised.
    """
    full = base_values(base, variation, power.bias_A) | dict(values)
    neuron, variation = circuit_of(base, variation, values)
    f_over_base = neuron.f0_Hz / base.f0_Hz
    check_noise(base, power, f_over_base, full["bias_area"])
    draws = power.power(full["bias"], f_over_base, values.get("trim_resolution"), full["bias_area"])
    gates_m2 = nan
    if power.noise is not None:
        gates_m2 = power.noise.gates_m2(_scale(base, power, full), full["bias_area"])
    neuron = with_noise(neuron, base, power, full)
    return Design(neuron, variation, of_neuron(neuron, draws), values.get("window"), gates_m2)


def circuit_of(base: NeuronSpec, variation: Variation, values: Values) -> tuple[NeuronSpec, Variation]:
    """Return neuron and variation of a design, with the noise of the base. Raise SpecError."""
    full = _circuit_values(base, variation) | dict(values)
    f0_Hz = full["f0"]
    tau_s = full["cycles_per_tau"] / f0_Hz
    lead_rad, a = full["lead"], full["phase_per_weight"]
    # Each layer gets its own swing from the mapping; the base one only has to be valid.
    swing_Hz = min(lead_rad / (2.0 * a * tau_s), 2.0 * f0_Hz * base.threshold_vco_ratio)
    neuron = base.replace(
        name="codesign",
        tau_s=tau_s,
        f0_Hz=f0_Hz,
        loop_filter_rad_per_s=full["loop_ratio"] / tau_s,
        phase_per_weight_rad=a,
        threshold=Lead(lead_rad=lead_rad),
        vco4_swing_Hz=swing_Hz,
        weight_bank=base.weight_bank.with_bits(int(full["weight_bits"])),
        window_s=full["window"] * tau_s,
    )
    if "trim_resolution" in values:
        left = full["trim_resolution"] / sqrt(12.0)  # of a residual uniform over one step
        neuron_errors = variation.neuron.replace(frequency=(left, left, left, left))
        variation = variation.replace(neuron=neuron_errors)
    return neuron, variation


def check_noise(base: NeuronSpec, power: CharacterisedNeuron, f_over_base: float, bias_area: float) -> None:
    """Raise InputError for a frequency or an area at which the noise of the base was not characterised."""
    law = power.noise
    if law is not None:
        for x in {1.0, base.threshold_vco_ratio}:
            law.check(x * f_over_base, bias_area)
    elif bias_area != 1.0 or (f_over_base != 1.0 and (any(base.phase_noise) or base.flicker or base.supply)):
        name = "bias_area" if bias_area != 1.0 else "f0"
        raise InputError(
            f"{name} must stay at the base's: the condition {power.base.source} has no noise_law.json; "
            "`neurocircuit characterize --only noise_law` measures it"
        )


def with_noise(neuron: NeuronSpec, base: NeuronSpec, power: CharacterisedNeuron, full: Values) -> NeuronSpec:
    """Return a neuron with the phase noise, flicker and supply sensitivity that the base has at these values.

    full: of all parameters. Eq. (N1) of process/measurements/noise_law.py; without that law noise is inverse to the
    current, at the frequency of the base.
    """
    law, scale, area = power.noise, _scale(base, power, full), full["bias_area"]
    changes: dict[str, Any] = {"phase_noise": white_of(base, power, full), "noise_source": base.noise_source}
    if law is not None and base.noise_source is not None and changes["phase_noise"] != base.phase_noise:
        changes["noise_source"] = f"{base.noise_source}; scaled by noise_law.json of {power.base.source}"
    pairs = _frequencies(base, full)
    if base.flicker is not None:
        ratios = _four(1.0 / scale if law is None else law.flicker(x, scale, area) / law.flicker(x0) for x, x0 in pairs)
        h = _four(value * ratio for value, ratio in zip(base.flicker.h, ratios, strict=True))
        shared_12, shared_34 = base.flicker.shared_vco1_vco2, base.flicker.shared_vco3_vco4
        if law is not None and law.flicker_common is not None:
            common = _four(law.flicker_common(x, scale, area) / law.flicker_common(x0) for x, x0 in pairs)
            shared_12 = min(shared_12 * common[0] / ratios[0], 1.0)
            shared_34 = min(shared_34 * common[2] / ratios[2], 1.0)
        changes["flicker"] = base.flicker.replace(h=h, shared_vco1_vco2=shared_12, shared_vco3_vco4=shared_34)
    if base.supply is not None and law is not None:
        pushed = _four(
            s * (law.pushing(x, scale, area) / law.pushing(x0))
            for s, (x, x0) in zip(base.supply.sensitivity_per_V, pairs, strict=True)
        )
        changes["supply"] = base.supply.replace(sensitivity_per_V=pushed)
    return neuron.replace(**changes)


def white_of(base: NeuronSpec, power: CharacterisedNeuron, full: Values) -> Vcos:
    """Return the phase diffusion of VCO1 … VCO4 that the base has at these values, rad²/s. Eq. (N1)."""
    law, scale, area = power.noise, _scale(base, power, full), full["bias_area"]
    if law is None:
        return _four(d / scale for d in base.phase_noise)
    pairs = zip(base.phase_noise, _frequencies(base, full), strict=True)
    return _four(d * (law.white(x, scale, area) / law.white(x0)) for d, (x, x0) in pairs)


def _scale(base: NeuronSpec, power: CharacterisedNeuron, full: Values) -> float:
    """Return s: the design's current over that of the base's widths at the design's frequency."""
    return full["bias"] / power.own_A(full["f0"] / base.f0_Hz)


def _frequencies(base: NeuronSpec, full: Values) -> tuple[tuple[float, float], ...]:
    """Return the frequencies of VCO1 … VCO4 in the design and in the base, over VCO1's in the base."""
    ratio, f_over_base = base.threshold_vco_ratio, full["f0"] / base.f0_Hz
    return tuple((x * f_over_base, x) for x in (1.0, 1.0, ratio, ratio))


def _four(values: Iterable[float]) -> Vcos:
    first, second, third, fourth = values
    return first, second, third, fourth
