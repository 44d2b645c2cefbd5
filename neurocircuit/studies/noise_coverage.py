"""Transistor neurons with the noise of their devices drawn, against the fire times that their spec predicts."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.stats import variance_interval
from neurocircuit.core.taskstore import Task, TaskStore, key_of, run_tasks
from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.neuron import levels
from neurocircuit.process.bench import Bench
from neurocircuit.process.drawn_noise import RingNoise, STEP_s, ring_noise
from neurocircuit.process.measurements import prediction
from neurocircuit.process.noisy_neuron import NeuronRun, arming_of, clean_run, noisy_run
from neurocircuit.process.request import slug
from neurocircuit.process.run import identity
from neurocircuit.results.noise_coverage import (
    QUANTILES,
    NeuronCase,
    NoiseCoverage,
    NoisyRun,
    WalkOfVco3,
    coverage_of,
    spread_of,
)
from neurocircuit.spec import Circuit, NeuronSpec
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor import circuit_of

PREDICTIONS = 4000  # fire times at level edge for each case
LARGEST_DEVIATION = 0.05  # of the spec's white noise from that of the devices that are drawn
WALK_periods = 8  # of VCO3: its buffer's jitter adds a fortieth there
_FEWEST_INCREMENTS = 2

Value = dict[str, Any]


def noise_coverage(
    spec: NeuronSpec,
    cases: int = 20,
    draws: int = 2,
    seed: int = 5,
    out: Path | str | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> NoiseCoverage:
    """Return how often transistor neurons under the noise of their devices fire where their spec predicts.

    spec: with circuit, and with the noise that was characterised on its devices; what of it is off is not drawn.
    cases: random neurons, as of the measurement prediction, each run without noise and `draws` times under noise. The
    prediction is level edge with drawn noise. out: folder whose `tasks` keeps finished runs.

    Raise InputError for a spec without circuit or noise, or with noise or an auto-zero that its devices do not have;
    SimulatorError.

    >>> noise_coverage(NeuronSpec.from_toml("spec.toml"), out="coverage").spread.ratio  # doctest: +SKIP
    """
    clock, circuit = RunClock(), circuit_of(spec)
    white, flicker = any(spec.phase_noise), spec.flicker is not None
    if not (white or flicker):
        raise InputError("--spec must have phase noise or flicker, got none; type: neurocircuit spec --device-noise")
    if spec.flicker is not None and spec.flicker.auto_zero_s is not None:
        raise InputError("--spec must have no auto_zero, which the cells of the neuron do not make")
    spec = spec.replace(window_s=prediction.WINDOW_over_tau * spec.tau_s, supply=None)
    drawn = prediction.draw(spec.without_noise(), cases, seed)
    runs = [
        NeuronRun(spec, t, w, float(start[0]) / (2 * np.pi))
        for t, w, start in zip(drawn.t_over_tau, drawn.weights, drawn.start_rad, strict=True)
    ]
    store = TaskStore(Path(out) / "tasks") if out is not None else None
    with open_pool(jobs) as pool:
        key = key_of(
            {"rings": [circuit.bias.vco1_A, circuit.bias.vco3_A]} | identity(circuit.process, circuit.condition)
        )
        measured = run_tasks([Task("rings", key, partial(_rings, circuit))], store, pool, progress)["rings"]
        rings = RingNoise.from_dict(measured["vco1"]), RingNoise.from_dict(measured["vco3"])
        if white:
            _check(spec, rings)
        keys = [_key(run) for run in runs]
        tasks = [Task(f"case{k}", keys[k], partial(clean_run, run)) for k, run in enumerate(runs)]
        clean = list(run_tasks(tasks, store, pool, progress, is_final=_is_final, describe=_describe).values())
        noisy_tasks = []
        for k, run in enumerate(runs):
            for j in range(draws if not clean[k]["failed"] else 0):
                work = partial(noisy_run, run, clean[k], rings, white, [seed, 21, k, j])
                noisy_key = key_of({"case": keys[k], "seed": seed, "draw": j, "spec": spec.to_toml()})
                noisy_tasks.append(Task(f"case{k}-draw{j}", noisy_key, work))
        noisy = run_tasks(noisy_tasks, store, pool, progress, is_final=_is_final, describe=_describe)
    ran = [k for k in range(len(runs)) if not clean[k]["failed"]]
    judged = [
        _judged(number, runs[k], clean[k], [noisy[f"case{k}-draw{j}"] for j in range(draws)], [seed, k])
        for number, k in enumerate(ran)
    ]
    failed = [value["failed"] for value in (*clean, *noisy.values()) if value["failed"]]
    if not any(made for _, made in judged):
        raise SimulatorBadOutput(f"all runs failed: {failed[0]}")
    made = tuple(run for _, runs_of_case in judged for run in runs_of_case)
    pit, of_shift = (np.array([getattr(run, name) for run in made]) for name in ("pit_value", "of_shift"))
    return NoiseCoverage(
        process=circuit.process,
        condition=slug(circuit.condition),
        white=white,
        flicker=flicker,
        seed=seed,
        predictions=PREDICTIONS,
        cases=tuple(case for case, _ in judged),
        runs=made,
        coverage=coverage_of(pit),
        of_shift=coverage_of(of_shift[np.isfinite(of_shift)]),
        spread=spread_of(pit),
        share_drawn=(rings[0].share_drawn(STEP_s), rings[1].share_drawn(STEP_s)),
        walk=_walk(runs, clean, noisy, draws, spec.phase_noise[2]) if white else None,
        failed=tuple(failed),
        run=clock.record(),
    )


def predicted(run: NeuronRun, clean: Value, spec: NeuronSpec, count: int, seed: list[int]) -> Floats:
    """Return fire times at level edge of a run's neuron, `count` events of a spec, units of tau; inf: silent."""
    arming = arming_of(run, clean)
    wait = float(arming.wait_over_tau[0])
    longer = spec.replace(window_s=spec.window_s + wait * spec.tau_s)
    times, weights, start = (
        np.tile(row, (count, 1)) for row in (run.t_over_tau + wait, run.weights, arming.start_rad[0])
    )
    seeds = np.asarray(np.random.SeedSequence(seed).generate_state(count, np.uint64), dtype=np.uint64)
    record = levels.evaluate("edge", longer, times, weights, start_rad=start, noise_seed=seeds)
    fired = record.fire_time_over_tau - wait
    return np.where(fired <= spec.window_over_tau, fired, np.inf)


def pit_value(predicted_times: Floats, measured: float, rng: np.random.Generator) -> float:
    """Return the share of predicted values [draw] below a measured one; among equal ones (silent) a random place.

    Nan for a measured one that is nan. Half a draw is kept from either end.
    """
    if np.isnan(measured):
        return float("nan")
    below, ties = float((predicted_times < measured).mean()), float((predicted_times == measured).mean())
    edge = 0.5 / len(predicted_times)
    return min(max(below + ties * float(rng.random()), edge), 1 - edge)


def _judged(
    number: int, run: NeuronRun, clean: Value, noisy: list[Value], seed: list[int]
) -> tuple[NeuronCase, list[NoisyRun]]:
    """Return a case and its runs under noise that did not fail, beside what the spec predicts."""
    drawn = predicted(run, clean, run.spec, PREDICTIONS, [*seed, 23])
    edge = float(predicted(run, clean, run.spec.without_noise(), 1, seed)[0])
    still = _time(clean)
    rng = np.random.default_rng([*seed, 22])
    made = []
    for j, value in enumerate(noisy):
        if value["failed"]:
            continue
        time = _time(value)
        both = np.isfinite(still) and np.isfinite(edge)
        moved = time - still if both else np.nan
        made.append(
            NoisyRun(
                case=number,
                draw=j,
                fired_over_tau=_or_nan(time),
                pit_value=pit_value(drawn, time, rng),
                of_shift=pit_value(drawn - edge, moved, rng) if both else np.nan,
            )
        )
    quantiles = np.quantile(drawn, QUANTILES, method="nearest")
    case = NeuronCase(
        inputs=int(np.isfinite(run.t_over_tau).sum()),
        first_input=float(run.t_over_tau.min()),
        without_noise=_or_nan(still),
        edge=_or_nan(edge),
        predicted=tuple(_or_nan(time) for time in quantiles.tolist()),
    )
    return case, made


def _rings(circuit: Circuit) -> Value:
    bench = Bench(load(circuit.process), circuit.condition)
    return {vco: ring_noise(bench, getattr(circuit.bias, f"{vco}_A")).to_dict() for vco in ("vco1", "vco3")}


def _check(spec: NeuronSpec, rings: tuple[RingNoise, RingNoise]) -> None:
    """Raise InputError where the spec's white noise is not that of the rings: it would be compared with another."""
    for k, ring in ((0, rings[0]), (2, rings[1])):
        if abs(spec.phase_noise[k] / ring.white_rad2_per_s - 1) > LARGEST_DEVIATION:
            raise InputError(
                f"phase_noise of VCO{k + 1} must be within {LARGEST_DEVIATION:.0%} of its devices' "
                f"{ring.white_rad2_per_s:.4g} rad2/s, got {spec.phase_noise[k]:.4g}"
            )


def _key(run: NeuronRun) -> str:
    """Return the key of a case: the neuron with its process and files, and its inputs."""
    spec, circuit = run.spec, circuit_of(run.spec)
    return key_of(
        {
            "spec": spec.without_noise().to_toml(),
            "t_over_tau": [repr(time) for time in run.t_over_tau.tolist()],
            "weights": run.weights.tolist(),
            "vco1_turns": run.vco1_turns,
        }
        | identity(circuit.process, circuit.condition)
    )


def _walk(
    runs: list[NeuronRun], clean: list[Value], noisy: dict[str, Value], draws: int, characterised: float
) -> WalkOfVco3 | None:
    """Return how VCO3's phase walks in the runs; a slope of each run is its flicker's. None for too few increments."""
    total, degrees = 0.0, 0
    f3_Hz = circuit_of(runs[0].spec).f3_Hz
    for k in range(len(runs)):
        for j in range(draws):
            value = noisy.get(f"case{k}-draw{j}", {"failed": "not run"})
            if value["failed"]:
                continue
            still_s, moved_s = np.array(clean[k]["edges_s"][2]), np.array(value["vco3_s"])
            count = min(len(still_s), len(moved_s))
            phase = -2 * np.pi * f3_Hz * (moved_s[:count] - still_s[:count])
            increments = np.diff(phase[::WALK_periods])
            if len(increments) >= _FEWEST_INCREMENTS:
                total += float(((increments - increments.mean()) ** 2).sum())
                degrees += len(increments) - 1
    if not degrees:
        return None
    lag_s = WALK_periods / f3_Hz
    low, high = (squares / lag_s for squares in variance_interval(total, degrees))
    return WalkOfVco3(
        measured=total / degrees / lag_s, low=low, high=high, characterised=characterised, increments=degrees
    )


def _or_nan(time: float) -> float:
    """Return a fire time, nan for one that never comes, which no file of numbers can hold."""
    return time if np.isfinite(time) else float("nan")


def _time(value: Value) -> float:
    return np.inf if value["fired_over_tau"] is None else float(value["fired_over_tau"])


def _is_final(value: Value) -> bool:
    return not value["failed"]


def _describe(value: Value) -> str:
    if value["failed"]:
        return f"failed: {value['failed']}"
    return "silent" if value["fired_over_tau"] is None else f"fires at {value['fired_over_tau']:.3f} tau"
