"""What a chip's errors do to a membrane, in thresholds: first-order sensitivities at an operating point.

A positive term raises the threshold, so the neuron fires later (neuron/operating_points.py). With V the membrane at the
instant looked at (1 where the neuron fires), t the time since arming, θ the lead, a the phase per weight:

    threshold   δ (θ + guard)/θ        gain, weight   -δ V        τ    -δ (1 - J)
    VCO1, VCO2  -2π f0 τ (δ1 - δ2) t/a                 VCO3, VCO4   -2π f0 τ ratio (δ4 - δ3) t/θ
    synapses    -Σ_C δ_i w_i (1 - e^{-x_i})

On the ramp of a readout window V is that of the arming for weight and τ, synapses have acted until the arming, and
VCO1 and VCO2 have as long: the read-out current is no synapse's, and the loop is cleared.

Two terms every neuron has, whatever its chip, in the same units; s = W_C - 1 is the membrane's slope at the crossing:

    loop   -J/r           the second pole of the loop adds x e^{-x}/r to the kernel 1 - e^{-x}: first order in 1/r
    lag    s width/2τ     a spike of some width acts as a step in its middle

and the drift by the frequency errors of the spec itself, which is taken as it is.
"""

from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.chip import ChipLayer
from neurocircuit.neuron.flicker import difference_spreads
from neurocircuit.neuron.operating_points import Operating
from neurocircuit.spec import NeuronSpec

COMPONENTS = ("die", "neuron", "synapse")
TERMS = ("loop", "lag")
DIE_PARAMETERS = ("tau", "gain", "threshold", "weight")


@dataclass(frozen=True)
class Terms:
    """Membrane terms of a layer's neurons by component, each [neuron], units of the threshold."""

    die: Floats
    neuron: Floats
    synapse: Floats

    def of(self, component: str) -> Floats:
        """Return one component."""
        term: Floats = getattr(self, component)
        return term

    def take(self, which: np.ndarray) -> "Terms":
        """Return those of some neurons."""
        return Terms(self.die[which], self.neuron[which], self.synapse[which])

    def shift(self, causes: tuple[str, ...], kappa: Floats | None = None) -> Floats:
        """Sum of the components among the causes, [neuron], each times its response kappa [component], else 1."""
        total = np.zeros_like(self.neuron)
        for k, component in enumerate(COMPONENTS):
            if component in causes:
                total = total + (1.0 if kappa is None else kappa[k]) * self.of(component)
        return total


def sensitivities(spec: NeuronSpec, point: Operating) -> dict[str, Floats]:
    """Return the membrane term per relative error of each parameter, [neuron].

    Those of frequencies for δ1 and for δ4.
    """
    lead = spec.fixed_lead_rad
    cycles = 2.0 * np.pi * spec.cycles_per_tau
    return {
        "tau": -point.tau_term,
        "gain": -point.highest,
        "threshold": np.full_like(point.at, (lead + spec.ripple_guard_rad) / lead),
        "weight": -synaptic_membrane(spec, point),
        "vco1_vco2": -cycles * loop_time(spec, point.at) / spec.phase_per_weight_rad,
        "vco3_vco4": -cycles * point.at * spec.threshold_vco_ratio / lead,
    }


def synaptic_membrane(spec: NeuronSpec, point: Operating) -> Floats:
    """Return what synapses have made of the membrane, [neuron], thresholds: all of it but the rise on a ramp."""
    if spec.ramp_slope is None:
        return point.highest
    return np.asarray(point.highest - spec.ramp_slope * (point.at - spec.armed_over_tau))


def loop_time(spec: NeuronSpec, t_over_tau: Floats) -> Floats:
    """Return how long the loop of VCO1 and VCO2 has moved the membrane, same shape: on a ramp until the arming."""
    return t_over_tau if spec.ramp_slope is None else np.minimum(t_over_tau, spec.armed_over_tau)


def contributions(spec: NeuronSpec, point: Operating, chip: ChipLayer) -> dict[str, dict[str, Floats]]:
    """Return the membrane term of each parameter of die and neuron, [neuron]: sensitivity times relative error.

    The errors of the die may be its own for each neuron, [4, neuron]. With standard deviations for errors the terms are
    those of the spread, up to a sign.
    """
    per = sensitivities(spec, point)
    d1, d2, d3, d4 = chip.neuron_errors.frequency
    neuron_errors = {
        "tau": chip.neuron_errors.tau,
        "gain": chip.neuron_errors.gain,
        "threshold": chip.neuron_errors.threshold,
        "vco1_vco2": d1 - d2,
        "vco3_vco4": d4 - d3,
    }
    return {
        "die": {name: per[name] * error for name, error in zip(DIE_PARAMETERS, chip.die, strict=True)},
        "neuron": {name: per[name] * error for name, error in neuron_errors.items()},
    }


def membrane_terms(spec: NeuronSpec, point: Operating, chip: ChipLayer, synapse: Floats) -> Terms:
    """Return the terms of one chip's layer; `synapse`: that component's term [neuron], exact or drawn. All [neuron]."""
    by_parameter = contributions(spec, point, chip)
    die, neuron = (sum(by_parameter[name].values(), np.zeros_like(point.at)) for name in ("die", "neuron"))
    return Terms(die, neuron, synapse)


def common_terms(spec: NeuronSpec, point: Operating) -> Floats:
    """Return the membrane terms that all chips have in common, [TERMS, neuron].

    The lag is 0 where no threshold is crossed.
    """
    j = synaptic_membrane(spec, point) - point.tau_term
    lag = np.where(point.fired, point.slope * spec.spike_width_s / (2.0 * spec.tau_s), 0.0)
    if spec.ramp_slope is not None:
        lag = np.zeros_like(lag)  # by the current at the arming, which an operating point does not hold
    return np.stack([-j / spec.loop_ratio, lag])


def drift(spec: NeuronSpec, t_over_tau: Floats, errors: Floats | None = None) -> Floats:
    """Return what relative frequency errors of VCO1 … VCO4 take from the membrane by t, thresholds; same shape.

    errors: [4, ...], which extend to the shape of the times; default: those of the spec itself, 0 for a perfect trim.
    """
    d1, d2, d3, d4 = spec.frequency_error.in_force if errors is None else errors
    by_loop, compared = (
        (d1 - d2) / spec.phase_per_weight_rad,
        (d4 - d3) * spec.threshold_vco_ratio / spec.fixed_lead_rad,
    )
    per_time = -2.0 * np.pi * spec.cycles_per_tau
    moved = per_time * (by_loop + compared) * t_over_tau
    if spec.ramp_slope is not None:
        moved = moved - per_time * by_loop * (t_over_tau - loop_time(spec, t_over_tau))
    return np.asarray(moved)


def drift_term(spec: NeuronSpec, point: Operating) -> Floats:
    """Return the membrane term of the frequency errors that the spec itself has, [neuron]: 0 for a perfect trim."""
    return drift(spec, point.at)


def common_shift(spec: NeuronSpec, point: Operating, term_kappa: Floats) -> Floats:
    """Return the disturbance by terms and drift, [neuron].

    0 for a table whose cells hold them (no kappa: version 1).
    """
    if not term_kappa.any():
        return np.zeros_like(point.at)
    return np.asarray(term_kappa @ common_terms(spec, point) + drift_term(spec, point))


def wrap_distance(spec: NeuronSpec, point: Operating) -> Floats:
    """Return the thresholds from the lowest membrane down to where phases modulo 2π read as a crossing, [neuron].

    inf: never.
    """
    if spec.comparator != "modulo_2pi":
        return np.full_like(point.at, np.inf)
    lead = spec.fixed_lead_rad
    return np.asarray((np.pi - lead - spec.ripple_guard_rad) / lead + point.lowest)


def synapse_term(spec: NeuronSpec, point: Operating, times: Floats, weights: Floats, errors: Floats) -> Floats:
    """Return the exact term of synapse errors, [neuron]; times, weights and relative errors are [neuron, input]."""
    x = np.maximum(loop_time(spec, point.at)[:, None] - times, 0.0)
    term: Floats = np.sum(errors * weights * np.expm1(-x), axis=1)
    return term


def synapse_spread(spec: NeuronSpec, point: Operating, times: Floats, weights: Floats, sigma: Floats) -> Floats:
    """Return the spread of that term by independent errors, [neuron]; sigma: relative, of each [neuron, input]."""
    x = np.maximum(loop_time(spec, point.at)[:, None] - times, 0.0)
    return np.asarray(np.sqrt(np.sum((sigma * weights * np.expm1(-x)) ** 2, axis=1)))


def flicker_spread(spec: NeuronSpec, t_over_tau: Floats) -> Floats:
    """Return the first-order spread of the membrane by flicker at t since arming, thresholds; same shape.

    One event's membrane leaves its course in proportion to that: by `drift` with the event's frequency errors.
    """
    looped, compared = difference_spreads(spec)
    held = looped / spec.phase_per_weight_rad * loop_time(spec, t_over_tau)
    free = compared * spec.threshold_vco_ratio / spec.fixed_lead_rad * t_over_tau
    return np.asarray(2.0 * np.pi * spec.cycles_per_tau * np.hypot(held, free))


def phase_noise_spread(spec: NeuronSpec, t_over_tau: Floats) -> Floats:
    """Return the first-order spread of the membrane by phase noise after t since arming, thresholds; same shape.

    VCO3 and VCO4 walk freely: (D3 + D4) t. VCO1 and VCO2 are held by the loop, the integral of whose error gains
    (D1 + D2)/a² (t - 3/2 + 2 e^{-t} - e^{-2t}/2) where it starts without an error. One that has been locked under noise
    arms with an error of variance (D1 + D2)/2, which adds (D1 + D2)/a² (1 - e^{-t})²/2.
    """
    d1, d2, d3, d4 = (value * spec.tau_s for value in spec.phase_noise)
    looped = loop_time(spec, t_over_tau)
    fading = np.exp(-looped)
    held = np.maximum(looped - 1.5 + 2.0 * fading - fading**2 / 2, 0.0)
    if spec.locked_under_noise:
        held = held + (1.0 - fading) ** 2 / 2
    free = (d3 + d4) * t_over_tau / spec.fixed_lead_rad**2
    return np.asarray(np.sqrt(free + (d1 + d2) / spec.phase_per_weight_rad**2 * held))
