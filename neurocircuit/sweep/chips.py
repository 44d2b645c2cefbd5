"""Chips of a Monte Carlo run: the same circuit with mismatch drawn for each, and each trimmed as a user would."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from neurocircuit.characterize import trim
from neurocircuit.characterize.bench import Bench, TIMEOUT_s
from neurocircuit.characterize.request import Request
from neurocircuit.characterize.stored import trim_from_dict, trim_to_dict
from neurocircuit.characterize.trimming import DEFAULT_RESOLUTION, TrimResult
from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.files import write_atomically
from neurocircuit.record import Floats
from neurocircuit.spec import Bias, Circuit, NeuronSpec
from neurocircuit.spice.devices import DeviceShift
from neurocircuit.spice.mismatch import shifts_of
from neurocircuit.spice.process import Installed, load
from neurocircuit.spice.transistor import circuit_of
from neurocircuit.spice.transistor_deck import MAX_STEP_s, compose_bench, number
from neurocircuit.spice.transistor_run import simulate
from neurocircuit.sweep.conditions import cache_of

_STREAM = 3  # spawn key of the chips' seeds, apart from draws, phase noise and bootstrap
_COUNTS = 3
UNTRIMMED = "untrimmed"  # in the name of a chip that trim could not bring to lock


def chips(spec: NeuronSpec, count: int, seed: int) -> tuple[NeuronSpec, ...]:
    """`count` chips of a neuron with transistors: its spec with mismatch, trimmed; chip k depends on (seed, k) alone.

    A chip that cannot be trimmed keeps the nominal currents and says so in its name; it is drawn like the others.
    Raises InputError for a spec without circuit, SimulatorMissing, SimulatorTimeout.
    """
    made = []
    for chip in drawn(spec, count, seed):
        circuit = circuit_of(chip)
        try:
            found = _trimmed(circuit)
        except SimulatorBadOutput:
            made.append(chip.replace(name=f"{chip.name} {UNTRIMMED}"))
            continue
        measured = {"f1_Hz": found.f1_Hz, "f3_Hz": found.f3_Hz, "lead_rad": found.lead_rad}
        circuit = circuit.replace(bias=found.bias, standing_V=found.standing_V, **measured)
        made.append(chip.replace(circuit=circuit))
    return tuple(made)


def drawn(spec: NeuronSpec, count: int, seed: int) -> tuple[NeuronSpec, ...]:
    """The chips of `chips` before trim, at the nominal currents: nothing is simulated.

    Raises InputError for a spec without circuit.
    """
    if spec.circuit is None:
        raise InputError("--mc needs a neuron with transistors: give --process, or a --spec with circuit")
    states = [np.random.SeedSequence(seed, spawn_key=(k, _STREAM)).generate_state(1, np.uint32) for k in range(count)]
    return tuple(
        spec.replace(name=f"{spec.name[:40]} chip {k}", circuit=spec.circuit.replace(chip_seed=int(state[0])))
        for k, state in enumerate(states)
    )


def _trimmed(circuit: Circuit) -> TrimResult:
    """Trim of one chip, from the user's cache where it was done before."""
    asked = Request(circuit.process, (circuit.condition,), ("trim",), DEFAULT_RESOLUTION, 1, circuit.chip_seed or 0)
    path = cache_of(asked).with_suffix(".trim.json")
    try:
        return trim_from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        shifts, installed = shifts_of(circuit, trim.IDLE_SYNAPSES), load(circuit.process)
    bias = counted(installed, circuit, shifts)
    found = trim.trim(installed, circuit.condition, nominal=bias, mismatch=shifts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(trim_to_dict(found)) + "\n")
    return found


def counted(installed: Installed, circuit: Circuit, shifts: Mapping[str, DeviceShift]) -> Bias:
    """Currents with which VCO2 runs by VCO1 and VCO4 by VCO3, on this chip as in the nominal circuit.

    The chip's four rings run free and are counted: mismatch of some 10 % is beyond the lock range, and a VCO4 that is
    too fast fires before trim can read it. A secant for VCO2 and one for VCO4.
    """
    rings = ("vco1", "vco2", "vco3", "vco4")
    currents = np.array([getattr(circuit.bias, f"{name}_A") for name in rings])
    nominal = _frequencies(_Rings(installed, circuit.condition), currents)
    chip = _Rings(installed, circuit.condition, _of_rings(shifts))
    found = _frequencies(chip, currents)
    wanted = nominal[[1, 3]] / nominal[[0, 2]] * found[[0, 2]]
    # A compressive ring: its slope lies below f/I, so that the first step falls short and the next ones are secants.
    slope = found[[1, 3]] / currents[[1, 3]]
    for _ in range(_COUNTS):
        step = (wanted - found[[1, 3]]) / slope
        currents[[1, 3]] += step
        before, found = found, _frequencies(chip, currents)
        moved = found[[1, 3]] - before[[1, 3]]
        slope = np.where(np.abs(moved) > 1e-4 * wanted, moved / np.where(step == 0, 1.0, step), slope)
    return circuit.bias.replace(vco2_A=float(currents[1]), vco4_A=float(currents[3]))


@dataclass(frozen=True)
class _Rings(Bench):
    """Rings side by side, each with its own mismatch."""

    mismatch: Mapping[str, DeviceShift] = field(default_factory=dict)

    def run(self, body: str, saved: Sequence[str], stop_s: float, step_s: float = MAX_STEP_s) -> dict[str, Floats]:
        supply = number(self.supply_V)
        body = f"Vdd vdd 0 {supply}\n.ic v(vdd)={supply}\n{body}"
        names = tuple(saved)
        deck = compose_bench(
            self.installed, self.condition, body, names, stop_s=stop_s, max_step_s=step_s, mismatch=self.mismatch
        )
        return simulate(deck, timeout_s=TIMEOUT_s).vectors


def _of_rings(shifts: Mapping[str, DeviceShift]) -> dict[str, DeviceShift]:
    """Deviations of VCO1 … VCO4 under the names of the bench's rings."""
    found = {}
    for path, shift in shifts.items():
        if mark := re.search(r"\.xneuron\.xvco([1-4])\.", path):
            found[path.replace(mark[0], f".xring{int(mark[1]) - 1}.")] = shift
    return found


def _frequencies(bench: Bench, currents_A: Floats) -> Floats:
    """Frequencies of four free rings, Hz. Raises SimulatorBadOutput where one stands still."""
    found = bench.rings(tuple(float(current) for current in currents_A)).frequency_Hz
    if not np.isfinite(found).all():
        raise SimulatorBadOutput("all four rings of a chip must run at the nominal currents")
    return found
