"""Locked, armed states of a transistor neuron, from which every evaluation starts; made once, kept on disk.

One run from power-up to lock, then from there one short run for each state, armed at another phase of VCO1: arming is
not synchronised to the oscillators, and VCO3 starts with it. The states are spread evenly over a turn of VCO1.
"""

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import platformdirs

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import write_atomically
from neurocircuit.core.taskstore import key_of
from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.spec import Circuit
from neurocircuit.spice import ngspice, transistor_run
from neurocircuit.spice.devices import DeviceShift
from neurocircuit.spice.mismatch import shifts_of
from neurocircuit.spice.phases import rising_edges, steady
from neurocircuit.spice.transistor_deck import (
    Input,
    State,
    TransistorDeck,
    Window,
    code_lines,
    compose_neuron,
    number,
)

STATES = 4  # at f3 = 1.25 f1 these and the four values of the beat put VCO3 within π/16 of any wanted phase
_ARM_PERIODS = 5.5  # of VCO1 from arming to the saved state: VCO3 and VCO4 have started and show three periods
_LATER = Window(math.inf, math.inf)
_WATCHED = ("v(o1)", "v(o3)", "v(o4)", "v(en3)")


@dataclass(frozen=True)
class Armed:
    """A saved state, and the arming before it.

    armed_rad: phases of VCO1 and VCO3 at the instant armed_s at which VCO4 starts, that is at which the membrane
    begins to integrate; saved_rad: phases at state.time_s.
    """

    state: State
    armed_s: float
    armed_rad: tuple[float, float]
    saved_rad: tuple[float, float]


@dataclass(frozen=True)
class SavedStates:
    """All states of a circuit with a number of synapses, and the frequencies measured on them."""

    armed: tuple[Armed, ...]
    f1_Hz: float
    f3_Hz: float

    @property
    def saved_rad(self) -> Floats:
        """Phases of VCO1 and VCO3 when saved, [state, 2]."""
        return np.array([state.saved_rad for state in self.armed])


@functools.lru_cache(maxsize=64)
def saved_states(circuit: Circuit, inputs: int, timeout_s: float, windowed: bool = False) -> SavedStates:
    """Return the states of a circuit, from the user's cache directory where this code made them, else by simulation.

    windowed: of the neuron with a readout window, of any form, which has not opened yet.

    Raise SimulatorMissing, SimulatorTimeout; SimulatorBadOutput where an oscillator does not start or run.
    """
    mismatch = shifts_of(circuit, inputs)
    window = _LATER if windowed else None
    lock = lock_deck(circuit, inputs, mismatch, window)
    key = key_of({"states": STATES, "ngspice": ngspice.version().number, "deck": lock.identity})
    path = Path(platformdirs.user_cache_dir("neurocircuit")) / "states" / f"{key[:32]}.json"
    states = _read(path)
    if states is None:
        states = _simulate(circuit, inputs, lock, mismatch, timeout_s, window)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(asdict(states)) + "\n")
        except (OSError, InputError):  # a cache that cannot be written costs time only
            return states
    return states


def idle(circuit: Circuit, inputs: int, from_power_up: bool = False) -> str:
    """Return the circuit's synapses beyond the inputs as one in parallel: a third of the time of six apart.

    Idle ones count: their leakage moves the lock point, their capacitance the jumps of the others.
    """
    count = circuit.synapses - inputs
    if count <= 0:
        return ""
    codes = code_lines(0, circuit.weight_bits, "vdd_synapse")
    lines = ["Vtidle tidle 0 0.0", f"xidle tidle {codes} ib1 wbp wbn vdd_synapse synapse copies={count}"]
    if from_power_up and circuit.standing_V:
        supply_V, (source_V, sink_V) = circuit.condition.supply_V, circuit.standing_V[2:]
        volts = {"sp": source_V, "sn": sink_V, "gp": supply_V, "gm": supply_V}
        for bit in range(circuit.weight_bits):
            lines += [f".ic v(xidle.x{bit}.{node})={number(value)}" for node, value in volts.items()]
    return "\n".join(lines)


def lock_deck(
    circuit: Circuit,
    inputs: int,
    mismatch: Mapping[str, DeviceShift] | None = None,
    window: Window | None = None,
) -> TransistorDeck:
    """Return a run from power-up to lock, which saves the state at circuit.arming_s; arguments as of `saved_states`."""
    return compose_neuron(
        circuit,
        [Input()] * inputs,
        stop_s=circuit.arming_s,
        arm_s=(),
        saved=_WATCHED,
        save_state_at_s=circuit.arming_s,
        extra=idle(circuit, inputs, from_power_up=True),
        mismatch=mismatch,
        window=window,
    )


def _simulate(
    circuit: Circuit,
    inputs: int,
    lock: TransistorDeck,
    mismatch: Mapping[str, DeviceShift],
    timeout_s: float,
    window: Window | None,
) -> SavedStates:
    locked = transistor_run.simulate(lock, timeout_s=timeout_s)
    made = [
        _arm(
            circuit,
            [Input()] * inputs,
            locked,
            (1.0 + k / STATES) / circuit.f1_Hz,
            mismatch,
            timeout_s,
            window,
        )
        for k in range(STATES)
    ]
    f1_Hz, f3_Hz = (float(np.mean([frequencies[k] for _, frequencies in made])) for k in range(2))
    return SavedStates(tuple(armed for armed, _ in made), f1_Hz, f3_Hz)


def _arm(
    circuit: Circuit,
    inputs: list[Input],
    locked: transistor_run.Outcome,
    later_s: float,
    mismatch: Mapping[str, DeviceShift],
    timeout_s: float,
    window: Window | None,
) -> tuple[Armed, tuple[float, float]]:
    """From lock to a saved state armed later_s after it, and the frequencies of VCO1 and VCO3 in that run."""
    arm_s = circuit.arming_s + later_s
    deck = compose_neuron(
        circuit,
        inputs,
        stop_s=math.inf,
        arm_s=arm_s,
        saved=_WATCHED,
        start=locked.state,
        save_state_at_s=arm_s + _ARM_PERIODS / circuit.f1_Hz,
        extra=idle(circuit, len(inputs)),
        mismatch=mismatch,
        window=window,
    )
    ran = transistor_run.simulate(deck, timeout_s=timeout_s)
    if ran.state is None:
        raise SimulatorBadOutput("ngspice saved no state")
    half_V = circuit.condition.supply_V / 2
    edges = {name: rising_edges(ran.vectors["time"], ran.vectors[name], half_V) for name in _WATCHED}
    # The first period of a ring that has just been enabled is not yet its later one.
    f1_Hz, begin1_s = steady(edges["v(o1)"][1:], 5, "VCO1 in lock")
    f3_Hz, begin3_s = steady(edges["v(o3)"][1:], 3, "VCO3 after arming")
    steady(edges["v(o4)"], 2, "VCO4 after arming")
    start4_s = float(edges["v(en3)"][-1] + edges["v(o4)"][0] - edges["v(o3)"][0])

    def phases(at_s: float) -> tuple[float, float]:
        turns = f1_Hz * (at_s - begin1_s), f3_Hz * (at_s - begin3_s)
        return 2 * math.pi * (turns[0] % 1.0), 2 * math.pi * (turns[1] % 1.0)

    return Armed(ran.state, start4_s, phases(start4_s), phases(ran.state.time_s)), (f1_Hz, f3_Hz)


def _read(path: Path) -> SavedStates | None:
    """Return the kept states; None where there are none or the file is damaged: they are made anew then."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        armed = tuple(
            Armed(
                State(**(entry["state"] | {"start_rad": tuple(entry["state"]["start_rad"])})),
                entry["armed_s"],
                tuple(entry["armed_rad"]),
                tuple(entry["saved_rad"]),
            )
            for entry in values["armed"]
        )
        return SavedStates(armed, values["f1_Hz"], values["f3_Hz"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
