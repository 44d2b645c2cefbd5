"""neurocircuit simulate: one neuron, any level, times and a picture."""

import math
from pathlib import Path
from typing import Any

import click
import numpy as np

from neurocircuit.cli.common import echo_json, json_option, load_spec, spec_option
from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError, SimulatorError
from neurocircuit.neuron import levels as neuron_levels
from neurocircuit.spec import NeuronSpec
from neurocircuit.units import format_quantity, parse_numbers, parse_quantity, parse_times_over_tau

PICTURES = (".png", ".svg", ".pdf")


@click.command("simulate")
@click.option("--inputs", required=True, help="Spike times: in tau (0.16,0.16), with a unit (3.2ns,4ns), or inf.")
@click.option("--weights", required=True, help="Weights, one for each input, in units of the threshold: 0.8,0.8.")
@click.option("--level", "levels", default="edge", show_default=True, help="Levels to run and overlay: edge,bsource.")
@spec_option
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, 2**63 - 1), help="Start phases and noise.")
@click.option("--timeout", default="30 s", show_default=True, help="Limit of one ngspice run.")
@click.option("--out", type=click.Path(path_type=Path), help="Picture (.png, .svg, .pdf); default: neuron.png.")
@click.option("--no-picture", is_flag=True, help="Only print.")
@json_option
def command(
    inputs: str,
    weights: str,
    levels: str,
    spec_path: Path | None,
    seed: int,
    timeout: str,
    out: Path | None,
    no_picture: bool,
    as_json: bool,
) -> None:
    """Simulate one neuron: print when it fires, and draw VCO phases, UP, loop filter, membrane and Q.

    With --json the picture is drawn only when --out asks for it.
    """
    spec = load_spec(spec_path)
    arming_over_tau = spec.arming_s / spec.tau_s
    t_over_tau = np.array(parse_times_over_tau(inputs, spec.tau_s)) - arming_over_tau
    weight_array = np.array(parse_numbers(weights, "--weights"))
    names = _level_names(levels)
    picture = None if no_picture or (as_json and out is None) else _picture_path(out or Path("neuron.png"))
    timeout_s = _timeout_s(timeout)
    start_rad = neuron_levels.default_start_rad(spec, 1, seed)[0]

    results = {
        name: _outcome(name, spec, t_over_tau, weight_array, start_rad, seed, timeout_s, arming_over_tau)
        for name in names
    }
    if picture is not None:
        _draw(spec, names, t_over_tau, weight_array, start_rad, seed, picture)
    if as_json:
        echo_json({"levels": results, "start_rad": start_rad.tolist(), "picture": str(picture) if picture else None})
        return
    for name, result in results.items():
        click.echo(_line(name, result))
    if picture is not None:
        click.echo(f"picture: {picture}")


def _level_names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in neuron_levels.LEVELS:
            raise InputError(f"--level must be among {', '.join(neuron_levels.LEVELS)}, got {name!r}")
    return list(dict.fromkeys(names))


def _timeout_s(text: str) -> float:
    value = parse_quantity(text, "s", "--timeout")
    if value <= 0:
        raise InputError(f"--timeout must be > 0, got {text!r}")
    return value


def _picture_path(path: Path) -> Path:
    if path.suffix not in PICTURES:
        raise InputError(f"--out must end in {', '.join(PICTURES)}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise InputError(f"--out must lie in an existing directory, got {str(path)!r}")
    return path


def _outcome(
    level: str,
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    seed: int,
    timeout_s: float,
    arming_over_tau: float,
) -> dict[str, Any]:
    record = neuron_levels.evaluate(
        level,
        spec,
        t_over_tau[None],
        weights[None],
        start_rad=start_rad[None],
        noise_seed=np.array([seed], dtype=np.uint64),
        timeout_s=timeout_s,
    )
    if record.failures:
        raise SimulatorError(f"{level}: {record.failures[0]}")
    fire_time = float(record.fire_time_over_tau[0]) + arming_over_tau
    return {
        "fired": math.isfinite(fire_time),
        "fire_time_over_tau": fire_time,
        "fire_time_s": fire_time * spec.tau_s,
        "false_fire": bool(record.false_fire[0]),
        "headroom": float(record.headroom[0]),
        "engine": record.engine,
        "not_modelled": list(neuron_levels.not_modelled(level, spec)),
    }


def _draw(
    spec: NeuronSpec,
    names: list[str],
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    seed: int,
    path: Path,
) -> None:
    from neurocircuit.report.figures import draw_waveforms

    waves = {name: neuron_levels.waveforms(name, spec, t_over_tau, weights, start_rad, seed) for name in names}
    label = f"threshold ({spec.threshold.kind})"
    draw_waveforms(waves, label, t_over_tau.tolist(), path)


def _line(level: str, result: dict[str, Any]) -> str:
    if not result["fired"]:
        text = "silent: not fired within the window"
    else:
        time = format_quantity(float(f"{result['fire_time_s']:.6g}"), "s")
        text = f"fires at {result['fire_time_over_tau']:.6f} tau = {time}"
    if result["false_fire"]:
        text += "; FALSE FIRE: the phases met modulo 2 pi, the membrane never reached the threshold"
    if result["headroom"] > 1:
        text += f"; phase error reached {result['headroom']:.2f} of the XOR's linear range"
    return f"{level:9s} {text}"
