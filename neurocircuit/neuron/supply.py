"""Supply ripple: tones v(t) = Σ A cos(2π f t + φ) that all four VCOs share and follow unlike.

VCO k runs at f_k (1 + s_k v(t)), s_k its supply sensitivity. The levels hold each frequency for half a period, with its
value in the middle, as they do with phase noise. Only differences count: the loop of VCO1 and VCO2 sees s1 - s2, the
membrane s4 - s3. With time in τ, ω = 2π f τ, r = w_lf τ, and phase error over frequency difference of the loop

    H(s) = (s + r)/(s² + r s + r)

the membrane has by t after arming, in thresholds,

    V(t) = Σ A Re[e^{jφ} 2π f0 τ ((s1 - s2)/a H(jω) + ratio (s4 - s3)/θ) (e^{jωt} - 1)/(jω)]                    (S1)

for the loop has been following the ripple when it is armed: it starts with the phase error e = Re[e^{jφ} E] and the
speed y = Re[e^{jφ} E r/(jω + r)] of VCO2, E = A 2π f0 τ (s1 - s2) H(jω). On the ramp of a readout window the loop's
part stands still from the arming on.

All neurons of a chip share the ripple: an image has one phase of each tone, which goes on from layer to layer.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.phase_noise import Seeds, uniform
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.neuron import Supply

_FIRST_INDEX = 2**62  # of the numbers drawn here: apart from those of flicker and phase noise of the same seed


@dataclass(frozen=True)
class SupplyRipple:
    """The supply ripple that events meet, on the clock of the spec's τ.

    omega [tone] in rad per τ, phase_rad [tone, trial] at arming; swing [4, tone]: amplitudes of the frequencies of
    VCO1 … VCO4 in rad per τ. start [2, trial]: phase error of the loop that has been following, rad, and speed of VCO2.
    """

    omega: Floats
    phase_rad: Floats
    swing: Floats
    start: Floats

    def speeds(self, time_over_tau: Floats) -> Floats:
        """Return the frequencies that it adds at times [instant], [4, trial, instant], rad per τ."""
        angle = self.omega[:, None, None] * time_over_tau + self.phase_rad[:, :, None]
        return np.asarray(np.einsum("vm,mni->vni", self.swing, np.cos(angle)))

    def take(self, which: Any) -> "SupplyRipple":
        """Return that of some events."""
        return replace(self, phase_rad=self.phase_rad[:, which], start=self.start[:, which])


@dataclass(frozen=True)
class Course:
    """Membrane of eq. (S1): free, looped [tone] in thresholds per τ; the loop's part stands still after `until`."""

    omega: Floats
    free: Floats
    looped: Floats
    until: float

    def membrane(self, t: Any, phase_rad: Any, xp: Any = np) -> Any:
        """Return what ripple has made of the membrane by t, thresholds; t and phase_rad[tone] broadcast.

        xp: namespace of both, numpy or torch. Eq. (S1) by sin(a + b) - sin b = 2 sin(a/2) cos(b + a/2).
        """
        total: Any = 0.0
        for omega, free, looped, phase in zip(self.omega, self.free, self.looped, phase_rad, strict=True):
            for gain, since in ((free, t), (looped, xp.clip(t, None, self.until))):
                if gain != 0:
                    half, angle = float(omega) / 2.0, float(np.angle(gain))
                    swing = float(np.abs(gain)) / half
                    total = total + swing * xp.sin(half * since) * xp.cos(phase + angle + half * since)
        return total

    def spread(self, t_over_tau: Floats) -> Floats:
        """Return the root mean square of `membrane` over all phases, same shape as the times."""
        power = np.zeros_like(t_over_tau)
        for omega, free, looped in zip(self.omega, self.free, self.looped, strict=True):
            parts = ((free, t_over_tau), (looped, np.minimum(t_over_tau, self.until)))
            reached = sum(gain * np.expm1(1j * omega * since) / (1j * omega) for gain, since in parts)
            power = power + np.abs(reached) ** 2 / 2.0
        return np.asarray(np.sqrt(power))


def loop_response(loop_ratio: float, omega: Floats) -> Floats:
    """Return H(jω) of the loop, complex, same shape; omega in rad per τ."""
    s = 1j * omega
    return np.asarray((s + loop_ratio) / (s * s + loop_ratio * s + loop_ratio))


def tones(spec: NeuronSpec) -> int:
    """Return how many tones the supply has; 0 without ripple."""
    return 0 if spec.ripple is None else len(spec.ripple.tones)


def course(spec: NeuronSpec) -> Course:
    """Return the membrane that the ripple of a spec makes; of no tones without one."""
    if spec.ripple is None:
        none = np.zeros(0)
        return Course(none, none, none, np.inf)
    s1, s2, s3, s4 = spec.ripple.sensitivity_per_V
    omega, amplitude_V = _tones(spec, spec.ripple)
    cycles = 2 * np.pi * spec.cycles_per_tau
    looped = cycles * (s1 - s2) / spec.phase_per_weight_rad * loop_response(spec.loop_ratio, omega) * amplitude_V
    free = cycles * (s4 - s3) * spec.threshold_vco_ratio / spec.fixed_lead_rad * amplitude_V
    if spec.ramp_slope is None:
        return Course(omega, free + looped, np.zeros_like(looped), np.inf)
    return Course(omega, free, looped, spec.armed_over_tau)


def phases(spec: NeuronSpec, seeds: Seeds) -> Floats:
    """Return the phases of the tones at arming in events of these seeds, [tone, trial]: events of different chips."""
    index = np.arange(_FIRST_INDEX, _FIRST_INDEX + tones(spec), dtype=np.uint64)[:, None]
    return 2 * np.pi * uniform(np.asarray(seeds, dtype=np.uint64), 0, index)


def later(spec: NeuronSpec, phase_rad: Floats, after_s: float) -> Floats:
    """Return phases [tone, ...] of the tones so long after they were `phase_rad`."""
    if spec.ripple is None:
        return phase_rad
    turned = np.array([2 * np.pi * tone.frequency_Hz * after_s for tone in spec.ripple.tones])
    return np.asarray(phase_rad + turned.reshape(-1, *(1 for _ in phase_rad.shape[1:])))


def met(spec: NeuronSpec, supply: Supply, phase_rad: Floats) -> SupplyRipple:
    """Return the ripple that events meet, from the phases of the tones at their arming, [tone, trial]."""
    omega, amplitude_V = _tones(spec, supply)
    sensitivity = np.array(supply.sensitivity_per_V)
    base = 2 * np.pi * spec.cycles_per_tau * np.array([1.0, 1.0, spec.threshold_vco_ratio, spec.threshold_vco_ratio])
    error = base[0] * (sensitivity[0] - sensitivity[1]) * amplitude_V * loop_response(spec.loop_ratio, omega)
    speed = error * spec.loop_ratio / (1j * omega + spec.loop_ratio)
    start = (np.stack([error, speed]) @ np.exp(1j * phase_rad)).real
    return SupplyRipple(omega, phase_rad, (base * sensitivity)[:, None] * amplitude_V, start)


def _tones(spec: NeuronSpec, supply: Supply) -> tuple[Floats, Floats]:
    """Return the tones' ω in rad per τ and their amplitudes in V, both [tone]."""
    omega = np.array([2 * np.pi * tone.frequency_Hz * spec.tau_s for tone in supply.tones])
    return omega, np.array([tone.amplitude_V for tone in supply.tones])
