"""One look for all figures: 94.7 mm wide, so that text of 8 pt stays 8 pt on a phone; colours for all eyes.

matplotlib is imported inside the functions, and its state is left as it was.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_INCH = 3.73  # 358 px: what a phone of 390 px leaves between its margins
REFERENCE = "reference"
PAPER_COLOUR = "#000000"
# Okabe and Ito: told apart with any colour vision.
LEVEL_COLOURS = {
    "edge": "#0072B2",
    "averaged": "#D55E00",
    "ideal": "#009E73",
    "bsource": "#CC79A7",
    "transistor": "#8B1A1A",
}
LEVEL_MARKERS = {"edge": "o", "averaged": "s", "ideal": "^", "bsource": "v", "transistor": "D"}
LEVEL_LINES: dict[str, Any] = {
    "edge": "-",
    "averaged": (0, (4, 1.5)),
    "ideal": (0, (1, 1.2)),
    "bsource": (0, (5, 1, 1, 1)),
    "transistor": "-",
}
SERIES_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SERIES_MARKERS = ("o", "s", "^", "v", "D", "P")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "axes.titlesize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.prop_cycle": "cycler('color', ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'])",
    "svg.hashsalt": "neurocircuit",
    "svg.fonttype": "path",
    "axes.unicode_minus": True,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save inside this."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def new_figure(height_inch: float, rows: int = 1, **options: Any) -> "tuple[Figure, list[Axes]]":
    """Draw a figure of our width with `rows` panels one below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCH, height_inch))
    axes = figure.subplots(rows, 1, squeeze=False, **options)
    return figure, list(axes[:, 0])


def render(figure: "Figure", kind: str) -> bytes:
    """Return the figure as "svg" or "png" (200 dpi, 128 colours); equal figures give equal bytes."""
    stream = io.BytesIO()
    if kind == "svg":
        figure.savefig(stream, format="svg", dpi=200, metadata={"Date": None})
        return stream.getvalue()
    from PIL import Image

    figure.savefig(stream, format="rgba", dpi=200)
    size = tuple(round(200 * inch) for inch in figure.get_size_inches())
    image = Image.frombytes("RGBA", size, stream.getvalue()).convert("RGB")
    small = io.BytesIO()
    image.quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def set_log_plain(axis: Any) -> None:
    """Write plain numbers on a logarithmic axis: 0.01, 0.1, 1; powers of ten where they get small.

    2 and 5 are written too where the axis spans few decades.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator

    def minor(value: float, _position: int) -> str:
        low, high = sorted(axis.get_view_interval())
        return plain_number(value) if high < 40 * low and f"{value:e}"[0] in "25" else ""

    axis.set_major_locator(LogLocator(10, numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _position: plain_number(value)))
    axis.set_minor_formatter(FuncFormatter(minor))
    axis.set_tick_params(which="minor", pad=5.0)  # numbers of short and long ticks on one line


def set_linear(figure: "Figure") -> None:
    """Turn the logarithmic axes of a figure into linear ones, which begin at 0.

    A line with the gid REFERENCE, which lies far from the data, is left out.
    """
    for axes in figure.axes:
        for line in [line for line in axes.lines if line.get_gid() == REFERENCE]:
            _leave_out_of_legends(figure, str(line.get_label()))
            line.remove()
            axes.relim()
            axes.autoscale_view()
        for name in "xy":
            if getattr(axes, f"get_{name}scale")() != "log":
                continue
            high = max(getattr(axes, f"get_{name}lim")())
            getattr(axes, f"set_{name}scale")("linear")
            getattr(axes, f"set_{name}lim")(0, high)


def _leave_out_of_legends(figure: "Figure", label: str) -> None:
    for legend in figure.legends:
        for handle, text in zip(legend.legend_handles, legend.texts, strict=True):
            if handle is not None and text.get_text() == label:
                handle.set_visible(False)
                text.set_visible(False)


def set_whole_numbers(axis: Any) -> None:
    """Put ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def plain_number(value: float) -> str:
    """Return 3, 0.01, 10⁴, 2·10⁴: one digit before the power."""
    if 1e-3 <= value < 1e4:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    lead = "" if mantissa == "1" else f"{mantissa}·"
    return f"{lead}10" + str(int(exponent)).translate(_SUPERSCRIPT)  # the mathtext parser takes a second
