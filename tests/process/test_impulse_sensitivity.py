"""The impulse sensitivity of a ring against its tuning gain, textbook limits, and noise drawn in a transient."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.constants import Boltzmann

from neurocircuit.core.arrays import Floats
from neurocircuit.process import waveforms
from neurocircuit.process.bench import SKIPPED_PERIODS, Bench, START_s, ring_lines
from neurocircuit.process.diffusion import diffusion
from neurocircuit.process.impulse_sensitivity import (
    HELD,
    Sensitivity,
    device_densities,
    measure_sensitivity,
    ring_devices,
)
from neurocircuit.process.measurements.phase_noise import at_bias_node, drivers, noise_of
from neurocircuit.results import measurement
from neurocircuit.results.phase_noise import VcoNoise
from neurocircuit.spice.devices import Device
from neurocircuit.spice.noise import Spectrum, noise_by_element
from neurocircuit.spice.process import load
from tests.command_line import PATIENCE_s

CCO = Path(__file__).parents[2] / "reports/published/datasheet-generic65/conditions/tt_27C_1V/cco.json"
GAIN_Hz_per_A, F0_Hz, PHASES = 45e12, 750e6, 22
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def planted_ring(error: float = 0.0) -> Sensitivity:
    """A ring of a bias diode and one tail; error: relative, of opposite sign for charges of the two signs."""
    turns = np.arange(PHASES) / PHASES
    nodes = np.stack([np.full(PHASES, 2 * np.pi * GAIN_Hz_per_A), 4e14 * np.sin(2 * np.pi * turns) + 5e13])
    nodes *= 1 + error * np.where(np.arange(PHASES) % 2, -1.0, 1.0)
    devices = (
        Device("m.xring.xdiode.mnmos", "n", 240e-9, 120e-9, 1.0, ("ib", "ib", "0", "0")),
        Device("m.xring.x2.xns.mnmos", "n", 240e-9, 120e-9, 1.0, ("xring.x2.bottom", "ib", "0", "0")),
    )
    return Sensitivity(1e-5, F0_Hz, GAIN_Hz_per_A, devices, ("ib", "xring.x2.bottom"), nodes, np.zeros((2, PHASES)))


def planted_noise(error: float) -> VcoNoise:
    frequency_Hz = np.logspace(0, 6, 7)
    spectrum = Spectrum(frequency_Hz, np.full((7, PHASES), 1e-24), np.outer(3e-18 / frequency_Hz, np.ones(PHASES)))
    ring = planted_ring(error)
    noise, exponent = noise_of(ring, {device.path: spectrum for device in ring.devices})
    assert exponent == pytest.approx(1.0)
    return noise


def test_the_budget_of_planted_devices_is_known_and_sums_to_the_total() -> None:
    noise = planted_noise(0.0)
    diode, tail = (2 * np.pi * GAIN_Hz_per_A) ** 2 * 0.5e-24, (0.5 * 4e14**2 + 5e13**2) * 0.5e-24
    assert noise.white_by_device == pytest.approx({"xdiode": diode, "x2.xns": tail})
    assert noise.white_rad2_per_s == pytest.approx(diode + tail)
    flicker = {"xdiode": 3e-18 * (GAIN_Hz_per_A / F0_Hz) ** 2, "x2.xns": 3e-18 * (5e13 / (2 * np.pi * F0_Hz)) ** 2}
    assert noise.flicker_by_device == pytest.approx(flicker)
    assert noise.flicker == pytest.approx(sum(flicker.values()))
    white_y = 2 * (diode + tail) / (2 * np.pi * F0_Hz) ** 2
    assert noise.corner_Hz == pytest.approx(noise.flicker / white_y)
    assert noise.wander == pytest.approx(np.sqrt(noise.flicker * np.log(5e6)))
    assert noise.low_rad2_per_s == pytest.approx(noise.high_rad2_per_s)


def test_what_drives_the_bias_node_adds_its_noise_in_proportion_to_the_time_that_it_is_on() -> None:
    """A resistor that a switch connects for half of the time: half its power, and a quarter of its flicker's."""
    frequency_Hz, ring = np.logspace(0, 6, 7), planted_ring()
    of_ring = Spectrum(frequency_Hz, np.full((7, PHASES), 1e-24), np.outer(3e-18 / frequency_Hz, np.ones(PHASES)))
    densities = {device.path: of_ring for device in ring.devices}
    on = {"r.xup.r4": Spectrum(frequency_Hz, np.full(7, 2e-25), 4e-20 / frequency_Hz)}
    off = {"r.xup.r4": Spectrum(frequency_Hz, np.zeros(7), np.zeros(7))}
    alone, (driven, exponent) = planted_noise(0.0), noise_of(ring, densities, [off, on])
    gain2 = (2 * np.pi * GAIN_Hz_per_A) ** 2
    assert exponent == pytest.approx(1.0)
    assert driven.white_by_device["r.xup.r4"] == pytest.approx(gain2 * 1e-25 / 2)
    assert driven.flicker_by_device["r.xup.r4"] == pytest.approx(1e-20 * (GAIN_Hz_per_A / F0_Hz) ** 2)
    assert driven.white_rad2_per_s == pytest.approx(alone.white_rad2_per_s + gain2 * 1e-25 / 2)
    always, _ = noise_of(ring, densities, [on])
    assert always.white_by_device["r.xup.r4"] == pytest.approx(gain2 * 2e-25 / 2)
    assert always.flicker_by_device["r.xup.r4"] == pytest.approx(4 * driven.flicker_by_device["r.xup.r4"])


@needs_ngspice
def test_filter_and_switch_send_the_thermal_noise_of_their_resistors_into_the_bias_node() -> None:
    """In series R1 and R2 are one resistor of their sum; R4 counts while UP is high."""
    bench, ring = Bench(load("generic65"), load("generic65").condition()), planted_ring()
    parts, kT4 = bench.installed.process.components, 4 * Boltzmann * 300.15
    held = replace(ring, node_V=np.full_like(ring.node_V, 0.45))
    (filtering,) = (at_bias_node(bench, held, body) for body in drivers(bench, "vco2"))
    assert set(filtering) == {"r.xfilter.r1", "r.xfilter.r2"}
    total = sum(float(spectrum.white[0]) for spectrum in filtering.values())
    assert total == pytest.approx(kT4 / (parts.r1_Ohm + parts.r2_Ohm), rel=1e-3)
    off, on = (at_bias_node(bench, held, body) for body in drivers(bench, "vco4"))
    assert float(off["r.xup.r4"].white[0]) < 1e-6 * kT4 / parts.r4_Ohm
    assert float(on["r.xup.r4"].white[0]) == pytest.approx(kT4 / parts.r4_Ohm, rel=0.15)


@pytest.mark.parametrize("error", [0.02, -0.05])
def test_the_interval_holds_what_charges_of_one_sign_get_wrong(error: float) -> None:
    noise, truth = planted_noise(error), planted_noise(0.0).white_rad2_per_s
    assert noise.low_rad2_per_s < truth < noise.high_rad2_per_s
    # As wide as that error is, and no wider: D goes with its square.
    assert noise.high_rad2_per_s - noise.low_rad2_per_s == pytest.approx(4 * abs(error) * truth, rel=0.1)


@needs_ngspice
def test_densities_of_held_rings_are_those_of_the_device_alone() -> None:
    installed = load("generic65")
    bench = Bench(installed, installed.condition())
    devices = ring_devices(bench)
    nodes = tuple(dict.fromkeys(node for device in devices for node in device.nodes[::2] if node not in HELD))
    assert {"ib", "xring.vbp", "xring.n1", "xring.x3.top", "o"} < set(nodes)
    node_V = np.tile(np.linspace(0.3, 0.7, len(nodes))[:, None], 2) + np.array([0.0, 0.05])
    ring = Sensitivity(1e-5, F0_Hz, GAIN_Hz_per_A, devices, nodes, np.zeros_like(node_V), node_V)
    densities = device_densities(bench, ring)
    assert set(densities) == {device.path for device in devices}
    device = next(device for device in devices if "x3.xns" in device.path)
    voltages = {node: node_V[nodes.index(node)] for node in nodes} | {"0": np.zeros(2)}
    for k in range(2):
        drain_V, gate_V = (float(voltages[node][k]) for node in device.nodes[:2])
        body = f"Vd d 0 {drain_V!r}\nVg g 0 {gate_V!r}\nx0 d g 0 0 nmos w={{w_tail_n}} l={{l_bias}}\n"
        body += "F0 0 out Vd 1\nRout out 0 1.0 noisy=0"
        alone = noise_by_element(installed, bench.condition, body, timeout_s=PATIENCE_s)["m.x0.mnmos"]
        np.testing.assert_allclose(densities[device.path].white[:, k], alone.white, rtol=1e-6)
        np.testing.assert_allclose(densities[device.path].flicker[:, k], alone.flicker, rtol=1e-6)


@pytest.mark.long
@pytest.mark.xdist_group("transistor")
@needs_ngspice
def test_a_ring_of_generic65_by_charges_and_by_noise_drawn_in_a_transient() -> None:
    """45 s of processor time. The noise is that of the devices, cyclostationary, drawn anew 40 times a period."""
    installed = load("generic65")
    bench, cco = Bench(installed, installed.condition()), measurement.load(CCO)
    ring = measure_sensitivity(bench, cco.value("current"))
    densities = device_densities(bench, ring)
    noise, _ = noise_of(ring, densities)
    # Charges at the current node say what counting says.
    assert float(ring.of_node("ib").mean()) / (2 * np.pi) == pytest.approx(cco.value("gain"), rel=0.02)
    # The diode alone, by the tuning gain: less what its noise at harmonics of f0 adds.
    diode = "m.xring.xdiode.mnmos"
    by_gain = (2 * np.pi * cco.value("gain")) ** 2 * float(densities[diode].white[0].mean()) / 2
    assert 1.0 < noise.white_by_device["xdiode"] / by_gain < 1.3
    # No ring oscillator of this power can do with less (Navid, Lee, Dutton: JSSC 40, 2005): 7.33 kT/P (f0/f)².
    least = (2 * np.pi * ring.f_Hz) ** 2 * 7.33 * Boltzmann * 300.15 / cco.value("power")
    assert least < noise.white_rad2_per_s < 10 * least
    noisy_s, clean_s, expected_rad = drawn(bench, ring, densities, rings=5, periods=30)
    # What was drawn is known, so little chance is left: charges predict how each ring's phase moves over five periods,
    # but for the jitter of single edges, a fifth of that. 30 increments tell the slope to 0.04; three of these.
    phase_rad = -2 * np.pi * ring.f_Hz * (noisy_s - clean_s)
    moved, expected = (np.diff(values[:, ::5], axis=1).ravel() for values in (phase_rad, expected_rad))
    slope = float(moved @ expected / (expected @ expected))
    assert slope == pytest.approx(1.0, abs=0.12)
    assert float(np.corrcoef(moved, expected)[0, 1]) > 0.9
    assert abs(slope / 1.33 - 1.0) > 0.12  # planted: charges that say a third too much
    walk = diffusion(noisy_s, clean_s, 2)
    assert walk.low < noise.white_rad2_per_s < walk.high


def drawn(
    bench: Bench, ring: Sensitivity, densities: dict[str, Spectrum], rings: int, periods: int
) -> tuple[Floats, Floats, Floats]:
    """Edges of noisy rings [ring, edge] and of one without noise [edge]; the phases that charges predict, rad."""
    rng, step_s = np.random.default_rng(7), 1 / (40 * ring.f_Hz)
    stop_s = START_s + (SKIPPED_PERIODS + periods + 2) / ring.f_Hz
    corner_s = np.arange(0.0, stop_s + step_s, step_s)
    first_s = START_s + (SKIPPED_PERIODS + 1) / ring.f_Hz  # phase 0 of the sensitivity
    fine_s = np.arange(0.0, stop_s, step_s / 10)

    def over(values: Floats, at_s: Floats) -> Floats:
        turns = (at_s - first_s) * ring.f_Hz
        return np.interp(turns, np.arange(len(values)) / len(values), values, period=1.0)

    lines, course = [bench.enable(), *ring_lines("", ring.current_A)], []
    for k in range(rings):
        lines += ring_lines(f"{k}", ring.current_A)
        current_A = {node: np.zeros(len(corner_s)) for node in ring.nodes}
        for device in (
            device for device in ring.devices if ".xb" not in device.path
        ):  # the buffer moves edges, no phase
            sigma_A = over(np.sqrt(densities[device.path].white[0] / 2 / step_s), corner_s)
            through_A = sigma_A * rng.standard_normal(len(corner_s))
            for node, sign in zip(device.nodes[::2], (1.0, -1.0), strict=True):
                if node not in HELD:
                    current_A[node] += sign * through_A
        rate = np.zeros(len(fine_s))
        for j, (node, values) in enumerate(current_A.items()):
            name = node.replace("xring.", f"xring{k}.") if node.startswith("xring.") else f"{node}{k}"
            terms = [f"{t:.9e} {i:.9e}" for t, i in zip(corner_s.tolist(), values.tolist(), strict=True)]
            lines += [
                f"In{k}_{j} 0 {name} pwl(",
                *("+ " + " ".join(terms[m : m + 6]) for m in range(0, len(terms), 6)),
                "+ )",
            ]
            rate += over(ring.of_node(node), fine_s) * np.interp(fine_s, corner_s, values)
        course.append(np.cumsum(rate) * (fine_s[1] - fine_s[0]))
    vectors = bench.run("\n".join(lines), ["v(o)", *(f"v(o{k})" for k in range(rings))], stop_s)
    edges = [
        waveforms.edges(vectors["time"], vectors[name], bench.supply_V / 2)[SKIPPED_PERIODS:][: periods + 1]
        for name in ("v(o)", *(f"v(o{k})" for k in range(rings)))
    ]
    expected = np.stack([np.interp(edges[0], fine_s, phases) for phases in course])
    return np.stack(edges[1:]), edges[0], expected - expected[:, :1]
