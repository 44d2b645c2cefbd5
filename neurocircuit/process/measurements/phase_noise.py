"""Phase noise of the VCOs from the noise of their devices: densities by `.noise`, impulse sensitivities by transients.

VCO2 and VCO4 have the rings of VCO1 and VCO3 and beside these what drives their bias nodes: filter, and switch with R4.
The sources of the bias currents are ideal, and so are the idle synapses: what these add is not here.
"""

from collections.abc import Collection, Mapping, Sequence
from math import log10, nan, pi, sqrt

import numpy as np
from scipy.constants import zero_Celsius

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.flicker import variance_over_h
from neurocircuit.process import phase_noise
from neurocircuit.process.bench import Bench, TIMEOUT_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.impulse_sensitivity import (
    Sensitivity,
    device_densities,
    device_name,
    measure_sensitivity,
)
from neurocircuit.process.measurements import cco
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.results.phase_noise import VCOS, FASTEST_Hz, SLOWEST_Hz, VcoNoise
from neurocircuit.spec import Flicker
from neurocircuit.spice.noise import Spectrum, noise_by_element
from neurocircuit.spice.transistor_deck import number

SHARED = ("xload",)  # devices of ring_cco_shared.cir on the line that two rings share
WALK_s = 20e-9  # over which the rms phase is stated: τ of the embedded circuit
INFERENCE_s = 200e-9  # over which jitter is integrated: the window of the embedded circuit
SPOT_Hz = 1e6
SPECTRUM_Hz = np.logspace(2, 9, 29)
SINCE_TRIM_s, TRIM_TIME_s = (float(Flicker.model_fields[name].default) for name in ("since_trim_s", "trim_time_s"))


def measure(context: Context) -> Measured:
    """Return white frequency noise, flicker, corner and integrated jitter of VCO1 … VCO4, with the budget by device.

    VCO2 and VCO4 run at the frequencies of VCO1 and VCO3, so at their ring currents: two rings tell all four.
    """
    began, bench, bias = cpu_s(), Bench(context.installed, context.condition), trimmed(context).bias
    common = SHARED if context.installed.process.shared_bias else ()
    quantities: list[Quantity] = []
    noise_by_vco: dict[str, VcoNoise] = {}
    for current_A, alone, driven in ((bias.vco1_A, "vco1", "vco2"), (bias.vco3_A, "vco3", "vco4")):
        ring = measure_sensitivity(bench, current_A)
        densities = joined(ring, device_densities(bench, ring), common)
        power_W = float(cco.curve_of(bench, np.array([current_A]))[1][0])
        for vco, states in ((alone, []), (driven, drivers(bench, driven))):
            noise, exponent = noise_of(ring, densities, [at_bias_node(bench, ring, body) for body in states])
            noise_by_vco[vco] = noise
            quantities += _quantities(vco, noise, exponent)
        quantities += _ring_quantities(alone, ring, noise_by_vco[alone], power_W, bench.condition.temperature_C)
    # A bias diode of its own, and an ideal source that feeds it, each ring has in any case.
    for first, second in (("vco1", "vco2"), ("vco3", "vco4")):
        one, other = (noise_by_vco[vco].flicker_by_device for vco in (first, second))
        share = phase_noise.shared_flicker(one, other, common)
        text = f"{VCOS[first]}, {VCOS[second]}: correlation of their flicker, by devices that serve both"
        quantities.append(Quantity(f"shared_{first}_{second}", text, share, ""))
    curves: dict[str, dict[str, Floats]] = {}
    for vco, noise in noise_by_vco.items():
        curves |= _curves(vco, noise)
    names = {vco: list(noise.white_by_device) for vco, noise in noise_by_vco.items()}
    return Measured(tuple(quantities), curves, details={"devices": names}, cpu_s=cpu_s() - began)


def joined(ring: Sensitivity, densities: Mapping[str, Spectrum], common: Collection[str]) -> dict[str, Spectrum]:
    """Return the densities of a ring's devices where those of the names `common` are joined with another ring's.

    Of two joined devices each moves both rings, by half the amplitude that it would move its own alone: together half
    the power, and all of it in both rings alike.
    """
    factors = {device.path: 0.5 if device_name(device.path) in common else 1.0 for device in ring.devices}
    return {
        path: Spectrum(one.frequency_Hz, factors[path] * one.white, factors[path] * one.flicker)
        for path, one in densities.items()
    }


def noise_of(
    ring: Sensitivity, densities: Mapping[str, Spectrum], drivers: Sequence[Mapping[str, Spectrum]] = ()
) -> tuple[VcoNoise, float]:
    """Return the phase noise of a VCO, and the exponent of its flicker: S_y(f) = h/f^exponent.

    densities: one-sided, A²/Hz, by path of the ring's devices, [frequency, phase]. drivers: of the currents that the
    elements around it send into the bias node, [frequency], in each of the states that these take in turn, as long in
    one as in another. The interval of the white noise: half the difference between the charges of one sign and those
    of the other, which meet the ring at other phases, either way.
    """
    names = [device_name(device.path) for device in ring.devices]
    rows = [ring.of_device(device) for device in ring.devices]
    frequency_Hz = densities[ring.devices[0].path].frequency_Hz
    white = [densities[device.path].white[0] for device in ring.devices]
    flicker = [densities[device.path].flicker * frequency_Hz[:, None] for device in ring.devices]
    at_bias = ring.of_node("ib")
    for path in drivers[0] if drivers else ():
        # A flicker is one noise, switched on and off: of its amplitude the mean counts, not of its power.
        amplitude = np.mean([np.sqrt(state[path].flicker * frequency_Hz) for state in drivers], axis=0)
        names.append(device_name(path))
        rows.append(at_bias)
        white.append(np.full_like(at_bias, np.mean([state[path].white[0] for state in drivers])))
        flicker.append(np.outer(amplitude**2, np.ones_like(at_bias)))
    phase_rad_per_C, white_A2_per_Hz, flicker_A2 = np.stack(rows), np.stack(white), np.stack(flicker)
    diffusion = phase_noise.white_diffusion(phase_rad_per_C, white_A2_per_Hz)
    halves = [
        float(phase_noise.white_diffusion(phase_rad_per_C[:, k::2], white_A2_per_Hz[:, k::2]).sum()) for k in (0, 1)
    ]
    by_frequency = np.stack(
        [
            phase_noise.flicker_coefficient(phase_rad_per_C, flicker_A2[:, k], ring.f_Hz)
            for k in range(len(frequency_Hz))
        ]
    )
    h = phase_noise.over_band(frequency_Hz, by_frequency, SLOWEST_Hz, FASTEST_Hz)
    total, wide = float(diffusion.sum()), abs(halves[0] - halves[1]) / 2
    noise = VcoNoise(
        f0_Hz=ring.f_Hz,
        white_rad2_per_s=total,
        low_rad2_per_s=total - wide,
        high_rad2_per_s=total + wide,
        flicker=float(h.sum()),
        corner_Hz=phase_noise.corner_Hz(total, float(h.sum()), ring.f_Hz),
        white_by_device=dict(zip(names, diffusion.tolist(), strict=True)),
        flicker_by_device=dict(zip(names, h.tolist(), strict=True)),
    )
    if noise.flicker == 0:  # a card without flicker
        return noise, nan
    decades = log10(frequency_Hz[-1] / frequency_Hz[0])
    return noise, 1.0 - log10(by_frequency[-1].sum() / by_frequency[0].sum()) / decades


def drivers(bench: Bench, vco: str) -> list[str]:
    """Return what drives the bias node of VCO2 or VCO4, in each of the states that it takes in lock for as long."""
    parts, high_V = bench.installed.process.components_at(bench.condition.corner), bench.supply_V
    if vco == "vco2":
        values = f"r1={number(parts.r1_Ohm)} c1={number(parts.c_F)} r2={number(parts.r2_Ohm)}"
        return [f"Vup up 0 {number(high_V / 2)}\nxfilter up vc ib loop_filter {values}"]
    cell = f"Vdd vdd 0 {number(high_V)}\nxup up ib vdd up_switch r4={number(parts.r4_Ohm)}"
    return [f"Vup up 0 {number(up_V)}\n{cell}" for up_V in (0.0, high_V)]


def at_bias_node(bench: Bench, ring: Sensitivity, body: str) -> dict[str, Spectrum]:
    """Return the density of the current that each element of `body` sends into its node ib, held as in the ring."""
    held_V = float(ring.node_V[ring.nodes.index("ib")].mean())
    lines = f"{body}\nVib ib 0 {number(held_V)}\nFout 0 out Vib 1\nRout out 0 1.0 noisy=0"
    spectra = noise_by_element(bench.installed, bench.condition, lines, timeout_s=TIMEOUT_s)
    return {path: spectrum for path, spectrum in spectra.items() if path}


def _quantities(vco: str, noise: VcoNoise, exponent: float) -> list[Quantity]:
    which, omega = VCOS[vco], 2 * pi * noise.f0_Hz
    walked_rad, grown_rad = (sqrt(noise.white_rad2_per_s * span_s) for span_s in (WALK_s, INFERENCE_s))
    wandered = sqrt(noise.flicker * variance_over_h(TRIM_TIME_s, SINCE_TRIM_s, INFERENCE_s))
    inference = f"{1e9 * INFERENCE_s:g} ns"
    return [
        Quantity(f"f0_{vco}", f"{which}: frequency of the ring", noise.f0_Hz, "Hz"),
        Quantity(
            f"white_{vco}", f"{which}: phase variance per second by white noise", noise.white_rad2_per_s, "rad²/s"
        ),
        Quantity(f"low_{vco}", "its numerical interval, from", noise.low_rad2_per_s, "rad²/s"),
        Quantity(f"high_{vco}", "to", noise.high_rad2_per_s, "rad²/s"),
        Quantity(
            f"spot_{vco}",
            f"{which}: single-sideband phase noise at {SPOT_Hz / 1e6:g} MHz, flicker included",
            phase_noise.single_sideband_dBc(noise.white_rad2_per_s, noise.flicker, noise.f0_Hz, SPOT_Hz),
            "dBc/Hz",
        ),
        Quantity(f"walk_{vco}", f"{which}: rms phase that it walks in {1e9 * WALK_s:g} ns", walked_rad, "rad"),
        Quantity(f"jitter_{vco}", f"{which}: rms jitter by white noise after {inference}", grown_rad / omega, "s"),
        Quantity(f"flicker_{vco}", f"{which}: h of the flicker, S_y(f) = h/f", noise.flicker, ""),
        Quantity(f"exponent_{vco}", f"{which}: exponent of the flicker's spectrum", exponent, ""),
        Quantity(f"corner_{vco}", f"{which}: corner between flicker and white noise", noise.corner_Hz, "Hz"),
        Quantity(
            f"wander_{vco}",
            f"{which}: σ of the frequency by flicker, {SLOWEST_Hz:g} Hz … {FASTEST_Hz / 1e6:g} MHz, relative",
            noise.wander,
            "",
        ),
        Quantity(
            f"offset_{vco}",
            f"{which}: σ of the frequency in an inference by flicker, {SINCE_TRIM_s:g} s after a trim of "
            f"{1e6 * TRIM_TIME_s:g} µs, relative",
            wandered,
            "",
        ),
        Quantity(
            f"flicker_jitter_{vco}", f"{which}: rms jitter by that after {inference}", wandered * INFERENCE_s, "s"
        ),
    ]


def _ring_quantities(
    vco: str, ring: Sensitivity, noise: VcoNoise, power_W: float, temperature_C: float
) -> list[Quantity]:
    """Return what tells a right result from a wrong one: the tuning gain found twice, and textbook limits."""
    which, diode = VCOS[vco], float(ring.of_node("ib").mean()) / (2 * pi)
    abidi, navid = (
        phase_noise.least_diffusion(ring.f_Hz, power_W, temperature_C + zero_Celsius, limit)
        for limit in (phase_noise.ABIDI, phase_noise.NAVID)
    )
    ratio = noise.white_rad2_per_s / abidi
    return [
        Quantity(
            f"gain_ratio_{vco}",
            f"{which}: tuning gain by charges over that by counting",
            diode / ring.gain_Hz_per_A,
            "",
        ),
        Quantity(f"power_{vco}", f"{which}: power of the ring with its buffer, bias current apart", power_W, "W"),
        Quantity(
            f"abidi_{vco}",
            f"{which}: white noise of inverters of that power (Abidi 2006; Hajimiri et al. 1999)",
            abidi,
            "rad²/s",
        ),
        Quantity(f"over_abidi_{vco}", "measured white noise over that", ratio, ""),
        Quantity(
            f"over_navid_{vco}",
            "measured white noise over the limit of Navid, Lee, Dutton 2005",
            noise.white_rad2_per_s / navid,
            "",
        ),
    ]


def _curves(vco: str, noise: VcoNoise) -> dict[str, dict[str, Floats]]:
    """Return the budget by device and the spectrum of the relative frequency."""
    white = phase_noise.white_density(noise.white_rad2_per_s, noise.f0_Hz)
    return {
        f"budget_{vco}": {
            "white_rad2_per_s": np.array(list(noise.white_by_device.values())),
            "flicker": np.array(list(noise.flicker_by_device.values())),
        },
        f"spectrum_{vco}": {
            "frequency_Hz": SPECTRUM_Hz,
            "white_per_Hz": np.full_like(SPECTRUM_Hz, white),
            "flicker_per_Hz": noise.flicker / SPECTRUM_Hz,
        },
    }
