"""Options of the charts say what the view holds; they are JSON, few enough points for a screen."""

import json
import math

import numpy as np
import pytest

from neurocircuit.explore import charts
from neurocircuit.explore.circuit import View, turned, view
from neurocircuit.explore.network import Accuracy
from neurocircuit.spec import NeuronSpec


@pytest.fixture(scope="module")
def shown() -> View:
    return view(NeuronSpec(), draws=20)


def test_waveforms_keep_their_extremes_and_end_after_the_spike(shown: View) -> None:
    options = charts.waveform_chart(shown, charts.LIGHT)
    lines = {line["name"]: np.array(line["data"]) for line in options["series"]}
    assert [*lines] == ["VCO1", "VCO2", "VCO3", "VCO4", "UP", "loop filter", "membrane", "Q"]
    until = options["xAxis"][0]["max"]
    kept = shown.waveforms.time_over_tau <= until
    assert shown.fire_time_over_tau < until
    assert lines["membrane"][:, 1].max() >= shown.waveforms.membrane[kept].max() - 1e-4
    json.dumps(options, allow_nan=False)


def test_a_long_waveform_is_thinned_and_keeps_both_ends_of_each_stretch() -> None:
    fast = view(turned(NeuronSpec(), {"f0": 7e9}), draws=20)
    options = charts.waveform_chart(fast, charts.LIGHT)
    up = next(line for line in options["series"] if line["name"] == "UP")
    values = [value for _, value in up["data"]]
    assert len(values) <= 800 < len(fast.waveforms.up)
    assert (min(values), max(values)) == (0.0, 1.0)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_the_curve_is_in_percent_and_its_axes_have_units(shown: View, logarithmic: bool) -> None:
    options = charts.curve_chart(shown, charts.DARK, logarithmic)
    edge = options["series"][0]["data"]
    assert edge[0] == pytest.approx([1.0, 100 * shown.curve[0].mean], rel=1e-4)
    assert options["xAxis"][0]["name"].endswith("%")
    assert options["xAxis"][0]["type"] == ("log" if logarithmic else "value")
    json.dumps(options, allow_nan=False)


def accuracies() -> list[tuple[float, float, Accuracy]]:
    """In the order in which they are computed."""
    return [
        (
            along,
            beside,
            Accuracy({}, (0.9 - 0.1 * along, 0.75 - 0.1 * along, 0.95), (0.1 - 0.1 * along, -0.02 * along, 0.01)),
        )
        for beside in (1.0, 0.0)
        for along in (2.0, 1.0)
    ]


def test_accuracy_has_a_line_for_each_factor_and_its_interval() -> None:
    names = ("noise of events", "mismatch of neurons")
    options = charts.accuracy_chart(accuracies(), names, charts.BESIDE, 0.92, charts.LIGHT)
    lines = {line["name"]: line for line in options["series"]}
    assert [*lines] == ["mismatch of neurons × 0", "mismatch of neurons × 1", "low", "95 % interval"]
    assert options["legend"]["data"] == ["mismatch of neurons × 0", "mismatch of neurons × 1"]
    data = lines["mismatch of neurons × 1"]["data"]
    assert [point["value"] for point in data] == [[1.0, 80.0], [2.0, 70.0]]
    assert data[1]["name"] == "70% (55% … 95%), −10.0 points (−4.0 … +1.0)"
    assert lines["low"]["data"] == [[1.0, pytest.approx(65.0)], [2.0, pytest.approx(55.0)]]
    assert lines["95 % interval"]["data"] == [[1.0, pytest.approx(30.0)], [2.0, pytest.approx(40.0)]]
    assert options["series"][0]["markLine"]["data"] == [{"yAxis": 92.0}]
    json.dumps(options, allow_nan=False)


def test_a_line_keeps_its_colour_while_others_come() -> None:
    names = ("noise of events", "mismatch of neurons")

    def colour(count: int) -> str:
        options = charts.accuracy_chart(accuracies()[:count], names, charts.BESIDE, 0.92, charts.DARK)
        return next(line["color"] for line in options["series"] if line["name"].endswith("× 1"))

    assert colour(1) == colour(4)


def test_what_is_no_number_is_left_out() -> None:
    silent = view(NeuronSpec(vco4_swing_Hz=20e6), draws=20)
    assert math.isnan(silent.curve[0].mean)
    options = charts.curve_chart(silent, charts.LIGHT, False)
    assert options["series"][0]["data"][0] == [1.0, None]
