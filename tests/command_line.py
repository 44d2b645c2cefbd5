"""The real command line in processes of its own, and what belongs to it among the machine's processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DATA_FILES = ("table.csv", "table.nc", "draws.nc", "sensitivity.csv", "waveforms.nc", "request.json")

PATIENCE_s = 60.0

# Answers for its version and then hangs, as a simulator does that does not converge.
HANGING = """#!/bin/sh
grep -q '^[*] version' deck.cir && exec {ngspice} "$@"
exec sleep 1000
"""


class CommandLine:
    """`neurocircuit` as a user starts it, with a ledger and a working directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ledger = directory / "ledger.sqlite"
        # Every process of a sweep inherits the path of this ledger, which tells it from those of other tests.
        self.environment = {**os.environ, "NEUROCIRCUIT_LEDGER": str(self.ledger)}

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        program = [str(Path(sys.executable).with_name("neurocircuit")), *arguments]
        environment = {**self.environment, **variables}
        return subprocess.Popen(
            program,
            cwd=self.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Where the tests themselves run in the background of a shell, SIGINT is ignored, and a child inherits that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def data(self, out: str) -> dict[str, bytes]:
        return {name: (self.directory / out / name).read_bytes() for name in DATA_FILES}

    def processes(self) -> dict[int, int]:
        """Parent by process, of all processes that work for this command line."""
        mark = f"NEUROCIRCUIT_LEDGER={self.ledger}".encode()
        found = {}
        for directory in Path("/proc").iterdir():
            try:
                if directory.name.isdigit() and mark in (directory / "environ").read_bytes().split(b"\0"):
                    fields = (directory / "stat").read_text().rpartition(")")[2].split()
                    if fields[0] != "Z":
                        found[int(directory.name)] = int(fields[1])
            except (OSError, ValueError):
                continue
        return found


def is_hanging(pid: int) -> bool:
    """Whether a process is such a simulator."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0")
    except OSError:  # it has just ended
        return False


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> bool:
    """True when the condition came about, False when the process ended before."""
    deadline = time.monotonic() + PATIENCE_s
    while time.monotonic() < deadline:
        if condition():
            return True
        if process is not None and process.poll() is not None:
            return False
        time.sleep(0.01)
    raise TimeoutError("the awaited state did not come about")
