"""Noisy rings in transistors against the random walk of theory."""

import shutil
from pathlib import Path

import pytest
from scipy.special import chdtri

from neurocircuit.process.context import Context
from neurocircuit.process.measurements import assumed_noise
from neurocircuit.process.request import Request
from neurocircuit.results import measurement
from neurocircuit.spice.process import load

TRIMMED = Path(__file__).parents[3] / "reports" / "published" / "datasheet-generic65" / "conditions" / "tt_27C_1V"


@pytest.mark.long
@pytest.mark.xdist_group("transistor")
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_phase_of_noisy_rings_walks_as_theory_says() -> None:
    installed = load("generic65")
    condition = installed.condition()
    done = {name: measurement.load(TRIMMED / f"{name}.json") for name in ("trim", "cco")}
    request = Request("generic65", (condition,), ("trim", "cco", "assumed_noise"), 1e-4, 2, 1)
    found = assumed_noise.measure(Context(installed, condition, request, done))
    # Against theory: the sum of squares of n increments is χ², here at a false alarm of 1 in 1000.
    count = found.details["increments"]
    low, high = (float(chdtri(count, p)) / count for p in (0.9995, 0.0005))
    assert low < found.value("measured") / found.value("analytic") < high
    # Against the walks that were drawn no chance is left: the ring's gain, measured at ± 5 % of the current, and the
    # noise that the simulator's steps lose (a tenth at most, asserted) make the difference.
    assert found.value("lost") < 0.1
    assert found.value("gain_ratio") == pytest.approx(1.0, abs=0.1)
    assert found.value("ratio_drawn") == pytest.approx(1.0, abs=0.1)
    assert found.value("unexplained") < 0.1
