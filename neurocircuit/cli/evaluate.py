"""neurocircuit evaluate: accuracy, sparsity, energy and latency of trained weights."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli import _on_chips
from neurocircuit.cli._on_chips import OnChips, passages_option
from neurocircuit.cli.common import (
    data_option,
    device_option,
    echo_json,
    json_option,
    load_spec,
    spec_path_option,
    threads_option,
)
from neurocircuit.cli.study.pvt import condition_options
from neurocircuit.errors import InputError
from neurocircuit.units import format_quantity, parse_quantity


@click.command("evaluate")
@click.argument("checkpoint_path", metavar="CHECKPOINT", type=click.Path(path_type=Path))
@click.option(
    "--split",
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
@passages_option
@click.option("--process", help="At characterised conditions: CHECKPOINT is a mapped network (.toml), as for pvt.")
@click.option(
    "--datasheet", type=click.Path(path_type=Path), help="Of the process. Default: reports/published/datasheet-PROCESS."
)
@condition_options
@click.option("--out", type=click.Path(path_type=Path), help="With --process: directory of the report.")
@spec_path_option
@data_option
@device_option
@threads_option
@json_option
def command(
    checkpoint_path: Path,
    split: str,
    energy_per_spike: str,
    noise: Path | None,
    chips: int | None,
    seeds: int | None,
    seed: int | None,
    images: int | None,
    outside: str | None,
    tables: int | None,
    first_passage_neurons: int | None,
    process: str | None,
    datasheet: Path | None,
    corner: str | None,
    temp: str | None,
    vdd: str | None,
    out: Path | None,
    spec_path: Path | None,
    data: Path | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Evaluate the weights in CHECKPOINT: accuracy with its 95 % interval, sparsity, energy, latency.

    tau comes from the neuron spec. --data may be a folder or one data file. With --noise on chips of the circuit that
    the table was calibrated for, weights rounded to its bank, tau its own; the interval is over images, chips, events
    and tables like these. INVALID with more than 0.1 % of the neurons beyond the table. With --process the mapped
    network in CHECKPOINT runs at each --corner, --temp and --vdd of the process's datasheet.
    """
    if process is not None:
        at_conditions(
            checkpoint_path,
            process,
            datasheet,
            corner=corner,
            temp=temp,
            vdd=vdd,
            out=out,
            count=images or 40,
            chips=chips or 2,
            seed=1 if seed is None else seed,
            split=split,
            data=data,
            as_json=as_json,
        )
        return
    for name, value in (("datasheet", datasheet), ("corner", corner), ("temp", temp), ("vdd", vdd), ("out", out)):
        if value is not None:
            raise InputError(f"--{name} needs --process NAME")
    on_chips = OnChips(noise, chips, seeds, seed, images, outside, tables, first_passage_neurons)
    on_chips.check()
    energy_J = _energy_J(energy_per_spike)
    tau_s = load_spec(spec_path).tau_s

    import torch

    from neurocircuit.snn import checkpoint
    from neurocircuit.snn.data import library
    from neurocircuit.snn.evaluate import evaluate, to_dict
    from neurocircuit.snn.training import parallel

    if threads is not None:
        torch.set_num_threads(threads)
    subject, network = checkpoint.load_network(checkpoint_path)
    source = on_chips.first(library.load(subject.data, split, data))
    network = network.to(parallel.device_of_process(device))
    if noise is not None:
        found = on_chips.run(network, source, subject, checkpoint_path, energy_J)
    else:
        found = to_dict(evaluate(network, source, subject), energy_J, tau_s)
    values = (
        {"kind": "evaluation", "schema": 1}
        | found
        | {
            "name": subject.name,
            "network": subject.network.name,
            "data": subject.data.name,
            "split": split,
            "data_sha256": source.sha256,
            "data_canonical": library.is_canonical(subject.data.name, source),
        }
    )
    if as_json:
        echo_json(values)
    else:
        click.echo(summary(values) if noise is None else _on_chips.summary(values))


def at_conditions(network_path: Path, process: str, datasheet: Path | None, **options: Any) -> None:
    """As `neurocircuit pvt`. Raises InputError for a datasheet of another process, or when there is none."""
    from neurocircuit.cli.study import pvt
    from neurocircuit.spec import NeuronSpec

    if network_path.suffix != ".toml":
        raise InputError(
            f"with --process CHECKPOINT must be a mapped network (.toml) of neurocircuit map, got {network_path}"
        )
    folder = Path(f"reports/published/datasheet-{process}") if datasheet is None else datasheet
    circuit = NeuronSpec.from_toml(folder / "spec.toml").circuit
    if circuit is None or circuit.process != process:
        raise InputError(f"{folder} must be the datasheet of {process}")
    pvt.run(network_path, folder, level="edge", map_images=40, **options)


def _energy_J(text: str) -> float:
    """A quantity, or that from arming to Q of a characterised condition."""
    if Path(text).is_dir():
        from neurocircuit.process import result

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
