import shutil

import pytest

from neurocircuit.spice.process import load


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--corner", "xx"),
            "corner of process generic65 must be one of tt, ss, ff, sf, fs (behind it may stand _rmin, _rmax, _cmin, "
            "_cmax, _rcmin, _rcmax, _wmin, _wmax), got 'xx'",
        ),
        (("--process", "nowhere"), "process must be one of "),
        (("--only", "trim,colour"), "--only must be among trim, untrimmed, cco, "),
        (("--temp", "27,27"), "--temp must name one or more different values"),
        (("--temp", "hot"), "--temp must be a finite number"),
        (("--temp", "400"), "Condition.temperature_C must be <= 175"),
        (("--resume",), "--resume must name the directory of a run"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(neurocircuit, tmp_path, arguments, message):
    out = tmp_path / "out"
    done = neurocircuit("characterize", *arguments, "--out", str(out))
    assert done.returncode == 2
    assert done.stderr.startswith(f"neurocircuit: {message}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not out.exists()


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_devices_that_the_card_does_not_have_are_named(neurocircuit, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(load("generic65").folder, folder)
    path = folder / "process.toml"
    path.write_text(path.read_text().replace('nmos = "nch"', 'nmos = "absent"'))
    done = neurocircuit(
        "characterize", "--process", str(path), "--only", "cco", "--no-report", "--out", str(tmp_path / "r")
    )
    assert done.returncode == 3
    trim, cco = (line for line in done.stdout.splitlines() if "failed" in line)
    assert trim.startswith(
        "tt_27C_1V trim: failed: process generic65, corner tt, supply 1 V: the card has no model absent"
    )
    assert cco.startswith("tt_27C_1V cco: failed: it needs trim, which failed")
