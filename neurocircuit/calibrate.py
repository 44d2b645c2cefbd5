"""Operating points of a mapped network → noise table: each point simulated on many chips, at one level.

Points come from whole images run on chips, so they are those the network really uses, the spread of its inputs
included. Of each layer's firing neurons half are drawn as they come and half evenly over ln(W_C - 1); of its silent
ones half are near the threshold; some are those nearest to a wrap. Cells are conditional on the point, so this choice
weights nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit import chips, simulate
from neurocircuit.mapping.physical import Layer
from neurocircuit.mapping.replay import Circuit
from neurocircuit.neuron.operating import Operating, concatenate, operate
from neurocircuit.noise import curves, fit
from neurocircuit.noise.table import NoiseTable
from neurocircuit.noise.terms import (
    COMPONENTS,
    TERMS,
    membrane_terms,
    phase_noise_spread,
    sensitivities,
    synapse_term,
    wrap_distance,
)  # fmt: skip
from neurocircuit.record import Bools, Floats
from neurocircuit.spec import NeuronSpec, StartPhases, Variation

_EVENT = 10**6  # events of the calibration: beyond the numbers of images
NEAR_APPROACH = 0.35


@dataclass(frozen=True)
class Points:
    """Operating points of one layer; every [axis, firing neuron of any image]: coordinates (noise/fit.py) of all."""

    layer: int
    spec: NeuronSpec
    point: Operating
    neuron: NDArray[np.int64]
    image: NDArray[np.int64]
    times: Floats  # [point, input]
    weights: Floats  # [point, input], in force, before any chip
    every: Floats

    @property
    def coordinates(self) -> Floats:
        """Those of the points, [axis, point]."""
        return fit.features(self.spec, self.point, self.headroom)

    @property
    def ranges(self) -> Floats:
        """What all neurons of all images span, [axis, 2]."""
        return np.stack([self.every.min(axis=1), self.every.max(axis=1)], axis=1)

    def take(self, which: NDArray[np.int64]) -> "Points":
        """Some of the points."""
        return Points(
            self.layer, self.spec, self.point.take(which), self.neuron[which], self.image[which], self.times[which],
            self.weights[which], self.every,
        )  # fmt: skip

    @property
    def headroom(self) -> Floats:
        """Share of the XOR's range, [point]."""
        return self.point.peak_current * self.spec.phase_per_weight_rad / (np.pi / 2)


def collect(circuit: Circuit, images: list[Floats], count: int, seed: int, level: str = "edge") -> list[Points]:
    """`count` points of each layer from the input spikes of images, each run on a chip of its own."""
    found: list[list[tuple[Operating, Floats]]] = [[] for _ in circuit.physical.layers]
    for number, spikes in enumerate(images):
        runs = circuit.chip(seed, number).run(spikes, number, level, until=len(found) - 1)
        k = 0
        for stage in circuit.physical.stages:
            if not isinstance(stage, Layer):
                spikes = stage.earliest(spikes)
                continue
            point = operate(
                stage.inputs(spikes, circuit.mapped.bias_delay_over_tau(k)), circuit.weights[k][stage.row],
                circuit.window,
            )  # fmt: skip
            found[k].append((point, spikes))
            spikes = runs[k].t_over_tau if k < len(runs) else spikes
            k += 1
    generator = np.random.default_rng([seed, 7])
    return [_choose(circuit, k, seen, count, generator) for k, seen in enumerate(found)]


def _choose(
    circuit: Circuit, k: int, seen: list[tuple[Operating, Floats]], count: int, generator: np.random.Generator
) -> Points:
    layer, spec = circuit.physical.layers[k], circuit.mapped.neuron_of(k)
    every = concatenate([point for point, _ in seen])
    headroom = every.peak_current * spec.phase_per_weight_rad / (np.pi / 2)
    coordinates = fit.features(spec, every, headroom)[:, every.fired]
    fired, silent = np.flatnonzero(every.fired), np.flatnonzero(~every.fired)
    chosen = _half_even(fired, every.slope[fired], count - count // 4, generator)
    near = silent[every.highest[silent] > 1.0 - NEAR_APPROACH]
    rest = [generator.permutation(part)[: count // 8] for part in (near, silent)]
    distance = wrap_distance(spec, every)
    deep = np.argsort(distance)[: count // 16] if np.isfinite(distance).any() else np.empty(0, dtype=np.int64)
    chosen = np.unique(np.concatenate([chosen, *rest, deep]))
    others = np.setdiff1d(fired, chosen)  # what was drawn twice leaves room
    chosen = np.sort(np.concatenate([chosen, generator.permutation(others)[: max(count - len(chosen), 0)]]))
    image, neuron = np.divmod(chosen, layer.neurons)
    bias = circuit.mapped.bias_delay_over_tau(k)
    times = np.stack([layer.inputs(seen[i][1], bias)[j] for i, j in zip(image, neuron, strict=True)])
    return Points(k, spec, every.take(chosen), neuron, image, times, circuit.weights[k][layer.row[neuron]], coordinates)


def _half_even(
    which: NDArray[np.int64], slope: Floats, count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Half as they come, half evenly over ln slope, the extremes included."""
    as_they_come = generator.permutation(which)[: count // 2]
    order = np.argsort(slope)
    goal = np.linspace(np.log(slope[order[0]]), np.log(slope[order[-1]]), count - count // 2)
    even = which[order[np.searchsorted(np.log(slope[order]), goal).clip(0, len(order) - 1)]]
    return np.concatenate([as_they_come, even])


def simulate_points(
    circuit: Circuit, points: Points, variation: Variation, seed: int, chip: int, level: str, event: int | None = 0
) -> tuple[Floats, Floats, Bools]:
    """Circuit times [point], membrane terms [component, point] and wraps [point] of one chip.

    event: its number; None: all oscillators start at 0 and have no phase noise.

    Terms are first order at the ideal operating point, that of the synapses exact in each weight's error.
    """
    k, spec, layer = points.layer, points.spec, circuit.physical.layers[points.layer]
    sets = len(layer.kernel) if circuit.mapped.synapses == "shared" else layer.neurons
    drawn = chips.draw_layer(variation, seed, chip, k, layer.neurons, layer.fan_in, sets)
    rows = layer.row[points.neuron] if circuit.mapped.synapses == "shared" else points.neuron
    synapse: Floats = drawn.synapse[rows].astype(np.float64) if len(drawn.synapse) > 1 else np.zeros((1, 1))
    if event is None:
        spec = spec.replace(start_phases=StartPhases(), phase_noise=(0.0, 0.0, 0.0, 0.0))
    start, seeds = chips.draw_event(spec, seed, chip, _EVENT + (event or 0), k, len(points.neuron))
    own = replace(drawn, own=drawn.own.take(points.neuron))
    weights = points.weights * (1.0 + own.die[3] + synapse)
    record = simulate.evaluate(
        level, spec, points.times, weights, start_rad=start, noise_seed=seeds, errors=own.neurons
    )
    term = synapse_term(points.point, points.times, points.weights, synapse)
    terms = membrane_terms(spec, points.point, own, term)
    return record.fire_time_over_tau, np.stack([terms.of(name) for name in COMPONENTS]), record.false_fire


def calibrate(
    circuit: Circuit,
    images: list[Floats],
    *,
    level: str = "edge",
    seed: int = 1,
    chip_count: int = 100,
    points_per_layer: int = 300,
    axes: tuple[str, ...] | None = None,
    first_chip: int = 10_000,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[NoiseTable, list[Points], list[fit.Samples]]:
    """The noise table of a network at a level. Each chip meets every point once, so has far more than 20 events."""
    all_points = collect(circuit, images, points_per_layer, seed)
    fits, samples = [], []
    for points in all_points:
        report(f"layer {circuit.mapped.layers[points.layer].name}: {len(points.neuron)} points x {chip_count} chips")
        runs = [
            simulate_points(circuit, points, circuit.mapped.variation, seed, first_chip + c, level)
            for c in range(chip_count)
        ]
        n = len(points.neuron)
        repeated = concatenate([points.point] * chip_count)
        samples.append(
            fit.Samples(
                point=repeated,
                headroom=np.tile(points.headroom, chip_count),
                u=np.concatenate([u for _, u, _ in runs], axis=1),
                t_over_tau=np.concatenate([t for t, _, _ in runs]),
                operating_point=np.tile(np.arange(n), chip_count),
                chip=np.repeat(np.arange(chip_count), n),
                wrapped=np.concatenate([wrapped for _, _, wrapped in runs]),
            )
        )
        fits.append(fit.fit_layer(points.spec, samples[-1], circuit.window, points.ranges, axes))
    provenance = {
        "network": circuit.mapped.to_dict(),
        "level": level,
        "engine": simulate.engine(level),
        "seed": seed,
        "chips": chip_count,
        "points_per_layer": points_per_layer,
        "images": len(images),
        "not_modelled": list(simulate.not_modelled(level, circuit.mapped.neuron_of(0))),
    }
    return NoiseTable.from_fits(fits, provenance), all_points, samples


def budget(
    circuit: Circuit, all_points: list[Points], *, level: str = "edge", seed: int = 1, chip_count: int = 30
) -> list[dict[str, Any]]:
    """What each cause alone does to the fire time by layer: median over points of the spread, units of τ, and shares.

    Simulated with the other causes off; `parameters`: first-order spread of each parameter's term over the slope.
    """
    rows = []
    for points in all_points:
        s = points.point.slope
        fired = points.point.fired
        variation = circuit.mapped.variation
        row: dict[str, Any] = {"layer": circuit.mapped.layers[points.layer].name, "points": int(fired.sum())}
        cases: dict[str, tuple[Variation, int | None]] = {name: (variation.only(name), None) for name in COMPONENTS}
        cases |= {"event": (Variation(), 0), "all": (variation, 0)}
        for name, (which, event) in cases.items():
            t = np.stack(
                [simulate_points(circuit, points, which, seed, 20_000 + c, level, event)[0] for c in range(chip_count)]
            )
            row[name] = _median_spread(t[:, fired])
        perfect = simulate_points(circuit, points, Variation(), seed, 0, level, event=None)[0]
        both = fired & np.isfinite(perfect)
        row["bias"] = float(np.median(perfect[both] - points.point.at[both])) if both.any() else 0.0
        row["parameters"] = _first_order(points, variation, fired, s)
        rows.append(row)
    return rows


def _median_spread(t: Floats) -> float:
    """Median over points of the standard deviation over chips [chip, point]; points that all chips fired."""
    kept = np.isfinite(t).all(axis=0)
    return float(np.median(t[:, kept].std(axis=0, ddof=1))) if kept.any() else 0.0


def _first_order(points: Points, variation: Variation, fired: NDArray[np.bool_], s: Floats) -> dict[str, float]:
    per = sensitivities(points.spec, points.point)
    own, die = variation.neuron, variation.die
    f1, f2, f3, f4 = own.frequency
    sigma = {
        "die: τ": die.tau * np.abs(per["tau"]),
        "die: gain": die.gain * np.abs(per["gain"]),
        "die: threshold": die.threshold * per["threshold"],
        "die: weights": die.weight * np.abs(per["weight"]),
        "neuron: τ": own.tau * np.abs(per["tau"]),
        "neuron: gain": own.gain * np.abs(per["gain"]),
        "neuron: threshold": own.threshold * per["threshold"],
        "neuron: VCO1, VCO2": np.hypot(f1, f2) * np.abs(per["vco1_vco2"]),
        "neuron: VCO3, VCO4": np.hypot(f3, f4) * np.abs(per["vco3_vco4"]),
        "synapse: weights": variation.synapse.weight * points.point.root_synapse,
        "event: phase noise": phase_noise_spread(points.spec, points.point.at),
    }
    return {name: float(np.median(value[fired] / s[fired])) for name, value in sigma.items()}


def describe(circuit: Circuit, table: NoiseTable, samples: list[fit.Samples]) -> list[dict[str, Any]]:
    """What the table says of each layer, and the data beside it, for the report."""
    rows = []
    for k, (own, seen) in enumerate(zip(table.layers, samples, strict=True)):
        fired = seen.point.fired & np.isfinite(seen.t_over_tau)
        log_s, late = np.log(seen.point.slope[fired]), (seen.t_over_tau - seen.point.at)[fired]
        edges = np.quantile(log_s, np.linspace(0, 1, 13))
        groups = [late[(log_s >= low) & (log_s <= high)] for low, high in pairwise(edges)]
        rows.append(
            {
                "name": circuit.mapped.layers[k].name,
                "axes": list(table.axes(k)),
                "gains": {name: list(gain) for name, gain in own.gains.items()},
                "samples": len(seen.chip),
                "kappa": dict(zip(COMPONENTS, own.kappa.tolist(), strict=True)),
                "kappa_error": dict(zip(COMPONENTS, own.kappa_error.tolist(), strict=True)),
                "component_spread": dict(zip(COMPONENTS, own.component_spread.tolist(), strict=True)),
                "term_kappa": dict(zip(TERMS, own.term_kappa.tolist(), strict=True)),
                "term_kappa_error": dict(zip(TERMS, own.term_kappa_error.tolist(), strict=True)),
                "event_spread": float(np.median(own.rest_spread)),
                "spread_without_terms": float(np.median(own.spread)),
                "bias": float(np.median(own.bias)),
                "slope": np.exp((edges[:-1] + edges[1:]) / 2).tolist(),
                "late_median": [float(np.median(group)) for group in groups],
                "late_spread": [float(np.subtract(*np.quantile(group, (0.84, 0.16)))) / 2 for group in groups],
                "approach": [[float(low), float(high)] for low, high in pairwise(curves.APPROACH_EDGES)],
                "false_fire": own.false_fire.tolist(),
                "false_low": own.false_low.tolist(),
                "false_high": own.false_high.tolist(),
                "false_n": own.false_n.tolist(),
                "wrapped": float(seen.wrapped.mean()),
                "wrap_edges": curves.WRAP_EDGES[1:-1].tolist(),
                "wrap_fire": own.wrap_fire.tolist(),
                "wrap_n": own.wrap_n.tolist(),
                "missed": float(np.mean(~np.isfinite(seen.t_over_tau[seen.point.fired]))),
            }
        )  # fmt: skip
    return rows
