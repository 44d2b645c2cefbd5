"""Processes: what is there, what is missing, and one clear line for each mistake."""

from dataclasses import replace

import pytest

from neurocircuit.errors import InputError, SimulatorBadOutput, SpecError
from neurocircuit.process.describe import check_process
from neurocircuit.process.random_models import refuse_random_models
from neurocircuit.process.ring import check_ring
from neurocircuit.spec import Passives, Process
from neurocircuit.spice import process as processes

GENERIC, DEVICES = "generic65", "[devices]"


def test_every_embedded_process_is_described_and_comes_back_from_its_toml():
    assert processes.names() == (
        "freepdk45",
        "freepdk45_low_noise",
        "generic65",
        "generic65_low_noise",
        "gf180mcu",
        "sg13g2",
        "sky130",
    )
    for name in processes.names():
        process = processes.describe(name)
        assert process.name == name
        assert process.mismatch.source
        assert process.licence
        assert Process.from_dict(process.to_dict()) == process


@pytest.mark.parametrize("corner", ["tt", "ss", "ff", "sf", "fs"])
def test_the_ring_of_generic65_runs_in_every_corner(corner):
    installed = processes.load(GENERIC)
    ring = check_ring(installed, installed.condition(corner))
    assert ring.f_Hz == pytest.approx(0.75e9, rel=0.25)
    assert 1e-5 < ring.power_W < 1e-4


@pytest.mark.parametrize(
    ("name", "f_Hz"),
    [("freepdk45", 0.9e9), ("freepdk45_low_noise", 0.7e9), ("gf180mcu", 0.4e9), ("sg13g2", 0.45e9), ("sky130", 0.45e9)],
)
def test_the_ring_of_a_foreign_process_runs_where_it_is_installed(name, f_Hz):
    try:
        installed = processes.load(name)
    except processes.ProcessMissing as error:
        pytest.skip(str(error))
    assert check_ring(installed, installed.condition()).f_Hz == pytest.approx(f_Hz, rel=0.05)


def test_a_process_of_the_user_is_one_toml_file(copy):
    installed = processes.load(copy(('name = "generic65"', 'name = "mine"')))
    assert installed.process.name == "mine"
    assert check_ring(installed, installed.condition()).f_Hz == pytest.approx(0.75e9, rel=0.01)


def test_a_file_with_a_base_says_what_differs(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "generic65"\nname = "mine"\n[sizes]\nl_diode = "360 nm"\n')
    mine, base = processes.load(str(path)), processes.load(GENERIC)
    sizes = base.process.sizes.replace(l_diode=360e-9)
    assert mine.process == base.process.replace(name="mine", sizes=sizes)
    assert mine.folder == base.folder
    assert mine.toml_sha256 != base.toml_sha256
    (tmp_path / "other.toml").write_text('base = "mine.toml"\nf1 = "700 MHz"\n')
    assert processes.load(str(tmp_path / "other.toml")).process == mine.process.replace(f1_Hz=700e6)


def test_a_base_must_lead_to_a_whole_process(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "mine.toml"\n')
    with pytest.raises(InputError, match=r"base of .*mine.toml must be another process"):
        processes.load(str(path))
    path.write_text('base = "nowhere"\n')
    with pytest.raises(InputError, match=r"process must be one of .* got 'nowhere'"):
        processes.load(str(path))


def test_bias_devices_that_a_file_leaves_out_are_as_the_tails():
    sizes = processes.describe(GENERIC).sizes
    assert (sizes.l_diode, sizes.w_diode, sizes.w_mirror) == (sizes.l_bias, sizes.w_tail_n, sizes.w_tail_n)
    assert (sizes.l_load, sizes.w_load, sizes.ring_fingers) == (sizes.l_bias, sizes.w_tail_p, 1)


@pytest.mark.parametrize(
    ("replacement", "error", "message"),
    [
        (('file = "generic65.lib", section = "ss"', 'file = "absent.lib"'), InputError, "ss: no model file"),
        (('w_up = "400 nm"\n', ""), SpecError, r"Process.sizes.w_up is missing"),
        (('supply = "1 V"', "supply = 1.0"), SpecError, r"Process.supply must be text with the unit V"),
        (('nmos = "nch"', 'nmos = "a b"'), SpecError, "Process.devices.nmos must match"),
        ((DEVICES, '[[locations]]\npackage = "not-there"\n\n[devices]'), InputError, "not installed .*package not-"),
        ((DEVICES, '[[locations]]\nenvironment = "NOT_SET"\n\n[devices]'), InputError, r"looked for \$NOT_SET"),
    ],
)
def test_mistakes_in_a_process_are_named(copy, replacement, error, message):
    with pytest.raises(error, match=message) as caught:
        processes.load(copy(replacement))
    assert "\n" not in str(caught.value)


def test_unknown_names_and_corners_are_answered_with_the_known_ones():
    with pytest.raises(
        InputError, match=r"process must be one of freepdk45, freepdk45_low_noise, .*sky130, or the path .* got 'x'"
    ):
        processes.load("x")
    with pytest.raises(
        InputError, match=r"generic65 must be one of tt, ss, ff, sf, fs \(behind it may stand _rmin, .*_wmax\), got 'x'"
    ):
        processes.load(GENERIC).condition("x")
    with pytest.raises(InputError, match=r"must be one of tt, .* got 'tt_x'"):
        processes.load(GENERIC).condition("tt_x")


def test_a_corner_of_the_passive_parts_stands_behind_one_of_the_devices():
    installed = processes.load(GENERIC)
    process = installed.process
    for corner in ("tt", "ss"):
        assert process.components_at(corner) == process.components
        assert process.sizes_at(corner) == process.sizes
    parts, sizes = process.components_at("ss_rcmax"), process.sizes_at("ss_rcmax")
    for name in ("r1_Ohm", "r2_Ohm", "r4_Ohm", "c_F"):
        assert getattr(parts, name) == 1.15 * getattr(process.components, name)
    assert (sizes.c_wire, sizes.c_line, sizes.c_shape) == (1.15 * 0.4e-15, 1.15 * 150e-15, 1.15 * 8e-15)
    assert sizes.replace(c_wire=0.4e-15, c_line=150e-15, c_shape=8e-15) == process.sizes
    assert processes.models_of(process, "ss_rcmax") == processes.models_of(process, "ss")
    assert process.components_at("ss_wmin") == process.components
    assert ".param c_wire=2e-16" in processes.prelude(installed, installed.condition("sf_wmin"))


def test_a_device_corner_with_an_underscore_is_not_split(copy):
    """As in IHP's mos_tt; and a process that states no passive corners has none."""
    path = copy(("tt = [", "mos_rcmax = ["))
    process = processes.describe(path)
    assert process.device_corner("mos_rcmax") == "mos_rcmax"
    assert process.sizes_at("mos_rcmax") == process.sizes
    assert process.device_corner("mos_rcmax_rcmax") == "mos_rcmax"
    bare = process.replace(passives=Passives())
    assert bare.passives.wiring_source == "not stated"
    with pytest.raises(InputError, match="must be one of mos_rcmax, ss, ff, sf, fs, got 'ss_rcmax'"):
        processes.models_of(bare, "ss_rcmax")


def test_device_names_that_are_not_in_the_card(copy):
    """Only the one that is absent is named."""
    installed = processes.load(copy(('nmos = "nch"', 'nmos = "absent"')))
    with pytest.raises(InputError, match=r"corner tt, supply 1 V: the card has no model absent$"):
        check_ring(installed, installed.condition())
    installed = processes.load(copy(('pmos = "pch"', 'pmos = "absent"')))
    with pytest.raises(InputError, match=r"the card has no model absent$"):
        check_ring(installed, installed.condition())


def test_a_section_that_is_not_in_the_library(copy):
    installed = processes.load(copy(('"generic65.lib", section = "tt"', '"generic65.lib", section = "typical"')))
    with pytest.raises(
        InputError, match=r"corner tt: generic65.lib has no section typical \(it has tt, ss, ff, sf, fs\)"
    ):
        installed.condition()
    assert installed.condition("ss").corner == "ss"


def test_a_supply_that_is_too_low_and_a_ring_that_does_not_start(copy):
    installed = processes.load(GENERIC)
    with pytest.raises(SimulatorBadOutput, match=r"supply 0.4 V: the ring does not oscillate .* raise the supply"):
        check_ring(installed, installed.condition(supply_V=0.4))
    starved = processes.load(copy(('vco1 = "10.08 uA"', 'vco1 = "1 fA"')))
    with pytest.raises(SimulatorBadOutput, match="the ring does not oscillate"):
        check_ring(starved, starved.condition())


@pytest.mark.parametrize(("f1", "word"), [("5 GHz", "slower"), ("0.3 GHz", "faster")])
def test_a_ring_that_is_not_where_it_was_looked_for_has_its_frequency_and_a_remedy(copy, f1, word):
    """5 GHz: within the time of eight such periods a ring of 750 MHz has one edge, which was called dead."""
    result = check_process(copy(('f1 = "750 MHz"', f'f1 = "{f1}"')))
    assert result.f_Hz == pytest.approx(0.75e9, rel=0.01)
    assert f"it oscillates, but {word} than looked for" in result.summary()
    assert result.exit_code == 3
    assert "nominal.vco1" in result.summary()


def test_a_ring_near_f1_has_one_line(copy):
    near = check_process(GENERIC)
    assert "\n" not in near.summary()
    assert near.exit_code == 0
    slower = check_process(copy(('f1 = "750 MHz"', 'f1 = "1.2 GHz"')))  # trim may bring it there
    assert "slower than looked for" in slower.summary()
    assert slower.exit_code == 0


def test_gf180mcu_has_the_same_devices_at_every_run_until_its_statistics_are_switched_on(tmp_path):
    """Its library draws them with sw_stat_mismatch = 1; the process file says 0."""
    try:
        installed = processes.load("gf180mcu")
    except processes.ProcessMissing as error:
        pytest.skip(str(error))
    assert installed.library.random_call() is not None
    refuse_random_models(installed, installed.condition())
    drawn = installed.process.replace(parameters={**installed.process.parameters, "sw_stat_mismatch": 1.0})
    with pytest.raises(
        InputError, match=r"gf180mcu, corner tt: the models draw random numbers \(.*sm141064.ngspice, line"
    ):
        refuse_random_models(replace(installed, process=drawn), installed.condition())
