"""neurocircuit sweep in this process: options, refusals, output."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from neurocircuit.cli import main
from neurocircuit.spec import NeuronSpec
from neurocircuit.studies.sweep.library import load_testbench

# Small, and without ngspice.
QUICK = ("--trials", "4", "--cross-check", "none", "--jobs", "1", "--no-report")


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run `neurocircuit sweep …` in an empty directory; (exit code, stdout, stderr)."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("NEUROCIRCUIT_LEDGER", str(tmp_path / "ledger"))

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["neurocircuit", "sweep", *arguments])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capsys.readouterr()

    return call


def files_under(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


BAD = [
    (("--jitter", "1-9"), "%"),
    (("--jitter", "9-1%"), "rise"),
    (("--jitter", "1-8%"), "step"),
    (("--jitter", "0%"), "SweepSpec.jitter"),
    (("--jitter", "50%"), "<= 0.2"),
    (("--jitter", "1,1%"), "repeat"),
    (("--bits", "4.5"), "--bits"),
    (("--bits", "0"), "SweepSpec.bits"),
    (("--bits", "60"), "<= 52"),
    (("--jitter", "none", "--bits", "none"), "nothing to sweep"),
    (("--trials", "1"), "Testbench.trials must be >= 2, got 1"),
    (("--trials", "many"), "--trials"),
    (("--cross-trials", "0"), "cross_check_trials"),
    (("--seed", "-1"), "SweepSpec.seed"),
    (("--jobs", "0"), "--jobs"),
    (("--level", "spectre"), "--level"),
    (("--level", "bsource", "--cross-check", "bsource"), "--cross-check"),
    (("--testbench", "papr"), "random-operating-points"),
    (("--testbench", "gone.toml"), "gone.toml"),
    (("--spec", "gone.toml"), "gone.toml"),
    (("--spec", "bad.toml"), "NeuronSpec.tau must be > 0, got '-20 ns'"),
    (("--spec", "text.toml"), "text.toml"),
    (("--testbench", "bad.toml"), "Testbench"),
    (("--resume",), "--out"),
    (("--resume", "--out", "gone"), "gone"),
    (("--out", "other"), "holds other files"),
    (("--out", "text.toml"), "must be a directory"),
    (("--out", "text.toml/below"), "text.toml"),
    (("--ledger", "text.toml"), "text.toml"),
    (("--ledger", "text.toml/ledger"), "text.toml"),
    (("--ledger", "other"), "other"),
    (("surplus",), "surplus"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), BAD, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_bad_input_is_one_line_and_nothing_is_written(call, tmp_path, arguments, words):
    Path("bad.toml").write_text('tau = "-20 ns"\n')
    Path("text.toml").write_text("This is a letter, not a table. " * 50)
    Path("other").mkdir()
    Path("other/thesis.txt").write_text("mine")
    before = files_under(tmp_path)
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("neurocircuit: ")
    assert words in err.replace("NeuronSpec.tau_s", "NeuronSpec.tau")
    assert files_under(tmp_path) == before
    assert not Path("reports").exists()


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_a_neuron_that_a_level_cannot_take_is_refused_before_anything_is_written(call, tmp_path):
    noisy = NeuronSpec(f0_Hz=3e11, phase_noise=(1.0, 1.0, 1.0, 1.0))  # too many half periods for a level without edges
    Path("spec.toml").write_text(noisy.to_toml())
    arguments = ("--spec", "spec.toml", "--trials", "4", "--cross-check", "bsource", "--jobs", "1", "--no-report")
    before = files_under(tmp_path)
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert "f0·window must be <= 50000 cycles with phase noise" in err
    assert files_under(tmp_path) == before


def test_without_dask_the_scheduler_option_names_the_extra(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, out, err = call(*QUICK, "--scheduler", "local")
    assert (code, out) == (2, "")
    assert "pip install 'distributed" in err
    assert not Path("reports").exists()


def test_an_unreachable_scheduler_is_one_line(call, monkeypatch):
    def client(*arguments, **options):
        raise OSError("timed out")

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=client))
    code, out, err = call(*QUICK, "--scheduler", "tcp://nowhere:1")
    assert (code, out) == (2, "")
    assert "tcp://nowhere:1" in err
    assert not Path("reports").exists()


def test_a_quick_sweep_prints_the_table_and_where_table_and_report_are(call):
    code, out, err = call(*QUICK[:-1], "--jitter", "1,9%", "--bits", "4")
    assert (code, err) == (0, "")
    assert "input jitter (%)" in out
    assert "weight bits" in out
    (directory,) = Path("reports").iterdir()
    assert f"table:  {directory}/table.csv" in out
    assert f"report: {directory}/report.html" in out
    html = (directory / "report.html").read_text(encoding="utf-8")
    assert "Table 3" in html
    assert html.rstrip().endswith("</html>")
    request = json.loads((directory / "request.json").read_text())
    assert request["testbench"]["name"] == "paper"
    assert request["sweep"]["jitter"] == [0.01, 0.09]
    assert request["levels"] == {"ideal": 4, "averaged": 4, "edge": 4}
    assert len(json.loads((directory / "run.json").read_text())["run"]["code_sha256"]) == 64


def test_json_is_one_object_with_every_row(call):
    code, out, err = call(*QUICK, "--out", "run", "--json", "--bits", "none", "--level", "averaged")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["out"], found["report"], found["status"], found["failed"]) == ("run", None, "complete", [])
    rows = {(row["level"], row["row"]) for row in found["rows"]}
    assert rows == {(level, value) for level in ("averaged", "ideal") for value in (0.01, 0.03, 0.05, 0.07, 0.09)}
    assert all(row["n"] == 4 and row["half"] == "jitter" for row in found["rows"])


def test_a_finished_run_is_rebuilt_from_the_ledger_and_another_request_refused(call):
    assert call(*QUICK, "--out", "run")[0] == 0
    before = files_under(Path("run"))
    code, out, _ = call(*QUICK, "--out", "run")
    assert code == 0
    batches = json.loads(Path("run/run.json").read_text())
    assert batches["computed_batches"] == 0
    assert f"{batches['reused_batches']} of them from the ledger" in out
    after = files_under(Path("run"))
    assert {name: data for name, data in after.items() if name != "run.json"} == {
        name: data for name, data in before.items() if name != "run.json"
    }
    code, out, err = call(*QUICK, "--out", "run", "--seed", "2")
    assert (code, out) == (2, "")
    assert "sweep.seed = 1, asked for 2" in err
    assert files_under(Path("run")) == after


def test_resume_takes_what_is_not_given_from_the_run_and_refuses_what_differs(call, tmp_path):
    Path("circuit.toml").write_text(NeuronSpec(name="mine", phase_per_weight_rad=0.45).to_toml())
    begun = (*QUICK, "--spec", "circuit.toml", "--jitter", "3%", "--seed", "5", "--testbench", "paper-ideal")
    assert call(*begun, "--out", "run")[0] == 0
    whole = files_under(Path("run"))
    Path("run/run.json").unlink()
    code, out, err = call(*begun, "--out", "run")
    assert (code, out) == (2, "")
    assert "unfinished run; continue it with --resume --out run" in err
    for changed, words in [
        (("--seed", "6"), "sweep.seed = 5, asked for 6"),
        (("--jitter", "1-9%"), "sweep.jitter"),
        (("--trials", "5"), "testbench.trials = 4, asked for 5"),
        (("--testbench", "paper"), "testbench."),
        (("--level", "edge"), "testbench.level"),
        (("--cross-check", "bsource"), "levels.bsource"),
    ]:
        code, out, err = call("--resume", "--out", "run", *changed)
        assert (code, out) == (2, "")
        assert words in err
    agreeing = ("--seed", "5", "--testbench", "paper-ideal", "--trials", "4", "--spec", "circuit.toml")
    assert call("--resume", "--out", "run", "--no-report", *agreeing)[0] == 0
    assert call("--resume", "--out", "run", "--no-report")[0] == 0
    after = files_under(Path("run"))
    assert {name: data for name, data in after.items() if name != "run.json"} == {
        name: data for name, data in whole.items() if name != "run.json"
    }


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": 7}'])
def test_a_damaged_request_is_refused_by_name(call, damage):
    Path("run").mkdir()
    Path("run/request.json").write_text(damage)
    for arguments in (("--resume", "--out", "run"), (*QUICK, "--out", "run")):
        code, out, err = call(*arguments)
        assert (code, out) == (2, "")
        assert "run/request.json" in err


def test_what_a_killed_writer_left_does_not_make_a_directory_foreign(call):
    Path("run").mkdir()
    Path("run/.request.json.abc.tmp").write_text("{")
    assert call(*QUICK, "--out", "run", "--bits", "none")[0] == 0
    assert not Path("run/.request.json.abc.tmp").exists()


def test_a_dry_run_counts_and_writes_nothing(call, tmp_path):
    code, out, err = call("--trials", "700", "--cross-check", "none", "--jobs", "2", "--dry-run", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    # 14 rows of 700 draws at three levels; at edge the interpretations on top, at ideal those against eq. (4).
    assert found["levels"]["averaged"]["evaluations"] == 14 * 700
    assert found["levels"]["edge"]["evaluations"] > 14 * 700
    assert all(level["source"] == "a timed probe" for level in found["levels"].values())
    assert all(level["to_compute"] == level["evaluations"] for level in found["levels"].values())
    assert found["estimate_s"] > 0
    assert files_under(tmp_path) == {}


def test_a_dry_run_knows_what_is_stored_and_how_long_it_took(call):
    assert call(*QUICK, "--out", "run")[0] == 0
    code, out, _ = call(*QUICK, "--dry-run")
    assert code == 0
    assert out.count("durations in the ledger") == 3
    assert "about 0.0 s" in out
    found = json.loads(call(*QUICK, "--dry-run", "--json")[1])
    assert all(level["to_compute"] == 0 for level in found["levels"].values())


def test_the_shipped_default_is_the_paper_at_edge_with_a_cross_check(call):
    code, out, _ = call("--dry-run", "--json", "--jobs", "2")
    if code != 0:
        pytest.skip("ngspice is not installed")
    levels = json.loads(out)["levels"]
    assert load_testbench("paper").trials == 2000
    assert levels["bsource"]["evaluations"] == 14 * 20
    assert levels["edge"]["evaluations"] >= 14 * 2000


def test_help_names_every_option(call):
    code, out, _ = call("--help")
    assert code == 0
    for option in (
        "--jitter",
        "--bits",
        "--testbench",
        "--cross-check",
        "--resume",
        "--dry-run",
        "--scheduler",
        "--json",
    ):
        assert option in out
