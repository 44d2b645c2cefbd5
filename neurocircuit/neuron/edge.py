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

Each neuron may have errors of its own (chip.py). An error of τ moves K and w_lf alike, so that r stays: the neuron is
solved on the clock of its own τ, on which its frequencies, pulses and window scale.

Phase noise is white frequency noise, drawn anew at each edge of VCO1 (for VCO1 and VCO3) and of VCO2 (for VCO2 and
VCO4) and held for that half period, with the variance that makes the phase a random walk of the stated rad²/s. The
supply's ripple is held likewise, with its value in the middle of that half period.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit._kernel import native
from neurocircuit.core.arrays import Floats
from neurocircuit.neuron import edge_numpy
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.edge_state import Constants, skipped_peak, start_state
from neurocircuit.neuron.phase_noise import VERSION, start_of_loop
from neurocircuit.neuron.record import FireRecord, Waveforms, armed_as_asked, no_identity
from neurocircuit.neuron.supply import SupplyRipple
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.neuron import XOR_RANGE_rad

HAS_DEVICES = False
arming, identity = armed_as_asked, no_identity


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
    ripple = None if errors is None else errors.ripple
    state = start_state(constants, t_over_tau, start_rad, beside=start_of_loop(spec, noise_seed, scale, ripple))
    trials = len(t_over_tau)
    if native is None:
        fire_time, headroom, false_fire = _fire_numpy(constants, state, t_over_tau, weights, noise_seed)
    else:
        fire_time, headroom, false_fire = np.empty(trials), np.empty(trials), np.empty(trials, dtype=bool)
        arrays = (np.ascontiguousarray(array, dtype=np.float64) for array in (t_over_tau, weights))
        seeds = np.ascontiguousarray(noise_seed, dtype=np.uint64)
        native.edge_fire(constants.as_array(), state, *arrays, seeds, fire_time, headroom, false_fire)
    headroom = np.maximum(headroom, skipped_peak(constants, state, start_rad))
    return FireRecord(fire_time * scale, headroom / XOR_RANGE_rad, false_fire, engine=engine())


def _fire_numpy(
    constants: Constants, state: Floats, t_over_tau: Floats, weights: Floats, seeds: NDArray[np.uint64]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Fire the neurons side by side where they are alike, else one after another."""
    if np.ndim(constants.swing) == 0:
        return edge_numpy.fire(constants, state, t_over_tau, weights, seeds)
    results_of_rows = [
        edge_numpy.fire(constants.row(k), state[[k]], t_over_tau[[k]], weights[[k]], seeds[[k]])
        for k in range(len(state))
    ]
    fire_time, headroom, false_fire = (np.concatenate(parts) for parts in zip(*results_of_rows, strict=True))
    return fire_time, headroom, false_fire


def waveforms(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: int,
    ripple: SupplyRipple | None = None,
) -> Waveforms:
    """Return the waveforms over the window of one neuron, a sample at every event.

    t_over_tau and weights are [input].
    """
    errors = replace(NeuronErrors.none(), ripple=ripple)
    constants = Constants.of(spec, errors)
    seeds = np.array([noise_seed], dtype=np.uint64)
    beside = start_of_loop(spec, seeds, ripple=ripple)
    state = start_state(constants, t_over_tau[None], start_rad[None], may_skip=False, beside=beside)
    fired_at = fire(spec, t_over_tau[None], weights[None], start_rad[None], seeds, errors).fire_time_over_tau[0]
    time, phase1, phase2, duty, up, membrane, phase3 = _trace(constants, state, t_over_tau[None], weights[None], seeds)
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


def _trace(
    constants: Constants, state: Floats, t_over_tau: Floats, weights: Floats, seeds: NDArray[np.uint64]
) -> tuple[Floats, ...]:
    """Return what `edge_numpy.trace` does; a kernel that was built before it could trace leaves it to numpy."""
    if native is None or not hasattr(native, "edge_trace"):
        return edge_numpy.trace(constants, state, t_over_tau, weights, seeds)
    arrays = (np.ascontiguousarray(array, dtype=np.float64) for array in (state, t_over_tau, weights))
    return tuple(native.edge_trace(constants.as_array(), *arrays, seeds).T)


def engine() -> str:
    """Return what determines the numbers of this level."""
    return f"edge/1 {'numpy' if native is None else 'native'} {VERSION}"


def not_modelled(spec: NeuronSpec) -> tuple[str, ...]:
    """This level leaves out nothing that a spec can say."""
    return ()
