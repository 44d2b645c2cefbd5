"""Level `edge`: the spec in the units of its equations (edge.py), and the locked state in which a neuron is armed."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.phase_noise import held_spread
from neurocircuit.spec import NeuronSpec

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
    armed: Value
    ramp: Value  # rise of the membrane after the arming; nan: it goes on as before
    ripple: tuple[Value, ...] = ()  # of the supply; for each tone ω, phase, amplitudes of VCO1 … VCO4

    @classmethod
    def of(cls, spec: NeuronSpec, errors: NeuronErrors | None = None) -> "Constants":
        """Convert; the noise is the standard deviation of a frequency held for half a period."""
        errors = NeuronErrors.none() if errors is None else errors
        scale = 1.0 + errors.tau
        base = 2 * np.pi * spec.cycles_per_tau * scale
        ratio = spec.threshold_vco_ratio
        d1, d2, d3, d4 = (d + error for d, error in zip(spec.frequency_error.in_force, errors.frequency, strict=True))
        ramp = 2 * np.pi * spec.threshold.offset_Hz * spec.tau_s
        lead_rad = spec.threshold.lead_rad + spec.ripple_guard_rad if spec.threshold.is_fixed else 0.0
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
            waits_for_input=not spec.threshold.is_fixed,
            lead=lead_rad * (1.0 + errors.threshold),
            counts_turns=spec.comparator == "phase_counter",
            floor=-np.inf if spec.membrane_floor_rad is None else spec.membrane_floor_rad,
            armed=spec.armed_over_tau / scale,
            ramp=np.nan
            if spec.ramp_slope is None
            else spec.ramp_slope * spec.fixed_lead_rad * scale * (1.0 + errors.gain),
            ripple=_ripple(errors),
        )

    def as_array(self) -> Floats:
        """Return [trial or 1, constant] in the order that the kernel reads."""
        flags = (float(self.readout_q), float(self.waits_for_input), float(self.counts_turns), self.floor)
        window = (self.armed, self.ramp)
        head = (self.r, self.phase_per_weight, *self.omega, self.swing, self.spike_width, self.window)
        columns = np.broadcast_arrays(*np.atleast_1d(*head, *self.noise, *flags, *window, *self.ripple))
        return np.ascontiguousarray(np.stack(columns, axis=1))

    def row(self, trial: int) -> "Constants":
        """Return those of one trial."""

        def of_trial(value: Any) -> Any:
            return value[min(trial, len(value) - 1)] if np.ndim(value) else value

        several = ("omega", "noise", "ripple")
        changed: dict[str, Any] = {
            field.name: of_trial(getattr(self, field.name)) for field in fields(self) if field.name not in several
        }
        changed |= {name: tuple(of_trial(value) for value in getattr(self, name)) for name in several}
        return replace(self, **changed)


def held_ripple(constants: Constants, t: Floats) -> Floats:
    """Return the frequencies that VCO1 … VCO4 hold by ripple for half a period from t, [4, trial]; as in the kernel."""
    middle = t + np.pi / constants.omega[0] / 2.0
    total = np.zeros((4, len(t)))
    for k in range(0, len(constants.ripple), 6):
        omega, phase, *amplitudes = constants.ripple[k : k + 6]
        wave = np.cos(omega * middle + phase)
        total = total + np.stack([amplitude * wave for amplitude in amplitudes])
    return total


def _ripple(errors: NeuronErrors) -> tuple[Value, ...]:
    """Return the ripple of some events on the clock of each neuron's own τ, as in `Constants.ripple`."""
    ripple = errors.ripple
    if ripple is None:
        return ()
    scale = 1.0 + errors.tau
    values: list[Value] = []
    for omega, phase_rad, swing in zip(ripple.omega, ripple.phase_rad, ripple.swing.T, strict=True):
        values += [omega * scale, phase_rad, *(amplitude * scale for amplitude in swing)]
    return tuple(values)


def start_state(
    constants: Constants,
    t_over_tau: Floats,
    start_rad: Floats,
    may_skip: bool = True,
    beside: Floats | None = None,
) -> Floats:
    """State [trial, 8] of the locked loop: at arming, or at the first input where nothing can happen before it.

    beside: phase error (rad) and speed of VCO2 (rad per τ) beside those of the lock, [2, trial]; only at arming.

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
    if np.any(constants.armed > 0):
        first = np.minimum(first, constants.armed)
    moving = bool(np.any(constants.noise)) or bool(constants.ripple)
    skip = _quiet_until(constants, duty, first) & locked & (may_skip and not moving)
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
    if beside is not None:
        _displace(state, *beside)
    return state


def _displace(state: Floats, error_rad: Floats, speed_rad: Floats) -> None:
    """Put VCO2 behind by an error, over edges where need be, and the filter where it gives VCO2 more speed."""
    phase2 = state[:, PHASE2] - error_rad
    edges = np.floor(phase2 / np.pi)
    state[:, PHASE2] = phase2 - edges * np.pi
    state[:, CYCLES] -= edges
    state[:, UP] = np.where(np.mod(edges, 2) == 1, 1.0 - state[:, UP], state[:, UP])
    state[:, FILTER] += speed_rad / np.pi


def _quiet_until(constants: Constants, duty: Floats, first: Floats) -> NDArray[np.bool_]:
    """Return True where drift and ripple keep the membrane within -π … 0 up to the first input; [trial]."""
    if constants.waits_for_input:
        return np.ones(len(first), dtype=bool)
    drift = (constants.omega[3] - constants.omega[2] + constants.swing * (duty - 0.5)) * first
    ripple = constants.swing * np.pi / constants.omega[0] / 2
    highest, lowest = np.maximum(drift, 0.0) + ripple, np.minimum(drift, 0.0) - ripple
    lower_end = constants.floor + constants.lead if constants.counts_turns else constants.lead - np.pi
    above = lowest > np.maximum(lower_end, constants.floor + constants.lead)
    return np.asarray((highest < constants.lead) & above)


def skipped_peak(constants: Constants, state: Floats, start_rad: Floats) -> Floats:
    """Return the largest |phase error| between arming and the instant of a state of `start_state`, rad, [trial].

    In lock it is at either end, or where the error turns, once while UP is high and once while it is low: there
    VCO1 is as fast as VCO2, which follows the filter.
    """
    skipped = state[:, T] > 0
    if not skipped.any():
        return np.zeros(len(state))
    omega1, omega2 = constants.omega[:2]
    duty = np.broadcast_to(np.clip(0.5 + (omega1 - omega2) / np.pi, 1e-9, 1.0 - 1e-9), len(state))
    period, r = np.pi / omega1, constants.r
    valley, peak = _filter_extremes(r, duty, period)
    begin = np.mod(start_rad[:, 0] / np.pi, 1.0)
    end = begin + state[:, T] / period
    at_turn = [(duty - 1.0) / (valley - 1.0), duty / peak]  # e^{-rx} after UP's edge, so that the filter is at `duty`
    turn = [-np.log(at_turn[0]) / r / period, duty - np.log(at_turn[1]) / r / period]
    largest = np.zeros(len(state))
    for end_point in (begin, *turn):
        met = np.floor(end - end_point) >= np.ceil(begin - end_point)
        x = np.mod(end_point, 1.0)
        phase2, cycles, *_ = _locked(constants, duty, period, x).T
        error = np.abs((cycles + x - 0.5) * np.pi - phase2)
        largest = np.where(met & skipped, np.maximum(largest, error), largest)
    return largest


def _filter_extremes(r: float, duty: Floats, period: Value) -> tuple[Floats, Floats]:
    """Return the lowest and highest filter output in lock, [trial]: where UP rises and where it falls."""
    valley = np.exp(-r * (1 - duty) * period) * np.expm1(-r * duty * period) / np.expm1(-r * period)
    return valley, 1 + (valley - 1) * np.exp(-r * duty * period)


def _locked(constants: Constants, duty: Floats, period: Value, x: Floats) -> Floats:
    """Return the phase of VCO2 since its edge, cycles, UP and filter in the periodic state, at position x.

    [trial, 4].
    """
    r = constants.r
    valley, peak = _filter_extremes(r, duty, period)
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
    """Return VCO2 a quarter period behind VCO1, filter in the middle; [trial, 4]."""
    up = (x < 0.5).astype(float)
    return np.stack([(x - 0.5 + up) * np.pi, up, up, np.full_like(x, 0.5)], axis=1)
