"""Cells of the user's own: pins by name, nothing but circuit, and a bench beside the built-in cell."""

import re
from pathlib import Path

import pytest

from neurocircuit.core import shipped
from neurocircuit.errors import InputError
from neurocircuit.process.describe import compare_cells
from neurocircuit.process.ring import check_ring
from neurocircuit.spice import process as processes

RING = """
[cells.ring]
file = "extracted/ring.spice"
subckt = "RING_5"
pins = { ib = "IBIAS", enable = "EN", y = "OUT", ground = ["VSS", "SUB"] }
"""
CELL = ".subckt RING_5 IBIAS EN OUT VDD VSS SUB\nR1 OUT VSS 1k $ **FLOATING\nC0 IBIAS\n+ VSS 1f\n.ends\n.end\n"


def extracted(node_F=0.0):
    """A ring as an extractor leaves it: MOS lines of the card's models, ground a pin, subcircuits named as ours."""
    names = ("inv", "starved_inverter", "starved_nand", "ring_cco")
    folder = shipped.folder("netlists", "cells")
    text = "\n".join((folder / f"{name}.cir").read_text() for name in names)
    text = re.sub(r"^x(\w+) (\S+ \S+ \S+ \S+) ([np])mos (.*)$", r"M\1 \2 \3ch \4", text, flags=re.M)
    text = text.replace("mult=", "m=").replace(" 0", " vss").replace("k=1", "vss k=1")
    text = re.sub(r"^(x.*) (starved_\w+|inv)( k=2)?$", r"\1 vss \2\3", text, flags=re.M)
    text = re.sub(r"^(\.subckt (?:starved|ring)\w* .*)$", r"\1 vss", text, flags=re.M)
    text = text.replace(".subckt ring_cco ib enable y vdd vss", ".SUBCKT RING_5 IB enable y\n+ vdd vss SUB")
    text = text.replace(".ends ring_cco", f"Cn1 n1 SUB {node_F!r}\nCn3 n3 SUB {node_F!r}\n.ENDS")
    return text.replace("RING_5 IB enable y", "RING_5 ib enable y")


@pytest.fixture
def own(copy, tmp_path):
    """A process with a ring of the user's own; call it with the netlist and replacements for the TOML."""

    def write(netlist, *replacements):
        toml = Path(copy())
        text = toml.read_text() + RING
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        toml.write_text(text)
        (tmp_path / "extracted").mkdir(exist_ok=True)
        (tmp_path / "extracted/ring.spice").write_text(netlist)
        return str(toml)

    return write


def test_pins_are_connected_by_name_and_names_do_not_meet(own):
    cells = processes.load(own(CELL)).own_cells["ring_cco"]
    assert "xown ib enable y vdd 0 0 ring_cco_own_ring_5" in cells
    assert ".subckt ring_cco ib enable y vdd\n" in cells
    assert "C0 IBIAS VSS 1f" in cells
    assert "FLOATING" not in cells
    assert ".end\n" not in cells


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"RING_5"', '"RING_7"', r"cells.ring.subckt must be one of .*ring.spice's \(RING_5\), got RING_7"),
        ('y = "OUT"', 'y = "OUTPUT"', "cells.ring.pins.y: the subcircuit has pins IBIAS, EN, OUT, .* got OUTPUT"),
        ('y = "OUT"', 'out = "OUT"', "cells.ring.pins must connect ib, enable, y, vdd, ground, got out"),
        (' y = "OUT",', "", "cells.ring.pins must connect OUT to one of ib, enable, y, vdd, ground"),
        ('y = "OUT"', 'y = ["OUT", "EN"]', "cells.ring.pins connects EN twice"),
        ('y = "OUT", ground = [', 'ground = ["OUT", ', "cells.ring.pins must name the pin for y"),
        ("extracted/ring.spice", "../ring.spice", "cells.ring.file must stay below"),
        ("extracted/ring.spice", "absent.spice", "absent.spice is not there"),
        ("[cells.ring]", "[cells.rnig]", "Process.cells.rnig"),
    ],
)
def test_pins_and_names_that_do_not_fit_are_named(own, old, new, message):
    with pytest.raises(InputError, match=message) as caught:
        processes.load(own(CELL, (old, new)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (".control\nshell touch made\n.endc", "'.control' would run"),
        ("*#shell touch made", "would run"),
        ("a1 [x] [y] null null program", "would run"),
        (".tran 1p 1n", ".tran may not stand in a cell"),
        (".global vdd", ".global may not stand in a cell"),
        (".options temp=85", ".options may not stand in a cell"),
        ("Vdd VDD 0 1.0", "Vdd stands outside of a subcircuit"),
        (".include ../../../etc/passwd", "leads out of"),
    ],
)
def test_nothing_but_circuit_may_stand_in_a_cell(own, tmp_path, line, message):
    with pytest.raises(InputError, match=f"ring.spice, line 2: .*{re.escape(message)}"):
        processes.load(own(f"* extracted\n{line}\n{CELL}"))
    assert not (tmp_path / "made").exists()


def test_an_included_file_of_parasitics_stands_where_it_is_included(own, tmp_path):
    toml = own(CELL.replace("R1 OUT", '.include "ring.pex"\nR1 OUT'))
    (tmp_path / "extracted/ring.pex").write_text("* parasitics\nC9 OUT VSS 2f\n")
    lines = processes.load(toml).own_cells["ring_cco"].splitlines()
    assert lines[:3] == [".subckt ring_cco_own_ring_5 IBIAS EN OUT VDD VSS SUB", "C9 OUT VSS 2f", "R1 OUT VSS 1k"]


def test_an_extracted_ring_runs_as_the_built_in_one_and_its_wiring_slows_it(own):
    """Its devices lack the areas of drain and source; 2 fF on two of its five nodes slow it by tens of percent."""
    pins = ('pins = { ib = "IBIAS", enable = "EN", y = "OUT", ground', "pins = { ground")
    toml = own(extracted(), pins)
    installed = processes.load(toml)
    ring_Hz = check_ring(installed, installed.condition()).f_Hz
    assert 0.75e9 < ring_Hz < 1.5e9
    rows = {row.quantity: row for row in compare_cells(own(extracted(2e-15), pins)).rows}
    frequency = rows["Frequency at the nominal current"]
    assert frequency.built_in == pytest.approx(0.75e9, rel=0.01)
    assert frequency.user < 0.8 * ring_Hz
    assert all(row.cell == "ring" for row in rows.values())
    assert rows["Tuning gain there"].built_in == pytest.approx(44e12, rel=0.1)


def test_a_process_that_replaces_nothing_has_nothing_to_compare():
    with pytest.raises(InputError, match=r"process generic65 replaces no cell; \[cells\]"):
        compare_cells("generic65")


def test_cells_of_a_base_lie_beside_the_base(own, tmp_path):
    own(CELL)
    (tmp_path / "derived").mkdir()
    derived = tmp_path / "derived/process.toml"
    derived.write_text('name = "derived"\nbase = "../process.toml"\n')
    assert "ring_cco" in processes.load(str(derived)).own_cells
