"""Accuracy of a network over weight bits, weight noise and spike-time jitter: Table 4, Fig. 2, jitter."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neurocircuit.core.stats import wilson_interval
from neurocircuit.rendering import paper
from neurocircuit.rendering.document import Document, Section, Table, draw, section
from neurocircuit.rendering.figures import robustness as figures
from neurocircuit.rendering.read.result import read_result
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT

_ORIGINS = {
    "image": "the start of the image",
    "layer": "the start of the layer's own clock, its earliest input of the image (each layer has a time constant of "
    "its own)",
}


def render(file: Path) -> Document:
    """Return the report of one or several robustness studies of a network."""
    values = read_result(file, "studies", "network", "data")
    studies, n, data = values["studies"], values["n"], values["data"]
    answers, sections = [], []
    if "table4" in studies:
        printed = paper.table_4(values["network"], data)
        answers.append(_table4_answer(studies["table4"], printed))
        sections.append(_table4(studies["table4"], n, printed, values["epochs_of_each_step"]))
    if "fig2" in studies:
        sections += _fig2(studies["fig2"], n)
        answers.append(_noise_answer(studies["fig2"]))
    if "jitter" in studies:
        sections.append(_jitter(studies["jitter"], n))
        answers.append(_jitter_answer(studies["jitter"]))
    title = f"Robustness of {values['network']} on {data}"
    return Document(title, " ".join(answers), (*sections, run_section(values)))


def _table4_answer(values: dict[str, Any], printed: dict[int, float]) -> str:
    how = "retrained" if figures.is_retrained(values) else "after"
    ends = ", ".join(f"{figures.NAMES[kind]} {rows[-1][how]:.2%}" for kind, rows in values["quantisers"].items())
    other = f" (paper: {printed[2]:.2%} from {printed[32]:.2%})" if printed else ""
    lead = "Retrained at 2 bit" if how == "retrained" else "Only rounded to 2 bit"
    return f"{lead}: {ends}, from {values['unrounded']:.2%} unrounded{other}."


def _table4(values: dict[str, Any], n: int, printed: dict[int, float], epochs: int) -> Section:
    columns = {"retrained": "retrained", "after": "after training"}
    if not figures.is_retrained(values):
        del columns["retrained"]
    header, rows = ["bits"], [["32"], *([f"{bits}"] for bits in values["bits"])]
    for kind, cells_of_kind in values["quantisers"].items():
        header += [f"{figures.NAMES[kind]}, {name}" for name in columns.values()]
        rows[0] += [_share(values["unrounded"], n) if len(rows[0]) == 1 else ""] + [""] * (len(columns) - 1)
        for row, cells in zip(rows[1:], cells_of_kind, strict=True):
            row += [_share(cells[key], n) for key in columns]
    if printed:
        header.append("paper, retrained")
        for row in rows:
            row.append(f"{printed[int(row[0])]:.2%}" if int(row[0]) in printed else ABSENT)
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
    figure = draw("table4", "Accuracy over weight bits.", partial(figures.table4_figure, values, printed))
    return section("Table 4: weight bits", figure, table)


def _fig2(values: dict[str, Any], n: int) -> list[Section]:
    rounded = Table(
        "Rounded after training",
        ("bits", *(figures.NAMES[kind] for kind in values["rounded"])),
        tuple(
            (f"{bits}", *(_share(shares[k], n) for shares in values["rounded"].values()))
            for k, bits in enumerate(values["bits"])
        ),
        note=f"Unrounded: {_share(values['zero']['clean'], n)}.",
    )
    noise = Table(
        "Noise on the weights: mean and range over draws",
        ("SNR (dB)", *_names(values, f"{values['trained_snr_dB']:g} dB")),
        tuple(
            (f"{snr:g}", *(_range(shares[k]) for shares in values["noise"].values()))
            for k, snr in enumerate(values["snr_dB"])
        ),
        note="SNR: rms of a layer's weights over the standard deviation of the noise. Without noise: "
        + " and ".join(f"{share:.2%}" for share in values["zero"].values())
        + ".",
    )
    return [
        section(
            "Fig. 2: quantisation",
            draw("fig2-bits", "Accuracy over bits, without retraining.", partial(figures.bits_figure, values)),
            rounded,
        ),
        section(
            "Fig. 2: weight noise",
            "The paper: at 25 dB or over the loss is negligible; it did not retrain.",
            draw("fig2-noise", "Accuracy over weight SNR.", partial(figures.noise_figure, values)),
            noise,
        ),
    ]


def _noise_answer(values: dict[str, Any]) -> str:
    k = values["snr_dB"].index(25.0) if 25.0 in values["snr_dB"] else 0
    lost = 100 * (values["zero"]["clean"] - float(np.mean(values["noise"]["clean"][k])))
    return f"Weight noise at {values['snr_dB'][k]:g} dB takes {lost:.2f} points without retraining."


def _jitter(values: dict[str, Any], n: int) -> Section:
    table = Table(
        f"Accuracy on {n} test images: mean and range over draws",
        ("jitter", *_names(values, f"{values['trained_jitter']:.0%}")),
        (
            ("0", *(f"{share:.2%}" for share in values["zero"].values())),
            *(
                (f"{amount:.1%}", *(_range(shares[k]) for shares in values["accuracy"].values()))
                for k, amount in enumerate(values["jitter"])
            ),
        ),
        note=f"t' = t (1 + j N(0, 1)) for every spike, input included, t from {_ORIGINS[values['time_origin']]}. "
        "Table 3 takes j as given and small; this is what it does to decisions.",
    )
    figure = draw("jitter", "Accuracy over spike-time jitter.", partial(figures.jitter_figure, values))
    return section("Spike-time jitter", figure, table)


def _jitter_answer(values: dict[str, Any]) -> str:
    k = values["jitter"].index(0.05) if 0.05 in values["jitter"] else -1
    means = {name: float(np.mean(shares[k])) for name, shares in values["accuracy"].items()}
    after = f", {means['trained']:.2%} after training under it" if "trained" in means else ""
    return f"At {values['jitter'][k]:.0%} jitter of every spike {means['clean']:.2%} are right{after}."


def _names(values: dict[str, Any], under: str) -> tuple[str, ...]:
    names = {"clean": "as trained", "trained": f"trained under {under}"}
    return tuple(names[name] for name in values["zero"])


def _share(value: float, n: int) -> str:
    low, high = wilson_interval(round(value * n), n)
    return f"{value:.2%} ({low:.2%} … {high:.2%})"


def _range(values: list[float]) -> str:
    return f"{np.mean(values):.2%} ({min(values):.2%} … {max(values):.2%})"
