"""Level `bsource`: the averaged neuron as a SPICE deck, one ngspice run for each neuron.

ngspice integrates the loop and the membrane M; here its time points become the first crossing of the threshold.
M' = 2π Δf e/π + 2π f3 (δ4 - δ3) is known at each point from the saved phase error e, so between two points M is taken
as the cubic through both values and slopes, whose error is of a higher order than that of the time steps.

ngspice has no device noise in a transient. The walks of the phases (phase_noise.py) are drawn here: what VCO1 gains on
VCO2 enters the deck as a PWL of VCO1's phase, what VCO4 gains on VCO3 is added to M, straight between time points.
"""

from dataclasses import dataclass
from math import inf, nan, pi

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError, SimulatorBadOutput, SimulatorTimeout
from neurocircuit.neuron import averaged
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.phase_noise import VERSION, Walk, walk
from neurocircuit.neuron.record import FireRecord, Waveforms, armed_as_asked, no_identity
from neurocircuit.neuron.supply import SupplyRipple
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.neuron import XOR_RANGE_rad
from neurocircuit.spice import deck, ngspice
from neurocircuit.spice.deck import netlist_sha256

HAS_DEVICES = False
arming, identity = armed_as_asked, no_identity
not_modelled = averaged.not_modelled  # the deck is that model


@dataclass(frozen=True)
class _Solution:
    """One neuron over time, [point]: gap: membrane minus threshold, noise of VCO3 and VCO4 in it, in rad.

    phi1_rad: VCO1's phase with VCO2's noise taken from it, as in the deck. headroom: as in FireRecord.
    """

    t_over_tau: Floats
    phi1_rad: Floats
    e_rad: Floats
    vc: Floats
    gap_rad: Floats
    fire_time_over_tau: float
    headroom: float


def fire(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: np.ndarray,
    errors: NeuronErrors | None = None,
    *,
    timeout_s: float = 30.0,
    step_divisor: int = 1,
) -> FireRecord:
    """Return the first crossing of membrane and threshold, from t_over_tau and weights, both [trial, input].

    start_rad has no effect: this level has no edges. step_divisor = 2 halves the time steps of ngspice.
    A run that times out or delivers no trustworthy waveforms leaves nan and its reason in `failures`.
    Raise SimulatorMissing without ngspice, SpecError and InputError for what the deck cannot express.
    """
    if t_over_tau.ndim != 2 or t_over_tau.shape != weights.shape:
        raise InputError(f"times and weights must both be [trial, input], got {t_over_tau.shape} and {weights.shape}")
    trials = len(t_over_tau)
    fire_time, headroom = np.full(trials, nan), np.full(trials, nan)
    failures: dict[int, str] = {}
    try:
        name = engine(step_divisor)
    except (SimulatorTimeout, SimulatorBadOutput) as error:
        failures = dict.fromkeys(range(trials), ngspice.reason_of(error))
        return FireRecord(fire_time, headroom, np.zeros(trials, dtype=bool), failures)
    for trial in range(trials):
        try:
            trial_spec = spec if errors is None else errors.spec_of(spec, trial)
            scale = trial_spec.tau_s / spec.tau_s
            inputs = t_over_tau[trial] / scale, weights[trial]
            ripple = None if errors is None or errors.ripple is None else errors.ripple.take([trial])
            solution = _decide(trial_spec, *inputs, int(noise_seed[trial]), ripple, timeout_s, step_divisor)
        except (SimulatorTimeout, SimulatorBadOutput) as error:
            failures[trial] = ngspice.reason_of(error)
        else:
            fire_time[trial], headroom[trial] = solution.fire_time_over_tau * scale, solution.headroom
    return FireRecord(fire_time, headroom, np.zeros(trials, dtype=bool), failures, name)


def waveforms(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: int,
    ripple: SupplyRipple | None = None,
    *,
    timeout_s: float = 30.0,
    step_divisor: int = 1,
) -> Waveforms:
    """Return the waveforms over the window from t_over_tau and weights, both [input]; UP is its running mean.

    Raise SimulatorMissing, SimulatorTimeout, SimulatorBadOutput, SpecError, InputError.
    """
    noise = walk(spec, noise_seed, ripple)
    solution = _solve(spec, t_over_tau, weights, noise, timeout_s, step_divisor)
    time = solution.t_over_tau
    d1, _, d3, _ = (2 * pi * spec.cycles_per_tau * delta for delta in spec.frequency_error.in_force)
    vco1 = solution.phi1_rad + d1 * time
    vco3 = _threshold_rad(spec, time) + d3 * spec.threshold_vco_ratio * time
    if noise is not None:
        vco1, vco3 = vco1 + noise.at(2, time), vco3 + noise.at(3, time)
    return Waveforms(
        time_over_tau=time,
        vco_rad=np.stack([vco1, vco1 - solution.e_rad, vco3, vco3 + solution.gap_rad]),
        up=0.5 + solution.e_rad / pi,
        loop_filter=solution.vc,
        membrane=1.0 + solution.gap_rad / (spec.membrane_gain_rad * spec.threshold_weight),
        q=(time >= solution.fire_time_over_tau).astype(np.float64),
    )


def engine(step_divisor: int = 1) -> str:
    """Return the version of ngspice, the numerical options and the netlist: what determines the numbers of this level.

    Raise SimulatorMissing, SimulatorTimeout or SimulatorBadOutput when ngspice cannot say its version.
    """
    model = f"netlist={netlist_sha256()[:12]} {VERSION}"
    return f"ngspice-{ngspice.version().number} {deck.options(step_divisor)} {model}"


def first_crossing(time: Floats, gap: Floats, slope: Floats, start: float = 0.0, walked: Floats | None = None) -> float:
    """Return the first time >= start at which the gap has risen to 0, inf when it does not; all [point].

    Between two points the gap is the cubic through both values and slopes, and `walked`, straight lines, is added to
    it. A gap >= 0 at `start` counts at once.
    """
    if start > time[-1]:
        return inf
    walked = np.zeros_like(gap) if walked is None else walked
    h, risen = np.diff(time), np.diff(walked)
    curve = CubicHermiteSpline(time, gap, slope)
    curve.c[2] += risen / h
    curve.c[3] += walked[:-1]
    if curve(start) >= 0:
        return start
    # A cubic lies below the largest of its Bernstein coefficients: few stretches need a closer look.
    control = np.array([gap[:-1], gap[:-1] + h * slope[:-1] / 3, gap[1:] - h * slope[1:] / 3, gap[1:]])
    reach = np.max(control + walked[:-1] + np.arange(4)[:, None] / 3 * risen, axis=0)
    for k in np.flatnonzero((reach >= 0) & (time[1:] > start)):
        low = max(time[k], start)
        turns = np.sort(np.roots(np.polyder(curve.c[:, k]))) + time[k]
        inside = [turn.real for turn in turns if turn.imag == 0 and low < turn.real < time[k + 1]]
        for high in (*inside, time[k + 1]):
            if curve(high) >= 0:
                return float(brentq(lambda t: float(curve(t)), low, high, xtol=1e-15, rtol=1e-14))
            low = high
    return inf


def _decide(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    noise_seed: int,
    ripple: SupplyRipple | None,
    timeout_s: float,
    step_divisor: int,
) -> _Solution:
    """Simulate up to a while after the last input, which nearly always decides.

    Only a neuron silent by then takes the window.

    The loop forgets with τ: what has not fired 4 τ after the last input needs a membrane that grazes the threshold.
    """
    if spec.readout_window is not None:
        spec = spec.replace(window_s=spec.readout_window.closes_s)
        return _solve(spec, t_over_tau, weights, walk(spec, noise_seed, ripple), timeout_s, step_divisor)
    heard = t_over_tau[t_over_tau < spec.window_over_tau]
    horizon_s = (float(np.max(heard, initial=0.0)) + 4.0) * spec.tau_s + spec.spike_width_s
    if horizon_s < spec.window_s:
        short = spec.replace(window_s=horizon_s)
        solution = _solve(short, t_over_tau, weights, walk(short, noise_seed, ripple), timeout_s, step_divisor)
        if solution.fire_time_over_tau < inf:
            return solution
    return _solve(spec, t_over_tau, weights, walk(spec, noise_seed, ripple), timeout_s, step_divisor)


def _solve(
    spec: NeuronSpec, t_over_tau: Floats, weights: Floats, noise: Walk | None, timeout_s: float, step_divisor: int
) -> _Solution:
    ready = deck.compose(spec, t_over_tau, weights, step_divisor, noise)
    vectors = ngspice.run(ready.text, ready.vectors, ready.t_stop_s, timeout_s=timeout_s, files=ready.files)
    time = vectors["time"] / spec.tau_s
    e_rad = vectors["v(e)"]
    _, _, d3, d4 = spec.frequency_error.in_force
    gap = vectors["v(membrane)"] - _threshold_rad(spec, time)
    drift_Hz = spec.f0_Hz * spec.threshold_vco_ratio * (d4 - d3) - spec.threshold.offset_Hz
    slope = 2 * pi * spec.tau_s * (spec.vco4_swing_Hz * e_rad / pi + drift_Hz)
    # ngspice has a time point at each corner of the walk, so between two points it is straight
    walked = np.zeros_like(gap) if noise is None else noise.at(4, time) - noise.at(3, time)
    if spec.ramp_slope is not None:
        risen = spec.ramp_slope * spec.fixed_lead_rad + 2 * pi * spec.tau_s * drift_Hz
        slope = np.where(time > spec.armed_over_tau, risen, slope)
    # A ramping threshold is compared only from the first input on (Ramp); a lead needs no such wait.
    start = spec.armed_over_tau if spec.threshold.is_fixed else float(np.min(t_over_tau, initial=inf))
    fired_at = first_crossing(time, gap, slope, start, walked) if start < spec.window_over_tau else inf
    errors_before = np.abs(e_rad[time <= fired_at])
    at_crossing = abs(float(np.interp(fired_at, time, e_rad))) if fired_at < inf else 0.0
    headroom = max(float(errors_before.max()), at_crossing) / XOR_RANGE_rad
    return _Solution(time, vectors["v(phi1)"], e_rad, vectors["v(vc)"], gap + walked, fired_at, headroom)


def _threshold_rad(spec: NeuronSpec, time_over_tau: Floats) -> Floats:
    """Return the phase by which VCO3 leads VCO4's unmoved phase; [point]."""
    ramp: Floats = 2 * pi * spec.threshold.offset_Hz * spec.tau_s * time_over_tau
    return spec.threshold.lead_rad + ramp
