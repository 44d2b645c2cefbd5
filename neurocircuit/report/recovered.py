"""Report of `recovered`: clean against noise-aware networks on chips of one circuit, from its result.json."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.report import sheet, style
from neurocircuit.report.content import Table
from neurocircuit.report.page import Picture
from neurocircuit.report.sheet import Part, Sheet, record_part

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_recovered_report(path: Path) -> None:
    """From result.json to report.html and report.md beside it."""
    values = sheet.read(path)
    found, networks, in_circuit = values["summary"], values["networks"], values["in_circuit"]
    answer = (
        f"By its noise tables the clean network has {_interval(found['clean'])} right on this circuit, "
        f"{found['software']:.2%} in software; trained under noise, mapped and calibrated again, "
        f"{_interval(found['trained'])}. {_verdict(found)}"
    )
    if found["control"][0] is not None:
        answer += (
            f" As many steps within the same margins without the noise give {_interval(found['control'])}: the noise "
            f"itself is worth {_points(found['beyond_control'])}."
        )
    if in_circuit is not None:
        own = in_circuit["summary"]
        answer += (
            f" In the circuit itself, {in_circuit['images']} whole images on {in_circuit['chips']} chips at level "
            f"{in_circuit['level']}: {_interval(own['clean'])} and {_interval(own['trained'])}, a paired gain of "
            f"{_points(own['gain'])}. {_verdict(own)}"
        )
    if not values["valid"]:
        answer = "INVALID as a prediction: more than 0.1 % of the neurons lay beyond a noise table. " + answer
    with style.styled():
        picture = Picture("chips", "Accuracy of each chip.", style.render(_figure(networks, found), "svg"), b"")
    table = Table(
        f"Networks on {networks[0]['chips']} chips x {networks[0]['n']} images",
        ("network", "accuracy", "software", "table ±", "leads (rad)", "missed, false by layer", "beyond the table"),
        tuple(
            (
                one["name"],
                _interval([one["accuracy"], one["accuracy_low"], one["accuracy_high"]]),
                f"{one['accuracy_software']:.2%}",
                f"{one['standard_errors']['table']:.2%}",
                ", ".join(f"{lead:g}" for lead in one["lead_rad"]),
                "; ".join(f"{layer['missed']:.1%}, {layer['false']:.1%}" for layer in one["layers"]),
                f"{one['outside_share']:.3%}",
            )
            for one in networks
        ),
        prose=(5,),
        note="Each network by the noise table of its own mapping from the same base circuit. Intervals of a network: "
        "over images, chips, events and tables; that of the share: paired, over images, chips, training seeds, tables.",
    )
    tables = (table, *([] if in_circuit is None else [_replayed(in_circuit)]))
    parts = (Part("Clean and noise-aware", pictures=(picture,), tables=tables), record_part(values))
    sheet.write(Sheet("Noise-aware training on a circuit", answer, parts), path.with_name("report.html"))


def _figure(networks: list[dict[str, Any]], found: dict[str, Any]) -> "Figure":
    """One point a chip for each network, the software's accuracy as a line."""
    figure, (axes,) = style.new_figure(2.8)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.96, bottom=0.16)
    for k, one in enumerate(networks):
        chips = 100 * np.array(one["by_chip"])
        look = style.SERIES_COLOURS[("clean", "trained", "control").index(one["name"].split()[0])]
        axes.plot(k + np.linspace(-0.15, 0.15, len(chips)), chips, "o", color=look, markersize=3.5)
        axes.plot([k - 0.25, k + 0.25], [chips.mean()] * 2, color=look)
    axes.axhline(100 * found["software"], color="black", linestyle="--", linewidth=0.8)
    axes.annotate(
        "clean network in software",
        (0.02, 100 * found["software"]),
        xycoords=("axes fraction", "data"),
        va="top",
        xytext=(0, -2),
        textcoords="offset points",
        fontsize=7.5,
    )
    axes.set_xticks(range(len(networks)), [one["name"].replace(" ", "\n") for one in networks])
    axes.set(ylabel="accuracy (%)")
    axes.grid(axis="x", visible=False)
    return figure


def _replayed(in_circuit: dict[str, Any]) -> Table:
    own = in_circuit["summary"]
    return Table(
        f"The same in the circuit: {in_circuit['images']} whole images on {in_circuit['chips']} chips, every neuron at "
        f"level {in_circuit['level']}",
        ("network", "accuracy", "by chip"),
        tuple(
            (one["name"], f"{one['accuracy']:.2%}", ", ".join(f"{chip:.1%}" for chip in one["by_chip"]))
            for one in in_circuit["networks"]
        ),
        prose=(2,),
        note=f"Paired over images, chips and training seeds, 95 %: gain {_points(own['gain'])}; software (eq. (4), "
        f"clean network, same images) {own['software']:.2%}.",
    )


def _verdict(found: dict[str, Any]) -> str:
    share, low, high = found["share"]
    if share is None:
        return "There is no loss of which a share could be won back."
    if low is None or high is None:
        return f"The gain is {_points(found['gain'])}; the loss is too small for a share of it to have an interval."
    verdict = "lies above" if low > 0.5 else "lies below" if high < 0.5 else "holds"
    return f"That wins back {share:.0%} of the loss; the 95 % interval {low:.0%} … {high:.0%} {verdict} one half."


def _points(value: list[float]) -> str:
    return "{:+.2f} points ({:+.2f} … {:+.2f})".format(*(100 * one for one in value))


def _interval(value: list[float]) -> str:
    return f"{value[0]:.2%} ({value[1]:.2%} … {value[2]:.2%})"
