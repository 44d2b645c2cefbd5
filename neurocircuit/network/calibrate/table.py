"""Operating points of a mapped network → noise table: each point simulated on many chips, at one level."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.network.calibrate.points import EVERYWHERE, Points, Within, collect, simulate_points
from neurocircuit.network.run import Circuit
from neurocircuit.neuron import levels
from neurocircuit.neuron.operating_points import concatenate
from neurocircuit.neuron.sensitivity import COMPONENTS, TERMS
from neurocircuit.noise import curves, fit
from neurocircuit.noise.first_passage import FirstPassageFit
from neurocircuit.noise.table import NoiseTable


def calibrate(
    circuit: Circuit,
    images: list[Floats],
    *,
    level: str = "edge",
    seed: int = 1,
    chip_count: int = 100,
    points_per_layer: int = 300,
    axes: tuple[str, ...] | None = None,
    within: Within = EVERYWHERE,
    first_chip: int = 10_000,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[NoiseTable, list[Points], list[fit.Samples]]:
    """The noise table of a network at a level. Each chip meets every point once, so has far more than 20 events.

    within: if given, the table spans slope, time and headroom up to there, and what lies beyond is outside of it.
    """
    all_points = collect(circuit, images, points_per_layer, seed, within=within)
    axes = axes if within.all else ("slope", "time", "headroom")
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
                membranes=points.membranes,
                common=None if points.common is None else np.tile(points.common, chip_count),
            )
        )
        fits.append(fit.fit_layer(points.spec, samples[-1], circuit.window, points.ranges, axes, points.early))
    provenance = {
        "network": circuit.mapped.to_dict(),
        "level": level,
        "engine": levels.engine(level),
        "seed": seed,
        "chips": chip_count,
        "points_per_layer": points_per_layer,
        "images": len(images),
        "not_modelled": list(levels.not_modelled(level, circuit.mapped.neuron_of(0))),
    }
    return NoiseTable.from_fits(fits, provenance), all_points, samples


def _describe_first_passage(own: FirstPassageFit | None, middle: float, seen: fit.Samples) -> dict[str, Any]:
    """Of the first passage: what a chip's terms do, and the event at the layer's median fire time, thresholds."""
    assert own is not None  # noqa: S101
    assert seen.membranes is not None  # noqa: S101
    g = float(np.interp(middle, seen.membranes.grid, seen.membranes.g))
    weights = own.n / own.n.sum()
    return {
        "kappa": dict(zip(COMPONENTS, own.kappa.tolist(), strict=True)),
        "kappa_error": dict(zip(COMPONENTS, own.kappa_error.tolist(), strict=True)),
        "axes": [name for name in own.edges if len(own.edges[name]) > 2],
        "gains": {name: list(gain) for name, gain in own.gains.items()},
        "bias": float((weights * own.bias).sum()),
        "xi_spread": float((weights * own.spread).sum()),
        "event_spread": float((weights * own.spread).sum()) * g,
        "at": middle,
    }


def _robust_spread(quantiles: Floats) -> float:
    """Median over cells of the standard deviation that the 15 % and 85 % quantiles of a normal event would mean."""
    low, high = (quantiles[..., np.searchsorted(curves.QUANTILES, share)] for share in (0.15, 0.85))
    return float(np.median(high - low)) / 2.0729


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
                "passage": _describe_first_passage(
                    own.first_passage, float(np.median(seen.point.at[seen.point.fired])), seen
                ),
                "component_spread": dict(zip(COMPONENTS, own.component_spread.tolist(), strict=True)),
                "term_kappa": dict(zip(TERMS, own.term_kappa.tolist(), strict=True)),
                "term_kappa_error": dict(zip(TERMS, own.term_kappa_error.tolist(), strict=True)),
                "event_spread": _robust_spread(own.rest_quantiles),
                "spread_without_terms": _robust_spread(own.quantiles),
                "bias": float(np.median(own.bias)),
                "slope": np.exp((edges[:-1] + edges[1:]) / 2).tolist(),
                "late_median": [float(np.median(group)) for group in groups],
                "late_spread": [float(np.subtract(*np.quantile(group, (0.84, 0.16)))) / 2 for group in groups],
                "approach": [[float(low), float(high)] for low, high in pairwise(curves.APPROACH_EDGES)],
                "false_fire": own.false_fire.tolist(),
                "false_low": own.false_low.tolist(),
                "false_high": own.false_high.tolist(),
                "false_n": own.false_n.tolist(),
                "early": float(own.early_share[0]),
                "wrapped": float(seen.wrapped.mean()),
                "wrap_edges": curves.WRAP_EDGES[1:-1].tolist(),
                "wrap_fire": own.wrap_fire.tolist(),
                "wrap_n": own.wrap_n.tolist(),
                "missed": float(np.mean(~np.isfinite(seen.t_over_tau[seen.point.fired]))),
            }
        )
    return rows
