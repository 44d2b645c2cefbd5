"""What a drawn figure shows, as text by place: the page tells it where the pointer is. Read off the drawing itself."""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.units import decimals_carried

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 1500  # points of a figure; longer lines are thinned
_DIGITS = 4

# (x, y, text): the place in widths and heights of the figure, from its upper left corner.
Spot = tuple[float, float, str]


def spots(figure: "Figure") -> tuple[Spot, ...]:
    """Return every point, bar and cell of a figure that has been drawn, which places ticks and limits."""
    return tuple(spot for axes in figure.axes for spot in _Panel(axes, _MOST // len(figure.axes)).spots())


class _Panel:
    """One pair of axes: the names of its axes and how a number on them is written."""

    def __init__(self, axes: "Axes", most: int) -> None:
        self._axes, self._most = axes, most
        self._names = _name(axes, "x"), _name(axes, "y")
        self._ticks = _named_ticks(axes.xaxis), _named_ticks(axes.yaxis)

    def spots(self) -> Iterator[Spot]:
        lines = [line for line in self._axes.lines if line.get_transform() == self._axes.transData]
        errors = list(_segments(self._axes))
        for line in lines:
            label = _label(line)
            points = np.asarray(line.get_xydata(), dtype=float)
            step = max(1, math.ceil(len(points) * len(lines) / self._most))
            for x, y in points[::step]:
                yield from self._spot(x, y, label, _ends(errors, x, y, line.get_color()))
        for patch in self._axes.patches:
            yield from self._bar(patch)
        for mesh in self._axes.collections:
            yield from self._cells(mesh)

    def _bar(self, patch: Any) -> Iterator[Spot]:
        from matplotlib.patches import Rectangle

        container = next((c for c in self._axes.containers if patch in getattr(c, "patches", ())), None)
        if container is None or not isinstance(patch, Rectangle):
            return
        label = _label(container)
        low_x, low_y, width, height = patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height()
        if getattr(container, "orientation", "vertical") == "horizontal":
            yield from self._spot(low_x + width, low_y + height / 2, label)
        else:
            yield from self._spot(low_x + width / 2, low_y + height, label)

    def _cells(self, mesh: Any) -> Iterator[Spot]:
        from matplotlib.collections import QuadMesh

        if not isinstance(mesh, QuadMesh):
            return
        corners = np.asarray(mesh.get_coordinates())
        centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
        values = np.asarray(mesh.get_array()).reshape(centres.shape[:2])
        for (row, column), value in np.ndenumerate(values):
            x, y = centres[row, column]
            yield from self._spot(x, y, f"{value:.{_DIGITS}g} {_label(mesh)}".strip())

    def _spot(self, x: float, y: float, label: str, ends: tuple[float, float] | None = None) -> Iterator[Spot]:
        if not (math.isfinite(x) and math.isfinite(y)):
            return
        at = self._axes.figure.transFigure.inverted().transform(self._axes.transData.transform((x, y)))
        inside = self._axes.get_position()
        if not (inside.x0 - 1e-3 <= at[0] <= inside.x1 + 1e-3 and inside.y0 - 1e-3 <= at[1] <= inside.y1 + 1e-3):
            return
        lines = [label, *(self._value(k, value, ends if k else None) for k, value in enumerate((x, y)))]
        yield round(float(at[0]), 4), round(1 - float(at[1]), 4), "\n".join(filter(None, lines))

    def _value(self, axis: int, value: float, ends: tuple[float, float] | None) -> str:
        ticks = self._ticks[axis]
        if ticks is not None:
            at = min(ticks, key=lambda tick: abs(tick - value))
            return f"{ticks[at]}" if abs(at - value) <= 0.5 else ""
        name, unit = self._names[axis]
        text = _number(value)
        if ends is not None:
            digits = decimals_carried((ends[1] - ends[0]) / 2, 12)
            text = f"{value:.{digits}f} ({ends[0]:.{digits}f} … {ends[1]:.{digits}f})"
        return f"{name}: {text} {unit}".strip() if name else f"{text} {unit}".strip()


def _number(value: float) -> str:
    """Return a number in four digits, of which the page writes powers of ten."""
    return f"{value:.{_DIGITS}g}"


def _name(axes: "Axes", which: str) -> tuple[str, str]:
    """Return an axis's name and unit, of the panels that share it where it has none: "time (τ)" is time and τ."""
    siblings = getattr(axes, f"get_shared_{which}_axes")().get_siblings(axes)
    labels = [getattr(panel, f"get_{which}label")() for panel in (axes, *siblings)]
    label = next(filter(None, labels), "").replace("\n", " ")
    name, bracket, unit = label.rpartition(" (")
    return (name, unit.rstrip(")")) if bracket and label.endswith(")") else (label, "")


def _named_ticks(axis: Any) -> dict[float, str] | None:
    """Return the names of an axis of categories by place; None for an axis of numbers."""
    from matplotlib.ticker import FixedLocator

    if not isinstance(axis.get_major_locator(), FixedLocator):
        return None
    names = {float(at): text.get_text() for at, text in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)}
    named = {at: name.replace("\n", " ") for at, name in names.items() if name and not _is_number(name)}
    return named or None


def _is_number(text: str) -> bool:
    try:
        float(text.replace("−", "-"))
    except ValueError:
        return False
    return True


def _label(artist: Any) -> str:
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else label.replace("\n", " ")


def _segments(axes: "Axes") -> Iterable[tuple[float, float, float, Any]]:
    """Give each upright stroke, which draws an interval: (x, low, high, colour)."""
    from matplotlib.collections import LineCollection

    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            for segment in collection.get_segments():
                if len(segment) == 2 and segment[0][0] == segment[1][0]:
                    low, high = sorted((float(segment[0][1]), float(segment[1][1])))
                    if math.isfinite(low) and math.isfinite(high) and low < high:
                        yield float(segment[0][0]), low, high, collection.get_colors()


def _ends(
    errors: Iterable[tuple[float, float, float, Any]], x: float, y: float, colour: Any
) -> tuple[float, float] | None:
    """Return the ends of the interval that is drawn through a point in its colour."""
    from matplotlib.colors import to_rgba

    for at, low, high, colours in errors:
        if at == x and low <= y <= high and np.allclose(_rgb(colours), to_rgba(colour)[:3]):
            return low, high
    return None


def _rgb(colours: Any) -> Floats:
    first: Floats = np.asarray(colours, dtype=float)[0, :3]
    return first
