"""Clean against noise-aware networks on chips of one circuit."""

from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.rendering.document import Document, Table, draw, section
from neurocircuit.rendering.figures.compare import chips_figure
from neurocircuit.rendering.read.result import read_result
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import interval, points


def render(file: Path) -> Document:
    """Return the report of a comparison."""
    values = read_result(file, "recovery", "networks")
    networks, replayed = values["networks"], values.get("in_circuit")
    sections = (
        section(
            "Clean and noise-aware",
            draw("chips", "Accuracy of each chip.", partial(chips_figure, networks, values["recovery"]["software"])),
            _networks(networks),
            None if replayed is None else _replayed(replayed),
        ),
        run_section(values),
    )
    remarks = (
        ()
        if values["valid"]
        else ("Invalid as a prediction: more than 0.1 % of the neurons lay beyond a noise table.",)
    )
    return Document("Noise-aware training on a circuit", _answer(values), sections, remarks)


def _answer(values: dict[str, Any]) -> str:
    summary, replayed = values["recovery"], values.get("in_circuit")
    text = (
        f"By its noise tables the clean network has {interval(summary['clean'])} right on this circuit, "
        f"{summary['software']:.2%} in software; trained under noise, mapped and calibrated again, "
        f"{interval(summary['trained'])}. {_verdict(summary)}"
    )
    if summary["control"][0] is not None:
        text += (
            f" As many steps within the same margins without the noise give {interval(summary['control'])}: the noise "
            f"itself is worth {points(summary['beyond_control'], 2)}."
        )
    if replayed is not None:
        recovery = replayed["recovery"]
        text += (
            f" In the circuit itself, {replayed['images']} whole images on {replayed['chips']} chips at level "
            f"{replayed['level']}: {interval(recovery['clean'])} and {interval(recovery['trained'])}, a paired gain of "
            f"{points(recovery['gain'], 2)}. {_verdict(recovery)}"
        )
    return text


def _networks(networks: list[dict[str, Any]]) -> Table:
    return Table(
        f"Networks on {networks[0]['chips']} chips x {networks[0]['n']} images",
        ("network", "accuracy", "software", "table ±", "leads (rad)", "missed, false by layer", "beyond the table"),
        tuple(
            (
                network["name"],
                interval([network["accuracy"], network["accuracy_low"], network["accuracy_high"]]),
                f"{network['accuracy_software']:.2%}",
                f"{network['standard_errors']['table']:.2%}",
                ", ".join(f"{lead:g}" for lead in network["lead_rad"]),
                "; ".join(f"{layer['missed']:.1%}, {layer['false']:.1%}" for layer in network["layers"]),
                f"{network['outside_share']:.3%}",
            )
            for network in networks
        ),
        prose=(5,),
        note="Each network by the noise table of its own mapping from the same base circuit. Intervals of a network: "
        "over images, events, tables and, of five on, chips; that of the share: paired, over images, chips, training "
        "seeds, tables.",
    )


def _replayed(replayed: dict[str, Any]) -> Table:
    recovery = replayed["recovery"]
    return Table(
        f"The same in the circuit: {replayed['images']} whole images on {replayed['chips']} chips, every neuron at "
        f"level {replayed['level']}",
        ("network", "accuracy", "by chip"),
        tuple(
            (network["name"], f"{network['accuracy']:.2%}", ", ".join(f"{chip:.1%}" for chip in network["by_chip"]))
            for network in replayed["networks"]
        ),
        prose=(2,),
        note=f"Paired over images, chips and training seeds, 95 %: gain {points(recovery['gain'], 2)}; software "
        f"(eq. (4), clean network, same images) {recovery['software']:.2%}.",
    )


def _verdict(summary: dict[str, Any]) -> str:
    share, low, high = summary["share"]
    if share is None:
        return "There is no loss of which a share could be won back."
    if low is None or high is None:
        return f"The gain is {points(summary['gain'], 2)}; the loss is too small for a share of it to have an interval."
    where = "lies above" if low > 0.5 else "lies below" if high < 0.5 else "holds"
    return f"That wins back {share:.0%} of the loss; the 95 % interval {low:.0%} … {high:.0%} {where} one half."
