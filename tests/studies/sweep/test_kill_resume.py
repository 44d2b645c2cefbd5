"""The real command line, disturbed: kill -9, Ctrl-C, a dying worker, a failing simulator, Dask."""

import json
import os
import random
import re
import shlex
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.spec import Testbench
from neurocircuit.tables import read_dataset
from tests.command_line import HANGING, CommandLine, PATIENCE_s, is_hanging, wait_until

# Enough ngspice runs (10 draws of 8 rows) to be in mid-sweep for more than a second.
SWEEP = ("sweep", "--jitter", "1,9%", "--bits", "4,8", "--trials", "60", "--cross-trials", "10", "--no-report")

pytestmark = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The files of a run that nothing disturbed, in one process."""
    line = CommandLine(tmp_path_factory.mktemp("undisturbed"))
    done = line.run(*SWEEP, "--out", "run", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    return line.data("run")


def stored(ledger: Path) -> int:
    """Number of finished batches in a ledger that another process writes."""
    return sum(not path.name.startswith(".") for path in ledger.glob("*/*.json"))


def test_two_jobs_give_the_bytes_of_one(command_line, undisturbed):
    done = command_line.run(*SWEEP, "--out", "run", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert command_line.data("run") == undisturbed


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8))])
def test_kill_9_at_random_moments_of_a_sweep_and_resume_gives_the_same_bytes(command_line, undisturbed, seed):
    chance = random.Random(seed)  # noqa: S311 - a moment, not a secret
    # bsource comes first: 16 batches of 5 draws; six and more are left at each kill, lest a loaded machine be late.
    moments = sorted(chance.sample(range(1, 11), 2))
    arguments = (*SWEEP, "--out", "run")
    for moment, jobs in zip(moments, ("2", "1"), strict=True):
        process = command_line.start(*arguments, "--jobs", jobs)
        wait_until(lambda moment=moment: stored(command_line.ledger) >= moment, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        wait_until(lambda: not command_line.processes())  # workers and their simulators go, too
        assert not (command_line.directory / "run" / "run.json").exists()
        arguments = ("sweep", "--resume", "--out", "run", "--no-report")

    done = command_line.run(*arguments)
    assert done.returncode == 0, done.stderr
    assert command_line.data("run") == undisturbed
    record = json.loads((command_line.directory / "run" / "run.json").read_text())
    assert record["reused_batches"] >= moments[-1]
    assert record["computed_batches"] > 0


# Hangs once three batches are stored, so that a sweep is never at its end before it is interrupted.
HANGING_LATER = """#!/bin/sh
[ "$(ls {ledger}/*/*.json 2>/dev/null | wc -l)" -ge 3 ] && exec sleep 1000
exec {ngspice} "$@"
"""


@pytest.mark.parametrize(("jobs", "presses"), [("1", 1), ("2", 1), ("1", 2), ("2", 3)])
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(command_line, undisturbed, jobs, presses):
    fake = command_line.directory / "ngspice"
    fake.write_text(HANGING_LATER.format(ngspice=shutil.which("ngspice"), ledger=command_line.ledger))
    fake.chmod(0o755)
    process = command_line.start(*SWEEP, "--out", "run", "--jobs", jobs, NEUROCIRCUIT_NGSPICE=str(fake))
    wait_until(lambda: stored(command_line.ledger) >= 3, process)
    for _ in range(presses):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the job
    out, err = process.communicate(timeout=PATIENCE_s)
    assert process.returncode == 130, err
    assert out == ""
    wait_until(lambda: not command_line.processes())
    *lines_of_progress, last = err.splitlines()
    assert all("%" in line for line in lines_of_progress), err  # on a slow machine
    advice = re.search(r"go on with: neurocircuit (.*)$", last)
    assert advice is not None, err
    if (jobs, presses) != ("2", 1):
        return  # one way to go on is as good as the other
    done = command_line.run(*shlex.split(advice[1]))
    assert done.returncode == 0, done.stderr
    assert command_line.data("run") == undisturbed


def test_a_killed_worker_is_one_clear_error(command_line):
    process = command_line.start(*SWEEP, "--out", "run", "--jobs", "2")
    wait_until(lambda: stored(command_line.ledger) >= 2, process)
    family = command_line.processes()
    workers = [pid for pid, parent in family.items() if family.get(parent) == process.pid and is_python(pid)]
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE_s)
    assert process.returncode == 1
    assert out == ""
    assert "Traceback" not in err
    assert "worker process was killed" in err.splitlines()[-1]
    assert "--resume --out run" in err.splitlines()[-1]
    wait_until(lambda: not command_line.processes())


def is_python(pid: int) -> bool:
    return b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()


# By a hash of its deck a run ends without output always (0) or only the first time (1), or hangs (2): 1 in 16 each.
FAKE = """#!/bin/sh
grep -q '^[*] version' deck.cir && exec {ngspice} "$@"
digest=$(md5sum < deck.cir)
case $digest in
  0*) exit 0 ;;
  1*) mkdir "{state}/$(echo $digest | cut -c1-32)" 2>/dev/null && exit 0 ;;
  2*) exec sleep 1000 ;;
esac
exec {ngspice} "$@"
"""


def test_failing_runs_are_retried_then_recorded_and_the_rest_is_complete(command_line, undisturbed):
    fake = command_line.directory / "ngspice"
    (command_line.directory / "state").mkdir()
    fake.write_text(FAKE.format(ngspice=shutil.which("ngspice"), state=command_line.directory / "state"))
    fake.chmod(0o755)
    bench = command_line.directory / "impatient.toml"
    bench.write_text(
        Testbench.from_dict(json.loads(undisturbed["request.json"])["testbench"]).replace(timeout_s=1.0).to_toml()
    )
    arguments = (*SWEEP, "--testbench", str(bench), "--out", "run", "--jobs", "2", "--json")
    done = command_line.run(*arguments, NEUROCIRCUIT_NGSPICE=str(fake))
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["status"] == "partial"
    assert {group["level"] for group in found["failed"]} == {"bsource"}
    record = json.loads((command_line.directory / "run" / "run.json").read_text())
    retried = {(entry["row"], entry["trial"]) for entry in record["retries"]}
    failed = {
        (group["row"], trial) for group in found["failed"] if group["row"] != "waveforms" for trial in group["trials"]
    }
    assert failed
    assert failed < retried  # some were mended by the second attempt
    reasons = " ".join(group["reason"] for group in found["failed"])
    assert "killed" in reasons

    healthy_path = command_line.directory / "healthy.nc"
    healthy_path.write_bytes(undisturbed["draws.nc"])
    healthy, disturbed = read_dataset(healthy_path), read_dataset(command_line.directory / "run" / "draws.nc")
    for name in ("clean_jitter", "jittered", "clean_bits", "quantised"):
        lost = np.isnan(disturbed[name].values) & ~np.isnan(healthy[name].values)
        kept = np.where(lost, healthy[name].values, disturbed[name].values)
        np.testing.assert_array_equal(kept, healthy[name].values)
        assert not lost[disturbed["level"].values != "bsource"].any()

    # Failed batches are not in the ledger, sound ones are: a sound simulator and more patience mend the sweep.
    mended = command_line.run(*SWEEP, "--out", "mended")
    assert mended.returncode == 0, mended.stderr
    assert command_line.data("mended") == undisturbed
    batches = json.loads((command_line.directory / "mended" / "run.json").read_text())
    assert 0 < batches["computed_batches"] <= len(failed)


def test_kill_9_takes_a_hanging_simulator_along(command_line):
    fake = command_line.directory / "ngspice"
    fake.write_text(HANGING.format(ngspice=shutil.which("ngspice")))
    fake.chmod(0o755)
    process = command_line.start(*SWEEP, "--out", "run", "--jobs", "2", NEUROCIRCUIT_NGSPICE=str(fake))
    wait_until(lambda: any(is_hanging(pid) for pid in command_line.processes()), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not command_line.processes())


def test_dask_workers_give_the_same_bytes(command_line, undisturbed):
    pytest.importorskip("distributed")
    done = command_line.run(*SWEEP, "--out", "run", "--jobs", "2", "--scheduler", "local")
    assert done.returncode == 0, done.stderr
    assert command_line.data("run") == undisturbed


@pytest.mark.long
def test_no_dask_scheduler_at_the_address_is_one_line(command_line):
    pytest.importorskip("distributed")
    done = command_line.run(*SWEEP, "--out", "run", "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "tcp://127.0.0.1:9" in done.stderr
    assert not (command_line.directory / "run").exists()
