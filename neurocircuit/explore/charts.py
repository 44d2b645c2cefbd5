"""Options of ECharts for what the page shows; text and lines are legible on light and on dark paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.explore.circuit import View
from neurocircuit.rendering.text import interval
from neurocircuit.rendering.text import points as points_text

if TYPE_CHECKING:
    from neurocircuit.explore.network import Accuracy

COLOURS = ("#2f7fc1", "#d9622b", "#1f9e77", "#c0689f", "#b8860b", "#4aa3d8")
CAUSES = {
    "event": "noise of events",
    "neuron": "mismatch of neurons",
    "die": "mismatch of dies",
    "synapse": "mismatch of synapses",
    "systematic": "bias that all chips share",
}
ALONG = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # factors of the first cause
BESIDE = (0.0, 1.0, 2.0)  # of the second, a line for each
_SAMPLES = 800  # of a waveform; a picture has not many more columns
_DIGITS = 5


@dataclass(frozen=True)
class Paper:
    """Colours of text and of grid lines on one kind of paper."""

    ink: str
    line: str


LIGHT, DARK = Paper("#333333", "#dddddd"), Paper("#d6d6d6", "#444a50")


def waveform_chart(shown: View, paper: Paper) -> dict[str, Any]:
    """Return phases of the VCOs, UP with the loop filter, membrane and Q over time, one below the other."""
    waves = shown.waveforms
    panels: tuple[tuple[str, tuple[tuple[str, Floats], ...]], ...] = (
        ("excess phase, rad", tuple((f"VCO{k + 1}", waves.vco_rad[k]) for k in range(4))),
        ("UP", (("UP", waves.up), ("loop filter", waves.loop_filter))),
        ("membrane, θ", (("membrane", waves.membrane),)),
        ("Q", (("Q", waves.q),)),
    )
    until = _until(shown)
    tops, heights = ("7%", "36%", "57%", "84%"), ("24%", "15%", "21%", "6%")
    series: list[dict[str, Any]] = []
    axes_x, axes_y, grids = [], [], []
    for k, (name, lines) in enumerate(panels):
        grids.append({"left": 60, "right": 16, "top": tops[k], "height": heights[k]})
        last = k == len(panels) - 1
        axes_x.append(
            _axis(paper, "time from arming, τ" if last else "", gridIndex=k, min=0, max=until)
            | {"axisLabel": {"show": last, "color": paper.ink}}
        )
        axes_y.append(_axis(paper, name, gridIndex=k, splitNumber=2, nameGap=34))
        for label, values in lines:
            series.append(
                _line(label, _thinned(waves.time_over_tau, values, until), COLOURS[len(series) % len(COLOURS)])
                | {"xAxisIndex": k, "yAxisIndex": k, "step": "end" if label == "Q" else False}
            )
    membrane = next(line for line in series if line["name"] == "membrane")
    membrane["markLine"] = {
        "silent": True,
        "symbol": "none",
        "animation": False,
        "lineStyle": {"type": "dashed", "color": paper.ink},
        "label": {"show": False},
        "data": [{"yAxis": 1}],
    }
    return _chart(paper, series, axes_x, axes_y, grids) | {
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "tooltip": _tooltip("axis"),
        "legend": _legend(paper, [line["name"] for line in series if line["name"] not in ("membrane", "Q")]),
    }


def curve_chart(shown: View, paper: Paper, logarithmic: bool) -> dict[str, Any]:
    """Return the output jitter over the input jitter with its 95 % interval, and eq. (4) beside it."""
    percent = [
        [100 * row.jitter, *(_number(100 * value) for value in (row.mean, row.low, row.high))] for row in shown.curve
    ]
    kind = "log" if logarithmic else "value"
    ends = {"min": 0.8, "max": 11} if logarithmic else {"min": 0, "max": 10}
    series = [
        _line("edge", [row[:2] for row in percent], COLOURS[0]) | {"symbol": "circle", "symbolSize": 7, "z": 3},
        _line("eq. (4)", [[100 * row.jitter, _number(100 * row.ideal)] for row in shown.curve], COLOURS[2])
        | {"symbol": "triangle", "symbolSize": 7, "lineStyle": {"type": "dashed", "width": 1.5, "color": COLOURS[2]}},
    ]
    if not logarithmic:  # a stack of logarithms would not be an interval
        series += _band([(x, low, high) for x, _, low, high in percent], COLOURS[0])
    return _chart(
        paper,
        series,
        [_axis(paper, "input jitter, %", type=kind, **ends)],
        [_axis(paper, "output jitter, %", type=kind, nameLocation="middle", nameGap=44)],
        [{"left": 64, "right": 24, "top": 36, "bottom": 48}],
    ) | {"tooltip": _tooltip("axis"), "legend": _legend(paper, ["edge", "eq. (4)"])}


def accuracy_chart(
    points: "Sequence[tuple[float, float, Accuracy]]",
    names: tuple[str, str],
    factors: Sequence[float],
    software: float,
    paper: Paper,
) -> dict[str, Any]:
    """Return accuracy over the factor of one cause, a line for each factor of another; hover shows the intervals.

    factors: of the other cause, which give the lines their colours. software: accuracy without a circuit, ratio. The
    band is the 95 % interval of the line of the noise table's own factor, 1.
    """
    series: list[dict[str, Any]] = []
    for k, factor in enumerate(factors):
        line = sorted((along, at) for along, beside, at in points if beside == factor)
        if not line:
            continue
        data = [{"value": [along, _percent(at.interval[0])], "name": accuracy_text(at)} for along, at in line]
        colour = COLOURS[k % len(COLOURS)]
        series.append(
            _line(f"{names[1]} × {factor:g}", [], colour) | {"data": data, "symbol": "circle", "symbolSize": 8, "z": 3}
        )
        if factor == 1.0:
            ends = [(along, _percent(at.interval[1]), _percent(at.interval[2])) for along, at in line]
            series += _band(ends, colour)
    series[0]["markLine"] = {
        "silent": True,
        "symbol": "none",
        "animation": False,
        "lineStyle": {"type": "dashed", "color": paper.ink},
        "label": {"formatter": "in software", "position": "insideEndBottom", "color": paper.ink},
        "data": [{"yAxis": _percent(software)}],
    }
    return _chart(
        paper,
        series,
        [_axis(paper, f"{names[0]}, × that of the noise table", min=0)],
        [_axis(paper, "accuracy, %", nameGap=44)],
        [{"left": 64, "right": 24, "top": 48, "bottom": 48}],
    ) | {
        "tooltip": _tooltip("item") | {"formatter": "{a}<br>{b}"},
        "legend": _legend(paper, [line["name"] for line in series if "stack" not in line]),
    }


def accuracy_text(at: "Accuracy") -> str:
    """Return an accuracy, and by how many points it differs from that under the table's own noise, with intervals."""
    unscaled = at.change[1] == at.change[2] == 0
    return interval(at.interval, 1) if unscaled else f"{interval(at.interval, 1)}, {points_text(at.change)}"


def _until(shown: View) -> float:
    """Return where the time axis ends: a little after the spike, at least at 2 τ."""
    end = float(shown.waveforms.time_over_tau[-1])
    fired = shown.fire_time_over_tau
    return end if not np.isfinite(fired) else min(end, max(2.0, float(np.ceil(1.5 * fired))))


def _thinned(time: Floats, values: Floats, until: float) -> list[list[float]]:
    """Return pairs of time and value up to `until`, few enough for a screen; each stretch keeps both its ends."""
    kept = int(np.searchsorted(time, until, side="right")) + 1
    time, values = time[:kept], values[:kept]
    if len(time) > _SAMPLES:
        stretches = np.array_split(np.arange(len(time)), _SAMPLES // 2)
        which = sorted(
            {int(k) for part in stretches for k in (part[values[part].argmin()], part[values[part].argmax()])}
        )
        time, values = time[which], values[which]
    return [[float(f"{t:.{_DIGITS}g}"), float(f"{v:.{_DIGITS}g}")] for t, v in zip(time, values, strict=True)]


def _number(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


def _percent(ratio: float) -> float | None:
    return _number(100 * ratio)


def _band(ends: Sequence[tuple[float | None, float | None, float | None]], colour: str) -> list[dict[str, Any]]:
    """Return the interval about a line, from (x, low, high), as a stack of its lower end and its width."""
    hidden = {
        "lineStyle": {"opacity": 0},
        "stack": "interval",
        "symbol": "none",
        "silent": True,
        "tooltip": {"show": False},
    }
    return [
        _line("low", [[x, low] for x, low, _ in ends], colour) | hidden,
        _line("95 % interval", [[x, _difference(high, low)] for x, low, high in ends], colour)
        | hidden
        | {"areaStyle": {"color": colour, "opacity": 0.2}},
    ]


def _difference(high: float | None, low: float | None) -> float | None:
    return None if high is None or low is None else high - low


def _line(name: str, points: list[list[Any]], colour: str) -> dict[str, Any]:
    return {
        "type": "line",
        "name": name,
        "data": points,
        "symbol": "none",
        "color": colour,
        "lineStyle": {"width": 1.5, "color": colour},
    }


def _axis(paper: Paper, name: str, **options: Any) -> dict[str, Any]:
    return {
        "type": "value",
        "name": name,
        "nameLocation": "middle",
        "nameGap": 26,
        "nameTextStyle": {"color": paper.ink, "fontSize": 13},
        "axisLabel": {"color": paper.ink},
        "axisLine": {"show": True, "lineStyle": {"color": paper.line}},
        "splitLine": {"lineStyle": {"color": paper.line}},
        "scale": True,
    } | options


def _legend(paper: Paper, names: list[str]) -> dict[str, Any]:
    return {"data": names, "textStyle": {"color": paper.ink, "fontSize": 13}, "top": 4}


def _tooltip(trigger: str) -> dict[str, Any]:
    return {"trigger": trigger, "confine": True, "transitionDuration": 0}


def _chart(
    paper: Paper,
    series: list[dict[str, Any]],
    x: list[dict[str, Any]],
    y: list[dict[str, Any]],
    grids: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "animation": False,
        "backgroundColor": "transparent",
        "grid": grids,
        "xAxis": x,
        "yAxis": y,
        "series": series,
        "legend": _legend(paper, [line["name"] for line in series]),
    }
