"""Supply sensitivity of the VCOs, against the rings of `process check` at two supplies and Ohm's law."""

import shutil
from types import SimpleNamespace

import pytest

from neurocircuit.process.context import Context
from neurocircuit.process.measurements import supply
from neurocircuit.process.request import Request
from neurocircuit.process.ring import check_ring
from neurocircuit.spice.process import load

pytestmark = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def test_sensitivities_are_those_of_the_rings_and_a_shared_resistor_pulls_by_its_drop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = load("generic65")
    trim = SimpleNamespace(bias=installed.process.nominal, f1_Hz=installed.process.f1_Hz)
    monkeypatch.setattr(supply, "trimmed", lambda context: trim)
    condition = installed.condition()
    lines = supply.measure(
        Context(installed, condition, Request("generic65", (condition,), ("supply",), 1e-4, 1, 1), {})
    )
    low, high = (check_ring(installed, installed.condition(supply_V=volts)) for volts in (0.99, 1.01))
    # 6 periods of a coarse step: 0.1 % of the frequency, 5 % of a change by 2.3 %.
    assert lines.value("vco1") == pytest.approx((high.f_Hz / low.f_Hz - 1) / 0.02, rel=0.05)
    # VCO3 is nearer to the end of its range; what UP adds to VCO2 and VCO4 follows the supply too.
    assert lines.value("vco3") > 1.2 * lines.value("vco1") > 0
    assert lines.value("vco1_vco2") == lines.value("vco1") - lines.value("vco2")
    assert 0.02 < lines.value("vco4_vco3") < 0.3
    # 24 uA in 50 Ohm are 1.2 mV; pulses at the other's edges change what the mean drop does by a tenth at most.
    assert lines.value("current") == pytest.approx(24e-6, rel=0.1)
    assert lines.value("pulled") == pytest.approx(lines.value("drop"), rel=0.1)
    assert lines.value("drop") == pytest.approx(-50 * lines.value("current") * lines.value("vco1"))
    assert abs(lines.value("beyond")) < 1e-4
