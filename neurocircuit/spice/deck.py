"""Composes the deck of the averaged neuron with PySpice; every number in it is a plain float in SI units."""

import functools
import hashlib
import importlib.resources
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from math import tau as two_pi
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.neuron.phase_noise import Walk
from neurocircuit.spec import NeuronSpec

NETLIST = "phase_domain_averaged.cir"
NODES = ("phi1", "e", "up", "vc", "phi2", "membrane")
SMALLEST_WIDTH_over_tau = 1e-4  # a shorter spike is drawn this long about its middle, where a step would stand
# Measured on 176 random neurons that fire (2-20 inputs, both signs, r = 4 ... 64, spike widths 1e-4 ... 0.1 tau)
# against the exact solution: slope * error <= 6.0e-5 tau, error <= 4.4e-5 tau where the slope is at least 0.3. With
# reltol 1e-6 slope * error reaches 1.3e-4 at 7 % less processor time; halving the maximum step as well gains little.
# On 40 of them trap with reltol 1e-4 gave 3 times, gear (reltol 1e-4, trtol 1) 10 times the error of trap at 1e-6.
METHOD = "trap"
RELTOL = 1e-7
MAX_STEP_over_tau = 0.02


@dataclass(frozen=True)
class Deck:
    """Text for ngspice, the files it includes by name, and what to ask for."""

    text: str
    files: Mapping[str, str]
    vectors: tuple[str, ...]
    t_stop_s: float


@functools.cache
def netlist_text() -> str:
    """Return the subcircuit, as it stands in the package; read once."""
    return (importlib.resources.files("neurocircuit") / "netlists" / NETLIST).read_text(encoding="utf-8")


def netlist_sha256() -> str:
    """Hash of the subcircuit's text."""
    return hashlib.sha256(netlist_text().encode()).hexdigest()


def options(step_divisor: int = 1) -> str:
    """Return the numerical options in words, for the record; `step_divisor` divides every time step."""
    step = MAX_STEP_over_tau / step_divisor
    return f"method={METHOD} reltol={_reltol(step_divisor):g} max_step={step:g}tau"


def compose(
    spec: NeuronSpec, t_over_tau: Floats, weights: Floats, step_divisor: int = 1, noise: Walk | None = None
) -> Deck:
    """Return the deck of one neuron from its spike times [input] (tau, from arming; inf: silent) and weights [input].

    noise: VCO1's walk less that of VCO2 is added to the phase of VCO1, since the loop sees the difference alone; the
    walks of VCO3 and VCO4 are no part of the deck, for nothing in it depends on them (bsource.py). Its start is that of
    phi2 and of the loop filter.
    Raise InputError for times < 0, weights that are not finite, or lengths that differ.
    """
    _check(t_over_tau, weights, step_divisor)
    corners_s, phases_rad = vco1_corners(spec, t_over_tau, weights, noise)
    circuit = _new_circuit("phase_domain_averaged_neuron")
    circuit.V("phi1", "phi1", circuit.gnd, _pwl(corners_s, phases_rad))
    # ngspice sets a PWL source's next breakpoint only when a time point meets the last one to 3 ulp, and loses all
    # that follow when it does not (vsrcacct.c): errors of 4e-3 tau. A first point, though, it sets beforehand: hence
    # a source of value 0 for each corner.
    for index, corner_s in enumerate(corners_s[(corners_s > 0) & (corners_s < spec.window_s)]):
        circuit.I(f"corner{index}", circuit.gnd, circuit.gnd, _pwl(np.array([corner_s, spec.window_s]), np.zeros(2)))
    circuit.X("neuron", "phase_domain_averaged", *NODES, _control_of_vco4(circuit, spec), **_parameters(spec))
    circuit.raw_spice = f".include {NETLIST}\n"  # PySpice's own include writes this machine's absolute path
    if noise is not None and any(noise.start):
        circuit.raw_spice += _initial_lock(spec, noise)
    vectors = tuple(f"v({node})" for node in NODES)
    step_s = MAX_STEP_over_tau * spec.tau_s / step_divisor
    lines = [
        str(circuit).rstrip("\n"),
        f".options method={METHOD} reltol={_number(_reltol(step_divisor))}",
        f".save {' '.join(vectors)}",
        f".tran {_number(step_s)} {_number(spec.window_s)} 0.0 {_number(step_s)}",
        ".control",
        "set num_threads=1",
        ".endc",
        ".end",
    ]
    return Deck("\n".join(lines) + "\n", {NETLIST: netlist_text()}, vectors, spec.window_s)


def vco1_corners(
    spec: NeuronSpec, t_over_tau: Floats, weights: Floats, noise: Walk | None = None
) -> tuple[Floats, Floats]:
    """Excess phase of VCO1 as straight lines: corners [corner] in s, rising from 0, and phases [corner] in rad.

    Input i raises it evenly by a w_i over [t_i, t_i + spike width]; one that begins after the window is left out.
    A PWL source cannot jump: a spike shorter than SMALLEST_WIDTH_over_tau, one of no width too, takes that long about
    its middle. noise: as in `compose`.
    """
    starts_s = t_over_tau * spec.tau_s
    heard = starts_s < spec.window_s
    starts_s, jumps_rad = starts_s[heard], weights[heard] * spec.phase_per_weight_rad
    width_s = max(spec.spike_width_s, SMALLEST_WIDTH_over_tau * spec.tau_s)
    starts_s = np.maximum(starts_s + (spec.spike_width_s - width_s) / 2, 0.0)
    changes_s = [np.array([0.0, spec.window_s]), starts_s, starts_s + width_s]
    if noise is not None:
        changes_s.append(noise.corners_over_tau * spec.tau_s)
    corners_s = np.unique(np.concatenate(changes_s))
    share = np.clip((corners_s[:, None] - starts_s) / width_s, 0.0, 1.0)
    phases_rad = np.asarray(share @ jumps_rad)
    if noise is not None:
        phases_rad = phases_rad + noise.at(1, corners_s / spec.tau_s) - noise.at(2, corners_s / spec.tau_s)
    return corners_s, phases_rad


def _initial_lock(spec: NeuronSpec, noise: Walk) -> str:
    """Return the line that starts the loop beside its static lock, by the error and the speed that noise has left."""
    d1, d2, _, _ = spec.frequency_error.in_force
    static = two_pi * spec.cycles_per_tau * (d1 - d2)
    error, speed = noise.start
    return f".ic V(phi2)={_number(-static - error)} V(vc)={_number(0.5 + (static + speed) / pi)}\n"


def _control_of_vco4(circuit: Any, spec: NeuronSpec) -> str:
    """Return the node that drives VCO4: UP, or for a ramp one that a switch puts on a constant at the arming."""
    if spec.readout_window is None or spec.ramp_slope is None:
        return "up"
    armed_s, switching_s = spec.readout_window.armed_s, SMALLEST_WIDTH_over_tau * spec.tau_s
    corners_s = np.array([0.0, armed_s - switching_s / 2, armed_s + switching_s / 2, spec.window_s])
    circuit.V("onramp", "onramp", circuit.gnd, _pwl(corners_s, np.array([0.0, 0.0, 1.0, 1.0])))
    for index, corner_s in enumerate(corners_s[1:3]):
        circuit.I(f"arming{index}", circuit.gnd, circuit.gnd, _pwl(np.array([corner_s, spec.window_s]), np.zeros(2)))
    level = 0.5 + spec.ramp_slope * spec.fixed_lead_rad / (two_pi * spec.vco4_swing_Hz * spec.tau_s)
    circuit.B("control", "control", circuit.gnd, v=f"V(up) + V(onramp)*({_number(level)} - V(up))")
    return "control"


def _reltol(step_divisor: int) -> float:
    """The local error of the trapezoidal rule is of order 3: this shortens the chosen steps by the same factor."""
    return RELTOL / step_divisor**3


def _parameters(spec: NeuronSpec) -> dict[str, float]:
    d1, d2, d3, d4 = spec.frequency_error.in_force
    return {
        "tau": spec.tau_s,
        "w_lf": spec.loop_filter_rad_per_s,
        "swing": spec.vco4_swing_Hz,
        "drift2": two_pi * spec.f0_Hz * (d2 - d1),
        "drift4": two_pi * spec.f0_Hz * spec.threshold_vco_ratio * (d4 - d3),
    }


def _check(t_over_tau: Floats, weights: Floats, step_divisor: int) -> None:
    if t_over_tau.ndim != 1 or t_over_tau.shape != weights.shape:
        raise InputError(f"weights must have one entry for each input, got {weights.shape} for {t_over_tau.shape}")
    if not np.all(t_over_tau >= 0):
        raise InputError(f"input times must be >= 0 (arming), got {t_over_tau[~(t_over_tau >= 0)][0]:g}")
    if not np.all(np.isfinite(weights)):
        raise InputError(f"weights must be finite, got {weights[~np.isfinite(weights)][0]:g}")
    if step_divisor < 1:
        raise InputError(f"step_divisor must be >= 1, got {step_divisor}")


def _new_circuit(title: str) -> Any:
    """Return an empty PySpice circuit; imported here because PySpice is slow to load and most commands do without."""
    with warnings.catch_warnings():
        # PySpice 1.5 has invalid escape sequences in its docstrings.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        from PySpice.Spice.Netlist import Circuit
    return Circuit(title)


def _pwl(times_s: Floats, values: Floats) -> str:
    """Return PWL waveform as text, one corner a line; PySpice's own writes units behind the numbers."""
    pairs = (f"{_number(time)} {_number(value)}" for time, value in zip(times_s, values, strict=True))
    return "PWL(" + "\n+ ".join(pairs) + ")"


def _number(value: float) -> str:
    """Return all digits, no SPICE suffix."""
    return repr(float(value))
