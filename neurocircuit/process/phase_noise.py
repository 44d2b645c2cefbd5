"""Phase noise of an oscillator from the noise currents of its devices.

Γ(φ) is the phase that an oscillator gains for a charge that is put through a device at phase φ, rad/C: the impulse
sensitivity function (Hajimiri, Lee: JSSC 33, 1998). A noise current whose one-sided density at φ is S_w(φ) + S_f(φ)/f
makes the phase walk, and the frequency wander (y: relative deviation of the frequency f0):

    D = < Γ² S_w > / 2                      phase variance per second, rad²/s (two-sided density of the frequency)
    h = < Γ √S_f >² / (2π f0)²              S_y(f) = h/f, one-sided; the flicker is one noise, modulated over the period
    S_y(f) = 2 D/(2π f0)² + h/f             so the corner is h (2π f0)²/(2 D)

< … > is the mean over a period. A device whose current only sets the bias has Γ = 2π k, k the tuning gain: D = (2π k)²
S_w/2.
"""

from collections.abc import Collection, Mapping
from math import log10, pi, sqrt

import numpy as np
from scipy.constants import Boltzmann

from neurocircuit.core.arrays import Floats

ABIDI, NAVID = 14 / 3, 7.33  # L(f) = c (kT/P) (f0/f)², see least_diffusion


def white_diffusion(sensitivity_rad_per_C: Floats, white_A2_per_Hz: Floats) -> Floats:
    """Return D, rad²/s, of each device from Γ and one-sided white density, both [device, phase]."""
    return np.asarray(np.mean(sensitivity_rad_per_C**2 * white_A2_per_Hz, axis=-1) / 2)


def flicker_coefficient(sensitivity_rad_per_C: Floats, flicker_A2: Floats, f0_Hz: float) -> Floats:
    """Return h of each device from Γ and the one-sided density times the frequency, A², both [device, phase]."""
    return np.asarray(np.mean(sensitivity_rad_per_C * np.sqrt(flicker_A2), axis=-1) ** 2 / (2 * np.pi * f0_Hz) ** 2)


def over_band(frequency_Hz: Floats, coefficient: Floats, low_Hz: float, high_Hz: float) -> Floats:
    """Return the h whose h/f has the variance of coefficient(f)/f between two frequencies, [device].

    coefficient: [frequency, device], at frequencies that rise; beyond the last as its last two go on. A flicker of
    exponent 1 has the same everywhere.
    """
    rows = np.where(coefficient > 0, coefficient, np.finfo(float).tiny)
    log_f, log_rows = np.log(frequency_Hz), np.log(rows)
    slope = (log_rows[-1] - log_rows[-2]) / (log_f[-1] - log_f[-2])
    log_f = np.append(log_f, np.log(high_Hz))
    log_rows = np.vstack([log_rows, log_rows[-1] + slope * (log_f[-1] - log_f[-2])])
    fine = np.linspace(np.log(low_Hz), np.log(high_Hz), 201)
    course = np.stack([np.exp(np.interp(fine, log_f, column)) for column in log_rows.T])
    mean = np.trapezoid(course, fine, axis=1) / (fine[-1] - fine[0])
    return np.where(np.any(coefficient > 0, axis=0), mean, 0.0)


def white_density(diffusion_rad2_per_s: float, f0_Hz: float) -> float:
    """Return the one-sided density of the relative frequency, 1/Hz, of a phase that walks by D."""
    return 2 * diffusion_rad2_per_s / (2 * np.pi * f0_Hz) ** 2


def corner_Hz(diffusion_rad2_per_s: float, flicker: float, f0_Hz: float) -> float:
    """Return the frequency at which flicker and white frequency noise are equal."""
    return flicker / white_density(diffusion_rad2_per_s, f0_Hz)


def single_sideband_dBc(diffusion_rad2_per_s: float, flicker: float, f0_Hz: float, offset_Hz: float) -> float:
    """Return L at an offset from the carrier, dBc/Hz: half of S_φ = (f0/f)² S_y, away from the carrier."""
    relative = white_density(diffusion_rad2_per_s, f0_Hz) + flicker / offset_Hz
    return 10 * log10((f0_Hz / offset_Hz) ** 2 * relative / 2)


def least_diffusion(f0_Hz: float, power_W: float, temperature_K: float, limit: float) -> float:
    """Return D, rad²/s, of a ring oscillator at a textbook limit of its white noise: D = (2π f0)² c kT/P.

    limit: c of L(f) = c (kT/P) (f0/f)². ABIDI: single-ended inverters of long channels, γ = 2/3, without a threshold
    voltage, 2 (γ_n + γ_p + 1) (Abidi: JSSC 41, 2006, with I = P/V_dd). Hajimiri, Limotyrakis, Lee (JSSC 34, 1999) have
    16 γ/(3 η), 4.7 as well at their η = 0.75. NAVID: what exponential edges can reach at best (Navid, Lee, Dutton:
    JSSC 40, 2005).
    """
    return (2 * pi * f0_Hz) ** 2 * limit * Boltzmann * temperature_K / power_W


def shared_flicker(first: Mapping[str, float], second: Mapping[str, float], common: Collection[str]) -> float:
    """Return the correlation of two VCOs' flicker from h by device of each, and the devices that serve both.

    0 without flicker.
    """
    together = sum(sqrt(first[device] * second[device]) for device in common)
    return together / sqrt(sum(first.values()) * sum(second.values())) if together else 0.0
