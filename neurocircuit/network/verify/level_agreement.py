"""Levels against each other on trained neurons: which causes differ, by how much times do, the worst cases."""

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import IN_PROCESS, Pool, Progress, silent
from neurocircuit.core.stats.clustered import clustered_error
from neurocircuit.network.calibrate import ChipRun, Points, simulate_chips
from neurocircuit.network.run import Circuit
from neurocircuit.network.verify.neurons import FIRST_CHIP, Runs
from neurocircuit.neuron import chip as chips
from neurocircuit.neuron import levels
from neurocircuit.neuron.record import Waveforms
from neurocircuit.results.replay import Case, LevelDifference

EDGE_ONLY = ("edge",)  # start phases, ripple and sampling exist there alone


def differing_causes(
    level_causes: tuple[str, ...], table_causes: tuple[str, ...], level: str, table_level: str
) -> list[str]:
    """Return what one of two levels models and the other does not; empty where a table of one speaks for the other."""
    causes = sorted(set(level_causes) ^ set(table_causes))
    if (level in EDGE_ONLY) != (table_level in EDGE_ONLY):
        causes.append("start phases and ripple of the oscillators")
    return causes


def level_discrepancy(
    circuit: Circuit,
    points: Points,
    level: str,
    table_level: str,
    *,
    chip_count: int,
    seed: int,
    pool: Pool = IN_PROCESS,
    progress: Progress = silent,
) -> LevelDifference:
    """Fire times of the same neurons on the same chips at two levels: median, spread and tails of the difference."""
    layer = points.layer
    chip = np.random.default_rng([seed, 11, layer]).permutation(np.arange(len(points.neuron)) % chip_count)
    times = np.full((2, len(chip)), np.nan)
    chip_rows = [(FIRST_CHIP + c, np.flatnonzero(chip == c)) for c in range(chip_count) if (chip == c).any()]
    runs = [ChipRun(points.take(rows), number, name) for number, rows in chip_rows for name in (level, table_level)]
    label = f"layer {circuit.mapped.layers[layer].name}: {len(chip)} neurons at two levels"
    simulated = iter(simulate_chips(circuit, runs, seed, pool, progress, label))
    for _, rows in chip_rows:
        for k in range(2):
            times[k, rows] = next(simulated)[0]
    fired = np.isfinite(times)
    both = fired.all(axis=0)
    difference = times[0, both] - times[1, both]
    low, high = np.quantile(difference, (0.025, 0.975))
    name = circuit.mapped.layers[layer].name
    middle, error = float(np.median(difference)), clustered_error(difference, chip[both], points.image[both])
    return LevelDifference(
        layer=name,
        runs=len(chip),
        median=middle,
        mean_error=error,
        low=float(low),
        high=float(high),
        only_here=int((fired[0] & ~fired[1]).sum()),
        only_there=int((~fired[0] & fired[1]).sum()),
        sentence=(
            f"Layer {name}: {level} and {table_level} model different causes, so no coverage: {level} fires "
            f"{middle:+.4f} τ against {table_level} (median of {int(both.sum())}; 95 % of differences {low:+.4f} … "
            f"{high:+.4f} τ); {int((fired[0] != fired[1]).sum())} of {len(chip)} runs fire at one of them only."
        ),
    )


def worst(circuit: Circuit, runs: Runs, level: str, seed: int, count: int = 2) -> tuple[Case, ...]:
    """Return the runs farthest out in their predictions, with waveforms of the neuron that was simulated."""
    order = np.argsort(np.minimum(runs.pit_value, 1.0 - runs.pit_value))[:count]
    return tuple(case_of(runs, int(k), _wave(circuit, runs, int(k), level, seed)) for k in order)


def case_of(runs: Runs, k: int, wave: dict[str, tuple[float, ...]]) -> Case:
    """Return one run in numbers, for the report."""
    return Case(
        pit_value=float(runs.pit_value[k]),
        measured_over_tau=float(runs.t_over_tau[k]),
        predicted_over_tau=float(runs.median_over_tau[k]),
        ideal_over_tau=float(runs.ideal_over_tau[k]),
        slope=float(runs.points.point.slope[k]),
        highest=float(runs.points.point.highest[k]),
        chip=int(runs.chip[k]),
        image=int(runs.image[k]),
        neuron=int(runs.points.neuron[k]),
        wave=wave,
    )


def thinned(wave: Waveforms, time_over_tau: Floats) -> dict[str, tuple[float, ...]]:
    """Return the membrane of a waveform at some 600 of its times, as a report draws it."""
    step = max(1, len(time_over_tau) // 600)
    return {
        "time": tuple(time_over_tau[::step].round(5).tolist()),
        "membrane": tuple(wave.membrane[::step].round(4).tolist()),
    }


def _wave(circuit: Circuit, runs: Runs, k: int, level: str, seed: int) -> dict[str, tuple[float, ...]]:
    """Return the membrane of one run over time, thinned, units of τ and thresholds."""
    points = runs.points
    layer = circuit.layers[points.layer]
    chip = FIRST_CHIP + int(runs.chip[k])
    drawn = circuit.draw_layer(points.layer, circuit.mapped.variation, seed, chip)
    neuron = points.neuron[[k]]
    rows = layer.row[neuron] if circuit.mapped.synapses == "shared" else neuron
    synapse = drawn.synapse[rows][0] if len(drawn.synapse) > 1 else 0.0
    errors = chips.ChipLayer(drawn.die, drawn.neuron_errors.take(neuron), drawn.synapse[:1]).neurons
    spec = errors.spec_of(points.spec, 0)
    # The order of a chip's runs decides their events: the waveform repeats that of the run itself.
    of_chip = np.flatnonzero(runs.chip == runs.chip[k])
    start, seeds = chips.draw_event(points.spec, seed, chip, 10**6, points.layer, len(of_chip))
    at = int(np.flatnonzero(of_chip == k)[0])
    scale = spec.tau_s / points.spec.tau_s
    wave = levels.waveforms(
        level if level != "bsource" else "averaged",
        spec,
        points.times[k] / scale,
        drawn.weights(points.weights[k], synapse),
        start[at],
        int(seeds[at]),
    )
    return thinned(wave, wave.time_over_tau * scale)
