"""The NeuronSpec that a characterised condition gives: what the fast levels need to speak for the transistors."""

from collections.abc import Mapping, Sequence
from math import pi

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.process.context import Context
from neurocircuit.process.device_noise import source_of, with_noise, with_supply
from neurocircuit.process.request import slug
from neurocircuit.process.stored import trimmed, trimmed_circuit
from neurocircuit.spec import Bank, FrequencyError, Lead, NeuronSpec, Sensitivity, WeightBank

WINDOW_over_tau = 8.0  # inputs within 3 τ, and five more until a neuron counts as silent


def spec_of(context: Context) -> NeuronSpec:
    """Return the spec of a condition from its trim, synapse, flip-flop and kernel.

    With its phase noise and supply sensitivities if measured; the supply has no ripple, which a user states.
    Threshold at weight 1, readout Q, trimmed.

    Raise SpecError where a measured value breaks a field's bound.
    """
    trim, kernel, circuit = trimmed(context), context.done["kernel"], trimmed_circuit(context)
    gain, tau_s, physical_rad = (kernel.value(key) for key in ("gain", "tau", "lead"))
    f1_Hz, f3_Hz = kernel.details["f1_Hz"], kernel.details["f3_Hz"]
    # The flip-flop sees VCO4 ahead a little late: what data must come before the clock adds to the threshold, and what
    # it holds VCO4's edges back when they come near.
    flip_flop = context.done["flipflop"]
    lead = physical_rad + 2 * pi * f3_Hz * (flip_flop.value("edge") + flip_flop.value("pull"))
    swing_Hz = gain / (2 * tau_s)
    synapse = context.done["synapse"]
    jumps = synapse.curves["jumps"]
    lag = kernel.value("idle_lag")
    after = after_trim(lag, kernel.value("drift"), swing_Hz, tau_s, f1_Hz, f3_Hz)
    spec = NeuronSpec(
        name=f"{context.installed.process.name} {circuit.condition.corner}",
        tau_s=tau_s,
        f0_Hz=f1_Hz,
        loop_filter_rad_per_s=kernel.value("loop_filter"),
        phase_per_weight_rad=lead / gain,
        threshold=Lead(lead_rad=lead),
        vco4_swing_Hz=swing_Hz,
        threshold_vco_ratio=f3_Hz / f1_Hz,
        spike_width_s=kernel.value("width"),
        readout="q",
        frequency_error=FrequencyError(before_trim=trim.untrimmed, after_trim=after),
        weight_bank=WeightBank(
            excitatory=_bank(jumps["excitatory_rad"] * gain / lead),
            inhibitory=_bank(jumps["inhibitory_rad"] * kernel.value("gain_inhibitory") / lead),
        ),
        window_s=WINDOW_over_tau * tau_s,
        output_delay_s=flip_flop.value("near"),
        circuit=circuit.replace(
            lead_rad=physical_rad,
            detector_delay_s=kernel.value("detector_delay"),
            data_pull_s=flip_flop.value("pull"),
            largest_fan_in=int(context.done["fan_in"].value("limit")) if "fan_in" in context.done else None,
            sink_advance_s=(kernel.value("width") - kernel.value("width_inhibitory")) / 2,
            overlap=synapse.value("overlap_two_sources"),
            overlap_sinks=synapse.value("overlap_two_sinks"),
            overlap_both=synapse.value("overlap_both"),
            overlap_width_s=tuple(
                synapse.value(f"overlap_width_{kind}") for kind in ("two_sources", "two_sinks", "both", "both")
            ),
        ),
    )
    source = source_of(context.installed.process.name, slug(circuit.condition))
    if (noise := context.done.get("phase_noise")) is not None:
        spec = with_noise(spec, noise, source)
    if (supply := context.done.get("supply")) is not None:
        spec = with_supply(spec, supply, source)
    return spec


def after_trim(
    lag_rad: float, drift_rad_per_s: float, swing_Hz: float, tau_s: float, f1_Hz: float, f3_Hz: float
) -> tuple[float, float, float, float]:
    """Return the relative frequency errors of VCO1 … VCO4 behind an idle neuron's lag beside π/2 and membrane drift."""
    # The lag makes VCO4 drift by the swing; the rest of the drift is VCO4's own.
    own_drift = drift_rad_per_s - 2 * swing_Hz * lag_rad
    return 0.0, -lag_rad / (2 * pi * f1_Hz * tau_s), 0.0, own_drift / (2 * pi * f3_Hz)


def sensitivities(
    specs: Mapping[tuple[float, float], NeuronSpec], nominal: tuple[float, float]
) -> Sequence[Sensitivity]:
    """Return how fields of the spec move, from the specs of one corner by (temperature in °C, supply in V).

    Straight lines through the nominal point: along the supply at the nominal temperature, and the other way round.
    A field gets an entry where at least one of the two axes was characterised.
    """
    along = {
        "supply": {supply / nominal[1] - 1: spec for (t, supply), spec in specs.items() if t == nominal[0]},
        "kelvin": {t - nominal[0]: spec for (t, supply), spec in specs.items() if supply == nominal[1]},
    }
    fitted_sensitivities = []
    for field in ("tau_s", "f0_Hz", "loop_filter_rad_per_s", "phase_per_weight_rad", "vco4_swing_Hz", "spike_width_s"):
        lines = {name: _line(points, field, specs[nominal]) for name, points in along.items()}
        if all(line is None for line in lines.values()):
            continue
        slopes = {name: line and line[0] for name, line in lines.items()}
        ranges = ", ".join(
            f"{name} {min(along[name]):+.3g} … {max(along[name]):+.3g} (a point off it by {100 * line[1]:.1f} %)"
            for name, line in lines.items()
            if line
        )
        fitted_sensitivities.append(
            Sensitivity(
                field=field,
                per_supply=slopes["supply"] or 0.0,
                per_kelvin=slopes["kelvin"] or 0.0,
                source=f"neurocircuit characterize, straight line over {ranges}, trimmed at each condition",
            )
        )
    return fitted_sensitivities


def _line(points: Mapping[float, NeuronSpec], field: str, nominal: NeuronSpec) -> tuple[float, float] | None:
    """Return the slope of the line through the nominal point, and the largest distance of a point from it.

    Both relative.
    """
    x = np.array([shift for shift in points if shift != 0.0])
    if not len(x):
        return None
    y = np.array([getattr(points[shift], field) / getattr(nominal, field) - 1 for shift in points if shift != 0.0])
    slope = float(x @ y / (x @ x))
    return slope, float(np.abs(y - slope * x).max())


def _bank(weights: Floats) -> Bank:
    bits = round(np.log2(len(weights) + 1))
    return Bank(bits=bits, max_weight=float(weights[-1]), weights=tuple(float(weight) for weight in weights))
