"""Level `edge`: every VCO edge, XOR pulse, the RC filter, VCO4 and the flip-flop; closed form between events.

Time in τ, ω = 2π f τ. Between two events UP (0 or 1) is constant, and

    φ1' = ω1 + a Σ w_i / width over running pulses       VCO1: reference, moved by the inputs
    v'  = r (UP - v)                                     loop filter, v the duty that VCO2 sees
    φ2' = ω2 + π (v - 1/2)                               VCO2: K = kpd·kvco = 1 in these units, kpd = 1/π
    m'  = ω4 - ω3 + swing (UP - 1/2),  m = φ4 - φ3       membrane: VCO4 against VCO3, starts at minus the lead
    UP  = XOR of the two square waves: toggles whenever φ1 or φ2 passes a multiple of π.

The XOR's cycle slips follow by themselves. The flip-flop samples VCO4 at rising edges of VCO3 and compares phases
modulo 2π: it fires for m in [0, π) modulo 2π, so also for a membrane below -π, a false fire. The readout
`continuous` is the instant at which m enters that range, `q` the VCO3 edge at which the flip-flop sees it.
A phase counter instead of the flip-flop fires for every m >= 0 and never below; a clamp keeps m above its floor.

Each neuron may have errors of its own (chips.py). An error of τ moves K and w_lf alike, so that r stays: the neuron is
solved on the clock of its own τ, on which its frequencies, pulses and window scale.

Phase noise is white frequency noise, drawn anew at each edge of VCO1 (for VCO1 and VCO3) and of VCO2 (for VCO2 and
VCO4) and held for that half period, with the variance that makes the phase a random walk of the stated rad²/s.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit._kernel import native
from neurocircuit.core.arrays import Floats
from neurocircuit.neuron import edge_numpy
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.phase_noise import VERSION, held_spread
from neurocircuit.neuron.record import FireRecord, Waveforms
from neurocircuit.spec import Lead, NeuronSpec, Ramp

Value = Any  # float, or [trial] with errors
T, PHASE1, PHASE2, CYCLES, UP, FILTER, MEMBRANE, PHASE3 = range(8)  # columns of a state, as in _kernel/edge.hpp


@dataclass(frozen=True)
class Constants:
    """The spec in units of τ and rad; with errors, some are [trial]."""

    r: float
    phase_per_weight: float
    omega: tuple[Value, Value, Value, Value]
    swing: Value
    spike_width: Value
    window: Value
    noise: tuple[Value, Value, Value, Value]
    readout_q: bool
    waits_for_input: bool
    lead: Value
    counts_turns: bool
    floor: float

    @classmethod
    def of(cls, spec: NeuronSpec, errors: NeuronErrors | None = None) -> "Constants":
        """Convert; the noise is the standard deviation of a frequency held for half a period."""
        errors = NeuronErrors.none() if errors is None else errors
        scale = 1.0 + errors.tau
        base = 2 * np.pi * spec.cycles_per_tau * scale
        ratio = spec.threshold_vco_ratio
        d1, d2, d3, d4 = (d + own for d, own in zip(spec.frequency_error.in_force, errors.frequency, strict=True))
        ramp = 2 * np.pi * spec.threshold.offset_Hz * spec.tau_s if isinstance(spec.threshold, Ramp) else 0.0
        lead_rad = spec.threshold.lead_rad + spec.ripple_guard_rad if isinstance(spec.threshold, Lead) else 0.0
        n1, n2, n3, n4 = (held_spread(spec, d) * scale for d in spec.phase_noise)
        return cls(
            r=spec.loop_ratio,
            phase_per_weight=spec.phase_per_weight_rad,
            omega=(
                base * (1 + d1),
                base * (1 + d2),
                base * ratio * (1 + d3) + ramp * scale,
                base * ratio * (1 + d4),
            ),
            swing=2 * np.pi * spec.vco4_swing_Hz * spec.tau_s * scale * (1.0 + errors.gain),
            spike_width=spec.spike_width_s / spec.tau_s / scale,
            window=spec.window_over_tau / scale,
            noise=(n1, n2, n3, n4),
            readout_q=spec.readout == "q",
            waits_for_input=isinstance(spec.threshold, Ramp),
            lead=lead_rad * (1.0 + errors.threshold),
            counts_turns=spec.comparator == "phase_counter",
            floor=-np.inf if spec.membrane_floor_rad is None else spec.membrane_floor_rad,
        )

    def as_array(self) -> Floats:
        """[trial or 1, constant] in the order that the kernel reads."""
        flags = (float(self.readout_q), float(self.waits_for_input), float(self.counts_turns), self.floor)
        head = (self.r, self.phase_per_weight, *self.omega, self.swing, self.spike_width, self.window)
        columns = np.broadcast_arrays(*np.atleast_1d(*head, *self.noise, *flags))
        return np.ascontiguousarray(np.stack(columns, axis=1))

    def row(self, trial: int) -> "Constants":
        """Those of one trial."""

        def own(value: Any) -> Any:
            return value[min(trial, len(value) - 1)] if np.ndim(value) else value

        several = ("omega", "noise")
        changed: dict[str, Any] = {
            field.name: own(getattr(self, field.name)) for field in fields(self) if field.name not in several
        }
        changed |= {name: tuple(own(value) for value in getattr(self, name)) for name in several}
        return replace(self, **changed)


def fire(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: NDArray[np.uint64],
    errors: NeuronErrors | None = None,
) -> FireRecord:
    """Decisions from t_over_tau and weights, both [trial, input], VCO1 and VCO3 phases at arming [trial, 2]."""
    constants = Constants.of(spec, errors)
    scale: Any = 1.0
    if errors is not None:
        scale = 1.0 + np.reshape(errors.tau, (-1,))
        t_over_tau = t_over_tau / scale[:, None]
    state = start_state(constants, t_over_tau, start_rad)
    trials = len(t_over_tau)
    if native is None:
        fire_time, headroom, false_fire = _fire_numpy(constants, state, t_over_tau, weights, noise_seed)
    else:
        fire_time, headroom, false_fire = np.empty(trials), np.empty(trials), np.empty(trials, dtype=bool)
        arrays = (np.ascontiguousarray(array, dtype=np.float64) for array in (t_over_tau, weights))
        seeds = np.ascontiguousarray(noise_seed, dtype=np.uint64)
        native.edge_fire(constants.as_array(), state, *arrays, seeds, fire_time, headroom, false_fire)
    return FireRecord(fire_time * scale, headroom / (np.pi / 2), false_fire, engine=engine())


def _fire_numpy(
    constants: Constants, state: Floats, t_over_tau: Floats, weights: Floats, seeds: NDArray[np.uint64]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Side by side where all neurons are alike, else one after another."""
    if np.ndim(constants.swing) == 0:
        return edge_numpy.fire(constants, state, t_over_tau, weights, seeds)
    one = [
        edge_numpy.fire(constants.row(k), state[[k]], t_over_tau[[k]], weights[[k]], seeds[[k]])
        for k in range(len(state))
    ]
    fire_time, headroom, false_fire = (np.concatenate(parts) for parts in zip(*one, strict=True))
    return fire_time, headroom, false_fire


def waveforms(spec: NeuronSpec, t_over_tau: Floats, weights: Floats, start_rad: Floats, noise_seed: int) -> Waveforms:
    """Waveforms over the window of one neuron, a sample at every event; t_over_tau and weights are [input]."""
    constants = Constants.of(spec)
    state = start_state(constants, t_over_tau[None], start_rad[None], may_skip=False)
    seeds = np.array([noise_seed], dtype=np.uint64)
    fired_at = fire(spec, t_over_tau[None], weights[None], start_rad[None], seeds).fire_time_over_tau[0]
    time, phase1, phase2, duty, up, membrane, phase3 = edge_numpy.trace(
        constants, state, t_over_tau[None], weights[None], seeds
    )
    base = 2 * np.pi * spec.cycles_per_tau
    vco3 = phase3 - base * spec.threshold_vco_ratio * time
    threshold = constants.lead or spec.membrane_gain_rad
    return Waveforms(
        time_over_tau=time,
        vco_rad=np.stack([phase1 - base * time, phase2 - base * time, vco3, vco3 + membrane]),
        up=up,
        loop_filter=duty,
        membrane=1.0 + membrane / threshold,
        q=(time >= fired_at).astype(float),
    )


def start_state(constants: Constants, t_over_tau: Floats, start_rad: Floats, may_skip: bool = True) -> Floats:
    """State [trial, 8] of the locked loop: at arming, or at the first input where nothing can happen before it.

    In lock the XOR's duty is D = 1/2 + (ω1 - ω2)/π and everything repeats with VCO1's half period P = π/ω1: with x
    the position in it, UP is high for x < D, v follows from its periodicity, and φ2 from passing its edge at x = D.
    Outside the lock range (D not within 0 … 1) the loop starts at quadrature and slips from there.
    """
    trials = len(t_over_tau)
    state = np.zeros((trials, 8))
    duty = np.broadcast_to(0.5 + (constants.omega[0] - constants.omega[1]) / np.pi, trials)
    locked = (duty > 0) & (duty < 1)
    duty = np.where(locked, duty, 0.5)
    first = np.minimum(np.min(t_over_tau, axis=1), constants.window)
    skip = _quiet_until(constants, duty, first) & locked & (may_skip and not np.any(constants.noise))
    period = np.pi / constants.omega[0]
    begin = np.mod(start_rad[:, 0] / np.pi, 1.0)
    state[:, T] = np.where(skip, first, 0.0)
    run = begin + state[:, T] / period
    x = np.mod(run, 1.0)
    state[:, PHASE1] = x * np.pi
    in_lock, outside = _locked(constants, duty, period, x), _at_quadrature(x)
    state[:, [PHASE2, CYCLES, UP, FILTER]] = np.where(locked[:, None], in_lock, outside)
    high = period * (np.floor(run) * duty + np.minimum(x, duty) - np.minimum(begin, duty))
    idle = constants.omega[3] - constants.omega[2] - constants.swing / 2
    state[:, MEMBRANE] = -constants.lead + np.where(skip, idle * state[:, T] + constants.swing * high, 0.0)
    state[:, PHASE3] = np.mod(start_rad[:, 1] + constants.omega[2] * state[:, T], 2 * np.pi)
    return state


def _quiet_until(constants: Constants, duty: Floats, first: Floats) -> NDArray[np.bool_]:
    """True where drift and ripple keep the membrane within -π … 0 up to the first input; [trial]."""
    if constants.waits_for_input:
        return np.ones(len(first), dtype=bool)
    drift = (constants.omega[3] - constants.omega[2] + constants.swing * (duty - 0.5)) * first
    ripple = constants.swing * np.pi / constants.omega[0] / 2
    highest, lowest = np.maximum(drift, 0.0) + ripple, np.minimum(drift, 0.0) - ripple
    lower_end = constants.floor + constants.lead if constants.counts_turns else constants.lead - np.pi
    above = lowest > np.maximum(lower_end, constants.floor + constants.lead)
    return np.asarray((highest < constants.lead) & above)


def _locked(constants: Constants, duty: Floats, period: Value, x: Floats) -> Floats:
    """Phase of VCO2 since its edge, cycles, UP and filter in the periodic state, at position x; [trial, 4]."""
    r = constants.r
    valley = np.exp(-r * (1 - duty) * period) * np.expm1(-r * duty * period) / np.expm1(-r * period)
    peak = 1 + (valley - 1) * np.exp(-r * duty * period)
    up = (x < duty).astype(float)
    since = np.where(up == 1, x, x - duty) * period
    filtered = up + (np.where(up == 1, valley, peak) - up) * np.exp(-r * since)

    def advance(t: Floats, start: Floats) -> Floats:
        relaxing: Floats = np.pi * (start - up) * np.expm1(-r * t) / r
        gained: Floats = (constants.omega[1] + np.pi * (up - 0.5)) * t - relaxing
        return gained

    to_edge = np.maximum(duty - x, 0.0) * period
    phase2 = np.where(up == 1, np.pi - advance(to_edge, filtered), advance(since, np.full_like(x, peak)))
    return np.stack([np.clip(phase2, 0.0, np.pi), up, up, filtered], axis=1)


def _at_quadrature(x: Floats) -> Floats:
    """VCO2 a quarter period behind VCO1, filter in the middle; [trial, 4]."""
    up = (x < 0.5).astype(float)
    return np.stack([(x - 0.5 + up) * np.pi, up, up, np.full_like(x, 0.5)], axis=1)


def engine() -> str:
    """What determines the numbers of this level."""
    return f"edge/1 {'numpy' if native is None else 'native'} {VERSION}"


def not_modelled(spec: NeuronSpec) -> tuple[str, ...]:
    """This level leaves out nothing that a spec can say."""
    return ()
