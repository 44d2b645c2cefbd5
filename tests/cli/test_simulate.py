"""neurocircuit simulate and spec, as a user calls them."""

import json
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.neuron import levels
from neurocircuit.spec import NeuronSpec
from tests.pictures import assert_drawn

ROOT = Path(__file__).parents[2]


GOOD = ("simulate", "--inputs", "0.16,0.16", "--weights", "0.8,0.8")


def test_json_carries_all_digits(neurocircuit, tmp_path):
    done = neurocircuit(*GOOD, "--level", "ideal,averaged,edge", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)
    t, w = [0.16, 0.16], [0.8, 0.8]
    start = np.array([result["start_rad"]])
    for level in ("ideal", "averaged", "edge"):
        expected = levels.evaluate(level, NeuronSpec(), t, w, start_rad=start).fire_time_over_tau[0]
        entry = result["levels"][level]
        assert entry["fired"] is True
        assert entry["fire_time_over_tau"] == expected
        assert entry["fire_time_s"] == pytest.approx(expected * 20e-9, rel=1e-15)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_neuron_has_null_times(neurocircuit, tmp_path):
    done = neurocircuit("simulate", "--inputs", "0.16,inf", "--weights", "0.8,0.8", "--json")
    entry = json.loads(done.stdout)["levels"]["edge"]
    assert entry["fired"] is False
    assert entry["fire_time_over_tau"] is None
    assert entry["fire_time_s"] is None


def test_seconds_and_tau_mean_the_same(neurocircuit, tmp_path):
    by_tau, by_seconds = (
        json.loads(
            neurocircuit("simulate", "--inputs", text, "--weights", "0.8,0.8", "--level", "averaged", "--json").stdout
        )
        for text in ("0.16,0.25", "3.2 ns,5ns")
    )
    assert by_tau["levels"]["averaged"]["fire_time_s"] == pytest.approx(
        by_seconds["levels"]["averaged"]["fire_time_s"], rel=1e-12
    )


def test_arming_moves_the_time_origin(neurocircuit, tmp_path):
    (tmp_path / "late.toml").write_text('arming = "40 ns"\n')
    early = json.loads(neurocircuit(*GOOD, "--level", "averaged", "--json").stdout)
    late = json.loads(
        neurocircuit(
            "simulate",
            "--inputs",
            "2.16,2.16",
            "--weights",
            "0.8,0.8",
            "--level",
            "averaged",
            "--json",
            "--spec",
            "late.toml",
        ).stdout
    )
    assert late["levels"]["averaged"]["fire_time_over_tau"] == pytest.approx(
        early["levels"]["averaged"]["fire_time_over_tau"] + 2, rel=1e-12
    )
    refused = neurocircuit(*GOOD, "--json", "--spec", "late.toml")
    assert refused.returncode == 2
    assert "inputs must be >= 0 tau (arming)" in refused.stderr


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_draws_all_levels(neurocircuit, tmp_path, suffix):
    done = neurocircuit(*GOOD, "--level", "edge,averaged", "--out", f"one.{suffix}")
    assert done.returncode == 0, done.stderr
    assert "fires at" in done.stdout
    assert_drawn(tmp_path / f"one.{suffix}", points=500)
    assert [path.name for path in tmp_path.iterdir()] == [f"one.{suffix}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--inputs", "a", "--weights", "1"),
            "inputs must be times in tau (0.16), with a unit (3.2 ns), or inf, got",
        ),
        (("--inputs", "3n", "--weights", "1"), "inputs must carry the unit s"),
        (("--inputs", "0.1,0.2", "--weights", "1"), "inputs and weights must be as many: got 2 spike times and 1"),
        (("--inputs", "-0.1", "--weights", "1"), "inputs must be >= 0 tau"),
        (("--inputs", "nan", "--weights", "1"), "inputs must be times in tau"),
        (("--inputs", "0.1", "--weights", "inf"), "weights must be a finite number"),
        (("--inputs", "0.1", "--weights", ""), "weights must be a finite number"),
        (("--inputs", "0.1", "--weights", "1", "--level", "spice"), "level must be among"),
        (("--inputs", "0.1", "--weights", "1", "--seed", "-1"), "Invalid value for '--seed'"),
        (("--inputs", "0.1", "--weights", "1", "--timeout", "0 s"), "timeout must be > 0"),
        (("--inputs", "0.1", "--weights", "1", "--timeout", "5"), "timeout must carry the unit s"),
        (("--inputs", "0.1", "--weights", "1", "--out", "a.jpg"), "picture must end in .png, .svg"),
        (("--inputs", "0.1", "--weights", "1", "--out", "no/where.png"), "picture must lie in an existing directory"),
        (("--inputs", "0.1", "--weights", "1", "--spec", "missing.toml"), "cannot read missing.toml"),
        (("--inputs", "0.1", "--weights", "1", "--colour"), "No such option"),
        (("--inputs", "3,2ns", "--weights", "0,8"), "inputs must have a unit at each time or at none"),
        (("--inputs", "0.1,0.2", "--weights", "0,8"), "weights must have decimal points (0.8)"),
        (("--weights", "1"), "Missing option '--inputs'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(neurocircuit, tmp_path, arguments, message):
    done = neurocircuit("simulate", *arguments, "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_spec_prints_a_file_that_reads_back(neurocircuit, tmp_path):
    (tmp_path / "mine.toml").write_text('cycles_per_tau = 70.0\nK = "50 Mrad/s"\n')
    printed = neurocircuit("spec", "--spec", "mine.toml")
    (tmp_path / "again.toml").write_text(printed.stdout)
    assert NeuronSpec.from_toml(tmp_path / "again.toml") == NeuronSpec.from_toml(tmp_path / "mine.toml")


def test_a_spec_says_what_follows_from_it_and_what_is_unlikely(neurocircuit, tmp_path):
    (tmp_path / "mine.toml").write_text('tau = "30 ns"\n')
    printed = neurocircuit("spec", "--spec", "mine.toml")
    assert "# threshold = 0.6667 in units of weight" in printed.stdout
    remark = (
        'remark on mine.toml: threshold is 0.667 in units of weight, where eq. (3) has 1; vco4_swing = "50 MHz" puts'
    )
    assert remark in printed.stderr
    (tmp_path / "mine.toml").write_text('tau = "20 us"\n')
    silent = neurocircuit("simulate", "--inputs", "0.16", "--weights", "2", "--spec", "mine.toml", "--level", "ideal")
    assert silent.returncode == 0
    assert "so that they are silent; window =" in silent.stderr
