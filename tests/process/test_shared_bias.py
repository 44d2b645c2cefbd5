"""Two VCOs that share the bias of their PMOS sources: what moves the shared line moves both alike."""

import shutil

import numpy as np
import pytest

from neurocircuit.core.arrays import Floats
from neurocircuit.process import waveforms
from neurocircuit.process.bench import Bench, START_s, step
from neurocircuit.process.impulse_sensitivity import Sensitivity
from neurocircuit.process.measurements.phase_noise import SHARED, joined, noise_of
from neurocircuit.process.phase_noise import shared_flicker
from neurocircuit.spec import Circuit
from neurocircuit.spice.devices import Device
from neurocircuit.spice.noise import Spectrum
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor_deck import compose_neuron, number

PROCESS = "generic65_low_noise"
PULSE_s, WIDTH_s, STOP_s = 6e-9, 1e-10, 20e-9
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def circuit(process: str) -> Circuit:
    installed = load(process)
    nominal = installed.process.nominal
    parts, f1_Hz = installed.process.components, installed.process.f1_Hz
    return Circuit(
        process=process,
        condition=installed.condition(),
        components=parts,
        bias=nominal,
        f1_Hz=f1_Hz,
        f3_Hz=installed.process.threshold_vco_ratio * f1_Hz,
    )


def test_the_lines_of_two_vcos_are_joined_where_the_process_shares_a_bias() -> None:
    joins = [line for line in compose_neuron(circuit(PROCESS), stop_s=1e-9).text.splitlines() if "vbp" in line]
    assert joins == [
        "Vjoined12 xneuron.xvco1.vbp xneuron.xvco2.vbp 0.0",
        "Vjoined34 xneuron.xvco3.vbp xneuron.xvco4.vbp 0.0",
    ]
    assert "vbp" not in compose_neuron(circuit("generic65"), stop_s=1e-9).text


@needs_ngspice
def test_a_charge_on_the_shared_line_moves_both_rings_and_one_on_a_current_node_its_own() -> None:
    installed = load(PROCESS)
    bench, process = Bench(installed, installed.condition()), installed.process
    current = number(process.nominal.vco1_A)
    quarter_s = 0.25 / process.f1_Hz  # as VCO1 and VCO2 stand to each other in lock
    lines = [bench.enable("ena"), step("enb", START_s + quarter_s, 0.0, bench.supply_V)]
    pairs = {
        "clean": ("", True),
        "line": ("xringaline.vbp", True),
        "node": ("ibanode", True),
        "apart": ("xringaapart.vbp", False),
    }
    for name, (node, is_joined) in pairs.items():
        for ring in "ab":
            ib = f"ib{ring}{name}"
            lines += [
                f"I{ring}{name} vdd {ib} {current}",
                f"xring{ring}{name} {ib} en{ring} o{ring}{name} vdd ring_cco",
            ]
        if is_joined:
            lines.append(f"Vjoined{name} xringa{name}.vbp xringb{name}.vbp 0.0")
        if node:
            pulse = f"pulse(0.0 2e-6 {number(PULSE_s)} {number(WIDTH_s)} {number(WIDTH_s)} 1e-9 1.0)"
            lines.append(f"Iq{name} 0 {node} {pulse}")
    saved = [f"v(o{ring}{name})" for name in pairs for ring in "ab"]
    vectors = bench.run("\n".join(lines), saved, STOP_s)

    def moved_rad(ring: str, name: str) -> float:
        edges: list[Floats] = [
            waveforms.edges(vectors["time"], vectors[f"v(o{ring}{which})"], bench.supply_V / 2)
            for which in (name, "clean")
        ]
        at_s = np.linspace(STOP_s - 5e-9, STOP_s - 2e-9, 20)
        return float(np.mean(waveforms.phase_rad(edges[0], at_s) - waveforms.phase_rad(edges[1], at_s)))

    both, other = moved_rad("a", "line"), moved_rad("b", "line")
    assert both < -0.02  # the PMOS sources got less current
    assert other == pytest.approx(both, rel=0.05)
    own = moved_rad("a", "node")
    assert own > 0.05
    assert abs(moved_rad("b", "node")) < 0.02 * own
    assert moved_rad("a", "apart") < 1.5 * both  # one ring's load takes the charge alone
    # A pair that is not joined does not pull as the clean one does: 2 % of the move.
    assert abs(moved_rad("b", "apart")) < 0.05 * abs(both)


def test_of_joined_devices_each_ring_has_half_the_power_and_it_is_common() -> None:
    names = ("m.xring.xdiode.mnmos", "m.xring.xload.mpmos")
    nodes = ("ib", "vbp")
    devices = tuple(
        Device(path, "n", 1e-6, 1e-6, 1.0, (node, "0", "0", "0")) for path, node in zip(names, nodes, strict=True)
    )
    phases = np.full((2, 22), 1e14)
    ring = Sensitivity(1e-5, 600e6, 3e13, devices, nodes, phases, np.zeros((2, 22)))
    frequency_Hz = np.logspace(0, 6, 7)
    flicker = np.outer(1e-18 / frequency_Hz, np.ones(22))
    densities = {path: Spectrum(frequency_Hz, np.full((7, 22), 2e-24), flicker) for path in names}
    alone, _ = noise_of(ring, densities)
    pair, _ = noise_of(ring, joined(ring, densities, SHARED))
    assert pair.white_by_device == pytest.approx({"xdiode": 1e4, "xload": 0.5e4})  # <Γ² S>/2
    assert pair.flicker == pytest.approx(0.75 * alone.flicker)
    budget = pair.flicker_by_device
    assert shared_flicker(budget, budget, SHARED) == pytest.approx(1 / 3)
