"""Level `ideal`: the closed form of the n-LIF neuron, eq. (3) and (4) of the paper."""

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.record import FireRecord, Waveforms, armed_as_asked, no_identity
from neurocircuit.neuron.supply import SupplyRipple
from neurocircuit.spec import NeuronSpec

HAS_DEVICES = False
arming, identity = armed_as_asked, no_identity


def fire(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: np.ndarray,
    errors: NeuronErrors | None = None,
) -> FireRecord:
    """Return the fire times by eq. (4), exact causal set, from t_over_tau and weights, both [trial, input].

    Eq. (3) between two inputs is V(t) = B - A e^{-(t - t_k)} with B = Σ_C w - θ and A = Σ_C w e^{-(t_k - t_i)}.
    It rises where A > 0, so the first crossing lies ln(A/B) after the first t_k for which that comes before t_k+1.
    Under a readout window the first crossing after the arming counts, and a membrane above threshold at the arming.
    """
    if spec.ramp_slope is not None:
        return _fire_on_ramp(spec, t_over_tau, weights, errors)
    trials, inputs = t_over_tau.shape
    scale, threshold, window = np.ones(trials), np.full(trials, spec.threshold_weight), spec.window_over_tau
    if errors is not None:
        scale = scale + errors.tau
        threshold = threshold * errors.threshold_factor
        t_over_tau = t_over_tau / scale[:, None]
    order = np.argsort(t_over_tau, axis=1, kind="stable")
    times = np.take_along_axis(t_over_tau, order, axis=1)
    ordered_weights = np.take_along_axis(weights, order, axis=1)
    following = np.concatenate([times[:, 1:], np.full((trials, 1), np.inf)], axis=1)
    armed = spec.armed_over_tau / scale

    A, B = np.zeros(trials), -threshold
    fire_time, headroom = np.full(trials, np.inf), np.zeros(trials)
    for k in range(inputs):
        pending = np.isfinite(times[:, k]) & ~np.isfinite(fire_time)
        A = np.where(pending, A + ordered_weights[:, k], A)
        B = np.where(pending, B + ordered_weights[:, k], B)
        headroom = np.where(pending, np.maximum(headroom, np.abs(A)), headroom)
        gap = np.where(pending, following[:, k] - np.where(pending, times[:, k], 0.0), 0.0)
        rising = pending & (A > 0) & (B > 0)
        delay = np.log(np.maximum(np.divide(A, B, out=np.ones(trials), where=rising), 1.0))
        hit = rising & (delay <= gap) & (armed <= following[:, k])
        fire_time[hit] = np.maximum(times[hit, k] + delay[hit], armed[hit])
        if spec.armed_over_tau > 0:  # falling, and still above threshold at the arming
            waited = armed - times[:, k]
            above = pending & ~hit & (waited >= 0) & (waited <= gap) & (B - A * np.exp(-np.maximum(waited, 0.0)) >= 0)
            fire_time[above] = armed[above]
        A *= np.exp(-gap)
    fire_time = np.where(fire_time == armed, spec.armed_over_tau, fire_time * scale)
    late = fire_time > window
    fire_time[late] = np.inf
    return FireRecord(
        fire_time_over_tau=fire_time,
        headroom=spec.headroom(headroom),
        false_fire=np.zeros(trials, dtype=bool),
        engine=engine(),
    )


def _fire_on_ramp(spec: NeuronSpec, t_over_tau: Floats, weights: Floats, errors: NeuronErrors | None) -> FireRecord:
    """Return fire times where the membrane of eq. (3) stands at the arming and rises evenly from there."""
    errors = NeuronErrors.none() if errors is None else errors
    scale = np.broadcast_to(1.0 + np.asarray(errors.tau, dtype=float), len(t_over_tau))
    armed = spec.armed_over_tau / scale
    since = np.maximum(armed[:, None] - t_over_tau / scale[:, None], 0.0)
    missing = spec.threshold_weight * errors.threshold_factor - np.sum(weights * -np.expm1(-since), axis=1)
    slope = (spec.ramp_slope or 0.0) * spec.threshold_weight
    fire_time = spec.armed_over_tau + np.maximum(missing, 0.0) / slope * scale
    return FireRecord(
        fire_time_over_tau=np.where(fire_time <= spec.window_over_tau, fire_time, np.inf),
        headroom=spec.headroom(_peak_current(since, weights)),
        false_fire=np.zeros(len(missing), dtype=bool),
        engine=engine(),
    )


def _peak_current(since: Floats, weights: Floats) -> Floats:
    """Return the largest |Σ w e^{-(t - t_i)}| [trial] until the arming, `since` [trial, input] after each spike."""
    order = np.argsort(-since, axis=1, kind="stable")
    since, w = np.take_along_axis(since, order, axis=1), np.take_along_axis(weights, order, axis=1)
    current, peak = np.zeros(len(since)), np.zeros(len(since))
    for k in range(since.shape[1]):
        current = current * np.exp(since[:, k] - since[:, k - 1]) if k else current
        current = np.where(since[:, k] > 0, current + w[:, k], current)
        peak = np.maximum(peak, np.abs(current))
    return peak


def waveforms(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: int,
    ripple: SupplyRipple | None = None,
) -> Waveforms:
    """Synaptic current and membrane of eq. (1) and (3) over the window, from t_over_tau and weights, both [input].

    There is no VCO here: VCO1 carries the sum of the inputs, VCO2 follows it with τ, VCO4 carries the membrane.
    """
    spikes = np.isfinite(t_over_tau)
    grid = np.linspace(0.0, spec.window_over_tau, 2001)
    time = np.unique(np.concatenate([grid, t_over_tau[spikes & (t_over_tau <= spec.window_over_tau)]]))
    since = np.maximum(time[:, None] - t_over_tau[spikes][None, :], 0.0)
    arrived = time[:, None] >= t_over_tau[spikes][None, :]
    w = weights[spikes]
    a = spec.phase_per_weight_rad
    total, decaying = arrived @ w, (arrived * np.exp(-since)) @ w
    membrane = (total - decaying) / spec.threshold_weight
    if spec.ramp_slope is not None:
        held = np.interp(spec.armed_over_tau, time, membrane)
        read_out = held + spec.ramp_slope * (time - spec.armed_over_tau)
        membrane = np.where(time > spec.armed_over_tau, read_out, membrane)
    fired_at = fire(spec, t_over_tau[None], weights[None], start_rad[None], np.zeros(1)).fire_time_over_tau[0]
    duty = 0.5 + a * decaying / np.pi
    lead = spec.membrane_gain_rad * spec.threshold_weight
    return Waveforms(
        time_over_tau=time,
        vco_rad=np.stack([a * total, a * (total - decaying), np.full_like(time, lead), lead * membrane]),
        up=duty,
        loop_filter=duty,
        membrane=membrane,
        q=(time >= fired_at).astype(float),
    )


def engine() -> str:
    """Return what determines the numbers of this level."""
    return "ideal/1"


def not_modelled(spec: NeuronSpec) -> tuple[str, ...]:
    """Return what the spec switches on and eq. (4) leaves out."""
    effects = {
        "threshold ramp": not spec.threshold.is_fixed,
        "readout q": spec.readout == "q",
        "phase noise": any(spec.phase_noise),
        "flicker": spec.flicker is not None,
        "supply ripple": spec.ripple is not None,
        "wrap modulo 2π": spec.comparator == "modulo_2pi",
        "membrane floor": spec.membrane_floor_rad is not None,
        "frequency errors": any(spec.frequency_error.in_force),
        "spike width": spec.spike_width_s > 0,
        "finite loop filter": True,
        "XOR range": True,
    }
    return tuple(name for name, active in effects.items() if active)
