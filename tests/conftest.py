"""What holds for every test: the same examples in each run, own caches, one thread, no process that outlives it."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.command_line import CommandLine

# Before torch is imported. Worker processes of pytest use the cores already; threads of one that wait for a core which
# another has spin meanwhile: an epoch of the digits takes 20 times as long with two threads on two busy cores.
# Benchmarks run alone and choose their threads themselves.
if "--benchmark-only" not in sys.argv:
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of a file that share what a fixture makes to one worker process, lest each makes it.

    The scheduler of --dist loadgroup deals such groups out first, and then single tests.
    """
    for item in items:
        definitions = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009 - there is no public way
        shared = any(made[-1].scope != "function" and made[-1].baseid.startswith("tests") for made in definitions)
        if shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(autouse=True)
def same_draws_in_any_order() -> None:
    """Start torch's own generator anew, so that a test draws the same alone, after others and on any worker."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def command_line(tmp_path: Path) -> Iterator[CommandLine]:
    """Return the command line in processes of their own, which end with the test."""
    line = CommandLine(tmp_path)
    yield line
    line.end()
