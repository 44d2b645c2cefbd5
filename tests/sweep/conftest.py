"""A small sweep, and the real command line in processes of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neurocircuit.spec import NeuronSpec, SweepSpec, Testbench
from neurocircuit.sweep.plan import SweepRequest

DATA_FILES = ("table.csv", "table.nc", "draws.nc", "sensitivity.csv", "waveforms.nc", "request.json")


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


@pytest.fixture
def command_line(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def make_command_line() -> Callable[[Path], CommandLine]:
    return CommandLine


def make_testbench(**fields: Any) -> Testbench:
    values: dict[str, Any] = {
        "name": "test",
        "summary": "two inputs",
        "level": "ideal",
        "input_times_over_tau": (0.16, 0.3),
        "weights": (0.8, 0.9),
        "quantised_weights": (0.8, 0.9),
        "trials": 20,
    }
    return Testbench(**(values | fields))


@pytest.fixture
def testbench() -> Callable[..., Testbench]:
    return make_testbench


@pytest.fixture
def request_for() -> Callable[..., SweepRequest]:
    def build(
        bench: Testbench, spec: NeuronSpec | None = None, sweep: SweepSpec | None = None, cross_check: str | None = None
    ) -> SweepRequest:
        return SweepRequest.build(spec or NeuronSpec(), bench, sweep or SweepSpec(), cross_check)

    return build
