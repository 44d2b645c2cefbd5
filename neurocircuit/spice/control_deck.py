"""A transistor deck that runs itself: what it holds, and how its parts become one text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from neurocircuit.spec import Condition
from neurocircuit.spice.process import CELLS, MODELS, Installed, prelude

__all__ = ["CELLS", "STATE", "State", "TransistorDeck", "assemble", "number"]

STATE = "state.ic"


@dataclass(frozen=True)
class State:
    """Node voltages of a deck at one instant, as ngspice's wrnodev writes them, and the phases there.

    start_rad: phases of VCO1 and VCO3, 0 at a rising edge, 0 … 2π; nan for one that stood still. inputs: synapses of
    the deck; a state fits only decks with as many.
    """

    text: str
    time_s: float
    start_rad: tuple[float, float]
    inputs: int


@dataclass(frozen=True)
class TransistorDeck:
    """A deck that runs itself: text, what it includes, and what to ask for.

    files: text by name; links: folders of this machine by name; variables: ngspice's, set before it reads the deck.
    Times as in the module's text. identity: hash of everything that determines the result but ngspice itself.
    """

    text: str
    files: Mapping[str, str]
    links: Mapping[str, Path]
    variables: Mapping[str, str]
    vectors: tuple[str, ...]
    t_start_s: float
    t_stop_s: float
    max_step_s: float
    models_sha256: str
    supply_V: float
    length_unit_m: float
    inputs: int = 0
    saves_state: bool = False
    may_stop: bool = False
    identity: str = field(init=False)

    def __post_init__(self) -> None:
        parts = (self.text, *(f"{name}\n{text}" for name, text in sorted(self.files.items())), self.models_sha256)
        object.__setattr__(self, "identity", sha256("\0".join((*parts, repr(self.variables))).encode()).hexdigest())


def number(value: float) -> str:
    """Return a plain SI float as SPICE reads it."""
    return repr(float(value))


def assemble(
    installed: Installed,
    condition: Condition,
    title: str,
    body: Sequence[str],
    saved: tuple[str, ...],
    span: tuple[float, float, float],
    *,
    before: Sequence[str] = (),
    state: State | None = None,
    inputs: int = 0,
    saves_state: bool = False,
    may_stop: bool = False,
) -> TransistorDeck:
    """Return the head, body and control block; span: begin, end and maximum step in s."""
    begin_s, end_s, step_s = span
    duration_s = end_s - begin_s
    lines = [
        f"* {title}, process {installed.process.name}, corner {condition.corner}",
        prelude(installed, condition) + f".include {CELLS}",
        *(line for line in body if line),
        *([f".include {STATE}"] if state is not None else []),
        ".control",
        "set num_threads=1",
        f"save {' '.join(saved)}",
        *before,
        f"tran {number(step_s)} {number(duration_s)} 0.0 {number(step_s)} uic",
        *([f"wrnodev {STATE}"] if saves_state else []),
        f"write out.raw {' '.join(saved)}",
        "quit 0",
        ".endc",
        ".end",
    ]
    files = installed.files
    if state is not None:
        files[STATE] = state.text
    return TransistorDeck(
        text="\n".join(lines) + "\n",
        files=files,
        links={MODELS: installed.folder},
        variables=installed.variables,
        vectors=saved,
        t_start_s=begin_s,
        t_stop_s=end_s,
        max_step_s=step_s,
        models_sha256=installed.models_sha256(condition.corner),
        supply_V=condition.supply_V,
        length_unit_m=installed.process.devices.length_unit_m,
        inputs=inputs,
        saves_state=saves_state,
        may_stop=may_stop,
    )
