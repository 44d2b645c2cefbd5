"""One neuron at one or several levels: when it fires, and a picture of how it gets there."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.errors import InputError, SimulatorError
from neurocircuit.neuron import levels as neuron_levels
from neurocircuit.spec import NeuronSpec
from neurocircuit.spice.process import default_neuron
from neurocircuit.units import format_quantity, parse_numbers, parse_quantity, parse_times_over_tau

PICTURES = (".png", ".svg")


class Fired(Values):
    """What one level says of the neuron. Times from the time origin; nan where it stays silent within the window.

    headroom: largest |phase error| over pi/2, the linear range of the XOR; nan where the level does not know it.
    """

    fired: bool
    fire_time_over_tau: Number
    fire_time_s: Number
    false_fire: bool
    headroom: Number
    engine: str
    not_modelled: tuple[str, ...]

    def line(self, level: str) -> str:
        """Return the level's line of the summary."""
        text = "silent: not fired within the window"
        if self.fired:
            time = format_quantity(float(f"{self.fire_time_s:.6g}"), "s")
            text = f"fires at {self.fire_time_over_tau:.6f} tau = {time}"
        if self.false_fire:
            text += "; FALSE FIRE: the phases met modulo 2 pi, the membrane never reached the threshold"
        if self.headroom > 1:
            text += f"; phase error reached {self.headroom:.2f} of the XOR's linear range"
        return f"{level:9s} {text}"


class Simulation(Result):
    """One neuron: its inputs (units of tau, inf: silent; weights of the threshold), and what each level says."""

    kind: ClassVar[str] = "simulation"

    neuron: str
    tau_s: float
    inputs_over_tau: tuple[Number, ...]
    weights: tuple[float, ...]
    seed: int
    start_rad: tuple[float, float]
    levels: dict[str, Fired]
    picture: str | None = None

    def summary(self) -> str:
        """Return a line for each level, and where the picture is."""
        lines = [fired.line(level) for level, fired in self.levels.items()]
        return "\n".join([*lines, *([f"picture: {self.picture}"] if self.picture else [])])


def simulate(
    inputs: Sequence[float] | str,
    weights: Sequence[float] | str,
    spec: NeuronSpec | None = None,
    *,
    level: str | Sequence[str] = "edge",
    seed: int = 1,
    timeout_s: float | str = 30.0,
    picture: Path | str | None = None,
    progress: Progress = silent,
) -> Simulation:
    """Return when one neuron fires, at one level or at several: ideal, averaged, edge, bsource, transistor.

    inputs: spike times, units of tau from the time origin (inf: a silent input), or text: "0.16,0.16", "3.2ns,4ns".
    weights: one for each input, units of the threshold of eq. (3), or text: "0.8,0.8". spec: default the embedded
    circuit; where the level is transistor, generic65 as characterised. level: a name, several, or text "edge,bsource".
    seed: of random start phases and of phase noise. timeout_s: limit of one ngspice run, or text with its unit.
    picture: file (.png, .svg) of VCO phases, UP, loop filter, membrane and Q at all levels. progress: hears which
    level is simulated that takes long.

    Raise InputError for times before arming or an unknown level, SimulatorMissing without ngspice where a level needs
    it, SimulatorError where it fails. Eqs. (1) to (4) of the paper.

    >>> record = simulate([0.16, 0.16], [0.8, 0.8], level="ideal")
    >>> round(record.levels["ideal"].fire_time_over_tau, 6)
    1.140829
    >>> print(simulate("3.2 ns, inf", "0.8, 0.8", level=["ideal", "averaged"]))
    ideal     silent: not fired within the window
    averaged  silent: not fired within the window
    """
    names = _level_names(level)
    spec = spec or default_neuron("transistor" if "transistor" in names else names[0])
    arming_over_tau = spec.arming_s / spec.tau_s
    times = parse_times_over_tau(inputs, spec.tau_s, "inputs") if isinstance(inputs, str) else tuple(inputs)
    weights = parse_numbers(weights, "weights") if isinstance(weights, str) else tuple(weights)
    timeout_s = parse_quantity(timeout_s, "s", "timeout") if isinstance(timeout_s, str) else timeout_s
    if timeout_s <= 0:
        raise InputError(f"timeout must be > 0 s, got {timeout_s:g}")
    picture = None if picture is None else _picture_path(Path(picture))
    start_rad = neuron_levels.default_start_rad(spec, 1, seed)[0]
    t_over_tau, weight_array = np.array(times, dtype=float) - arming_over_tau, np.array(weights, dtype=float)
    levels = {}
    for name in names:
        if name == "transistor":
            progress(0, 1, f"level {name}: one neuron in ngspice, some 20 s")
        record = neuron_levels.evaluate(
            name,
            spec,
            t_over_tau[None],
            weight_array[None],
            start_rad=start_rad[None],
            noise_seed=np.array([seed], dtype=np.uint64),
            timeout_s=timeout_s,
        )
        if record.failures:
            raise SimulatorError(f"{name}: {record.failures[0]}")
        fire_time = float(record.fire_time_over_tau[0]) + arming_over_tau
        fired = bool(np.isfinite(fire_time))
        levels[name] = Fired(
            fired=fired,
            fire_time_over_tau=fire_time if fired else np.nan,
            fire_time_s=fire_time * spec.tau_s if fired else np.nan,
            false_fire=bool(record.false_fire[0]),
            headroom=float(record.headroom[0]),
            engine=record.engine,
            not_modelled=neuron_levels.not_modelled(name, spec),
        )
    if picture is not None:
        from neurocircuit.rendering.figures import draw_waveforms  # matplotlib takes a while to import

        waves = {name: neuron_levels.waveforms(name, spec, t_over_tau, weight_array, start_rad, seed) for name in names}
        draw_waveforms(waves, f"threshold ({spec.threshold.kind})", t_over_tau.tolist(), picture)
    return Simulation(
        neuron=spec.name,
        tau_s=spec.tau_s,
        inputs_over_tau=times,
        weights=weights,
        seed=seed,
        start_rad=(float(start_rad[0]), float(start_rad[1])),
        levels=levels,
        picture=None if picture is None else str(picture),
    )


def picture_path(path: Path | None, draw: bool) -> Path | None:
    """Return the file of the picture: as named, neuron.png for a picture without a name, else None."""
    return path or (Path("neuron.png") if draw else None)


def _level_names(level: str | Sequence[str]) -> list[str]:
    names = [name.strip() for name in level.split(",")] if isinstance(level, str) else list(level)
    for name in names or [""]:
        if name not in neuron_levels.LEVELS:
            raise InputError(f"level must be among {', '.join(neuron_levels.LEVELS)}, got {name!r}")
    return list(dict.fromkeys(names))


def _picture_path(path: Path) -> Path:
    if path.suffix not in PICTURES:
        raise InputError(f"picture must end in {', '.join(PICTURES)}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise InputError(f"picture must lie in an existing directory, got {str(path)!r}")
    return path
