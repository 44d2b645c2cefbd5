"""A process file from a model card: what a card tells, and whether the first sizing is one that works."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.core import shipped
from neurocircuit.errors import InputError
from neurocircuit.process.card import read_card, usual_channel_m, usual_supply_V
from neurocircuit.process.describe import check_process
from neurocircuit.process.new import _Tuning, new_process
from neurocircuit.process.ring_tuning import WIDEST_CURRENT_RATIO
from neurocircuit.spec import Process
from neurocircuit.spec.commented import commented_toml
from neurocircuit.spice import process as processes

GENERIC65 = shipped.folder("netlists", "processes", "generic65")


@pytest.fixture
def predictive(tmp_path):
    """Write a card in the manner of the predictive ones: level 54, numbers alone, other thresholds and mobilities."""
    text = (GENERIC65 / "generic65.cards").read_text()
    for model, name in (("nch nmos", "nmos"), ("pch pmos", "pmos")):
        text = text.replace(f".model {model} level=14", f"\n.model  {name}  {name}  level = 54\n\n+")
    text = re.sub(r"\{([-\d.e]+)[*+-]d\w+\}", r"\1", text)
    for old, new in (("toxe=2.0e-9", "toxe = 1.85e-9"), ("vth0=0.38", "vth0 = 0.42"), ("u0=0.034", "u0 = 0.049")):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "65nm_mine.pm"
    path.write_text(text)
    return path


def card(tmp_path, text, **names):
    path = tmp_path / "card.lib"
    path.write_text(text)
    return read_card(path)


def test_a_predictive_card_tells_models_and_oxide(predictive):
    read = read_card(predictive)
    nmos, pmos = read.pair()
    assert [(one.name, one.polarity, one.kind) for one in (nmos, pmos)] == [
        ("nmos", "n", "model"),
        ("pmos", "p", "model"),
    ]
    assert read.oxide_nm(nmos) == pytest.approx(1.85)
    assert (read.corners, read.shortest_channel_m(nmos)) == ((), None)


def test_a_library_tells_its_corners_the_nominal_one_first(tmp_path):
    read = read_card(GENERIC65 / "generic65.lib")
    assert read.corners == ("tt", "ss", "ff", "sf", "fs")
    assert [one.name for one in read.pair()] == ["nch", "pch"]
    assert read.oxide_nm(read.pair()[0]) == pytest.approx(2.0)  # the number in {2.0e-9*dox_n}
    sections = "".join(
        f".lib {name}\n.model nch nmos level=54 toxe=2e-9\n.endl\n" for name in ("SS", "stat", "TYP", "res_typical")
    )
    read = card(tmp_path, sections)
    assert (read.corners, read.other_sections) == (("TYP", "SS"), ("stat", "res_typical"))


def test_subcircuits_go_before_the_models_in_them_and_bins_are_one(tmp_path):
    text = "".join(
        f".subckt {name} d g s b l=1 w=1\n.model {name}__model.0 {kind} level=54 lmin=1.5e-7\n"
        f".model {name}__model.1 {kind} level=54 lmin=3e-7\nm0 d g s b {name}__model\n.ends\n"
        for name, kind in (("x__nfet_01v8", "nmos"), ("x__nfet_01v8_lvt", "nmos"), ("x__pfet_01v8", "pmos"))
    )
    read = card(tmp_path, text + ".subckt r_nfet a b c\n.ends\n")
    assert [(one.name, one.kind) for one in read.pair()] == [
        ("x__nfet_01v8", "subcircuit"),
        ("x__pfet_01v8", "subcircuit"),
    ]
    assert read.pair(nmos="X__NFET_01V8_LVT")[0].name == "x__nfet_01v8_lvt"
    bins = card(
        tmp_path,
        ".model nch.1 nmos (level=54 lmin=6e-8\n+ toxe=2e-9)\n.model nch.2 nmos level=54 lmin=1e-7\n"
        ".model pch.1 pmos level=54\n",
    )
    assert [one.name for one in bins.pair()] == ["nch", "pch"]
    assert bins.shortest_channel_m(bins.pair()[0]) == 6e-8
    with pytest.raises(InputError, match=r"card.lib has no transistor mos1; it has nch, pch"):
        bins.pair(pmos="mos1")
    with pytest.raises(InputError, match=r"has no \.model of type nmos and no subcircuit .*it has none: name the dev"):
        card(tmp_path, ".model d1 d is=1e-14\n").pair()


def test_an_included_file_that_is_absent_is_named_with_its_line(tmp_path):
    (tmp_path / "mine.lib").write_text("* a library\n.include 'mine.cards'\n")
    with pytest.raises(InputError, match=r"mine.lib, line 2 includes mine.cards, which is not there"):
        read_card(tmp_path / "mine.lib")


def test_usual_supplies_and_channels_rise_with_the_oxide_at_a_field_that_it_bears():
    oxides_nm = np.linspace(1.2, 8.0, 50)
    supplies_V = np.array([usual_supply_V(nm) for nm in oxides_nm])
    channels_m = np.array([usual_channel_m(nm) for nm in oxides_nm])
    assert np.all(np.diff(supplies_V) >= 0)
    assert np.all(np.diff(channels_m) >= 0)
    assert np.all((supplies_V / oxides_nm > 0.35) & (supplies_V / oxides_nm < 0.8))  # V/nm; SiO2 breaks near 1


@pytest.mark.parametrize(
    ("xl_nm", "lint_nm", "oxide_nm", "expected_nm"),
    [(-30, 5.25, 1.85, 65), (-20, 3.75, 1.25, 45), (-14, 2.7, 1.15, 32), (-9, 2.0, 1.05, 22), (0, 0, 2.0, 65)],
)
def test_the_shortest_channel_leaves_enough_of_itself(tmp_path, xl_nm, lint_nm, oxide_nm, expected_nm):
    """Oxides, xl and lint of high-performance cards of four generations: the oxide alone would say 22 nm of three."""
    numbers = f"toxe = {oxide_nm}e-9 xl = {xl_nm}e-9 lint={lint_nm}e-9"
    text = f".model nmos nmos level=54\n\n+ {numbers}\n.model pmos pmos level=54 toxe = 2e-9 lint = 1e-9\n"
    read = card(tmp_path, text)
    nmos, pmos = read.pair()
    loss_m = read.channel_loss_m(nmos)
    assert loss_m == pytest.approx(1e-9 * (2 * lint_nm - xl_nm))
    assert read.channel_loss_m(pmos) == pytest.approx(2e-9)
    assert usual_channel_m(oxide_nm, loss_m) == pytest.approx(1e-9 * expected_nm)


def test_a_card_becomes_a_process_whose_ring_runs_at_f1(predictive, tmp_path):
    made = new_process("mine", predictive, out=tmp_path / "mine")
    assert (made.exit_code, made.nmos, made.pmos, made.corners) == (0, "nmos", "pmos", ("tt",))
    assert made.supply_V == 1.0
    assert f"neurocircuit process check {tmp_path / 'mine'}" in str(made)
    checked = check_process(str(tmp_path / "mine"))  # the folder serves as the file does
    assert checked.f_Hz == pytest.approx(made.f1_Hz, rel=0.02)
    assert made.gain_ratio >= 0.5
    process = processes.describe(made.file)
    bias = process.nominal
    assert 1.0 < bias.vco3_A / bias.vco1_A < WIDEST_CURRENT_RATIO
    assert bias.vco2_A == pytest.approx(bias.vco1_A, rel=0.1)
    assert (tmp_path / "mine/models/65nm_mine.pm").read_bytes() == predictive.read_bytes()
    text = Path(made.file).read_text()
    assert "usual with nmos's gate oxide of 1.85 nm" in text
    lines = text.splitlines()
    bare = [line for above, line in pairwise(lines) if re.match(r"\w+ = [^{[]", line) and not above.startswith("#")]
    assert [line.split()[0] for line in bare] == []  # each field stands below what it is


def test_on_the_cards_of_generic65_the_sizing_comes_near_its_own(tmp_path):
    """The proportions are generic65's: on its cards its own values come back, but for another frequency."""
    made = new_process("again", GENERIC65 / "generic65.lib", shortest_channel_m=60e-9, out=tmp_path / "again")
    ours, its = (processes.describe(name) for name in (made.file, "generic65"))
    assert ours.sizes.replace(c_shape=its.sizes.c_shape) == its.sizes
    assert ours.f1_Hz == pytest.approx(its.f1_Hz, rel=0.06)
    for field in type(its.components).model_fields:
        assert getattr(ours.components, field) == pytest.approx(getattr(its.components, field), rel=0.2), field
    for field in type(its.nominal).model_fields:
        assert getattr(ours.nominal, field) == pytest.approx(getattr(its.nominal, field), rel=0.12), field
    assert ours.bias_lines_V == pytest.approx(its.bias_lines_V, abs=0.03)
    assert (tmp_path / "again/models/generic65.cards").is_file()  # what the library includes came along
    assert ours.corners["ss"][0].section == "ss"


def test_a_ring_that_does_not_run_leaves_a_file_with_guesses(predictive, tmp_path):
    made = new_process("low", predictive, supply_V=0.2, out=tmp_path / "low", reference=True)
    assert made.exit_code == 3
    assert "the ring was not sized: process low, corner tt, supply 0.2 V: the ring does not oscillate" in str(made)
    assert processes.load(made.file).process.supply_V == 0.2
    assert [path.name for path in (tmp_path / "low").iterdir()] == ["process.toml"]  # the models stay where they are


def test_a_channel_that_the_card_takes_away_is_named_and_the_file_stands(predictive, tmp_path):
    predictive.write_text(predictive.read_text().replace("level = 54", "level = 54 xl = -4e-8"))
    made = new_process("short", predictive, shortest_channel_m=30e-9, out=tmp_path / "short")
    assert made.exit_code == 3
    models = tmp_path / "short/models/65nm_mine.pm"
    assert re.search(rf"model [np]mos \({models}.*does not serve a transistor of this size \(Effective ch", str(made))
    assert "xl, lint and wint of the card take too much of sizes.l_min" in str(made)
    assert processes.load(made.file).process.sizes.l_min == 30e-9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "generic65"}, r"name must be none of a process that ships, got generic65"),
        ({"name": "a/b"}, r"Process\.name"),
        ({"out": "."}, r"--out must be a new folder, got \., which is there"),
        ({"card": "absent.pm"}, r"absent.pm is not there"),
        ({"supply_V": 12.0}, r"Process\.supply"),
    ],
)
def test_what_cannot_begin_writes_nothing(predictive, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message):
        new_process(**{"name": "mine", "card": predictive} | options)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_card_that_does_not_say_its_oxide_needs_supply_and_length(tmp_path):
    path = tmp_path / "card.lib"
    path.write_text(".model n1 nmos level=54 toxe=tox_n\n.model p1 pmos level=54\n")
    with pytest.raises(InputError, match=r"gate oxide as a number: give the supply by --supply"):
        new_process("mine", path, out=tmp_path / "mine")
    with pytest.raises(InputError, match=r"shortest channel: give it by --length"):
        new_process("mine", path, supply_V=1.0, out=tmp_path / "mine")


def test_the_fastest_ring_with_enough_gain_is_chosen():
    """Of f = f_max (1 - exp(-I/I0)) the gain at 1.25 f is (1 - 1.25 x)/(1 - x) of that at f, x = f/f_max.

    It is 0.55 at x = 0.45/0.70.
    """
    currents = np.linspace(1e-6, 40e-6, 60)
    tuning = _Tuning(currents, 1e9 * (1 - np.exp(-currents / 10e-6)))
    current_A, f1_Hz = tuning.highest()
    assert f1_Hz == pytest.approx(1e9 * 0.45 / 0.70, rel=0.03)
    assert current_A == pytest.approx(-10e-6 * np.log(1 - f1_Hz / 1e9), rel=1e-3)
    assert tuning.gain_ratio(current_A) >= 0.55


@pytest.mark.parametrize("name", ["generic65", "generic65_low_noise", "sky130", "freepdk45"])
def test_a_commented_file_reads_back_to_the_same_process(name):
    process = processes.describe(name)
    text = commented_toml(process, {"sizes": "word " * 60, "sizes.l_min": "a remark"})
    assert Process.from_dict(tomllib.loads(text)) == process
    assert "a remark" in text
    assert all(len(line) <= 120 for line in text.splitlines() if line.startswith("# "))
