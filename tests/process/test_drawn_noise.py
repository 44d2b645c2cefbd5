"""Noise drawn at the devices of a whole neuron: its densities by charges, its nodes in the deck, its seeds."""

import shutil
from dataclasses import replace
from math import pi

import numpy as np
import pytest
from scipy.constants import Boltzmann

from neurocircuit.core.arrays import Floats
from neurocircuit.process.drawn_noise import Draw, RingNoise, noise_lines
from neurocircuit.process.phase_noise import flicker_coefficient
from neurocircuit.spec import Circuit
from neurocircuit.spice.devices import listing
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor_deck import Input, compose_neuron
from tests.studies.sweep.fake_transistor import make_circuit

F_Hz, PHASES = 750e6, 22
TURNS = np.arange(PHASES) / PHASES
WALKS = 12  # of 190 ns: their 850 increments tell D to 5 %
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def ring(sensitivity: Floats | None = None) -> RingNoise:
    """A ring whose devices are a bias diode and a tail between inner nodes, noisy for part of the period."""
    gain = np.full(PHASES, 2 * pi * 45e12)
    tail = 6e14 * np.sin(2 * pi * TURNS) + 1e14 * np.cos(6 * pi * TURNS)
    phases = np.stack([gain, tail]) if sensitivity is None else sensitivity
    white = np.stack([np.full(PHASES, 0.6e-24), 8e-24 * np.sin(2 * pi * TURNS) ** 2])[: len(phases)]
    nodes = (("ib", "0"), ("xring.x2.bottom", "xring.n2"))[: len(phases)]
    return RingNoise(F_Hz, 0.3, nodes, white, 3e6 * white, phases)


def drawn(
    rings: list[RingNoise], draw: Draw, seed: int, start_s: float = 0.0, stop_s: float = 190e-9
) -> dict[str, Floats]:
    """The sources of a neuron's deck by node, [corner], and the corners under "time"; all rings start at start_s."""
    edges_s = start_s + np.arange(200) / F_Hz
    text = noise_lines(rings, make_circuit(), [edges_s] * 4, stop_s, draw, np.random.default_rng(seed))
    sources = {}
    for block in text.split("Inoise")[1:]:
        head, _, terms = block.partition("pwl(")
        values = np.array([float(value) for value in terms.replace("+ ", " ").replace(")", "").split()])
        sources[head.split()[2]] = values[1::2]
        sources["time"] = values[::2]
    return sources


def phase_rad(sources: dict[str, Floats], noise: RingNoise, vco: int) -> tuple[Floats, Floats]:
    """Times, and the phase by the charges that straight lines between the corners put through the two devices."""
    at_s = np.arange(0.0, sources["time"][-1], 2e-12)
    turns = noise.rise_turns + at_s * F_Hz

    def through(node: str) -> Floats:
        return np.interp(at_s, sources["time"], sources[node])

    rate = np.zeros_like(at_s)
    for node, row in ((f"ib{vco}", 0), (f"xneuron.xvco{vco}.x2.bottom", 1)):
        if node in sources:
            sensitivity = np.interp(turns, TURNS, noise.phase_rad_per_C[row], period=1.0)
            rate -= sensitivity * through(node)
    return at_s, np.cumsum(rate) * 2e-12


def walked(noise: RingNoise, seen: RingNoise) -> float:
    """D of VCO1's phase from increments over two periods, rad²/s: the noise of one ring at the phases of another."""
    moved = []
    for seed in range(WALKS):
        sources = drawn([noise] * 4, Draw(white=True, flicker_over_h=0.0), seed)
        at_s, phase = phase_rad(sources, seen, 1)
        moved.append(np.diff(np.interp(np.arange(0.0, 189e-9, 2 / F_Hz), at_s, phase)))
    return float(np.mean(np.concatenate(moved) ** 2)) / (2 / F_Hz)


def test_charges_walk_by_the_d_of_the_devices() -> None:
    """The tail is noisy where the ring is sensitive to it: a quarter of a turn later D would be another one."""
    noise, within = ring(), 0.16
    truth = noise.white_rad2_per_s
    assert walked(noise, noise) == pytest.approx(truth, rel=within)
    assert abs(4 / 3 - 1) > within  # planted: a density a third too large
    assert abs(walked(noise, replace(noise, rise_turns=noise.rise_turns + 0.25)) / truth - 1) > within


@pytest.mark.parametrize("harmonic", [0, 1, 2, 5])
def test_straight_lines_leave_the_share_of_their_spectrum(harmonic: int) -> None:
    """A ring that answers to one harmonic: sinc⁴ of it, and as much of a slower step."""
    row = np.cos(2 * pi * harmonic * TURNS)[None]
    flat = RingNoise(F_Hz, 0.0, (("ib", "0"),), np.ones((1, PHASES)), np.zeros((1, PHASES)), row)
    for step_s in (20e-12, 60e-12):
        assert flat.share_drawn(step_s) == pytest.approx(np.sinc(harmonic * F_Hz * step_s) ** 4)


def test_flicker_is_held_and_has_the_variance_of_h() -> None:
    """300 events tell a variance to 8 %."""
    noise, over_h = ring(), 40.0
    offsets = []
    for seed in range(300):
        sources = drawn([noise] * 4, Draw(white=False, flicker_over_h=over_h), seed, stop_s=4.2 / F_Hz)
        at_s, phase = phase_rad(sources, noise, 2)
        slopes = np.diff(np.interp(np.arange(4) / F_Hz, at_s, phase)) * F_Hz
        np.testing.assert_allclose(slopes, slopes[0], rtol=0.1, atol=1e5)
        offsets.append(slopes.mean() / (2 * pi * F_Hz))
    h = float(flicker_coefficient(noise.phase_rad_per_C, noise.flicker_A2, F_Hz).sum())
    assert np.var(offsets) == pytest.approx(h * over_h, rel=0.25)
    assert abs(1 / 1.5 - 1) > 0.25  # planted: h half as large again


def test_a_loop_is_given_time_to_follow_the_flicker() -> None:
    """A first-order lag behind an offset that was larger stands at the end of the wait where it would settle."""
    draw = Draw(white=False, flicker_over_h=1.0, settling_s=30e-9, lag_s=20e-9)
    at_s = np.arange(0.0, 60e-9, 1e-12)
    course, lagging = draw.flicker_course(at_s), np.zeros_like(at_s)
    for k in range(1, len(at_s)):
        lagging[k] = lagging[k - 1] + (course[k - 1] - lagging[k - 1]) * 1e-12 / draw.lag_s
    np.testing.assert_allclose(lagging[at_s > 30e-9], 1.0, atol=1e-4)
    assert np.all(Draw(white=False, flicker_over_h=1.0).flicker_course(at_s) == 1.0)


def test_a_ring_that_stands_has_no_noise_and_each_has_its_own() -> None:
    both = Draw(white=True, flicker_over_h=40.0)
    sources = drawn([ring()] * 4, both, 3, start_s=50e-9)
    before = sources["time"] < 50e-9 - 1.01 / F_Hz
    assert np.all(sources["ib3"][before] == 0)
    behind = sources["time"] > 50e-9 - 0.99 / F_Hz
    assert np.all(sources["ib3"][behind] != 0)
    assert abs(np.corrcoef(sources["ib1"][behind], sources["ib3"][behind])[0, 1]) < 0.1
    again, other = drawn([ring()] * 4, both, 3, start_s=50e-9), drawn([ring()] * 4, both, 4, start_s=50e-9)
    assert all(np.array_equal(again[node], sources[node]) for node in sources)
    assert not np.array_equal(other["ib1"], sources["ib1"])


def test_resistors_have_the_noise_of_their_resistance() -> None:
    """R1 alone drives `up`: 4 kT/R, one-sided, so that draws of variance 2 kT/(R step)."""
    draw, parts = Draw(white=True, flicker_over_h=0.0), make_circuit().components
    sources = drawn([ring()] * 4, draw, 5)
    up_A = sources["up"]
    assert np.var(up_A) == pytest.approx(2 * Boltzmann * 300.15 / parts.r1_Ohm / draw.step_s, rel=0.1)
    alone = sources["xneuron.xup.s"]
    assert np.var(alone) == pytest.approx(2 * Boltzmann * 300.15 / parts.r4_Ohm / draw.step_s, rel=0.1)
    assert np.corrcoef(up_A, sources["vc"])[0, 1] == pytest.approx(
        -1 / np.sqrt(1 + parts.r1_Ohm / parts.r2_Ohm), abs=0.08
    )
    assert "up" not in drawn([ring()] * 4, Draw(white=False, flicker_over_h=1.0), 5)


def test_noise_of_a_ring_is_kept_as_json() -> None:
    noise = ring()
    again = RingNoise.from_dict(noise.to_dict())
    assert again.nodes == noise.nodes
    np.testing.assert_array_equal(again.white_A2_per_Hz, noise.white_A2_per_Hz)
    assert again.share_drawn(60e-12) == noise.share_drawn(60e-12)


@needs_ngspice
@pytest.mark.parametrize("process", ["generic65", "generic65_low_noise"])
def test_every_source_sits_on_a_node_of_the_neuron(process: str) -> None:
    """A node that is in no cell would be a new one, and ngspice would say nothing."""
    from neurocircuit.process.bench import Bench
    from neurocircuit.process.impulse_sensitivity import ring_devices

    installed = load(process)
    bench = Bench(installed, installed.condition())
    devices = ring_devices(bench)
    count = len(devices)
    nodes = tuple((device.nodes[0], device.nodes[2]) for device in devices)
    flat = np.ones((count, PHASES))
    noise = RingNoise(F_Hz, 0.0, nodes, 1e-24 * flat, 1e-18 * flat, flat)
    own = installed.process
    circuit = Circuit(
        process=process,
        condition=bench.condition,
        components=own.components,
        bias=own.nominal,
        f1_Hz=own.f1_Hz,
        f3_Hz=own.threshold_vco_ratio * own.f1_Hz,
    )
    edges_s = np.arange(3) / F_Hz
    text = noise_lines([noise] * 4, circuit, [edges_s] * 4, 1e-9, Draw(True, 40.0), np.random.default_rng(0))
    deck = compose_neuron(circuit, [Input()] * 2, stop_s=1e-9, extra="* end", installed=installed)
    known = set(listing(deck, timeout_s=60.0).lower().replace("=", " ").split())
    named = {line.split()[2] for line in text.splitlines() if line.startswith("Inoise")}
    assert {"ib1", "o4", "xneuron.xvco3.vbp", "xneuron.xvco2.x1.mid", "vc", "xneuron.xup.s"} <= named
    assert not named - known
