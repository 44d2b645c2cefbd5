"""Every transistor of a deck by its path in ngspice, and shifting single ones of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.spice import ngspice
from neurocircuit.spice.control_deck import TransistorDeck

_LISTING = "devices.txt"
_LISTED = re.compile(r"\s*\d+ : (m\.\S+)\s+((?:\S+\s+){4})\S+\s+(.*)")
_VALUE = re.compile(r"\b(w|l|m)\s*=\s*([-+.\deE]+)")
_WRAPPER = re.compile(r"\.[mx]([np])mos\b")  # the element inside our wrapper tells the polarity


@dataclass(frozen=True)
class Device:
    """One MOSFET: its path in ngspice, as in `@path[parameter]`, and its drawn size; m: fingers in parallel.

    nodes: of drain, gate, source and bulk.
    """

    path: str
    polarity: Literal["n", "p"]
    w_m: float
    l_m: float
    m: float
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeviceShift:
    """Deviation of one device: of its threshold in V (|Vth| rises), and of its current factor, relative."""

    vth_V: float = 0.0
    beta: float = 0.0


def devices(deck: TransistorDeck, *, timeout_s: float = 30.0) -> tuple[Device, ...]:
    """Return all transistors of a deck, in ngspice's order; nothing is simulated.

    Raise SimulatorBadOutput when ngspice lists none, SimulatorMissing, SimulatorTimeout.
    """
    devices_of_deck = [
        _device(line[1], line[2], line[3], deck.length_unit_m)
        for line in map(_LISTED.fullmatch, listing(deck, timeout_s=timeout_s).splitlines())
        if line
    ]
    if not devices_of_deck:
        raise SimulatorBadOutput("ngspice lists no transistor of this deck")
    return tuple(devices_of_deck)


def listing(deck: TransistorDeck, *, timeout_s: float) -> str:
    """Return a deck as ngspice expands it, its subcircuits flat and every expression a number; nothing is simulated.

    Raise SimulatorBadOutput, SimulatorMissing, SimulatorTimeout.
    """
    circuit = deck.text.rpartition(".control\n")[0]  # a first one may load compiled models
    return ngspice.written(
        f"{circuit}.control\nlisting expand > {_LISTING}\nquit 0\n.endc\n.end\n",
        _LISTING,
        timeout_s=timeout_s,
        files=deck.files,
        links=deck.links,
        variables=deck.variables,
    )


def alterations(mismatch: Mapping[str, DeviceShift]) -> list[str]:
    """Return the control lines that shift devices before the first run.

    delvto adds to the signed threshold, so that a negative one raises |Vth| of a PMOS; what a corner has put there
    stays. mulu0 scales the mobility.
    """
    lines = []
    for path, shift in mismatch.items():
        sign = 1.0 if _polarity(path) == "n" else -1.0
        lines.append(f"alter @{path}[delvto]=@{path}[delvto]+({sign * float(shift.vth_V)!r})")
        lines.append(f"alter @{path}[mulu0]={1.0 + float(shift.beta)!r}")
    return lines


def _device(path: str, nodes: str, parameters: str, length_unit_m: float) -> Device:
    values = {name: float(text) for name, text in _VALUE.findall(parameters)}
    if not {"w", "l"} <= values.keys():
        raise SimulatorBadOutput(f"ngspice lists {path} without w and l")
    w_m, l_m = values["w"] * length_unit_m, values["l"] * length_unit_m
    return Device(path, _polarity(path), w_m, l_m, values.get("m", 1.0), tuple(nodes.split()))


def _polarity(path: str) -> Literal["n", "p"]:
    wrapper = _WRAPPER.search(path)
    if wrapper is None:
        raise SimulatorBadOutput(
            f"{path} is not inside a wrapper nmos or pmos, by which devices are known one by one; a cell of the user's "
            "own has to call them for that"
        )
    return "n" if wrapper[1] == "n" else "p"
