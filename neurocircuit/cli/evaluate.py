"""neurocircuit evaluate: accuracy, sparsity, energy and latency of trained weights."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli import _on_chips
from neurocircuit.cli._on_chips import OnChips
from neurocircuit.cli.common import (
    data_option,
    device_option,
    echo_json,
    json_option,
    load_spec,
    spec_option,
    threads_option,
)
from neurocircuit.errors import InputError
from neurocircuit.units import format_quantity, parse_quantity


@click.command("evaluate")
@click.argument("checkpoint_path", metavar="CHECKPOINT", type=click.Path(path_type=Path))
@click.option(
    "--part",
    type=click.Choice(("test", "held_out", "official")),
    default="test",
    show_default=True,
    help="Images that training never saw: the recipe's test set, those kept to choose by, or the published test set.",
)
@click.option(
    "--energy-per-spike",
    default="10 pJ",
    show_default=True,
    help="Energy of one output spike, or a condition's folder of characterize, for the one measured there.",
)
@click.option("--noise", type=click.Path(path_type=Path), help="On chips of a circuit: noise table of calibrate.")
@click.option("--chips", type=click.IntRange(min=1), help="Chips that each image meets. Default: 10.")
@click.option("--seeds", type=click.IntRange(min=1), help="Times that it meets each with new events. Default: 1.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Root of chips and events. Default: 0.")
@click.option("--images", type=click.IntRange(min=1), help="Only the first so many images.")
@click.option(
    "--outside",
    type=click.Choice(("ideal", "nearest", "error")),
    help="Spikes beyond the table: as eq. (4) has them, as its nearest cell does, or stop. Default: ideal, counted.",
)
@click.option("--tables", type=click.IntRange(min=0), help="Redrawn tables for the calibration's error. Default: 5.")
@spec_option
@data_option
@device_option
@threads_option
@json_option
def command(
    checkpoint_path: Path,
    part: str,
    energy_per_spike: str,
    noise: Path | None,
    chips: int | None,
    seeds: int | None,
    seed: int | None,
    images: int | None,
    outside: str | None,
    tables: int | None,
    spec_path: Path | None,
    data: Path | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Evaluate the weights in CHECKPOINT: accuracy with its 95 % interval, sparsity, energy, latency.

    tau comes from the neuron spec. --data may be a folder or one data file. With --noise on chips of the circuit that
    the table was calibrated for, weights rounded to its bank, tau its own; the interval is over images, chips, events
    and tables like these. INVALID with more than 0.1 % of the neurons beyond the table.
    """
    on_chips = OnChips(noise, chips, seeds, seed, images, outside, tables)
    on_chips.check()
    energy_J = _energy_J(energy_per_spike)
    tau_s = load_spec(spec_path).tau_s

    import torch

    from neurocircuit.snn import checkpoint, parallel
    from neurocircuit.snn.data import library
    from neurocircuit.snn.evaluate import evaluate, to_dict

    if threads is not None:
        torch.set_num_threads(threads)
    subject, network = checkpoint.load_network(checkpoint_path)
    source = on_chips.part(library.load(subject.data, part, data))  # type: ignore[arg-type]
    network = network.to(parallel.device_of_process(device))
    if noise is not None:
        found = on_chips.run(network, source, subject, checkpoint_path, energy_J)
    else:
        found = to_dict(evaluate(network, source, subject), energy_J, tau_s)
    values = found | {
        "name": subject.name,
        "network": subject.network.name,
        "data": subject.data.name,
        "part": part,
        "data_sha256": source.sha256,
        "data_canonical": library.is_canonical(subject.data.name, source),
    }
    if as_json:
        echo_json(values)
    else:
        click.echo(summary(values) if noise is None else _on_chips.summary(values))


def _energy_J(text: str) -> float:
    """A quantity, or that from arming to Q of a characterised condition."""
    if Path(text).is_dir():
        from neurocircuit.characterize import result

        return result.load(Path(text) / "energy.json").value("spike")
    value = parse_quantity(text, "J", "--energy-per-spike")
    if value <= 0:
        raise InputError(f"--energy-per-spike must be > 0, got {text!r}")
    return value


def summary(values: dict[str, Any]) -> str:
    """The result in a few lines."""
    sparsity, energy, latency = values["sparsity"], values["energy"], values["latency"]
    lines = [
        f"accuracy   {values['accuracy']:.2%} ({values['accuracy_low']:.2%} to {values['accuracy_high']:.2%}), "
        f"{values['n']} images, {values['undecided']} without an output spike",
        f"sparsity   {sparsity['overall']:.3f} of {values['neurons']} neurons spike, "
        f"{sparsity['before_decision']:.3f} before the decision",
    ]
    lines += [
        f"  layer {layer['name']}: {layer['neurons']} neurons, {layer['overall']:.3f}, {layer['before_decision']:.3f}"
        for layer in sparsity["layers"]
    ]
    lines += [
        f"energy     {_energy(energy['measured_J'])} = {values['spikes']['per_inference']:.0f} spikes x "
        f"{_energy(energy['per_spike_J'])}; {_energy(energy['measured_before_decision_J'])} before the decision",
        f"           {_energy(energy['paper_formula_J'])} by the paper's formula: "
        f"{values['weights']} weights x sparsity x 10 pJ",
        f"latency    {latency['mean_over_tau']:.3f} tau mean, {latency['maximum_over_tau']:.3f} tau at most; "
        f"{latency['mean_s'] * 1e9:.4g} ns mean at tau {latency['tau_s'] * 1e9:.4g} ns",
    ]
    return "\n".join(lines)


def _energy(joule: float) -> str:
    return format_quantity(float(f"{joule:.4g}"), "J")
