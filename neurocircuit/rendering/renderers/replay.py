"""A mapped network on the circuit: whole images and single neurons against eq. (4) and the noise model."""

from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.core.stats import random_effects
from neurocircuit.rendering.document import Block, Bullets, Document, Section, Table, draw, section
from neurocircuit.rendering.figures import network as figures
from neurocircuit.rendering.layers import layer_label, with_shown_names
from neurocircuit.rendering.read.result import read_result
from neurocircuit.rendering.renderers.inference import NOTE, cost_rows
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, interval, is_number, points, with_error
from neurocircuit.results.inference import InferenceCost


def render(file: Path) -> Document:
    """Return the report of a replay."""
    values = with_shown_names(read_result(file, "name", "level"))
    sections: list[Section] = []
    answers: list[str] = []
    remarks: list[str] = []
    if values.get("images"):
        answers += _images_answer(values)
        sections.append(_images(values["images"]))
        if not values["images"]["valid"]:
            share = values["images"]["outside_share"]
            remarks.append(f"Invalid as a prediction: {share:.2%} of operating points lie beyond the noise table.")
    if values.get("transfer"):
        sections.append(_transfer(values["transfer"], values.get("images")))
    if values.get("neurons"):
        answers.append(_neurons_answer(values["neurons"]))
        sections += [_neurons(values["neurons"]), *_worst(values["neurons"])]
    title = f"Replay on the circuit: {values['name']}"
    return Document(title, " ".join(answers), (*sections, run_section(values)), tuple(remarks))


def _images_answer(values: dict[str, Any]) -> list[str]:
    images = values["images"]
    texts = [
        f"{images['images']} {values['split']} images on {images['chips']} chips at level {values['level']}: accuracy "
        f"{interval(images['accuracy']['circuit'])}, eq. (4) {interval(images['accuracy']['software'])}; the circuit "
        f"decides as eq. (4) does in {interval(images['agreement']['circuit and software'])}."
    ]
    difference = images.get("accuracy_difference")
    if difference is not None:
        _, low, high = difference
        if not (is_number(low) and is_number(high)):
            verdict = "too few images or chips to say whether the two differ"
        else:
            verdict = "the two differ" if low > 0 or high < 0 else "the two do not differ beyond chance"
        texts.append(
            f"The noise model says {interval(images['accuracy']['noise model'])} for the same chips: {verdict} "
            f"(circuit less model {points(difference)}, 95 % interval)."
        )
    if images.get("without"):
        best = max(images["without"], key=lambda item: item["gain"][0])
        _, low, _ = best["gain"]
        if is_number(low) and low > 0:
            texts.append(f"Of the causes {best['cause']} costs most: without it {points(best['gain'])}.")
        else:
            texts.append(f"No cause costs more than chance may do: without {best['cause']} {points(best['gain'])}.")
    return texts


def _without(images: dict[str, Any]) -> list[Table]:
    """Return the table of accuracies without one cause; [] where no cause was switched off."""
    if not images.get("without"):
        return []
    rows = [
        (
            item["cause"],
            f"{item['images']}",
            interval(item["with_it"]),
            interval(item["accuracy"]),
            points(item["gain"]),
        )
        for item in images["without"]
    ]
    note = (
        "The same images on the same chips with the same events; mismatch: die, neuron and synapse; noise: white, "
        "flicker, lock, supply and mismatch together. Training makes up for what every neuron has (overlap, rounding): "
        "a network that was trained under it loses without it."
    )
    header = ("cause", "images", "accuracy with it", "without it", "gain")
    return [Table("What each cause costs", header, tuple(rows), note=note)]


def _neurons_answer(neurons: dict[str, Any]) -> str:
    layers = neurons["layers"]
    if neurons["differing_causes"]:
        return " ".join(layer["sentence"] for layer in layers)
    runs = sum(layer["runs"] for layer in layers)
    rejected = ", ".join(layer["layer"] for layer in layers if layer["rejected"])
    verdict = f"is rejected in layer {rejected}" if rejected else "is not rejected in any layer"
    return f"By {runs} single neurons at level {neurons['level']} the noise model {verdict} (below)."


def _images(images: dict[str, Any]) -> Section:
    shares = Table(
        f"Decisions (95 % intervals {random_effects.scope(images['chips'])})",
        ("quantity", "value"),
        tuple(
            (f"{kind}: {name}", interval(value))
            for kind in ("accuracy", "agreement")
            for name, value in images[kind].items()
        ),
        note="By chip: "
        + ", ".join(f"{chip}: {value:.2%}" for chip, value in images["by_chip"].items())
        + f". Undecided: {images['undecided']}.",
    )
    columns = ("latency", "deviation", "late_05", "late_95", "missed", "false")
    rows = [
        (f"{layer['name']} {who}", *(_mean(layer[f"{prefix}{name}"], name) for name in columns))
        for layer in images["layers"]
        for prefix, who in (("", "circuit"), ("model_", "noise model"))
        if f"{prefix}latency" in layer
    ]
    times = Table(
        "Fire times against eq. (4) (τ): median, robust spread, 5 % and 95 %; missed and false spikes of all neurons",
        ("layer", "latency", "deviation", "5 % late by", "95 % late by", "missed", "false"),
        tuple(rows),
        note="Latency accumulates from layer to layer; deviation is what differs between neurons of one layer.",
    )
    cost = images.get("cost")
    tables = [shares, *_without(images), times]
    if cost is not None:
        costs = tuple(cost_rows(InferenceCost.model_validate(cost)))
        tables.append(Table("Energy and latency of an inference", ("", ""), costs, NOTE, (1,)))
    wraps = ", ".join(f"{layer['name']}: {layer['wrapped'][0]:.3%}" for layer in images["layers"])
    return section(
        "Whole images",
        f"Wrapped spikes by layer: {wraps}. Operating points in the table's tails: {images['tail_share']:.4%}, beyond "
        f"it: {images['outside_share']:.4%} of {images['points']}.",
        draw("replay", "Circuit and noise model by layer.", partial(figures.replay_figure, images["layers"])),
        *tables,
    )


def _transfer(transfer: dict[str, Any], images: dict[str, Any] | None) -> Section:
    """Return the paper's reading beside the calibrated one and the circuit, where whole images ran."""
    heading = "The paper's simpler reading"
    jitter = ", ".join(f"{value:.2g}" for value in transfer["jitter_by_layer"])
    text = (
        f"Table 3's curve at level {transfer['curve_level']}, from the start of the image, gives the relative jitters "
        f"{jitter} (input, then each layer). In {transfer['extrapolated_layers']} layers the curve is continued beyond "
        f"its rows. It knows no chips, no operating points and no missed spikes; {transfer['images']} images."
    )
    if images is None:
        return section(heading, text, f"Accuracy {interval(transfer['accuracy'])}.")
    accuracy = images["accuracy"]
    cells = (accuracy["circuit"], accuracy.get("noise model"), transfer["accuracy"])
    rows = [("accuracy", *(ABSENT if cell is None else interval(cell) for cell in cells))]
    rows += [
        (
            f"deviation, {layer_label(layer['name'])} (τ)",
            *(f"{layer[key][0]:.4f}" if key in layer else ABSENT for key in ("deviation", "model_deviation")),
            f"{deviation:.4f}",
        )
        for layer, deviation in zip(images["layers"], transfer["deviation"], strict=True)
    ]
    header = ("quantity", "circuit", "calibrated noise model", "transfer curve")
    return section(heading, text, Table("Both readings", header, tuple(rows)))


def _neurons(neurons: dict[str, Any]) -> Section:
    layers = neurons["layers"]
    sentences = Bullets(tuple(layer["sentence"] for layer in layers))
    if neurons["differing_causes"]:
        differing = ", ".join(neurons["differing_causes"])
        return section(
            "Single neurons", f"{neurons['level']} and {neurons['table_level']} differ in: {differing}.", sentences
        )
    ideal = neurons.get("inputs") == "ideal"
    inputs = f"Their inputs are the spikes of {neurons['images']} images under eq. (4)." if ideal else None
    once = any(layer.get("correlation", {}).get("events") == 1 for layer in layers)
    pairing = "pairs of the runs that share a chip" if once else "every point on each of 60 chips in two events"
    table = Table(
        "Measured times in their predicted distributions",
        (
            "layer",
            "runs",
            "in 50 % (95 % interval)",
            "in 95 % (95 % interval)",
            "bias (σ)",
            "correlation within a chip (model)",
            "of a neuron's two events (model)",
            "missed",
            "false",
            "layer's firing neurons in the table's tails, beyond",
            "runs left out",
        ),
        tuple(_neuron_row(layer) for layer in layers),
        note=f"Correlations of the normal scores of the times, over {pairing}; the model is asked for the same chips, "
        "its ± is the standard error of the difference.",
    )
    figure = draw("pit", "Uniform where the model is right.", partial(figures.pit_figure, layers))
    return section("Single neurons", inputs, sentences, figure, table)


def _neuron_row(layer: dict[str, Any]) -> tuple[str, ...]:
    correlation = layer.get("correlation", {})
    return (
        layer["layer"],
        f"{layer['runs']}",
        *(interval((part["share"], part["low"], part["high"]), 1) for part in layer["coverage"]),
        with_error(layer["score_mean"], layer["score_error"], sign="+"),
        *(
            f"{correlation[name]:.3f} ({with_error(correlation[f'{name}_model'], correlation[f'{name}_error'])})"
            if name in correlation
            else ABSENT
            for name in ("within_chip", "within_neuron")
        ),
        f"{layer['missed']}",
        f"{layer['false']}",
        f"{layer['tail_share']:.3%}, {layer['outside_share']:.3%}",
        f"{layer['left_out']}",
    )


def _worst(neurons: dict[str, Any]) -> list[Section]:
    shown: list[Block] = [
        draw(
            f"worst_{layer['layer']}_{k}",
            f"Layer {layer['layer']}, neuron {case['neuron']}, image {case['image']}, chip {case['chip']}: PIT value "
            f"{case['pit_value']:.4f}, slope {case['slope']:.3g}, highest membrane {case['highest']:.3g} by eq. (4).",
            partial(figures.worst_figure, case),
        )
        for layer in neurons["layers"]
        for k, case in enumerate(layer.get("worst", ()))
    ]
    return [section("Worst cases", shown)] if shown else []


def _mean(value: list[float | None], name: str) -> str:
    """Return a mean with half its 95 % interval; shares in percent."""
    middle, low, high = value
    if middle is None:
        return ABSENT
    is_share = name in ("missed", "false")
    if low is None or high is None:
        return f"{middle:{'.2%' if is_share else '.4f'}}"
    if not is_share:
        return with_error(middle, (high - low) / 2, 4)
    return with_error(100 * middle, 50 * (high - low), 2, unit="%")
