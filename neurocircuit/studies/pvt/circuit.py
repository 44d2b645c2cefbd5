"""A network at characterised conditions: trimmed at the nominal one only, trimmed there, or trimmed and mapped there.

What moves with the condition is taken as a ratio of its characterised spec to the nominal one, so that the mapping may
be on any base circuit: τ, f0, w_lf, spike width and output delay; lead and ripple guard; the swing of VCO4; the phase
jump of each weight by sign, a · weight at full scale. The threshold is then no longer 1. Phase noise, flicker and
supply sensitivities that the network's neuron has move too, VCO by VCO, where both specs have them. What does not move:
codes, window and bias delays in seconds, and the times of the input spikes in seconds (their clock is no part of the
neuron), and the ripple.

Frequencies: trimmed again, the errors that the condition's trim left. Trimmed at nominal only, with e the untrimmed
errors of the same currents at both conditions: left at nominal + (1 + e)/(1 + e_nominal) - 1. That holds to first order
in the trim's own change of the currents; τ, gain and jumps are those measured with the condition's trim in both cases.

Mapped there: phase per weight, lead and swing of each layer are chosen anew (network/limits.py) for the condition's
circuit: phase per weight and lead up to the base circuit's times their ratios, the swing up to what the condition
leaves of the layer's own or of the base's, if that is more; the lead follows, so that the threshold is 1 again. Codes,
window and input times stay.

Windowed networks: arming and windows stay in seconds too, but mapped there the clock that arms the layers and times the
input is set for the condition's τ: all of them keep their length in τ. The constant current that reads a membrane out
goes through VCO4 as UP does, so its ramp follows VCO4's swing, in phase; mapped there, it is chosen anew.
"""

from collections.abc import Sequence
from typing import Any

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.network import limits, mapping
from neurocircuit.network.physical import Layer, PhysicalNetwork
from neurocircuit.network.run import Circuit
from neurocircuit.network.windowed import WindowedLayer, WindowedNetwork
from neurocircuit.results.pvt import Trim
from neurocircuit.spec import FrequencyError, LayerMapping, Lead, MappedNetwork, NeuronSpec
from neurocircuit.spec.neuron import ReadoutWindow
from neurocircuit.studies.pvt.conditions import Characterised


def at_condition(
    mapped: MappedNetwork, nominal: Characterised, condition: Characterised, trim: Trim
) -> tuple[MappedNetwork, float]:
    """Return the network's circuit at a condition, and by what inhibitory weights change against excitatory ones.

    Raise SpecError where the condition makes a neuron that the spec does not allow.
    """
    a, b = nominal.spec, condition.spec
    excitatory, inhibitory = _full_scale(a, b)
    lead, jump, swing = _ratios(a, b)

    def ratio(name: str) -> float:
        return _ratio(a, b, name)

    nominal_neuron = mapped.neuron
    neuron = nominal_neuron.replace(
        tau_s=nominal_neuron.tau_s * ratio("tau_s"),
        f0_Hz=nominal_neuron.f0_Hz * ratio("f0_Hz"),
        loop_filter_rad_per_s=nominal_neuron.loop_filter_rad_per_s * ratio("loop_filter_rad_per_s"),
        threshold_vco_ratio=nominal_neuron.threshold_vco_ratio * ratio("threshold_vco_ratio"),
        spike_width_s=nominal_neuron.spike_width_s * ratio("spike_width_s"),
        output_delay_s=nominal_neuron.output_delay_s * ratio("output_delay_s"),
        frequency_error=FrequencyError(after_trim=errors(a.frequency_error, b.frequency_error, trim)),
        **_noise(nominal_neuron, a, b),
    )
    layers = tuple(
        layer.replace(
            phase_per_weight_rad=layer.phase_per_weight_rad * jump,
            lead_rad=layer.lead_rad * lead,
            ripple_guard_rad=layer.ripple_guard_rad * lead,
            vco4_swing_Hz=layer.vco4_swing_Hz * swing,
            readout_window=_with_slope(layer.readout_window, swing * ratio("tau_s") / lead),
        )
        for layer in mapped.layers
    )
    return mapped.replace(neuron=neuron, layers=layers), inhibitory / excitatory


def with_new_scales(
    mapped: MappedNetwork,
    at_nominal_scales: MappedNetwork,
    physical: PhysicalNetwork | WindowedNetwork,
    nominal: Characterised,
    condition: Characterised,
    training: list[Floats],
) -> MappedNetwork:
    """Return `at_nominal_scales` (at a condition, mapped at the nominal one) with its layers' scales chosen anew.

    training: input spikes [number] of each image, units of the nominal τ, or, of a windowed network, of any. Raise
    SpecError as `at_condition`.
    """
    lead, jump, swing = _ratios(nominal.spec, condition.spec)
    nominal_neuron = mapped.neuron
    base = at_nominal_scales.neuron.replace(
        phase_per_weight_rad=nominal_neuron.phase_per_weight_rad * jump,
        threshold=Lead(lead_rad=_lead(nominal_neuron) * lead),
        vco4_swing_Hz=nominal_neuron.vco4_swing_Hz * swing,
    )
    stages: tuple[Layer | WindowedLayer, ...] = physical.layers
    anew, spikes = at_nominal_scales, training
    if isinstance(physical, PhysicalNetwork):
        spikes = [nominal_neuron.tau_s / base.tau_s * image for image in training]
    else:
        windows = [layer.readout_window(base.tau_s) for layer in physical.layers]
        layers_and_windows = zip(anew.layers, windows, strict=True)
        anew = anew.replace(layers=tuple(layer.replace(readout_window=window) for layer, window in layers_and_windows))
    circuit = Circuit.of(anew, physical)
    runs = [circuit.ideal(image, exact_weights=True) for image in spikes]
    layers = []
    for k, (before, layer) in enumerate(zip(anew.layers, stages, strict=True)):
        recorded = limits.Recorded.of([points[k] for points in runs])
        chosen = mapping.choose(layer, base, recorded, limits.Choice(use=mapped.use))
        most_Hz = max(base.vco4_swing_Hz, before.vco4_swing_Hz)
        banks = {name: getattr(before, name) for name in ("weight_bank", "bias_bank", "full_scale")}
        layers.append(_within_swing(chosen, most_Hz).replace(**banks))
    anew = anew.replace(layers=tuple(layers))
    if not isinstance(physical, PhysicalNetwork):
        return anew
    return mapping.with_delays(anew, physical, spikes[: mapping.LATENCY_IMAGES])


def _with_slope(window: ReadoutWindow | None, factor: float) -> ReadoutWindow | None:
    """Return a readout window whose ramp rises `factor` times as much in each τ."""
    return window if window is None or window.slope is None else window.replace(slope=factor * window.slope)


def _within_swing(layer: LayerMapping, most_Hz: float) -> LayerMapping:
    """Return the layer with VCO4's swing at most `most_Hz`; lead and guard follow, so that the threshold stays 1."""
    factor = min(1.0, most_Hz / layer.vco4_swing_Hz)
    return layer.replace(
        lead_rad=factor * layer.lead_rad,
        ripple_guard_rad=factor * layer.ripple_guard_rad,
        vco4_swing_Hz=factor * layer.vco4_swing_Hz,
    )


def errors(nominal: FrequencyError, condition: FrequencyError, trim: Trim) -> tuple[float, float, float, float]:
    """Return the relative frequency errors of VCO1 … VCO4 at a condition."""
    if trim == "again":
        return condition.after_trim
    error1, error2, error3, error4 = (
        left + (1.0 + now) / (1.0 + before) - 1.0
        for left, now, before in zip(nominal.after_trim, condition.before_trim, nominal.before_trim, strict=True)
    )
    return error1, error2, error3, error4


def _noise(neuron: NeuronSpec, a: NeuronSpec, b: NeuronSpec) -> dict[str, Any]:
    """Return the fields of a neuron's noise that a condition changes, times the ratios of b to a."""
    changed: dict[str, Any] = {}
    if all(any(spec.phase_noise) for spec in (neuron, a, b)):
        changed["phase_noise"] = _times(neuron.phase_noise, a.phase_noise, b.phase_noise)
    if neuron.flicker and a.flicker and b.flicker:
        changed["flicker"] = neuron.flicker.replace(h=_times(neuron.flicker.h, a.flicker.h, b.flicker.h))
    if neuron.supply and a.supply and b.supply:
        sensitivities = (spec.supply.sensitivity_per_V for spec in (neuron, a, b) if spec.supply)
        changed["supply"] = neuron.supply.replace(sensitivity_per_V=_times(*sensitivities))
    return changed | ({"noise_source": neuron.noise_source} if changed else {})


def _times(values: Sequence[float], before: Sequence[float], now: Sequence[float]) -> tuple[float, ...]:
    """Return the values of VCO1 … VCO4 times those of now over those of before, where these are not 0."""
    return tuple(value * y / x if x else value for value, x, y in zip(values, before, now, strict=True))


def _lead(spec: NeuronSpec) -> float:
    if not spec.threshold.is_fixed:
        raise InputError(f"the spec of a condition must have a lead, got {spec.threshold.kind}")
    return spec.threshold.lead_rad


def _ratio(a: NeuronSpec, b: NeuronSpec, name: str) -> float:
    base: float = getattr(a, name)
    value: float = getattr(b, name)
    return value / base if base else 1.0


def _full_scale(a: NeuronSpec, b: NeuronSpec) -> tuple[float, float]:
    """Return the largest weights of b over those of a, excitatory and inhibitory."""
    excitatory, inhibitory = (
        getattr(b.weight_bank, sign).max_weight / getattr(a.weight_bank, sign).max_weight
        for sign in ("excitatory", "inhibitory")
    )
    return excitatory, inhibitory


def _ratios(a: NeuronSpec, b: NeuronSpec) -> tuple[float, float, float]:
    """Return the ratios of b to a: lead, phase jump of an excitatory weight at full scale, swing of VCO4."""
    jump = _full_scale(a, b)[0] * _ratio(a, b, "phase_per_weight_rad")
    return _lead(b) / _lead(a), jump, _ratio(a, b, "vco4_swing_Hz")
