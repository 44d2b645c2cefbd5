"""A cell of the user's own, an extracted netlist perhaps, in the place of a built-in one.

Its text goes into the decks inside a subcircuit of the built-in cell's name and ports. The subcircuits of its file get
names of their own, so that an `inv` of the user's and ours do not meet. Only circuit may stand there: no analysis, no
option, no control block, no element outside a subcircuit.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from neurocircuit.core import shipped
from neurocircuit.errors import InputError
from neurocircuit.spec import CellFile, Process
from neurocircuit.spice.library import read_text, refuse_commands, stays_within

BUILT_IN = {"ring": "ring_cco", "xor": "xor2", "flip_flop": "flip_flop"}  # fields of Process.cells: their subcircuits
GROUND = "ground"  # in the pins of a cell: what is tied to node 0
DEEPEST_INCLUDE = 8
_DIRECTIVES = (".subckt", ".ends", ".param", ".model", ".func", ".if", ".else", ".elseif", ".endif")
_COMMENT = re.compile(r"(?:^|\s)\$.*|;.*")
_ASSIGNMENT = re.compile(r"\s*=\s*")


@dataclass(frozen=True)
class _Line:
    """A statement with its continuations, without comments, and where it begins."""

    path: Path
    number: int
    text: str

    @property
    def words(self) -> list[str]:
        return _ASSIGNMENT.sub("=", self.text).split()

    @property
    def first(self) -> str:
        return self.words[0].lower()

    def error(self, what: str) -> InputError:
        return InputError(f"{self.path}, line {self.number}: {what}")


def own_cells(process: Process, folder: Path) -> dict[str, str]:
    """Return the text of each cell that the process file replaces, by the built-in subcircuit's name.

    folder: of the process file. Raise InputError, with file and line or pin, for a file or pins that do not fit.
    """
    cells = ((field, getattr(process.cells, field)) for field in BUILT_IN)
    return {BUILT_IN[field]: _own_cell(field, cell, folder) for field, cell in cells if cell is not None}


def ports(built_in: str) -> tuple[str, ...]:
    """Return the ports of a built-in cell.

    >>> ports("ring_cco")
    ('ib', 'enable', 'y', 'vdd')
    """
    text = (shipped.folder("netlists", "cells") / f"{built_in}.cir").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(".subckt"))
    return _ports(line.split())


def _own_cell(field: str, cell: CellFile, folder: Path) -> str:
    if not stays_within(cell.file, folder, folder):
        raise InputError(f"cells.{field}.file must stay below {folder} or be absolute, got {cell.file}")
    path = folder / cell.file
    lines = list(_circuit_lines(path, path.parent, 0))
    subcircuits = {line.words[1].lower(): line for line in lines if line.first == ".subckt" and len(line.words) > 1}
    if cell.subckt.lower() not in subcircuits:
        known = ", ".join(line.words[1] for line in subcircuits.values()) or "none"
        raise InputError(f"cells.{field}.subckt must be one of {path}'s ({known}), got {cell.subckt}")
    built_in = BUILT_IN[field]
    nets = _nets(field, ports(built_in), _ports(subcircuits[cell.subckt.lower()].words), cell.pins)
    own_names = {name: f"{built_in}_own_{name}" for name in subcircuits}
    return "\n".join(
        [
            *(_renamed(line, own_names) for line in lines),
            f".subckt {built_in} {' '.join(ports(built_in))}",
            f"xown {' '.join(nets)} {own_names[cell.subckt.lower()]}",
            f".ends {built_in}",
        ]
    )


def _nets(
    field: str, built_in: tuple[str, ...], user: tuple[str, ...], pins: Mapping[str, str | tuple[str, ...]]
) -> list[str]:
    """Return the net of each pin of the user's subcircuit: a port of the built-in cell, or 0.

    A pin of a port's name that `pins` does not mention is that port.
    """
    known, net_of = (*built_in, GROUND), dict[str, str]()
    for port, named in pins.items():
        if port not in known:
            raise InputError(f"cells.{field}.pins must connect {', '.join(known)}, got {port}")
        for pin in (named,) if isinstance(named, str) else named:
            if pin.lower() not in map(str.lower, user):
                raise InputError(f"cells.{field}.pins.{port}: the subcircuit has pins {', '.join(user)}, got {pin}")
            if pin.lower() in net_of:
                raise InputError(f"cells.{field}.pins connects {pin} twice")
            net_of[pin.lower()] = "0" if port == GROUND else port
    for pin in user:
        if pin.lower() in built_in and pin.lower() not in pins:
            net_of.setdefault(pin.lower(), pin.lower())
    if open_pins := [pin for pin in user if pin.lower() not in net_of]:
        raise InputError(f"cells.{field}.pins must connect {', '.join(open_pins)} to one of {', '.join(known)}")
    if open_ports := [port for port in built_in if port not in net_of.values()]:
        raise InputError(f"cells.{field}.pins must name the pin for {', '.join(open_ports)} (has {', '.join(user)})")
    return [net_of[pin.lower()] for pin in user]


def _circuit_lines(path: Path, root: Path, depth: int) -> Iterator[_Line]:
    """Yield the statements of a netlist and of what it includes; `.end` is passed over."""
    if depth > DEEPEST_INCLUDE:
        raise InputError(f"{path}: more than {DEEPEST_INCLUDE} files that include one another")
    text = read_text(path)
    refuse_commands(path, text)
    level = 0
    for line in _statements(path, text):
        if line.first == ".end":
            continue
        if line.first in (".include", ".inc"):
            name = line.text.split(None, 1)[-1].strip("'\" ")
            if not stays_within(name, path.parent, root):
                raise line.error(f"{name} leads out of {root}")
            yield from _circuit_lines(path.parent / name, root, depth + 1)
            continue
        if line.first.startswith(".") and line.first not in _DIRECTIVES:
            raise line.error(f"{line.first} may not stand in a cell; take it out")
        level += (line.first == ".subckt") - (line.first == ".ends")
        if depth == 0 and level == 0 and not line.first.startswith("."):
            raise line.error(f"{line.words[0]} stands outside of a subcircuit; take it out")
        yield line


def _statements(path: Path, text: str) -> Iterator[_Line]:
    held: _Line | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = _COMMENT.sub("", raw).strip()
        if not stripped or stripped.startswith("*"):
            continue
        if stripped.startswith("+") and held is not None:
            held = _Line(path, held.number, f"{held.text} {stripped[1:].strip()}")
            continue
        if held is not None:
            yield held
        held = _Line(path, number, stripped)
    if held is not None:
        yield held


def _ports(words: list[str]) -> tuple[str, ...]:
    """Return the ports on a .subckt line, of its words: what stands before the parameters."""
    after = words[2:]
    end = next((k for k, word in enumerate(after) if "=" in word or word.lower() == "params:"), len(after))
    return tuple(after[:end])


def _renamed(line: _Line, own_names: Mapping[str, str]) -> str:
    """Return a statement in which the file's own subcircuits have their new names."""
    words = line.words
    if line.first in (".subckt", ".ends"):
        return " ".join([words[0], *(own_names.get(word.lower(), word) for word in words[1:2]), *words[2:]])
    if line.first.startswith("x"):
        called = max((k for k, word in enumerate(words) if "=" not in word and word.lower() != "params:"), default=0)
        words[called] = own_names.get(words[called].lower(), words[called])
    return " ".join(words)
