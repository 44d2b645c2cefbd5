"""Chips of a Monte Carlo run: the same circuit with mismatch drawn for each, and each trimmed as a user would."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from neurocircuit.characterize import trim
from neurocircuit.characterize.request import Request
from neurocircuit.characterize.stored import trim_from_dict, trim_to_dict
from neurocircuit.characterize.trimming import DEFAULT_RESOLUTION, TrimResult
from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.files import write_atomically
from neurocircuit.spec import Circuit, NeuronSpec
from neurocircuit.spice import ngspice
from neurocircuit.spice.mismatch import shifts_of
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor import circuit_of
from neurocircuit.sweep.conditions import cache_of

_STREAM = 3  # spawn key of the chips' seeds, apart from draws, phase noise and bootstrap


@dataclass(frozen=True)
class Chips:
    """What came of the chips of a Monte Carlo run: those that trim, and why the others do not, by their names."""

    trimmed: tuple[NeuronSpec, ...]
    lost: dict[str, str]


def chips(spec: NeuronSpec, count: int, seed: int) -> Chips:
    """`count` chips of a neuron with transistors: its spec with mismatch, trimmed; chip k depends on (seed, k) alone.

    A chip that cannot be trimmed is a loss of yield: a neuron that does not lock, or fires by itself, is not drawn.
    Raises InputError for a spec without circuit, SimulatorBadOutput when no chip can be trimmed, SimulatorMissing,
    SimulatorTimeout.
    """
    trimmed: list[NeuronSpec] = []
    lost: dict[str, str] = {}
    for chip in drawn(spec, count, seed):
        circuit = circuit_of(chip)
        try:
            found = _trimmed(circuit)
        except SimulatorBadOutput as error:
            lost[chip.name] = ngspice.reason_of(error)
            continue
        measured = {"f1_Hz": found.f1_Hz, "f3_Hz": found.f3_Hz, "lead_rad": found.lead_rad}
        circuit = circuit.replace(bias=found.bias, standing_V=found.standing_V, **measured)
        trimmed.append(chip.replace(circuit=circuit))
    if not trimmed:
        name, reason = next(iter(lost.items()))
        raise SimulatorBadOutput(f"none of {count} chips can be trimmed; {name}: {reason}")
    return Chips(tuple(trimmed), lost)


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
    """Trim of one chip to the frequency of its circuit, from the user's cache where it was done before."""
    asked = Request(circuit.process, (circuit.condition,), ("trim",), DEFAULT_RESOLUTION, 1, circuit.chip_seed or 0)
    begun = hashlib.sha256(json.dumps(circuit.to_dict(), sort_keys=True).encode()).hexdigest()
    path = cache_of(asked).with_suffix(f".{begun[:16]}.trim.json")
    try:
        return trim_from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        shifts, installed = shifts_of(circuit, trim.IDLE_SYNAPSES), load(circuit.process)
    found = trim.trim(installed, circuit.condition, nominal=circuit.bias, f1_Hz=circuit.f1_Hz, mismatch=shifts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(trim_to_dict(found)) + "\n")
    return found
