"""Phase noise of the rings from the noise of their devices: densities by `.noise`, impulse sensitivities by transients.

The sources of the bias currents are ideal, and so are filter and switch of VCO2 and VCO4: what these add is not here.
"""

from collections.abc import Mapping

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.process import phase_noise
from neurocircuit.process.bench import Bench, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.impulse_sensitivity import (
    Sensitivity,
    device_densities,
    device_name,
    measure_sensitivity,
)
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.results.phase_noise import RINGS, FASTEST_Hz, RingNoise, SLOWEST_Hz
from neurocircuit.spice.noise import Spectrum

FLICKER_Hz = 1e3  # at which h is stated, should a card's exponent not be 1
WALK_s = 20e-9  # over which the rms phase is stated: τ of the embedded circuit
SPECTRUM_Hz = np.logspace(2, 9, 29)


def measure(context: Context) -> Measured:
    """Return white frequency noise, flicker and corner of a ring at the currents of VCO1 and VCO3, with the budget.

    VCO2 and VCO4 run at the frequencies of VCO1 and VCO3, so at their ring currents: what they have is the same.
    """
    began, bench, bias = cpu_s(), Bench(context.installed, context.condition), trimmed(context).bias
    quantities: list[Quantity] = []
    curves: dict[str, dict[str, Floats]] = {}
    names: list[str] = []
    for ring, current_A in (("vco1", bias.vco1_A), ("vco3", bias.vco3_A)):
        sensitivity = measure_sensitivity(bench, current_A)
        noise, exponent = noise_of(sensitivity, device_densities(bench, sensitivity))
        names = list(noise.white_by_device)
        quantities += _quantities(ring, sensitivity, noise, exponent)
        curves[f"budget_{ring}"] = {
            "white_rad2_per_s": np.array(list(noise.white_by_device.values())),
            "flicker": np.array(list(noise.flicker_by_device.values())),
        }
        white = phase_noise.white_density(noise.white_rad2_per_s, noise.f0_Hz)
        curves[f"spectrum_{ring}"] = {
            "frequency_Hz": SPECTRUM_Hz,
            "white_per_Hz": np.full_like(SPECTRUM_Hz, white),
            "flicker_per_Hz": noise.flicker / SPECTRUM_Hz,
        }
    return Measured(tuple(quantities), curves, details={"devices": names}, cpu_s=cpu_s() - began)


def noise_of(ring: Sensitivity, densities: Mapping[str, Spectrum]) -> tuple[RingNoise, float]:
    """Return the phase noise of a ring, and the exponent of its flicker: S_y(f) = h/f^exponent.

    densities: one-sided, A²/Hz, by device path, [frequency, phase]. The interval of the white noise: half the
    difference between the charges of one sign and those of the other, which meet the ring at other phases, either way.
    """
    phase_rad_per_C = np.stack([ring.of_device(device) for device in ring.devices])
    frequency_Hz = densities[ring.devices[0].path].frequency_Hz
    white_A2_per_Hz = np.stack([densities[device.path].white[0] for device in ring.devices])
    flicker_A2 = np.stack([densities[device.path].flicker * frequency_Hz[:, None] for device in ring.devices])
    white = phase_noise.white_diffusion(phase_rad_per_C, white_A2_per_Hz)
    halves = [
        float(phase_noise.white_diffusion(phase_rad_per_C[:, k::2], white_A2_per_Hz[:, k::2]).sum()) for k in (0, 1)
    ]
    by_frequency = np.stack(
        [
            phase_noise.flicker_coefficient(phase_rad_per_C, flicker_A2[:, k], ring.f_Hz)
            for k in range(len(frequency_Hz))
        ]
    )
    flicker = by_frequency[int(np.argmin(np.abs(frequency_Hz - FLICKER_Hz)))]
    decades = float(np.log10(frequency_Hz[-1] / frequency_Hz[0]))
    total, wide = float(white.sum()), abs(halves[0] - halves[1]) / 2
    names = [device_name(device.path) for device in ring.devices]
    noise = RingNoise(
        f0_Hz=ring.f_Hz,
        white_rad2_per_s=total,
        low_rad2_per_s=total - wide,
        high_rad2_per_s=total + wide,
        flicker=float(flicker.sum()),
        corner_Hz=phase_noise.corner_Hz(total, float(flicker.sum()), ring.f_Hz),
        white_by_device=dict(zip(names, white.tolist(), strict=True)),
        flicker_by_device=dict(zip(names, flicker.tolist(), strict=True)),
    )
    return noise, 1.0 - float(np.log10(by_frequency[-1].sum() / by_frequency[0].sum())) / decades


def _quantities(ring: str, sensitivity: Sensitivity, noise: RingNoise, exponent: float) -> list[Quantity]:
    which = RINGS[ring]
    diode = float(sensitivity.of_node("ib").mean()) / (2 * np.pi)
    walk_rad = float(np.sqrt(noise.white_rad2_per_s * WALK_s))
    return [
        Quantity(f"f0_{ring}", f"{which}: frequency of the ring", noise.f0_Hz, "Hz"),
        Quantity(
            f"white_{ring}", f"{which}: phase variance per second by white noise", noise.white_rad2_per_s, "rad²/s"
        ),
        Quantity(f"low_{ring}", "its numerical interval, from", noise.low_rad2_per_s, "rad²/s"),
        Quantity(f"high_{ring}", "to", noise.high_rad2_per_s, "rad²/s"),
        Quantity(f"jitter_{ring}", f"{which}: rms phase that it walks in {1e9 * WALK_s:g} ns", walk_rad, "rad"),
        Quantity(f"flicker_{ring}", f"{which}: h of the flicker, S_y(f) = h/f", noise.flicker, ""),
        Quantity(f"exponent_{ring}", f"{which}: exponent of the flicker's spectrum", exponent, ""),
        Quantity(f"corner_{ring}", f"{which}: corner between flicker and white noise", noise.corner_Hz, "Hz"),
        Quantity(
            f"wander_{ring}",
            f"{which}: σ of the frequency by flicker, {SLOWEST_Hz:g} Hz … {FASTEST_Hz / 1e6:g} MHz, relative",
            noise.wander,
            "",
        ),
        Quantity(
            f"gain_ratio_{ring}",
            f"{which}: tuning gain by charges over that by counting",
            diode / sensitivity.gain_Hz_per_A,
            "",
        ),
    ]
