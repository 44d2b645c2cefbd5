"""Device noise drawn in a transient of a whole neuron: the noise current of each device at the device's own nodes.

A transient of ngspice has no device noise. Here each device of the four rings, and each resistor that drives a bias
node, gets a current of its own: white noise anew at every corner of a straight-line course, cyclostationary by the
device's density at the phase at which its ring stands; and flicker as one normal deviate that is held for the run, for
it hardly moves within an inference (neuron/flicker.py), modulated over the period likewise. The phases are those of a
run of the same neuron without noise.

Straight lines between corners of spacing T leave sinc⁴(f T) of a white density at the frequency f. A ring answers to
noise about the harmonics m f0, in proportion to the m-th Fourier coefficient c_m of Γ √S (process/phase_noise.py), so

    D drawn / D = Σ |c_m|² sinc⁴(m f0 T) / Σ |c_m|²                                                             (N1)

The densities drawn are larger by the inverse of that, so that each ring walks by its D.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from scipy.constants import Boltzmann, zero_Celsius

from neurocircuit.core.arrays import Floats
from neurocircuit.process import phase_noise
from neurocircuit.process.bench import Bench
from neurocircuit.process.impulse_sensitivity import HELD, device_densities, measure_sensitivity
from neurocircuit.results.phase_noise import FASTEST_Hz, SLOWEST_Hz
from neurocircuit.spec import Circuit

STEP_s = 60e-12  # between corners: 22 of a period of VCO1 at 750 MHz, 18 of one of VCO3; (N1) is 0.94 and 0.92 there
_TERMS_A_LINE = 8


@dataclass(frozen=True)
class RingNoise:
    """What the devices of a ring make over a period, [device, phase]; phases are evenly spread over a turn.

    rise_turns: phase at which the ring's output rises. nodes: drain and source of each device. white_A2_per_Hz: one-
    sided density of its current, drain to source; flicker_A2: that of its flicker, times the frequency.
    phase_rad_per_C: what a charge through it leaves.
    """

    f_Hz: float
    rise_turns: float
    nodes: tuple[tuple[str, str], ...]
    white_A2_per_Hz: Floats
    flicker_A2: Floats
    phase_rad_per_C: Floats

    @property
    def white_rad2_per_s(self) -> float:
        """D of the ring's own devices."""
        return float(phase_noise.white_diffusion(self.phase_rad_per_C, self.white_A2_per_Hz).sum())

    def share_drawn(self, step_s: float) -> float:
        """Return the share of D that straight lines between corners of this spacing leave: eq. (N1)."""
        harmonics = np.fft.fft(self.phase_rad_per_C * np.sqrt(self.white_A2_per_Hz), axis=1)
        number = np.fft.fftfreq(harmonics.shape[1], 1.0 / harmonics.shape[1])
        power = (np.abs(harmonics) ** 2).sum(axis=0)
        return float(power @ np.sinc(number * self.f_Hz * step_s) ** 4 / power.sum())

    def to_dict(self) -> dict[str, Any]:
        """Return strict JSON."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RingNoise":
        """Return what `to_dict` gave."""
        arrays = {name: np.array(values[name]) for name in ("white_A2_per_Hz", "flicker_A2", "phase_rad_per_C")}
        nodes = tuple((drain, source) for drain, source in values["nodes"])
        return cls(values["f_Hz"], values["rise_turns"], nodes, **arrays)


def ring_noise(bench: Bench, current_A: float) -> RingNoise:
    """Measure the noise of the devices of a free ring at a bias current. Raise SimulatorError."""
    ring = measure_sensitivity(bench, current_A)
    spectra = device_densities(bench, ring)
    flicker = []
    for device in ring.devices:
        spectrum = spectra[device.path]
        by_frequency = spectrum.flicker * spectrum.frequency_Hz[:, None]
        flicker.append(phase_noise.over_band(spectrum.frequency_Hz, by_frequency, SLOWEST_Hz, FASTEST_Hz))
    return RingNoise(
        f_Hz=ring.f_Hz,
        rise_turns=ring.rise_turns,
        nodes=tuple((device.nodes[0], device.nodes[2]) for device in ring.devices),
        white_A2_per_Hz=np.stack([spectra[device.path].white[0] for device in ring.devices]),
        flicker_A2=np.stack(flicker),
        phase_rad_per_C=np.stack([ring.of_device(device) for device in ring.devices]),
    )


@dataclass(frozen=True)
class Draw:
    """What is drawn in one run.

    white: whether there is white noise. flicker_over_h: variance of an event's frequency offset over h, so of a current
    over its flicker_A2 as well; 0: no flicker. settling_s, lag_s: flicker begins with the deck, which is armed
    settling_s later, and a loop follows it with the time constant lag_s: until then it is larger by 1/(1 - e^{-settling
    /lag}), so that the loop is armed with the phase error to which it would settle; 0: it is not.
    """

    white: bool
    flicker_over_h: float
    settling_s: float = 0.0
    lag_s: float = 0.0
    step_s: float = STEP_s

    def flicker_course(self, at_s: Floats) -> Floats:
        """Return by what the flicker is larger at these instants, same shape."""
        if not self.settling_s:
            return np.ones_like(at_s)
        return np.where(at_s < self.settling_s, 1.0 / -np.expm1(-self.settling_s / self.lag_s), 1.0)


def noise_lines(
    rings: Sequence[RingNoise],
    circuit: Circuit,
    edges_s: Sequence[Floats],
    stop_s: float,
    draw: Draw,
    rng: np.random.Generator,
) -> str:
    """Return the noise sources of a whole neuron, SPICE lines on the nodes of its deck.

    rings: those of VCO1 … VCO4. edges_s: rising edges of each without noise, [edge], from the begin of the deck; a ring
    that starts later has no noise until a period before its first edge.
    """
    corners_s = np.arange(0.0, stop_s + draw.step_s, draw.step_s)
    currents_A: dict[str, Floats] = {}
    for vco, (ring, rises_s) in enumerate(zip(rings, edges_s, strict=True), 1):
        for node, values in _ring_currents(ring, rises_s, corners_s, draw, rng).items():
            currents_A[_in_neuron(node, vco)] = values
    if draw.white:
        for (first, second), resistance_Ohm in _resistors(circuit).items():
            density = 2 * Boltzmann * (circuit.condition.temperature_C + zero_Celsius) / resistance_Ohm  # two-sided
            through_A = sqrt(density / draw.step_s) * rng.standard_normal(len(corners_s))
            _add(currents_A, first, -through_A)
            _add(currents_A, second, through_A)
    lines = []
    for k, (node, values) in enumerate(currents_A.items()):
        terms = [f"{t:.5e} {i:.4e}" for t, i in zip(corners_s.tolist(), values.tolist(), strict=True)]
        lines.append(f"Inoise{k} 0 {node} pwl(")
        lines += ["+ " + " ".join(terms[j : j + _TERMS_A_LINE]) for j in range(0, len(terms), _TERMS_A_LINE)]
        lines.append("+ )")
    return "\n".join(lines)


def _ring_currents(
    ring: RingNoise, rises_s: Floats, corners_s: Floats, draw: Draw, rng: np.random.Generator
) -> dict[str, Floats]:
    """Return the noise currents into the nodes of a ring, under the names of its bench, [corner]."""
    turns = _turns(rises_s, corners_s)
    runs = turns >= -1.0
    phase = np.mod(ring.rise_turns + turns, 1.0)
    share, course = ring.share_drawn(draw.step_s), draw.flicker_course(corners_s)
    currents_A: dict[str, Floats] = {}
    for (drain, source), white, flicker in zip(ring.nodes, ring.white_A2_per_Hz, ring.flicker_A2, strict=True):
        held, moving = rng.standard_normal(), rng.standard_normal(len(corners_s))
        through_A = np.zeros(len(corners_s))
        if draw.white:
            through_A += _over_turn(np.sqrt(white / (2 * draw.step_s * share)), phase) * moving
        if draw.flicker_over_h:
            through_A += _over_turn(np.sqrt(flicker * draw.flicker_over_h), phase) * held * course
        through_A *= runs
        for node, sign in ((drain, -1.0), (source, 1.0)):
            if node not in HELD:
                _add(currents_A, node, sign * through_A)
    return currents_A


def _turns(rises_s: Floats, at_s: Floats) -> Floats:
    """Return the phase in turns, 0 at the first edge; before and after the edges it goes on at their mean pace."""
    last, period_s = len(rises_s) - 1, float(rises_s[-1] - rises_s[0]) / (len(rises_s) - 1)
    turns = np.interp(at_s, rises_s, np.arange(last + 1))
    turns = np.where(at_s < rises_s[0], (at_s - rises_s[0]) / period_s, turns)
    return np.asarray(np.where(at_s > rises_s[-1], last + (at_s - rises_s[-1]) / period_s, turns))


def _over_turn(values: Floats, turns: Floats) -> Floats:
    return np.interp(turns, np.arange(len(values)) / len(values), values, period=1.0)


def _in_neuron(node: str, vco: int) -> str:
    """Return the name that a node of the ring's bench has in the deck of a neuron."""
    return f"{node}{vco}" if node in ("ib", "o") else node.replace("xring.", f"xneuron.xvco{vco}.", 1)


def _resistors(circuit: Circuit) -> dict[tuple[str, str], float]:
    """Return the resistors that drive bias nodes, by their nodes in the deck of a neuron."""
    parts = circuit.components
    return {
        ("up", "vc"): parts.r1_Ohm,
        ("vc", "ib2"): parts.r2_Ohm,
        ("xneuron.xup.s", "ib4"): parts.r4_Ohm,
    }


def _add(currents_A: dict[str, Floats], node: str, values: Floats) -> None:
    currents_A[node] = currents_A[node] + values if node in currents_A else values
