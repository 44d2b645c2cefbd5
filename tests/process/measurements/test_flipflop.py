import shutil

import numpy as np
import pytest

from neurocircuit.process.bench import Bench
from neurocircuit.process.measurements.flipflop import FAR_s, delays, measure
from tests.process.test_fit import context

pytestmark = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def test_what_holds_data_back_at_the_edge_is_the_open_gate() -> None:
    """Data after the clock comes when it set out, whatever its distance; before the clock it meets an open gate."""
    given = context()
    found = {quantity.key: quantity.value for quantity in measure(given).quantities}
    bench = Bench(given.installed, given.condition)
    bias_V = float(bench.rings([given.installed.process.nominal.vco3_A]).bias_V[0])
    out_s = np.array([-150e-12, -120e-12, -1.2 * FAR_s, found["edge"], 120e-12, 150e-12])
    arrived_s, delay_s = delays(bench, bias_V, out_s)
    later_s = out_s - arrived_s
    assert np.ptp(later_s[:3]) < 1e-12  # five steps of the search for the edge are 4 ps
    assert np.ptp(later_s[4:]) < 1e-12
    # The datasheet's pull, from its search, is that of a data edge set out where the search ended.
    assert later_s[3] - later_s[:3].mean() == pytest.approx(found["pull"], abs=1e-12)
    assert 1e-12 < found["pull"] < found["edge"] < found["setup"]
    assert np.isnan(delay_s[:3]).all()
    assert np.isfinite(delay_s[4:]).all()
