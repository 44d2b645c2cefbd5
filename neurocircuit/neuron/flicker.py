"""Flicker frequency noise of the VCOs: how far each frequency has gone from where the trim measured it.

With the one-sided density S_y(f) = h/f of the relative frequency y, the offset of one event is the mean of y over the
observed window, T_w, less its mean over the trim's measurement, T_m, which ended s before the arming. Weights that sum
to 0 only need the generalised autocovariance of 1/f noise, R(u) = -h ln|u| + const, so that

    Var = h [3 - ln T_m - ln T_w + 2 C],    C = mean of ln(t - t') over t in the window and t' in the measurement
    C = [L(s + T_w + T_m) - L(s + T_w) - L(s + T_m) + L(s)]/(T_w T_m),    L(x) = x²/2 ln x - 3/4 x²

s >> T_m, T_w: Var = h [3 + ln(s²/(T_m T_w))]. s = 0 and T_m = T_w: 4 ln 2 h, twice the Allan variance 2 ln 2 h of
flicker frequency noise (IEEE Std 1139). One event takes one offset: the means of the two halves of its window differ by
4 ln 2 h, 10 % of the variance at s = 1 s, T_m = 100 µs, T_w = 200 ns. Events of one trim share what is slower than the
time between them, which no draw here knows: over many events of one chip the spread is that of many trims.

Auto-zero: for a time T just before each arming the loop is in lock, and VCO3 and VCO4 run beside each other. The mean
of the phase error that VCO1 and VCO2 keep in lock, times the loop gain, is their frequency difference, and so is the
phase that VCO4 gains on VCO3, over T. Both are nulled for the event. Two errors remain: the flicker's variance with
s = 0 and T_m = T, and the white noise of the measurement: the phase difference walks by (D1 + D2) T meanwhile, so

    Var = (D1 + D2)/T,    relative to 2π f0 squared, of each pair                                                 (A1)

(a loop that measures by its phase error sees less by (τ/T)(1 - e^{-T/τ}), which is left out). What a trim left of
static errors would be nulled as well; here it stays. In an inference of length t it adds t/T of the phase variance that
white noise makes anyway, so it must last about as long as an inference, and costs as much energy.

VCOs on one bias have a share c of the variance in common: Var(y1 - y2) = Var1 + Var2 - 2 c sqrt(Var1 Var2).
"""

from math import log

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.phase_noise import Seeds, normal_pair
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.neuron import Vcos

_FIRST_INDEX = 2**60  # of the numbers drawn here: far beyond the half periods of any phase noise of the same seed
_FAR = 1e3  # s over T_m + T_w beyond which C is taken to third order, before the closed form loses digits


def variance_over_h(trim_time_s: float, since_trim_s: float, window_s: float) -> float:
    """Return Var/h of the mean over a window less that over a trim's measurement, which ended since_trim_s before."""
    return 3.0 - log(trim_time_s) - log(window_s) + 2.0 * _mean_log(trim_time_s, since_trim_s, window_s)


def _mean_log(trim_time_s: float, since_trim_s: float, window_s: float) -> float:
    both_s = trim_time_s + window_s
    if since_trim_s > _FAR * both_s:
        middle_s = since_trim_s + both_s / 2.0
        return log(middle_s) - (trim_time_s**2 + window_s**2) / (24.0 * middle_s**2)
    signed = ((1, both_s), (-1, window_s), (-1, trim_time_s), (1, 0.0))
    integrals = [sign * _twice_integrated_log((since_trim_s + later_s) / both_s) for sign, later_s in signed]
    return log(both_s) + sum(integrals) * (both_s / trim_time_s) * (both_s / window_s)


def _twice_integrated_log(x: float) -> float:
    return x * x * (0.5 * log(x) - 0.75) if x > 0 else 0.0


def spreads(spec: NeuronSpec) -> Vcos:
    """Return the standard deviation of an event's relative frequency offset of VCO1 … VCO4; 0 without flicker."""
    if spec.flicker is None:
        return (0.0, 0.0, 0.0, 0.0)
    measured_s, since_s = spec.flicker.trim_time_s, spec.flicker.since_trim_s
    if spec.flicker.auto_zero_s is not None:
        measured_s, since_s = spec.flicker.auto_zero_s, 0.0
    over_h = variance_over_h(measured_s, since_s, spec.observed_s)
    s1, s2, s3, s4 = (float(np.sqrt(h * over_h)) for h in spec.flicker.h)
    return s1, s2, s3, s4


def auto_zero_spreads(spec: NeuronSpec) -> Vcos:
    """Return the standard deviation by white noise of VCO1 … VCO4 in an auto-zero, relative; 0 without. Eq. (A1)."""
    if spec.flicker is None or spec.flicker.auto_zero_s is None:
        return (0.0, 0.0, 0.0, 0.0)
    f1_Hz, f3_Hz = spec.f0_Hz, spec.f0_Hz * spec.threshold_vco_ratio
    s1, s2, s3, s4 = (
        float(np.sqrt(d / spec.flicker.auto_zero_s) / (2.0 * np.pi * f_Hz))
        for d, f_Hz in zip(spec.phase_noise, (f1_Hz, f1_Hz, f3_Hz, f3_Hz), strict=True)
    )
    return s1, s2, s3, s4


def difference_spreads(spec: NeuronSpec) -> tuple[float, float]:
    """Return the standard deviations of the offsets of VCO1 less VCO2 and of VCO4 less VCO3; 0 without flicker.

    >>> from neurocircuit.spec import Flicker
    >>> white, flicker = (204e3,) * 4, Flicker(h=(1.73e-8,) * 4)  # of generic65's VCO1
    >>> neuron = NeuronSpec(f0_Hz=750e6, phase_noise=white, flicker=flicker)
    >>> nulled = [neuron.replace(flicker=flicker.replace(auto_zero_s=t)) for t in (20e-9, 100e-9, 500e-9)]
    >>> [f"{difference_spreads(spec)[0]:.2e}" for spec in (neuron, *nulled)]
    ['9.78e-04', '1.02e-03', '5.32e-04', '3.72e-04']
    """
    if spec.flicker is None:
        return 0.0, 0.0
    s1, s2, s3, s4 = spreads(spec)
    both = ((s1, s2, spec.flicker.shared_vco1_vco2), (s3, s4, spec.flicker.shared_vco3_vco4))
    looped, compared = (float(np.sqrt((a - b) ** 2 + 2.0 * (1.0 - shared) * a * b)) for a, b, shared in both)
    m1, m2, m3, m4 = auto_zero_spreads(spec)
    return float(np.hypot(looped, np.hypot(m1, m2))), float(np.hypot(compared, np.hypot(m3, m4)))


def draw(spec: NeuronSpec, seeds: Seeds) -> Floats:
    """Return the relative frequency offsets of VCO1 … VCO4 in the events of these seeds, [4, trial]."""
    if spec.flicker is None:
        return np.zeros((4, len(seeds)))
    index = np.arange(_FIRST_INDEX, _FIRST_INDEX + 3, dtype=np.uint64)[:, None]
    normal = np.concatenate(normal_pair(np.asarray(seeds, dtype=np.uint64), 0, index))
    separate, common = normal[:4], normal[[4, 4, 5, 5]]
    pairs = (spec.flicker.shared_vco1_vco2, spec.flicker.shared_vco3_vco4)
    shared = np.repeat(pairs, 2)[:, None]
    of_each, measured = (np.array(values)[:, None] for values in (spreads(spec), auto_zero_spreads(spec)))
    offsets = (np.sqrt(shared) * common + np.sqrt(1.0 - shared) * separate) * of_each
    # The measurement's noise is of each VCO alone, as what it does not share: one number draws both.
    alone = np.sqrt(1.0 - shared) * of_each
    return np.asarray(offsets + (np.hypot(alone, measured) - alone) * separate)
