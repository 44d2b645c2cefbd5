"""What is wrong with a process's model card, in a line that names file, model and remedy."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.spec import Condition
from neurocircuit.spice import ngspice
from neurocircuit.spice.process import Installed
from neurocircuit.spice.transistor_deck import TransistorDeck
from neurocircuit.spice.transistor_run import simulate

# What ngspice 39 says of a model or a subcircuit that the card does not have, and (ngspice.py) of a model.
_UNKNOWN_DEVICE = re.compile(r"can't find model|unknown subckt")
_NAMED_MODEL = re.compile(r"can't find model '([^']+)'", re.IGNORECASE)
_NO_SECTION = re.compile(r"library file (\S+), section definition (\S+) not found", re.IGNORECASE)
_MODEL = re.compile(r"\bmodel (\S+): ")
_REFUSED = re.compile(r"mosfet (\S+), model \S+: ([^;]+)")
_PARAMETER = re.compile(r"unrecognized parameter \(([^)]*)\)", re.IGNORECASE)
_LEVELS = re.compile(r"Only MOS device levels (\S+) are supported", re.IGNORECASE)
_TYPE = re.compile(r"Unknown model type ([^\s;]+)", re.IGNORECASE)
_NO_OSDI = re.compile(r"osdi: no such command")
_INCLUDE = re.compile(r"Could not find (?:include|library) file (\S+?)[;\s]")


def simulate_naming_devices(
    deck: TransistorDeck, installed: Installed, condition: Condition, *, timeout_s: float
) -> dict[str, Floats]:
    """Return the vectors of a deck, as `simulate` gives them.

    Raise InputError too, where the fault is the card's: file, model and remedy are named.
    """
    with card_faults(installed, condition):
        return simulate(deck, timeout_s=timeout_s).vectors


@contextmanager
def card_faults(installed: Installed, condition: Condition) -> Iterator[None]:
    """Turn a complaint of ngspice about the process's files into an InputError that names file, model and remedy."""
    try:
        yield
    except SimulatorBadOutput as error:
        if fault := card_fault(str(error), installed):
            raise InputError(f"{where(installed, condition)}: {fault}") from None
        raise


def where(installed: Installed, condition: Condition) -> str:
    """Return the words for a process at a condition that begin a message."""
    return f"process {installed.process.name}, corner {condition.corner}, supply {condition.supply_V:g} V"


def card_fault(complaint: str, installed: Installed) -> str:
    """Return what a complaint of ngspice means for the process's files, "" where it is not about them."""
    if _NO_OSDI.search(complaint):
        names = ", ".join(installed.process.osdi)
        return (
            f"this ngspice ({ngspice.version().number}) cannot load compiled models ({names}); "
            f"name one that was built with --enable-osdi in {ngspice.EXECUTABLE_VARIABLE}"
        )
    if refused := _REFUSED.search(complaint):
        location = installed.library.location_of_model(refused[1], [])
        return (
            f"model {refused[1]}{f' ({location})' if location else ''} does not serve a transistor of this size "
            f"({refused[2].strip()}): xl, lint and wint of the card take too much of sizes.l_min, or of a width"
        )
    if model := _MODEL.search(complaint):
        return _model_fault(model[1], complaint, installed)
    if include := _INCLUDE.search(complaint):
        location = installed.library.location_of_include(include[1])
        return f"{location or 'the card'} includes {include[1]}, which is not there"
    if section := _NO_SECTION.search(complaint):
        return installed.library.section_fault(section[1], section[2])
    if _UNKNOWN_DEVICE.search(complaint):
        devices = installed.process.devices
        return f"the card has no {devices.kind} {' or '.join(_absent_devices(complaint, devices.names))}"
    return ""


def _absent_devices(complaint: str, names: Sequence[str]) -> Sequence[str]:
    """Return those of the process's devices that a complaint names; all where it names none."""
    if named := _NAMED_MODEL.search(complaint):
        return [name for name in names if name.lower() == named[1].lower()] or names
    words = set(re.findall(r"[^\s;,:'\"()]+", complaint.lower()))
    return [name for name in names if name.lower() in words] or names


def _model_fault(name: str, complaint: str, installed: Installed) -> str:
    parameters = _PARAMETER.findall(complaint)
    location = installed.library.location_of_model(name, parameters)
    model = f"model {name}" + (f" ({location})" if location else "")
    if levels := _LEVELS.search(complaint):
        return (
            f"{model} is of a level that this ngspice does not have (it has {levels[1]}); where it is a Verilog-A "
            "model, such as a FinFET's, name its compiled model in osdi of the process file"
        )
    if kind := _TYPE.search(complaint):
        return (
            f"{model} is of type {kind[1]}, which this ngspice does not have: name its compiled Verilog-A model in "
            "osdi of the process file"
        )
    return (
        f"ngspice does not know {', '.join(dict.fromkeys(parameters))} of {model}; where they do not matter, name "
        "them in ignored_parameters of the process file (xl and xw shift l and w: change the sizes)"
    )
