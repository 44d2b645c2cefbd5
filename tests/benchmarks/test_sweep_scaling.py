"""Wall time of the same sweep with one and with two processes, ledgers empty; run as a user runs it."""

import os
import subprocess
import sys
import time

import numpy as np


def sweep_s(tmp_path, jobs, number):
    environment = {**os.environ, "NEUROCIRCUIT_LEDGER": str(tmp_path / f"{jobs}-{number}.sqlite")}
    out = tmp_path / f"run-{jobs}-{number}"
    command = [sys.executable, "-m", "neurocircuit", "sweep", "--jitter", "1-9%", "--bits", "none", "--no-report"]
    begin = time.perf_counter()
    subprocess.run(
        [*command, "--cross-trials", "60", "--jobs", str(jobs), "--out", str(out)],
        env=environment,
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - begin


def test_two_processes_against_one(benchmark, tmp_path):
    """Median over alternating pairs. Below 2: imports and files do not scale; about 1 where the cores are taken."""
    pairs = [(sweep_s(tmp_path, 1, k), sweep_s(tmp_path, 2, k)) for k in range(3)]
    ratio = float(np.median([one / two for one, two in pairs]))
    benchmark.extra_info["one_over_two"] = ratio
    benchmark.extra_info["one_s"] = float(np.median([one for one, _ in pairs]))
    benchmark.pedantic(sweep_s, (tmp_path, 2, "last"), rounds=1)
