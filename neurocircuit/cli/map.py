"""neurocircuit map: a trained network onto the circuit."""

import os
import time
from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import data_option, echo_json, json_option, load_spec, spec_path_option
from neurocircuit.cli.network import images, part_option, record, write_json
from neurocircuit.errors import InputError


@click.command("map")
@click.argument("checkpoint_path", metavar="CHECKPOINT", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File of the mapped network (.toml).")
@click.option("--images", "count", default=50, show_default=True, type=click.IntRange(min=1), help="Images recorded.")
@click.option(
    "--variation",
    "variation_path",
    type=click.Path(path_type=Path),
    help="How chips differ (TOML); default: the embedded numbers.",
)
@click.option("--xor-quantile", default=0.999, show_default=True, help="Neurons within the XOR's range.")
@click.option("--wrap-quantile", default=1.0, show_default=True, help="Neurons that must not wrap.")
@click.option("--use", default=0.9, show_default=True, help="Share of each limit that is used.")
@click.option("--window", type=float, help="Observation window, units of tau; default: 2 after the latest decision.")
@click.option(
    "--keep-scale",
    is_flag=True,
    help="Keep the phase per weight and the lead of --spec in every layer, and the bank of a characterised circuit.",
)
@part_option
@spec_path_option
@data_option
@json_option
def command(
    checkpoint_path: Path,
    out: Path,
    count: int,
    variation_path: Path | None,
    xor_quantile: float,
    wrap_quantile: float,
    use: float,
    window: float | None,
    keep_scale: bool,
    part: str,
    spec_path: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Lay the network in CHECKPOINT onto the circuit: phase per weight, lead, bank and bias delay of each layer.

    Writes the mapped network, and beside it OUT.mapping.json with every constraint on recorded membranes, and a report.
    Exit code 3 when a constraint is broken.
    """
    started = time.process_time()
    base = load_spec(spec_path)
    if out.suffix != ".toml" or not out.parent.is_dir():
        raise InputError(f"--out must be a .toml file in an existing directory, got {str(out)!r}")

    from neurocircuit.core.files import file_sha256, write_atomically
    from neurocircuit.network.limits import Choice
    from neurocircuit.network.mapping import build
    from neurocircuit.report import write_report
    from neurocircuit.snn import unroll
    from neurocircuit.spec.variation import EMBEDDED, Variation

    variation = EMBEDDED if variation_path is None else Variation.from_toml(variation_path)
    choice = Choice(xor_quantile, wrap_quantile, use)
    unrolled = unroll.load(checkpoint_path)
    spikes, labels = images(unrolled, part, data, count)
    mapping = build(
        unrolled.physical,
        base,
        variation,
        spikes,
        labels,
        choice,
        name=out.stem,
        checkpoint=os.path.relpath(checkpoint_path, out.parent),
        checkpoint_sha256=file_sha256(checkpoint_path),
        window_over_tau=window,
        keep_scale=keep_scale,
    )
    numbers = {"kind": "mapping", "schema": 1} | mapping.report | {"part": part, "network": mapping.mapped.to_dict()}
    numbers["run"] = record(started)
    write_atomically(out, mapping.mapped.to_toml())
    write_json(out.with_suffix(".mapping.json"), numbers)
    write_report(out.with_suffix(".mapping.json"))
    if as_json:
        echo_json(numbers)
    else:
        click.echo(summary(numbers) + f"\nmapped: {out}")
    if not mapping.met:
        click.get_current_context().exit(3)


def summary(numbers: dict[str, Any]) -> str:
    """Scales, limits, accuracy in a few lines."""
    lines = [f"window {numbers['window_over_tau']:g} tau; {numbers['images']} images of {numbers['part']}"]
    lines += [
        f"layer {own['name']}: {own['neurons']} neurons x {own['fan_in']}, a {own['phase_per_weight_rad']:g} rad, lead "
        f"{own['lead_rad']:g} rad ({own['lead_over_base']:.2g} of the base, {own['noise_power_over_base']:.3g} x its "
        f"noise power), bias at {own['bias_delay_over_tau']:.3g} tau"
        for own in numbers["layers"]
    ]
    for limit in numbers["limits"]:
        mark = "ok" if limit["met"] else "BROKEN"
        line = f"  {mark} layer {limit['layer']} {limit['name']}: {limit['value']:.4g} of {limit['bound']:.4g}"
        lines.append(line if limit["met"] else f"{line} ({limit['outside']:.2%} beyond); would help: {limit['help']}")
    lines.append(
        f"accuracy under eq. (4) {numbers['accuracy_exact_weights']:.2%}, with the bank's weights "
        f"{numbers['accuracy_rounded_weights']:.2%}"
    )
    return "\n".join(lines)
