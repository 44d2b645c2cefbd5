"""neurocircuit process: what is listed, where models are looked for, and whether a ring runs."""

import json

import numpy as np
import pytest

from neurocircuit.core import shipped
from neurocircuit.process import fan_in
from neurocircuit.spice import process as processes


@pytest.fixture
def rooted(tmp_path, monkeypatch):
    """A PDK_ROOT of open_pdks in which the models of sky130 are, as far as their names go."""
    folder = tmp_path / "pdk/sky130A/libs.tech/combined/continuous"
    folder.mkdir(parents=True)
    (folder / "sky130.lib.spice").touch()
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / "pdk"))
    return folder


def rows(done):
    return {row["name"]: row for row in json.loads(done.stdout)["processes"]}


def test_list_names_each_process_with_its_models_or_how_to_get_them(neurocircuit):
    done = neurocircuit("process", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(done)
    assert tuple(found) == processes.names()
    assert found["generic65"]["installed"]
    for row in found.values():
        assert row["installed"] == (row["missing"] == "") == bool(row["folder"])
        assert row["installed"] or f"type: {processes.describe(row['name']).install}" in row["missing"]
        assert row["source"]
        assert row["licence"]
    text = neurocircuit("process", "list").stdout
    assert all(f"corners {row['corners']}" in text for row in found.values())


def test_pdk_root_goes_before_the_package(neurocircuit, rooted):
    found = rows(neurocircuit("process", "list", "--json"))
    assert found["sky130"]["folder"] == str(rooted)


def test_a_pdk_root_without_the_process_is_passed_over(neurocircuit, tmp_path, monkeypatch):
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    found = rows(neurocircuit("process", "list", "--json"))["sky130"]
    assert not found["folder"].startswith(str(tmp_path))
    assert found["installed"] or "$PDK_ROOT/sky130A" in found["missing"]


def test_check_runs_a_ring_in_the_corner_asked_for(neurocircuit):
    done = neurocircuit("process", "check", "generic65", "--corner", "ss", "--temp", "85", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["process"], found["corner"], found["supply_V"]) == ("generic65", "ss", 1.0)
    assert 0.4e9 < found["f_Hz"] < 1e9
    assert 1e-5 < found["power_W"] < 1e-4
    line = neurocircuit("process", "check", "generic65").stdout
    assert line.startswith("generic65 tt 27 °C 1 V: the ring runs at 7")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere",), 2, "gf180mcu, sg13g2, sky130, or the path of a TOML file"),
        (("absent.toml",), 2, "absent.toml"),
        (("generic65", "--corner", "hot"), 2, "corner of process generic65 must be one of tt, ss, ff, sf, fs"),
        (("generic65", "--vdd", "12"), 2, "vdd must be within 0 … 6 V, got 12"),
        (("generic65", "--vdd", "0.4"), 3, "the ring does not oscillate"),
    ],
)
def test_what_cannot_be_checked_is_one_line(neurocircuit, arguments, code, message):
    done = neurocircuit("process", "check", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_fan_in_is_a_table_with_its_limit(neurocircuit, monkeypatch):
    found = fan_in.FanIn(
        (6, 26, 126), (15, -4), np.array([8e8, 8e8, 7.6e8]), np.array([[0.5, 0.49, 0.41], [-0.1, -0.099, -0.08]])
    )
    monkeypatch.setattr(fan_in, "search", lambda _at, _reference: (76, found))
    lines = neurocircuit("process", "fan-in", "generic65").stdout.splitlines()
    assert lines[0].split() == ["synapses", "f1", "code", "15", "code", "-4"]
    assert lines[1].split() == ["6", "800.00", "MHz", "0.5000", "rad", "-0.1000", "rad"]
    assert lines[3].split() == ["126", "-5.00", "%", "-18.00", "%", "-20.00", "%"]
    assert lines[4] == "limit (each within 10 %): 76 synapses"
    read = json.loads(neurocircuit("process", "fan-in", "generic65", "--json").stdout)
    assert read["limit"] == 76
    assert read["rows"][1]["jump_rad"] == pytest.approx([0.49, -0.099])


def test_new_writes_a_process_that_check_finds(neurocircuit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cards = shipped.folder("netlists", "processes", "generic65") / "generic65.lib"
    done = neurocircuit(
        "process", "new", "mine", "--card", str(cards), "--length", "60 nm", "--supply", "1.05 V", "--json"
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["supply_V"], made["supply_from"], made["corners"][0]) == (1.05, "given", "tt")
    checked = json.loads(neurocircuit("process", "check", "mine", "--json").stdout)
    assert checked["f_Hz"] == pytest.approx(made["f1_Hz"], rel=0.02)
    again = neurocircuit("process", "new", "mine", "--card", str(cards))
    assert (again.returncode, again.stdout) == (2, "")
    assert "--out must be a new folder, got mine" in again.stderr
    wrong = neurocircuit("process", "new", "other", "--card", str(cards), "--supply", "1.05")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "--supply must carry the unit V" in wrong.stderr
