"""What holds for every test: the same examples in each run, caches of its own, no process that outlives its test."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.command_line import CommandLine

# No statement about time (a deadline, a slow draw), and nothing that depends on an earlier run (a database).
settings.register_profile(
    "neurocircuit", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("neurocircuit")

CACHES = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Give this run a folder for ledger, saved states and fonts, which worker processes share."""
    if not hasattr(config, "workerinput"):
        config.stash[CACHES] = tempfile.TemporaryDirectory(prefix="neurocircuit-tests-")
        os.environ["XDG_CACHE_HOME"] = os.environ["MPLCONFIGDIR"] = config.stash[CACHES].name
        os.environ.pop("NEUROCIRCUIT_LEDGER", None)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove that folder."""
    if CACHES in config.stash:
        config.stash[CACHES].cleanup()


@pytest.fixture
def command_line(tmp_path: Path) -> Iterator[CommandLine]:
    """Return the command line in processes of their own, which end with the test."""
    line = CommandLine(tmp_path)
    yield line
    line.end()
