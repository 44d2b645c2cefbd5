"""The noise budget: what each cause alone does."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import IN_PROCESS, Pool
from neurocircuit.core.result import Values
from neurocircuit.network.calibrate.points import Points
from neurocircuit.network.calibrate.simulate import ChipRun, simulate_chips, simulate_points
from neurocircuit.network.run import Circuit
from neurocircuit.neuron import supply
from neurocircuit.neuron.chip import ChipLayer, NeuronErrors
from neurocircuit.neuron.sensitivity import COMPONENTS, contributions, flicker_spread, phase_noise_spread
from neurocircuit.spec import StartPhases, Variation

_PARAMETER_NAMES = {
    "tau": "τ",
    "gain": "gain",
    "threshold": "threshold",
    "weight": "weights",
    "vco1_vco2": "VCO1, VCO2",
    "vco3_vco4": "VCO3, VCO4",
}


class LayerBudget(Values):
    """What each cause alone does to the fire times of a layer: median over points of the spread, units of τ.

    die, neuron, synapse, flicker, supply, event, all: simulated with the other causes off; event: noise of events but
    flicker and the supply's ripple; bias: median lateness of a perfect chip;
    registered: of causes of one's own, by name, each alone, not in all; parameters: first-order spread of each
    parameter's term over the slope. points: firing neurons that it is over.
    """

    layer: str
    points: int
    die: float
    neuron: float
    synapse: float
    flicker: float = 0.0
    supply: float = 0.0
    event: float
    all: float
    bias: float
    parameters: dict[str, float]
    registered: dict[str, float] = {}  # noqa: RUF012 - causes of one's own, by name; pydantic copies it


def budget(
    circuit: Circuit,
    all_points: list[Points],
    *,
    level: str = "edge",
    seed: int = 1,
    chip_count: int = 30,
    pool: Pool = IN_PROCESS,
) -> list[LayerBudget]:
    """Return the noise budget of each layer, from `chip_count` chips for each cause."""
    rows = []
    for points in all_points:
        s = points.point.slope
        fired = points.point.fired
        variation = circuit.mapped.variation
        row: dict[str, Any] = {"layer": circuit.mapped.layers[points.layer].name, "points": int(fired.sum())}
        quiet, steady = points.spec.without_noise(), points.spec.replace(flicker=None, supply=None)
        cases: dict[str, tuple[Points, Variation, int | None]] = {
            name: (points, variation.only(name), None) for name in COMPONENTS
        }
        cases |= {"event": (replace(points, spec=steady), Variation(), 0), "all": (points, variation, 0)}
        if points.spec.flicker is not None:
            flickering = quiet.replace(flicker=points.spec.flicker, start_phases=StartPhases())
            cases["flicker"] = replace(points, spec=flickering), Variation(), 0
        if points.spec.ripple is not None:
            rippled = quiet.replace(supply=points.spec.ripple, start_phases=StartPhases())
            cases["supply"] = replace(points, spec=rippled), Variation(), 0
        for name, (these, which, event) in cases.items():
            runs = [ChipRun(these, 20_000 + c, level, event, which) for c in range(chip_count)]
            t = np.stack([run.t_over_tau for run in simulate_chips(circuit, runs, seed, pool)])
            row[name] = _median_spread(t[:, fired])
        row["registered"] = {}
        for cause in circuit.causes:
            runs = [ChipRun(points, 20_000 + c, level, None, Variation(), cause) for c in range(chip_count)]
            t = np.stack([run.t_over_tau for run in simulate_chips(circuit, runs, seed, pool)])
            row["registered"][cause.name] = _median_spread(t[:, fired])
        perfect = simulate_points(circuit, points, Variation(), seed, 0, level, event=None)[0]
        both = fired & np.isfinite(perfect)
        row["bias"] = float(np.median(perfect[both] - points.point.at[both])) if both.any() else 0.0
        row["parameters"] = _first_order(points, variation, fired, s)
        rows.append(LayerBudget(**row))
    return rows


def _median_spread(t: Floats) -> float:
    """Return the median over points of the standard deviation over chips [chip, point]; points that all chips fired."""
    kept = np.isfinite(t).all(axis=0)
    return float(np.median(t[:, kept].std(axis=0, ddof=1))) if kept.any() else 0.0


def _first_order(points: Points, variation: Variation, fired: NDArray[np.bool_], s: Floats) -> dict[str, float]:
    neuron, die = variation.neuron, variation.die
    f1, f2, f3, f4 = neuron.frequency
    errors = NeuronErrors(neuron.tau, neuron.gain, neuron.threshold, (np.hypot(f1, f2), 0.0, 0.0, np.hypot(f3, f4)))
    spread = ChipLayer(np.array([die.tau, die.gain, die.threshold, die.weight]), errors, np.zeros((1, 1), np.float32))
    sigma = {
        f"{component}: {_PARAMETER_NAMES[parameter]}": np.abs(term)
        for component, terms in contributions(points.spec, points.point, spread).items()
        for parameter, term in terms.items()
    }
    sigma["synapse: weights"] = points.synapse_spread(variation.synapse)
    sigma["event: phase noise"] = phase_noise_spread(points.spec, points.point.at)
    if points.spec.flicker is not None:
        sigma["event: flicker"] = flicker_spread(points.spec, points.point.at)
    if points.spec.ripple is not None:
        sigma["event: supply"] = supply.course(points.spec).spread(points.point.at)
    return {name: float(np.median(value[fired] / s[fired])) for name, value in sigma.items()}
