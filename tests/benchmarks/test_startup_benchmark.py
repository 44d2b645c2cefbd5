"""Start-up time of the command line beside the bare import of click, in the same run."""

import subprocess
import sys
from pathlib import Path
from time import perf_counter

from pytest_benchmark.fixture import BenchmarkFixture

HELP = [str(Path(sys.executable).with_name("neurocircuit")), "--help"]
CLICK = [sys.executable, "-c", "import click"]
ROUNDS = 15


def seconds(command: list[str]) -> float:
    began = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began


def test_help_against_bare_click(benchmark: BenchmarkFixture) -> None:
    bare = min(seconds(CLICK) for _ in range(ROUNDS))
    benchmark.pedantic(seconds, args=(HELP,), rounds=ROUNDS, warmup_rounds=1)
    ratio = benchmark.stats.stats.min / bare
    benchmark.extra_info["ratio_to_import_click"] = ratio
    print(f"neurocircuit --help takes {ratio:.2f} times as long as python -c 'import click' ({1e3 * bare:.0f} ms)")
    assert ratio < 3
