"""Level `averaged`: the linear phase-domain neuron of eq. (2), exact between spikes, for any damping.

Units here: time in τ, phases in units of the jump per unit weight, so that the membrane V is in units of weight.
With e the excess phase error, y the speed of VCO2 and u the rate at which the inputs move VCO1,

    e' = u - y,    y' = r (e - y),    V' = e + d,        r = w_lf τ,

which is eq. (2) in state form. Between two corners of the inputs u is constant and arc.py has the closed form.
Static frequency errors shift the lock point and let the membrane drift: both are in d. The XOR never wraps here.
Phase noise adds corners: the frequencies that it holds for half a period (phase_noise.py) add to u (VCO1 less VCO2)
and to d (VCO4 less VCO3); so do those that the supply's ripple moves (supply.py).
Under a readout window the first crossing after the arming counts; on a ramp the membrane rises evenly from there.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.arc import Arc, first_crossing
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.phase_noise import VERSION, Walk, half_period_over_tau, speeds, start_of_loop, walk
from neurocircuit.neuron.record import FireRecord, Waveforms, armed_as_asked, no_identity
from neurocircuit.neuron.supply import SupplyRipple
from neurocircuit.spec import NeuronSpec

HAS_DEVICES = False
arming, identity = armed_as_asked, no_identity


@dataclass(frozen=True)
class Constants:
    """The spec in the units of this level; with errors of neurons, some are [trial]."""

    r: float
    static_error: Any  # phase error at which VCO2 locks
    drift: Any  # d, less the slope of a ramping threshold
    start: Any  # membrane minus threshold at arming
    gain: Any  # of VCO4 on VCO3 per unit weight, rad
    spike_width: Any
    window: Any
    armed: Any
    ramp: Any  # slope of the membrane after the arming; None: it goes on as before
    waits_for_input: bool

    @classmethod
    def of(cls, spec: NeuronSpec, errors: NeuronErrors | None = None) -> "Constants":
        """Convert, on the clock of each neuron's own τ; δ1 … δ4 are the relative frequency errors of the VCOs."""
        errors = NeuronErrors.none() if errors is None else errors
        scale = 1.0 + errors.tau
        d1, d2, d3, d4 = (d + error for d, error in zip(spec.frequency_error.in_force, errors.frequency, strict=True))
        cycles, gain = spec.cycles_per_tau * scale, spec.membrane_gain_rad * scale * (1.0 + errors.gain)
        static = 2 * np.pi * cycles * (d1 - d2) / spec.phase_per_weight_rad
        slip = 2 * np.pi * cycles * spec.threshold_vco_ratio * (d4 - d3) / gain
        start = -spec.threshold_weight * errors.threshold_factor if spec.threshold.is_fixed else 0.0
        return cls(
            r=spec.loop_ratio,
            static_error=static,
            drift=static + slip - 2 * np.pi * spec.threshold.offset_Hz * spec.tau_s * scale / gain,
            start=start,
            gain=gain,
            spike_width=spec.spike_width_s / spec.tau_s / scale,
            window=spec.window_over_tau / scale,
            armed=spec.armed_over_tau / scale,
            ramp=None if spec.ramp_slope is None else spec.ramp_slope * spec.threshold_weight,
            waits_for_input=not spec.threshold.is_fixed,
        )


@dataclass(frozen=True)
class Corners:
    """Instants at which something changes, in order, and what: all [trial, corner]; the last is the window's end.

    Phase jumps of VCO1, changes of u (rates) and of d (slips). What comes after the window is put there and is 0.
    """

    times: Floats
    jumps: Floats
    rates: Floats
    slips: Floats


def fire(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: np.ndarray,
    errors: NeuronErrors | None = None,
) -> FireRecord:
    """Return the first crossing of membrane and threshold, from t_over_tau and weights, both [trial, input]."""
    constants = Constants.of(spec, errors)
    scale: Any = 1.0
    if errors is not None:
        scale = 1.0 + np.reshape(errors.tau, (-1,))
        t_over_tau = t_over_tau / scale[:, None]
    first = np.min(t_over_tau, axis=1)
    ripple = None if errors is None else errors.ripple
    u, d, corners = _armed(spec, constants, t_over_tau, weights, noise_seed, scale, ripple)
    trials, noisy = len(corners.times), any(spec.phase_noise) or ripple is not None
    e, y = start_of_loop(spec, noise_seed, scale, ripple) / spec.phase_per_weight_rad
    gap, now = np.full(trials, constants.start), np.zeros(trials)
    fire_time, peak = np.full(trials, np.inf), np.abs(e + constants.static_error)
    armed = np.full(trials, not constants.waits_for_input and spec.readout_window is None)
    for k in range(corners.times.shape[1]):
        length = corners.times[:, k] - now
        arc = _arc(constants, e, y, u, d, gap, armed)
        zeros = arc.inflections(length)
        searching = armed & ~np.isfinite(fire_time) & (length > 0)
        delay = np.full(trials, np.inf)
        delay[searching] = first_crossing(arc.take(searching), zeros[:, searching], length[searching])
        fire_time = np.where(np.isfinite(delay), now + delay, fire_time)
        if k or noisy:
            blind = ~armed & (not constants.waits_for_input)  # before the arming of a readout window
            watched = (blind | searching & (constants.ramp is None)) & (length > 0)
            peak = np.where(watched, np.maximum(peak, _peak(arc, zeros, length, delay, constants, u)), peak)
        e, y = arc.state(length)
        gap = arc.gap_at(length)
        e, y, u, d = e + u + corners.jumps[:, k], y + u, u + corners.rates[:, k], d + corners.slips[:, k]
        now = corners.times[:, k]
        starts = ~armed & (now >= (first if constants.waits_for_input else constants.armed)) & (now < constants.window)
        fire_time[starts & (gap >= 0)] = now[starts & (gap >= 0)]
        armed = armed | starts
        if noisy and np.isfinite(fire_time).all():
            break
    return FireRecord(
        fire_time_over_tau=fire_time * scale,
        headroom=spec.headroom(peak),
        false_fire=np.zeros(trials, dtype=bool),
        engine=engine(),
    )


def _arc(
    constants: Constants, e: Floats, y: Floats, u: Floats, d: Floats, gap: Floats, armed: NDArray[np.bool_]
) -> Arc:
    """Return the loop from a corner on; after the arming of a ramp the membrane rises evenly, without the loop."""
    if constants.ramp is None:
        return Arc(constants.r, e - u, y - u, u + d, gap)
    rate = np.where(armed, constants.ramp + d - constants.static_error, u + d)
    return Arc(constants.r, np.where(armed, 0.0, e - u), np.where(armed, 0.0, y - u), rate, gap)


def _armed(
    spec: NeuronSpec,
    constants: Constants,
    t_over_tau: Floats,
    weights: Floats,
    noise_seed: np.ndarray,
    scale: Any,
    ripple: SupplyRipple | None,
) -> tuple[Floats, Floats, Corners]:
    """Return U and d from arming on, both [trial], and all corners after it."""
    corners = _corners(constants, t_over_tau, weights)
    none = np.zeros(len(corners.times))
    if not any(spec.phase_noise) and ripple is None:
        return none, none + constants.drift, corners
    u, slip, corners = _disturbed(spec, constants, corners, speeds(spec, noise_seed, scale, ripple), scale)
    return u, none + constants.drift + slip, corners


def _corners(constants: Constants, t_over_tau: Floats, weights: Floats) -> Corners:
    """Return those of the inputs."""
    trials, _ = t_over_tau.shape
    width, window = (np.reshape(value, (-1, 1)) for value in (constants.spike_width, constants.window))
    if np.all(width > 0):
        times = np.concatenate([t_over_tau, t_over_tau + width], axis=1)
        rates = np.concatenate([weights / width, -weights / width], axis=1)
        jumps = np.zeros_like(rates)
    else:
        times, jumps, rates = t_over_tau, weights, np.zeros_like(weights)
    if np.all(constants.armed > 0):
        armed = np.broadcast_to(np.reshape(constants.armed, (-1, 1)), (trials, 1))
        nothing = np.zeros((trials, 1))
        times = np.concatenate([times, armed], axis=1)
        jumps, rates = np.concatenate([jumps, nothing], axis=1), np.concatenate([rates, nothing], axis=1)
    late = times >= window
    times = np.where(late, window, times)
    jumps, rates = np.where(late, 0.0, jumps), np.where(late, 0.0, rates)
    end, none = np.full((trials, 1), window), np.zeros((trials, 1))
    columns = [np.concatenate([rows, none], axis=1) for rows in (jumps, rates, np.zeros_like(rates))]
    return _in_order(Corners(np.concatenate([times, end], axis=1), *columns))


def _disturbed(
    spec: NeuronSpec, constants: Constants, corners: Corners, held: Floats, scale: Any
) -> tuple[Floats, Floats, Corners]:
    """What held frequencies add to u and to d from arming on, both [trial], and the corners with theirs among them."""
    speed1, speed2, speed3, speed4 = held
    moved, slipped = (
        (speed1 - speed2) / spec.phase_per_weight_rad,
        (speed4 - speed3) / np.reshape(constants.gain, (-1, 1)),
    )
    trials, count = moved.shape
    hold = np.reshape(half_period_over_tau(spec) / scale, (-1, 1))
    window = np.reshape(constants.window, (-1, 1))
    times = np.broadcast_to(np.minimum(np.arange(1, count) * hold, window), (trials, count - 1))
    parts = (times, np.zeros_like(times), np.diff(moved), np.diff(slipped))
    kept = (corners.times, corners.jumps, corners.rates, corners.slips)
    both = Corners(*(np.concatenate([corner, part], axis=1) for corner, part in zip(kept, parts, strict=True)))
    return moved[:, 0], slipped[:, 0], _in_order(both)


def _in_order(corners: Corners) -> Corners:
    order = np.argsort(corners.times, axis=1, kind="stable")
    corner_arrays = (corners.times, corners.jumps, corners.rates, corners.slips)
    return Corners(*(np.take_along_axis(values, order, axis=1) for values in corner_arrays))


def _peak(arc: Arc, zeros: Floats, length: Floats, delay: Floats, constants: Constants, u: Floats) -> Floats:
    """Return the largest |phase error| of a stretch, up to the decision; units of weight, [trial]."""
    end = np.minimum(length, delay)
    points = [np.zeros_like(length), *np.minimum(zeros, end), end]
    largest: Floats = np.max([np.abs(arc.state(t)[0] + u + constants.static_error) for t in points], axis=0)
    return largest


def waveforms(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: int,
    ripple: SupplyRipple | None = None,
) -> Waveforms:
    """Return the waveforms over the window from t_over_tau and weights, both [input]; UP is its running mean."""
    constants = Constants.of(spec)
    seeds = np.array([noise_seed], dtype=np.uint64)
    u, d, corners = _armed(spec, constants, t_over_tau[None], weights[None], seeds, 1.0, ripple)
    e, y = start_of_loop(spec, seeds, ripple=ripple) / spec.phase_per_weight_rad
    gap, now = np.full(1, constants.start), 0.0
    pieces = []
    columns = (corners.times[0], corners.jumps[0], corners.rates[0], corners.slips[0])
    for corner, jump, rate, slip in zip(*columns, strict=True):
        loop = Arc(constants.r, e - u, y - u, u + d, gap)
        membrane = _arc(constants, e, y, u, d, gap, np.full(1, now >= constants.armed > 0))
        t = np.linspace(0.0, corner - now, max(2, int((corner - now) / spec.window_over_tau * 2000)))
        error, speed = loop.state(t)
        pieces.append(np.stack([now + t, error + u, speed + u, membrane.gap_at(t)]))
        length = np.array([corner - now])
        (e, y), gap = loop.state(length), membrane.gap_at(length)
        e, y, u, d, now = e + u + jump, y + u, u + rate, d + slip, corner
    errors = replace(NeuronErrors.none(), ripple=ripple)
    fired_at = fire(spec, t_over_tau[None], weights[None], np.zeros((1, 2)), seeds, errors).fire_time_over_tau[0]
    path = np.concatenate(pieces, axis=1)
    return _present(spec, constants, t_over_tau, weights, path, walk(spec, noise_seed, ripple), fired_at)


def _present(
    spec: NeuronSpec,
    constants: Constants,
    t_over_tau: Floats,
    weights: Floats,
    path: Floats,
    noise: Walk | None,
    fired_at: float,
) -> Waveforms:
    time, error, speed, gap = path
    a, gain = spec.phase_per_weight_rad, spec.membrane_gain_rad
    d1, _, d3, _ = (2 * np.pi * spec.cycles_per_tau * delta for delta in spec.frequency_error.in_force)
    received = _received(constants, t_over_tau, weights, time)
    ramp = 2 * np.pi * spec.threshold.offset_Hz * spec.tau_s
    lead = -constants.start * gain
    vco1 = a * received + d1 * time
    vco3 = lead + (d3 * spec.threshold_vco_ratio + ramp) * time
    if noise is not None:
        vco1, vco3 = vco1 + noise.at(1, time), vco3 + noise.at(3, time)
    return Waveforms(
        time_over_tau=time,
        vco_rad=np.stack([vco1, vco1 - a * (error + constants.static_error), vco3, vco3 + gain * gap]),
        up=0.5 + a * (error + constants.static_error) / np.pi,
        loop_filter=0.5 + a * (speed + constants.static_error) / np.pi,
        membrane=1.0 + gap / spec.threshold_weight,
        q=(time >= fired_at).astype(float),
    )


def _received(constants: Constants, t_over_tau: Floats, weights: Floats, time: Floats) -> Floats:
    """Return the weight that VCO1 has received by each time; [sample]."""
    spikes = np.isfinite(t_over_tau)
    since = time[:, None] - t_over_tau[spikes][None, :]
    width = constants.spike_width
    share: Floats = np.clip(since / width, 0, 1) if width > 0 else (since >= 0).astype(float)
    return np.asarray(share @ weights[spikes], dtype=np.float64)


def engine() -> str:
    """Return what determines the numbers of this level."""
    return f"averaged/1 {VERSION}"


def not_modelled(spec: NeuronSpec) -> tuple[str, ...]:
    """Return what the spec switches on and the averaged loop leaves out."""
    effects = {
        "readout q": spec.readout == "q",
        "wrap modulo 2π": spec.comparator == "modulo_2pi",
        "membrane floor": spec.membrane_floor_rad is not None,
        "XOR range": True,
        "VCO edges": True,
    }
    return tuple(name for name, active in effects.items() if active)
