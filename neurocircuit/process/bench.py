"""Small test benches of single cells: what stands around the cell, and how it is run."""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.process import waveforms
from neurocircuit.process.card_errors import simulate_naming_devices
from neurocircuit.process.ring_tuning import Rings
from neurocircuit.spec import Circuit, Condition
from neurocircuit.spice.devices import DeviceShift
from neurocircuit.spice.process import Installed
from neurocircuit.spice.transistor_deck import MAX_STEP_s, code_lines, compose_bench, number, synapse_subcircuit

TIMEOUT_s = 600.0
START_s = 0.5e-9  # of the enables: the bias nodes have come up from 0 by then
EDGE_s = 20e-12  # of an ideal source
STANDING_s = 4e-6  # idle for so long, a synapse draws less than 1 nA (measured on generic65)
HELD_s = 1e-6  # of a synapse that is held on: its bias lines, 1 uA into 0.3 pF, have come up by then
SKIPPED_PERIODS = 3  # from the enable until a ring is periodic


@dataclass(frozen=True)
class Bench:
    """A process at a condition, and the processor time that its benches took."""

    installed: Installed
    condition: Condition

    @property
    def supply_V(self) -> float:
        """Supply of the condition."""
        return self.condition.supply_V

    def run(
        self,
        body: str,
        saved: Sequence[str],
        stop_s: float,
        step_s: float = MAX_STEP_s,
        mismatch: Mapping[str, DeviceShift] | None = None,
    ) -> dict[str, Floats]:
        """Return the vectors of a deck with these lines around the cells: `saved` and time, each [point].

        The body finds the supply at node vdd, which stands from the first instant; all other nodes start at 0.
        mismatch: shifts by device path. Raise SimulatorError, InputError for devices that are not in the card.
        """
        supply = number(self.supply_V)
        body = f"Vdd vdd 0 {supply}\n.ic v(vdd)={supply}\n{body}"
        names = tuple(saved)
        deck = compose_bench(
            self.installed, self.condition, body, names, stop_s=stop_s, max_step_s=step_s, mismatch=mismatch
        )
        return simulate_naming_devices(deck, self.installed, self.condition, timeout_s=TIMEOUT_s)

    def enable(self, node: str = "en") -> str:
        """Return a source that rises once, START_s after the operating point."""
        return step(node, START_s, 0.0, self.supply_V)

    def rings(self, currents_A: Sequence[float], mismatch: Mapping[str, DeviceShift] | None = None) -> Rings:
        """Free rings at these bias currents, side by side in one run: long enough for 6 periods of the slowest.

        mismatch: of each ring, by device path below the ring's own call (".xa.…").
        """
        level = self.supply_V / 2
        stop_s = START_s + (SKIPPED_PERIODS + 6) * self._period_s(min(currents_A))
        lines = [self.enable()]
        for k, current in enumerate(currents_A):
            lines += ring_lines(f"{k}", current)
        saved = [f"v(o{k})" for k in range(len(currents_A))] + [f"v(ib{k})" for k in range(len(currents_A))]
        shifts = {
            f"m.xring{k}{below}": shift for k in range(len(currents_A)) for below, shift in (mismatch or {}).items()
        }
        vectors = self.run("\n".join(lines), saved, stop_s, mismatch=shifts)
        frequency, bias = [], []
        for k in range(len(currents_A)):
            edge_s = waveforms.edges(vectors["time"], vectors[f"v(o{k})"], level)[SKIPPED_PERIODS:]
            frequency.append(waveforms.frequency_Hz(edge_s) if len(edge_s) > 2 else np.nan)
            bias.append(waveforms.mean_between(vectors["time"], vectors[f"v(ib{k})"], stop_s / 2, stop_s))
        return Rings(np.array(frequency), np.array(bias))

    def standing(self, weight_A: float, vco1_V: float) -> tuple[float, float, float, float]:
        """Voltages of wbn, wbp, and of the nodes between switch and mirror of an idle source and sink, after long idle.

        From zero they come up over microseconds, by subthreshold currents; VCO1 feels each of these currents.
        """
        body = [
            f"Iw vdd wbn {number(weight_A)}",
            "xref wbn wbp vdd weight_reference",
            f"Vib ib 0 {number(vco1_V)}",
            "Vt t 0 0.0",
            synapse_subcircuit(1),
            "xw t 0 0 ib wbp wbn vdd synapse",
        ]
        saved = ("v(wbn)", "v(wbp)", "v(xw.x0.sp)", "v(xw.x0.sn)")
        vectors = self.run("\n".join(body), saved, STANDING_s, STANDING_s / 2000)
        wbn, wbp, source, sink = (float(vectors[name][-1]) for name in saved)
        return wbn, wbp, source, sink

    def weight_currents(
        self, circuit: Circuit, vco1_V: float, codes: Sequence[int], mismatch: Mapping[str, DeviceShift]
    ) -> Floats:
        """Return the currents of synapses into VCO1's node, each held on at its signed code, [synapse], A.

        mismatch: as of the neuron, whose names the synapses and their reference have here.
        """
        bits = circuit.weight_bits
        body = [
            f"Iw vdd wbn {number(circuit.bias.weight_A)}",
            "xref wbn wbp vdd weight_reference",
            f"Vt t 0 {number(self.supply_V)}",
            synapse_subcircuit(bits),
        ]
        for k, code in enumerate(codes):
            lines = code_lines(code, bits, "vdd")
            body += [f"Vib{k} ib{k} 0 {number(vco1_V)}", f"xw{k} t {lines} ib{k} wbp wbn vdd synapse"]
        here = ("m.xref.", *(f"m.xw{k}." for k in range(len(codes))))
        shifts_here = {path: shift for path, shift in mismatch.items() if path.startswith(here)}
        saved = [f"i(vib{k})" for k in range(len(codes))]
        vectors = self.run("\n".join(body), saved, HELD_s, HELD_s / 1000, shifts_here)
        return np.array([vectors[name][-1] for name in saved])

    def _period_s(self, current_A: float) -> float:
        """Return a generous guess of a ring's period: the nominal one, longer for less current, and half again."""
        process = self.installed.process
        return 1.4 / process.f1_Hz * max(1.0, process.nominal.vco1_A / current_A)


def ring_lines(tag: str, current_A: float, supply: str = "vdd") -> list[str]:
    """Return a ring on the nodes `supply` and en; its name and its nodes ib and o end with `tag`.

    Its bias current is an ideal one, from vdd.
    """
    return [f"Ib{tag} vdd ib{tag} {number(current_A)}", f"xring{tag} ib{tag} en o{tag} {supply} ring_cco"]


def step(node: str, at_s: float, before_V: float, after_V: float) -> str:
    """Return a voltage source that changes once."""
    before, after = number(before_V), number(after_V)
    return f"V{node} {node} 0 pwl(0.0 {before} {number(at_s)} {before} {number(at_s + EDGE_s)} {after})"


def cpu_s() -> float:
    """Return the processor time of the ended children of this process, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
