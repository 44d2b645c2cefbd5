"""Impulse sensitivity of a ring: the phase that a charge on each of its nodes leaves, and the devices' noise there.

A transient holds a ring that is left alone, and one for each of some nodes, into which short charges of alternating
sign flow, one every 2 + 1/PHASES periods: each meets the ring at another phase, and the edges of the second period
after it tell by how much it has moved the phase for good. All rings share their time steps, so errors of these cancel.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import waveforms
from neurocircuit.process.bench import SKIPPED_PERIODS, Bench, START_s, TIMEOUT_s, ring_lines
from neurocircuit.spice.devices import Device, devices
from neurocircuit.spice.noise import Spectrum, noise_by_element
from neurocircuit.spice.transistor_deck import compose_bench, number

PHASES = 22  # each half, the charges of one sign, meets 11: no multiple of the five stages
PERIODS_BETWEEN = 2
SHIFT_rad = 0.015  # that the charge makes at the current node; the most that any node makes is some twice that
NODES_AT_ONCE = 7  # in one run: a tenth of a minute of processor time
WIDTH_turns = 0.01  # from the begin of a charge to the peak of its triangular current
HELD = ("0", "vdd", "en")  # nodes of the bench that a voltage source holds
_BODY = re.compile(r"\.[mx][np]mos\b.*")  # what stands inside the wrapper of a device


@dataclass(frozen=True)
class Sensitivity:
    """A ring at a bias current: its devices, its nodes, and both over one period.

    gain_Hz_per_A: tuning gain, counted at nearby currents. phase_rad_per_C, node_V: [node, phase], at the same phases.
    rise_turns: phase at which the output rises.
    """

    current_A: float
    f_Hz: float
    gain_Hz_per_A: float
    devices: tuple[Device, ...]
    nodes: tuple[str, ...]
    phase_rad_per_C: Floats
    node_V: Floats
    rise_turns: float = 0.0

    def of_device(self, device: Device) -> Floats:
        """Return the phase for a charge through a device, from drain to source, rad/C [phase]."""
        drain, _, source, _ = device.nodes
        return self.of_node(drain) - self.of_node(source)

    def of_node(self, node: str) -> Floats:
        """Return the phase for a charge on a node, rad/C [phase]; 0 where a source holds the node."""
        if node in HELD:
            return np.zeros(self.phase_rad_per_C.shape[1])
        return np.asarray(self.phase_rad_per_C[self.nodes.index(node)])


def measure_sensitivity(bench: Bench, current_A: float) -> Sensitivity:
    """Return the impulse sensitivity of a free ring at a bias current. Raise SimulatorError."""
    frequency_Hz = bench.rings([0.95 * current_A, current_A, 1.05 * current_A]).frequency_Hz
    if not np.all(np.isfinite(frequency_Hz)):
        raise SimulatorBadOutput(f"the ring does not run near {1e6 * current_A:.4g} uA")
    gain, f_Hz = float((frequency_Hz[2] - frequency_Hz[0]) / (0.1 * current_A)), float(frequency_Hz[1])
    all_devices = ring_devices(bench)
    nodes = tuple(dict.fromkeys(node for device in all_devices for node in device.nodes[::2] if node not in HELD))
    charge_C = SHIFT_rad / (2 * np.pi * gain)
    between_s = (PERIODS_BETWEEN + 1 / PHASES) / f_Hz
    at_s = np.asarray(START_s + (SKIPPED_PERIODS + 1) / f_Hz + between_s * np.arange(PHASES), dtype=np.float64)
    charges_C = np.where(np.arange(PHASES) % 2, -charge_C, charge_C)
    shifts_rad, voltages_V = [], []
    for group in (nodes[k : k + NODES_AT_ONCE] for k in range(0, len(nodes), NODES_AT_ONCE)):
        lines = [bench.enable(), *ring_lines("", current_A)]
        for k, node in enumerate(group):
            lines += [*ring_lines(f"{k}", current_A), *_charges(k, node, at_s, charges_C, WIDTH_turns / f_Hz)]
        outputs = [f"v(o{k})" for k in range(len(group))]
        saved = dict.fromkeys(["v(o)", *(f"v({node})" for node in group), *outputs])
        vectors = bench.run("\n".join(lines), list(saved), float(at_s[-1]) + between_s)
        shifts_rad += [_shifts(vectors, output, at_s, between_s, f_Hz, bench.supply_V / 2) for output in outputs]
        voltages_V += [np.interp(at_s, vectors["time"], vectors[f"v({node})"]) for node in group]
    phase_rad_per_C = np.stack(shifts_rad) / charges_C
    clean_s = waveforms.edges(vectors["time"], vectors["v(o)"], bench.supply_V / 2)
    rise_turns = float(f_Hz * (clean_s[SKIPPED_PERIODS + 1] - at_s[0]) % 1.0)
    return Sensitivity(current_A, f_Hz, gain, all_devices, nodes, phase_rad_per_C, np.stack(voltages_V), rise_turns)


def device_densities(bench: Bench, ring: Sensitivity) -> Mapping[str, Spectrum]:
    """Return the one-sided densities of each device's current, A²/Hz, by path, [frequency, phase].

    A ring stands for each phase, with all its nodes held at their voltages of that phase: a noise current then flows
    into the sources of its two nodes and nowhere else. What these carry is summed with a weight for each node, so that
    the weights of drain and source, which differ, tell the density apart from the sum's.
    """
    weights = {node: float(k + 1) for k, node in enumerate(ring.nodes)} | dict.fromkeys(HELD, 0.0)
    count = ring.node_V.shape[1]
    lines = [f"Vdd vdd 0 {number(bench.supply_V)}", f"Ven en 0 {number(bench.supply_V)}", "Rout out 0 1.0 noisy=0"]
    for j in range(count):
        lines += ring_lines(f"{j}", ring.current_A)
        for k, node in enumerate(ring.nodes):
            lines += [
                f"Vh{j}_{k} {_of_copy(node, j)} 0 {number(ring.node_V[k, j])}",
                f"Fh{j}_{k} 0 out Vh{j}_{k} {number(weights[node])}",
            ]
    spectra = noise_by_element(bench.installed, bench.condition, "\n".join(lines), timeout_s=TIMEOUT_s)
    densities = {}
    for device in ring.devices:
        drain, _, source, _ = device.nodes
        gain = (weights[drain] - weights[source]) ** 2
        each = [spectra[device.path.replace("m.xring.", f"m.xring{j}.", 1)] for j in range(count)]
        densities[device.path] = Spectrum(
            each[0].frequency_Hz,
            np.stack([one.white for one in each], axis=1) / gain,
            np.stack([one.flicker for one in each], axis=1) / gain,
        )
    return densities


def ring_devices(bench: Bench) -> tuple[Device, ...]:
    """Return the devices of the ring of `ring_lines("")` that can carry a current between two nodes."""
    body = "\n".join([f"Vdd vdd 0 {number(bench.supply_V)}", bench.enable(), *ring_lines("", 1e-6)])
    listed = devices(compose_bench(bench.installed, bench.condition, body, ("v(o)",), stop_s=1e-9))
    return tuple(device for device in listed if device.nodes[0] != device.nodes[2])


def device_name(path: str) -> str:
    """Return a device of the ring by its place in the cells: "xdiode", "x1.xps"; others with that of their cell."""
    return _BODY.sub("", path.removeprefix("m.").removeprefix("xring."))


def _of_copy(node: str, k: int) -> str:
    """Return a node of the ring `xring` in its copy k."""
    return node.replace("xring.", f"xring{k}.", 1) if node.startswith("xring.") else f"{node}{k}"


def _charges(k: int, node: str, at_s: Floats, charges_C: Floats, width_s: float) -> list[str]:
    """Return triangular currents into a node around these instants, one source each."""
    shape = f"{number(width_s)} {number(width_s)} 1e-16 1.0"
    return [
        f"Iq{k}_{j} 0 {_of_copy(node, k)} pulse(0.0 {number(charge_C / width_s)} {number(t - width_s)} {shape})"
        for j, (t, charge_C) in enumerate(zip(at_s.tolist(), charges_C.tolist(), strict=True))
    ]


def _shifts(
    vectors: Mapping[str, Floats], output: str, at_s: Floats, between_s: float, f_Hz: float, level_V: float
) -> Floats:
    """Return the phase that each charge has left: its last edge before the next charge less its last before, rad."""
    clean_s, moved_s = (waveforms.edges(vectors["time"], vectors[name], level_V) for name in ("v(o)", output))
    if len(clean_s) != len(moved_s):
        raise SimulatorBadOutput("a charge has stopped the ring")
    phase_rad = 2 * np.pi * f_Hz * (clean_s - moved_s)
    width_s = WIDTH_turns / f_Hz
    last = np.searchsorted(clean_s, np.append(at_s, at_s[-1] + between_s) - width_s) - 1
    return np.asarray(np.diff(phase_rad[last]))
