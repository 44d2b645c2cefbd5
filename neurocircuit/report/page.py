"""report.html, report.md, table.tex and figures/: drawn and rendered in memory, then written."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from neurocircuit.core.files import write_atomically
from neurocircuit.errors import InputError
from neurocircuit.report import content, figures, paper, style, transistors, words
from neurocircuit.report.agreement import Agreement, agreements
from neurocircuit.report.paper import claims
from neurocircuit.report.run import Run
from neurocircuit.report.templating import template

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OPEN_IN_PAPER = (
    "Left open by the paper, and so a field of the testbench or of the neuron here: τ, f0, kvco, kpd, w_lf, the phase "
    "per weight, I_H, I_L and I_th, weights and input times, weight range and code, jitter distribution and reference, "
    "metric, number of draws, what “desired” is, Q or the continuous crossing, start phases, reset, spike width, "
    "negative weights, simulator, noise, corners, and what the energy includes."
)


@dataclass(frozen=True)
class Picture:
    """A drawn figure: file name without suffix, caption, and both formats."""

    name: str
    caption: str
    svg: bytes
    png: bytes

    @property
    def data_uri(self) -> str:
        """The SVG for an <img>, so that its ids stay its own."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


def write(run: Run) -> None:
    """Write all files of the report. Raises InputError when the directory cannot be written."""
    pictures, values = _contents(run)
    html = template("report.html.j2").render(values)
    markdown = template("report.md.j2").render(values)
    folder = run.directory / "figures"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from None
    for picture in pictures:
        write_atomically(folder / f"{picture.name}.svg", picture.svg)
        write_atomically(folder / f"{picture.name}.png", picture.png)
    write_atomically(run.directory / "table.tex", run.table.to_latex(paper.TABLE_3))
    write_atomically(run.directory / "report.md", markdown)
    write_atomically(run.directory / "report.html", html)


def _contents(run: Run) -> tuple[list[Picture], dict[str, Any]]:
    found, compared, halves = claims.claims(run), agreements(run), run.table.halves
    with style.styled():
        curves, scatters, waves, readings = _curves(run), _scatters(compared), _waveforms(run), _readings(run)
        beside = _transistors(run)
    values = {
        "run": run,
        "answer": content.answer(run, found),
        "remarks": content.remarks(run),
        "halves": halves,
        "half_title": content.HALF_TITLE,
        "main_tables": [content.main_table(run, half) for half in halves],
        "levels_tables": [content.levels_table(run, half) for half in halves],
        "counts_tables": [content.counts_table(run, half) for half in halves],
        "curves": curves,
        "scatters": scatters,
        "agreement": content.agreement_table(compared) if compared else None,
        "waveforms": waves,
        "neuron": words.neuron_sentences(run.spec),
        "levels": content.level_texts(run),
        "testbench": words.testbench_sentences(run.testbench),
        "open_in_paper": OPEN_IN_PAPER,
        "readings": readings,
        "readings_sentences": [text for half in halves if (text := content.readings_sentence(run, half))],
        "readings_tables": [content.readings_table(run, half) for half in _reading_halves(run)],
        "left_out": run.record.get("readings_left_out", {}),
        "claims": found,
        "transistor_figures": beside,
        "transistor_sentence": transistors.sentence(run.transistor) if run.transistor else "",
        "transistor_tables": [
            *transistors.tables(run.transistor),
            *([transistors.chips_table(run)] if run.chips else []),
        ],
        "chips_sentence": transistors.chips_sentence(run),
        "record": content.record_table(run),
        "failed": content.failed_table(run),
    }
    return [*curves, *beside, *scatters, *waves, *readings], values


def drawn(name: str, caption: str, draw: Callable[[], "Figure"]) -> Picture:
    """A figure in both formats; call it inside `style.styled`."""
    figure = draw()
    return Picture(name, caption, style.render(figure, "svg"), style.render(figure, "png"))


def _curves(run: Run) -> list[Picture]:
    found = []
    if "jitter" in run.table.halves:
        caption = (
            "Output jitter against input jitter, both axes logarithmic. Bars and band: 95 % interval of the mean; "
            "slope: exponent of the fitted power law with its 95 % interval (paired bootstrap over the draws)."
        )
        found.append(drawn("transfer_curve", caption, partial(figures.transfer_curve, run)))
    if "bits" in run.table.halves:
        caption = "Output jitter against the resolution of the weights, with the numerical floor of each level."
        found.append(drawn("quantisation_curve", caption, partial(figures.quantisation_curve, run)))
    return found


def _transistors(run: Run) -> list[Picture]:
    rows = tuple(row for row in run.transistor if row.half == "jitter")
    caption = (
        "Transistor rows beside the edge level at the same draws and phases. Bars: 95 % interval, grey without the "
        "control variate; dotted: what halving the time step changes."
    )
    return [drawn("transistor_rows", caption, partial(figures.transistor_rows, rows))] if rows else []


def _scatters(compared: list[Agreement]) -> list[Picture]:
    return [
        drawn(f"level_{one.level}", content.worst_sentence(one), partial(figures.level_scatter, one))
        for one in compared
    ]


def _waveforms(run: Run) -> list[Picture]:
    if not run.waveforms:
        return []
    pairs = zip(run.shown_inputs_over_tau, run.shown_weights, strict=True)
    inputs = ", ".join(f"{weight:.3g} at {time:.3g} τ" for time, weight in pairs)
    caption = (
        f"One clean neuron with the weights {inputs}: phases of the four oscillators since arming, XOR output UP, its "
        "filtered copy, membrane and flip-flop, levels overlaid."
    )
    shown = {level: run.waveforms[level] for level in run.levels if level in run.waveforms}
    draw = partial(figures.waveform_figure, shown, "threshold", run.shown_inputs_over_tau)
    return [drawn("waveforms", caption, draw)]


def _readings(run: Run) -> list[Picture]:
    caption = (
        "Output jitter by reading, one change at a time; full lines: baseline, dashed lines: the paper; bars: 95 %."
    )
    return [
        drawn(
            f"readings_{half}",
            f"{content.HALF_TITLE[half]}. {caption}",
            partial(figures.readings_figure, run.readings, half),
        )
        for half in _reading_halves(run)
    ]


def _reading_halves(run: Run) -> list[str]:
    return [half for half in run.table.halves if any(reading.half == half for reading in run.readings)]
