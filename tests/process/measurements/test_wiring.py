"""Wiring of the ring, against capacitors that are soldered onto its nodes one by one."""

import shutil
from types import SimpleNamespace

import pytest

from neurocircuit.process import waveforms
from neurocircuit.process.bench import SKIPPED_PERIODS, Bench, START_s
from neurocircuit.process.context import Context
from neurocircuit.process.measurements import wiring
from neurocircuit.process.request import Request
from neurocircuit.results.measurement import Measured
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor_deck import number

pytestmark = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
NODES = ("n1", "n2", "n3", "n4", "n5")


def measured(monkeypatch: pytest.MonkeyPatch, corner: str) -> Measured:
    installed = load("generic65")
    monkeypatch.setattr(wiring, "trimmed", lambda context: SimpleNamespace(bias=installed.process.nominal))
    condition = installed.condition(corner)
    request = Request("generic65", (condition,), ("wiring",), 1e-4, 1, 1)
    return wiring.measure(Context(installed, condition, request, {}))


def frequency_Hz(more_F: float) -> float:
    """Of a ring with a capacitor more on each of its nodes, which the deck names."""
    installed = load("generic65")
    bench = Bench(installed, installed.condition())
    lines = [bench.enable(), f"Ib vdd ib {number(installed.process.nominal.vco1_A)}", "xring ib en o vdd ring_cco"]
    lines += [f"C{node} xring.{node} 0 {number(more_F)}" for node in NODES]
    vectors = bench.run("\n".join(lines), ["v(o)"], START_s + 12 / 0.45e9)
    return waveforms.frequency_Hz(waveforms.edges(vectors["time"], vectors["v(o)"], 0.5)[SKIPPED_PERIODS:])


def test_a_femtofarad_on_each_node_slows_the_ring_as_the_datasheet_says(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = measured(monkeypatch, "tt")
    f_Hz, slope_per_F = lines.value("f_vco1"), lines.value("slope_vco1")
    assert lines.value("c_wire") == 0.4e-15
    # 750 -> 451 MHz, measured before in another deck; an edge is known to some 0.1 % of a period.
    assert f_Hz == pytest.approx(750e6, rel=2e-3)
    assert lines.value("longer_vco1") == pytest.approx(451e6, rel=2e-3)
    assert lines.value("longer_vco1") == pytest.approx(frequency_Hz(1e-15), rel=2e-3)
    # The period is a straight line: what the slope says of 1 fF holds within its curvature.
    assert f_Hz / (1 - 1e-15 * slope_per_F) == pytest.approx(lines.value("longer_vco1"), rel=0.01)
    assert lines.value("node") == pytest.approx(-1 / slope_per_F)
    assert lines.value("least_vco1") > f_Hz > lines.value("most_vco1") > lines.value("longer_vco1")


def test_at_a_corner_of_the_wiring_the_ring_is_the_one_that_the_nominal_bench_foresees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nominal, corner = measured(monkeypatch, "tt"), measured(monkeypatch, "tt_wmax")
    assert corner.value("c_wire") == 0.8e-15
    assert corner.value("f_vco1") == pytest.approx(nominal.value("most_vco1"), rel=1e-9)
