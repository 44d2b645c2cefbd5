"""The command line in this process or in others, and what belongs to it among the machine's processes."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from neurocircuit.cli import main

DATA_FILES = ("table.csv", "table.nc", "draws.nc", "sensitivity.csv", "waveforms.nc", "request.json")

# Only something that hangs takes so long, on however loaded a machine; below the time after which a simulator of the
# characterisation is killed anyway (process.bench.TIMEOUT_s).
PATIENCE_s = 500.0
LONG_s = 10 * PATIENCE_s  # of a simulation that takes minutes

# Answers for its version and then hangs, as a simulator does that does not converge.
HANGING = """#!/bin/sh
grep -q '^[*] version' deck.cir && exec {ngspice} "$@"
exec sleep 1000
"""


def call(*arguments: Any) -> subprocess.CompletedProcess[str]:
    """Run `neurocircuit` with these arguments in this process; another one would spend seconds on imports."""
    out, err, code = io.StringIO(), io.StringIO(), None
    command = ["neurocircuit", *map(str, arguments)]
    with mock.patch("sys.argv", command), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end_of_main:
            code = end_of_main.code
    return subprocess.CompletedProcess(command, int(code or 0), out.getvalue(), err.getvalue())


def succeed(command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; AssertionError with what it printed unless it ends with 0."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_s, check=False, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done


@contextmanager
def running(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a command with its output in pipes; when the block ends, it ends too, with all that it started."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Kill the session of a process and close its pipes."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


class CommandLine:
    """`neurocircuit` as a user starts it, with a ledger and a working directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ledger = directory / "ledger"
        # Every process of a sweep inherits the path of this ledger, which tells it from those of other tests.
        self.environment = {**os.environ, "NEUROCIRCUIT_LEDGER": str(self.ledger)}
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        program = [str(Path(sys.executable).with_name("neurocircuit")), *arguments]
        environment = {**self.environment, **variables}
        process = subprocess.Popen(
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
        self._started.append(process)
        return process

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=PATIENCE_s)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def end(self) -> None:
        """End every process that was started, so that none is left to be found by a later test."""
        for process in self._started:
            end(process)

    def data(self, out: str) -> dict[str, bytes]:
        return {name: (self.directory / out / name).read_bytes() for name in DATA_FILES}

    def processes(self) -> dict[int, int]:
        """Parent by process, of all processes that work for this command line."""
        mark = f"NEUROCIRCUIT_LEDGER={self.ledger}".encode()
        parents = {}
        for directory in Path("/proc").iterdir():
            try:
                if directory.name.isdigit() and mark in (directory / "environ").read_bytes().split(b"\0"):
                    fields = (directory / "stat").read_text().rpartition(")")[2].split()
                    if fields[0] != "Z":
                        parents[int(directory.name)] = int(fields[1])
            except (OSError, ValueError):
                continue
        return parents


def is_hanging(pid: int) -> bool:
    """Whether a process is such a simulator."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0")
    except OSError:  # it has just ended
        return False


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for a condition; AssertionError with what the process printed when it ends before."""
    give_up = time.monotonic() + PATIENCE_s
    while not condition():
        if process is not None and process.poll() is not None:
            out, err = process.communicate()
            raise AssertionError(f"ended with {process.returncode} before the awaited state: {out or ''}{err or ''}")
        assert time.monotonic() < give_up, "the awaited state did not come about"
        time.sleep(0.01)
