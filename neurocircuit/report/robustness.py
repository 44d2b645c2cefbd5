"""Report of the robustness studies, from the result.json that `robustness` leaves."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.core.stats import fraction_interval
from neurocircuit.report import paper, sheet, style
from neurocircuit.report.content import Table
from neurocircuit.report.figures import robustness as figures
from neurocircuit.report.page import Picture
from neurocircuit.report.sheet import Part, Sheet, record_part

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_ORIGINS = {
    "image": "the start of the image",
    "layer": "the start of the layer's own clock, its earliest input of the image (each layer has a time constant of "
    "its own)",
}


def write_robustness_report(path: Path) -> None:
    """From result.json to report.html and report.md beside it."""
    values = sheet.read(path)
    found, n, data = values["studies"], values["n"], values["data"]
    answers, parts = [], []
    if "table4" in found:
        theirs = paper.table_4(values["network"], data)
        answers.append(_table4_answer(found["table4"], theirs))
        parts.append(_table4_part(found["table4"], n, theirs, values["epochs_of_each_step"]))
    if "fig2" in found:
        parts += _fig2_parts(found["fig2"], n)
        answers.append(_noise_answer(found["fig2"]))
    if "jitter" in found:
        parts.append(_jitter_part(found["jitter"], n))
        answers.append(_jitter_answer(found["jitter"]))
    title = f"Robustness of {values['network']} on {data}"
    sheet.write(Sheet(title, " ".join(answers), (*parts, record_part(values))), path.with_name("report.html"))


def _table4_answer(values: dict[str, Any], theirs: dict[int, float]) -> str:
    how = "retrained" if figures.is_retrained(values) else "after"
    ends = ", ".join(f"{figures.NAMES[kind]} {rows[-1][how]:.2%}" for kind, rows in values["quantisers"].items())
    other = f" (paper: {theirs[2]:.2%} from {theirs[32]:.2%})" if theirs else ""
    lead = "Retrained at 2 bit" if how == "retrained" else "Only rounded to 2 bit"
    return f"{lead}: {ends}, from {values['32']:.2%} unrounded{other}."


def _table4_part(values: dict[str, Any], n: int, theirs: dict[int, float], epochs: int) -> Part:
    columns = {"retrained": "retrained", "after": "after training"}
    if not figures.is_retrained(values):
        del columns["retrained"]
    header, rows = ["bits"], [["32"], *([f"{bits}"] for bits in values["bits"])]
    for kind, every in values["quantisers"].items():
        header += [f"{figures.NAMES[kind]}, {name}" for name in columns.values()]
        rows[0] += [_share(values["32"], n) if len(rows[0]) == 1 else ""] + [""] * (len(columns) - 1)
        for row, one in zip(rows[1:], every, strict=True):
            row += [_share(one[key], n) for key in columns]
    if theirs:
        header.append("paper, retrained")
        for row in rows:
            row.append(f"{theirs[int(row[0])]:.2%}" if int(row[0]) in theirs else "-")
    steps = f"Each step goes on from the one above it for {epochs} epoch(s), straight-through gradients. "
    if "retrained" not in columns:
        steps = "Nothing was retrained. "
    table = Table(
        f"Accuracy on {n} test images, 95 % intervals of the test set",
        tuple(header),
        tuple(tuple(row) for row in rows),
        note=steps + "Signed words: 2^b - 1 codes of one step per layer, three at 2 bit; the circuit's bank: b bits of "
        "magnitude for each sign, seven codes at 2 bit. The paper does not say which words it means.",
    )
    picture = _drawn("table4", "Accuracy over weight bits.", partial(figures.table4_figure, values, theirs))
    return Part("Table 4: weight bits", pictures=(picture,), tables=(table,))


def _fig2_parts(values: dict[str, Any], n: int) -> list[Part]:
    rounded = Table(
        "Rounded after training",
        ("bits", *(figures.NAMES[kind] for kind in values["rounded"])),
        tuple(
            (f"{bits}", *(_share(every[k], n) for every in values["rounded"].values()))
            for k, bits in enumerate(values["bits"])
        ),
        note=f"Unrounded: {_share(values['zero']['clean'], n)}.",
    )
    noise = Table(
        "Noise on the weights: mean and range over draws",
        ("SNR (dB)", *_names(values, f"{values['trained_snr_dB']:g} dB")),
        tuple(
            (f"{snr:g}", *(_range(every[k]) for every in values["noise"].values()))
            for k, snr in enumerate(values["snr_dB"])
        ),
        note="SNR: rms of a layer's weights over the standard deviation of the noise. Without noise: "
        + " and ".join(f"{one:.2%}" for one in values["zero"].values())
        + ".",
    )
    return [
        Part(
            "Fig. 2: quantisation",
            pictures=(
                _drawn("fig2-bits", "Accuracy over bits, without retraining.", partial(figures.bits_figure, values)),
            ),
            tables=(rounded,),
        ),
        Part(
            "Fig. 2: weight noise",
            ("The paper: at 25 dB or over the loss is negligible; it did not retrain.",),
            (_drawn("fig2-noise", "Accuracy over weight SNR.", partial(figures.noise_figure, values)),),
            (noise,),
        ),
    ]


def _noise_answer(values: dict[str, Any]) -> str:
    place = values["snr_dB"].index(25.0) if 25.0 in values["snr_dB"] else 0
    at = float(np.mean(values["noise"]["clean"][place]))
    lost = 100 * (values["zero"]["clean"] - at)
    return f"Weight noise at {values['snr_dB'][place]:g} dB takes {lost:.2f} points without retraining."


def _jitter_part(values: dict[str, Any], n: int) -> Part:
    table = Table(
        f"Accuracy on {n} test images: mean and range over draws",
        ("jitter", *_names(values, f"{values['trained_jitter']:.0%}")),
        (
            ("0", *(f"{one:.2%}" for one in values["zero"].values())),
            *(
                (f"{amount:.1%}", *(_range(every[k]) for every in values["accuracy"].values()))
                for k, amount in enumerate(values["jitter"])
            ),
        ),
        note=f"t' = t (1 + j N(0, 1)) for every spike, input included, t from {_ORIGINS[values['time_origin']]}. "
        "Table 3 takes j as given and small; this is what it does to decisions.",
    )
    picture = _drawn("jitter", "Accuracy over spike-time jitter.", partial(figures.jitter_figure, values))
    return Part("Spike-time jitter", pictures=(picture,), tables=(table,))


def _jitter_answer(values: dict[str, Any]) -> str:
    place = values["jitter"].index(0.05) if 0.05 in values["jitter"] else -1
    means = {name: float(np.mean(every[place])) for name, every in values["accuracy"].items()}
    after = f", {means['trained']:.2%} after training under it" if "trained" in means else ""
    return f"At {values['jitter'][place]:.0%} jitter of every spike {means['clean']:.2%} are right{after}."


def _names(values: dict[str, Any], under: str) -> tuple[str, ...]:
    names = {"clean": "as trained", "trained": f"trained under {under}"}
    return tuple(names[name] for name in values["zero"])


def _share(value: float, n: int) -> str:
    low, high = fraction_interval(round(value * n), n)
    return f"{value:.2%} ({low:.2%} … {high:.2%})"


def _range(values: list[float]) -> str:
    return f"{np.mean(values):.2%} ({min(values):.2%} … {max(values):.2%})"


def _drawn(name: str, caption: str, draw: "Callable[[], Figure]") -> Picture:
    with style.styled():
        return Picture(name, caption, style.render(draw(), "svg"), b"")
