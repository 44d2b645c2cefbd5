"""Accuracy, sparsity, energy and latency of trained weights, in software or on chips by a noise table."""

from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.rendering.document import Document, Section, Table, draw, section
from neurocircuit.rendering.figures import evaluation as figures
from neurocircuit.rendering.read.result import read_result
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import interval, scaled


def render(file: Path) -> Document:
    """Return the report of an evaluation."""
    values = read_result(file, "accuracy", "images", "latency")
    on_chips = "by_chip" in values
    sections = (_on_chips(values) if on_chips else _in_software(values), _cost(values), _subject(values))
    title = f"Evaluation of {values['name']} on {values['images']['data']}"
    answer = _chips_answer(values) if on_chips else _software_answer(values)
    remarks = []
    if not values.get("valid", True):
        remarks.append(
            f"Invalid: {values['outside_share']:.2%} of the neurons lay beyond the noise table (bound 0.1 %)."
        )
    if not values.get("table_is_of_these_weights", True):
        remarks.append("The noise table was calibrated for other weights: calibrate these for a final number.")
    return Document(title, answer, (*sections, run_section(values)), tuple(remarks))


def _accuracy(values: dict[str, Any]) -> str:
    return interval([values["accuracy"], values["accuracy_low"], values["accuracy_high"]])


def _software_answer(values: dict[str, Any]) -> str:
    return (
        f"{_accuracy(values)} of {values['images']['n']} {values['images']['split']} images are right under eq. (4); "
        f"{values['undecided']} have no output spike. {values['spikes'] / values['neurons']:.1%} of "
        f"{values['neurons']} neurons spike, {values['spikes_before_decision'] / values['neurons']:.1%} before the "
        "decision."
    )


def _chips_answer(values: dict[str, Any]) -> str:
    return (
        f"{_accuracy(values)} of {values['images']['n']} {values['images']['split']} images are right on "
        f"{values['chips']} chips; "
        f"{values['accuracy_software']:.2%} in software, {values['accuracy_rounded']:.2%} with rounded weights."
    )


def _in_software(values: dict[str, Any]) -> Section:
    layers = values["layers"]
    table = Table(
        "Share of neurons that spike",
        ("layer", "neurons", "at all", "before the decision"),
        tuple(
            (layer["name"], f"{layer['neurons']}", f"{layer['overall']:.1%}", f"{layer['before_decision']:.1%}")
            for layer in layers
        ),
    )
    figure = draw("sparsity", "Share of each layer's neurons that spike.", partial(figures.sparsity_figure, layers))
    return section("Spikes", figure, table)


def _on_chips(values: dict[str, Any]) -> Section:
    errors = values["standard_errors"]
    parts = Table(
        "Standard error of the accuracy, by what it comes from",
        ("source", "standard error"),
        tuple((name, f"{errors[name]:.2%}") for name in ("images", "chips", "events", "table")),
    )
    layers = Table(
        "Neurons on the chips",
        ("layer", "neurons", "spike", "missed", "false"),
        tuple(
            (
                layer["name"],
                f"{layer['neurons']}",
                f"{layer['fired']:.1%}",
                f"{layer['missed']:.2%}",
                f"{layer['false']:.2%}",
            )
            for layer in values["layers"]
        ),
        note="missed: spikes of eq. (4) that do not come; false: of neurons silent there; shares of all neurons.",
    )
    figure = draw(
        "chips",
        "Accuracy of each chip; line and band: mean with its 95 % interval; dashed: in software.",
        partial(figures.chips_figure, values),
    )
    return section("Chips", figure, parts, layers)


def _cost(values: dict[str, Any]) -> Section:
    latency = values["latency"]
    rows = [
        ("spikes per inference", f"{values['spikes']:.0f}"),
        ("energy per spike", f"{scaled(values['energy_per_spike_J'], 1e12)} pJ"),
        ("energy: spikes × energy per spike", f"{scaled(values['energy_J'], 1e9)} nJ"),
    ]
    rows += [
        (what, f"{scaled(values[name], 1e9)} nJ")
        for name, what in (
            ("energy_before_decision_J", "of it before the decision"),
            ("paper_energy_J", "energy by the paper's formula: weights × sparsity × 10 pJ"),
        )
        if name in values
    ]
    rows += [
        (
            f"latency, {name}",
            f"{latency[f'{name}_over_tau']:.3f} τ = {scaled(latency[f'{name}_over_tau'] * latency['tau_s'], 1e9)} ns",
        )
        for name in ("mean", "median", "maximum")
        if latency[f"{name}_over_tau"] is not None
    ]
    rows.append(("τ", f"{scaled(latency['tau_s'], 1e9)} ns"))
    return section("Energy and latency", Table("Cost of an inference", ("", ""), tuple(rows)))


def _subject(values: dict[str, Any]) -> Section:
    images = values["images"]
    names = ("network", "neuron", "mapped", "noise_sha256", "chips", "repeats", "tables", "seed")
    rows = [(name.replace("_", " "), f"{values[name]}") for name in names if name in values]
    rows.append(("split", images["split"]))
    rows.append(("data", images["data"] + (", not the published files" if images["canonical"] is False else "")))
    rows += [(f"sha256 of {name}", digest) for name, digest in images["sha256"].items()]
    return section("What was evaluated", Table("Network and images", ("", ""), tuple(rows), prose=(1,)))
