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

import numpy as np

from neurocircuit.core.arrays import Floats


def white_diffusion(sensitivity_rad_per_C: Floats, white_A2_per_Hz: Floats) -> Floats:
    """Return D, rad²/s, of each device from Γ and one-sided white density, both [device, phase]."""
    return np.asarray(np.mean(sensitivity_rad_per_C**2 * white_A2_per_Hz, axis=-1) / 2)


def flicker_coefficient(sensitivity_rad_per_C: Floats, flicker_A2: Floats, f0_Hz: float) -> Floats:
    """Return h of each device from Γ and the one-sided density times the frequency, A², both [device, phase]."""
    return np.asarray(np.mean(sensitivity_rad_per_C * np.sqrt(flicker_A2), axis=-1) ** 2 / (2 * np.pi * f0_Hz) ** 2)


def white_density(diffusion_rad2_per_s: float, f0_Hz: float) -> float:
    """Return the one-sided density of the relative frequency, 1/Hz, of a phase that walks by D."""
    return 2 * diffusion_rad2_per_s / (2 * np.pi * f0_Hz) ** 2


def corner_Hz(diffusion_rad2_per_s: float, flicker: float, f0_Hz: float) -> float:
    """Return the frequency at which flicker and white frequency noise are equal."""
    return flicker / white_density(diffusion_rad2_per_s, f0_Hz)
