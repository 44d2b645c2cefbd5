"""Ctrl-C at the real command line while a simulator hangs: once, and again before the first is dealt with."""

import os
import shutil
import signal
import time

import pytest

from tests.command_line import HANGING, CommandLine, PATIENCE_s, is_hanging, wait_until

pytestmark = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


@pytest.mark.parametrize("again_after_s", [(), (0.0,), (0.05, 0.05), (0.3,)])
def test_ctrl_c_ends_a_characterisation_however_often_it_is_pressed(command_line: CommandLine, again_after_s) -> None:
    line = command_line
    fake = line.directory / "ngspice"
    fake.write_text(HANGING.format(ngspice=shutil.which("ngspice")))
    fake.chmod(0o755)
    process = line.start(
        "characterize",
        "--corner",
        "tt,ss",
        "--only",
        "trim",
        "--jobs",
        "2",
        "--out",
        "run",
        NEUROCIRCUIT_NGSPICE=str(fake),
    )
    wait_until(lambda: sum(map(is_hanging, line.processes())) == 2, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the job
    for pause_s in again_after_s:
        time.sleep(pause_s)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_s)
    assert process.returncode == 130
    assert out == ""
    *told, last = err.splitlines()
    assert all(line.endswith(": running") for line in told)
    assert last == "neurocircuit: stopped; finished measurements are kept, add --resume --out run"
    wait_until(lambda: not line.processes())
