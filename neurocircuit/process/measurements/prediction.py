"""Fast levels against the transistors: fire times of random cases, with the spec that the kernel fit gave."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import open_pool
from neurocircuit.core.taskstore import Task, TaskStore, key_of, run_tasks
from neurocircuit.errors import InputError
from neurocircuit.neuron import levels
from neurocircuit.neuron.record import Arming, FireRecord
from neurocircuit.process.bench import TIMEOUT_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.fit import spec_of
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import NeuronSpec

CASES = "prediction.cases"  # folder of finished cases, as long as the measurement lasts
FEWEST, MOST = 2, 6  # inputs of a case
EARLIEST_over_tau, LATEST_over_tau = 0.2, 3.0  # of inputs, and of the fire time as the averaged level sees it
WINDOW_over_tau = 3.5
SILENT_EACH = 5
LARGEST_DRAWS = 400  # for one case
INHIBITORY_SHARE = 0.3
# The margins of a designed network (headroom, wrap, overdrive): the paper's circuit asks for them too.
LARGEST_HEADROOM = 0.75  # of the XOR's linear range
LOWEST_MEMBRANE = 0.75  # of the fall at which the flip-flop would see the phases meet modulo 2π
SMALLEST_SLOPE = 0.4  # of the membrane at the crossing, thresholds per τ
HIGHEST_SILENT = 0.85  # thresholds


@dataclass(frozen=True)
class Cases:
    """Spike times over tau, inf for an idle synapse, and weights on the bank's codes, both [case, MOST].

    start_rad: wanted phases of VCO1 and VCO3 at the time origin, [case, 2]. drawn: how many were drawn to get these.
    """

    t_over_tau: Floats
    weights: Floats
    start_rad: Floats
    drawn: int


def measure(context: Context) -> Measured:
    """Run the cases in transistors and at the fast levels, at the same phases of the oscillators."""
    began, spec = cpu_s(), spec_of(context).without_noise()  # as a transient of the transistors has none
    spec = spec.replace(window_s=WINDOW_over_tau * spec.tau_s)
    cases = draw(spec, context.request.cases, context.request.seed)
    store = None if context.folder is None else TaskStore(context.folder / CASES)
    truth = simulated(spec, cases, store)
    at = _arming(spec, cases)
    quantities, curves, remarks = [], {}, []
    tau_s = spec.tau_s
    longer = spec.replace(window_s=spec.window_s + float(at.wait_over_tau.max()) * tau_s)
    # Without the wait for VCO3's edge a level knows it in the mean only: half a period.
    half_s = 0.5 / (spec.f0_Hz * spec.threshold_vco_ratio)
    crossing = longer.replace(readout="continuous", output_delay_s=spec.output_delay_s + half_s)
    for name, level, its_spec in (
        ("edge", "edge", longer),
        ("crossing", "edge", crossing),
        ("averaged", "averaged", crossing),
    ):
        later = cases.t_over_tau + at.wait_over_tau[:, None]
        record = levels.evaluate(level, its_spec, later, cases.weights, start_rad=at.start_rad)
        guess = record.fire_time_over_tau - at.wait_over_tau
        compared = compare(truth, guess, cases.t_over_tau.min(axis=1))
        quantities += compared.quantities(name)
        curves[name] = {
            "first_s": cases.t_over_tau.min(axis=1) * tau_s,
            "transistor_s": truth.fire_time_over_tau * tau_s,
            "predicted_s": guess * tau_s,
        }
    if truth.failures:
        remarks.append(f"{len(truth.failures)} runs failed: {next(iter(truth.failures.values()))}")
    fired = int(np.isfinite(truth.fire_time_over_tau).sum())
    remarks.append(
        f"{len(cases.weights)} cases of {FEWEST} … {MOST} inputs out of {cases.drawn} drawn, {fired} of them fire: "
        f"XOR headroom <= {LARGEST_HEADROOM:g}, slope at the crossing >= {SMALLEST_SLOPE:g} thresholds per tau or "
        f"membrane <= {HIGHEST_SILENT:g}, no wrap, fire time <= {LATEST_over_tau:g} tau"
    )
    curves["cases"] = {f"t{k}_s": cases.t_over_tau[:, k] * tau_s for k in range(MOST)} | {
        f"w{k}": cases.weights[:, k] for k in range(MOST)
    }
    if store is not None:
        store.clear()
    return Measured(tuple(quantities), curves, tuple(remarks), cpu_s=cpu_s() - began)


def simulated(spec: NeuronSpec, cases: Cases, store: TaskStore | None) -> FireRecord:
    """Return the transistors' fire times, case by case; the store's finished ones are not run again.

    A run that fails leaves nan and its reason. Raise SimulatorMissing.
    """
    tasks = []
    for case in zip(cases.t_over_tau, cases.weights, cases.start_rad, strict=True):
        key = _key(spec, *case)
        tasks.append(Task(key, key, partial(_simulate, spec, *case)))
    with open_pool() as pool:  # this measurement is itself a task of a pool
        records = run_tasks(tasks, store, pool, is_final=lambda value: not value["failed"])
    values = [records[task.name] for task in tasks]
    failures = {k: value["failed"] for k, value in enumerate(values) if value["failed"]}
    times = [value["fire_time_over_tau"] for value in values]
    fired = np.array([np.inf if time is None else time for time in times])
    fired[list(failures)] = np.nan
    return FireRecord(fired, np.full(len(fired), np.nan), np.zeros(len(fired), dtype=bool), failures)


def _simulate(spec: NeuronSpec, t: Floats, w: Floats, start: Floats) -> dict[str, Any]:
    """Return a case's fire time, None where the neuron keeps silent, and why the run failed, "" when it did not."""
    inputs = synapses_drawn(t)
    record = levels.evaluate("transistor", spec, t[:inputs], w[:inputs], start_rad=start[None], timeout_s=TIMEOUT_s)
    time = float(record.fire_time_over_tau[0])
    return {"fire_time_over_tau": time if np.isfinite(time) else None, "failed": record.failures.get(0, "")}


def synapses_drawn(t_over_tau: Floats) -> int:
    """Return the synapses of a case that are drawn one by one, an even number.

    The idle ones beyond cost less as one.
    """
    inputs = int(np.isfinite(t_over_tau).sum())
    return inputs + inputs % 2


def _arming(spec: NeuronSpec, cases: Cases) -> Arming:
    """Return the arming behind each case: its phases [case, 2], and the time from it to the origin [case]."""
    made = [
        levels.arming("transistor", spec, start[None], synapses_drawn(t))
        for t, start in zip(cases.t_over_tau, cases.start_rad, strict=True)
    ]
    return Arming(
        np.concatenate([arming.start_rad for arming in made]), np.concatenate([arming.wait_over_tau for arming in made])
    )


def _key(spec: NeuronSpec, t: Floats, w: Floats, start: Floats) -> str:
    """Return the key of a case: the circuit with its files, spikes in s, codes, phases, how long it is looked at.

    What only the fast levels read of the circuit is left out.
    """
    free: dict[str, Any] = {"lead_rad": 1.0, "detector_delay_s": 0.0, "data_pull_s": 0.0, "overlap_width_s": ()}
    free |= {"sink_advance_s": 0.0, "overlap": 0.0, "overlap_sinks": None, "overlap_both": None}
    inputs = {
        "engine": levels.engine("transistor"),
        "files": levels.identity("transistor", spec, synapses_drawn(t)),
        "circuit": spec.circuit.replace(**free).to_toml() if spec.circuit else "",
        "spikes_s": [repr(time) for time in (t * spec.tau_s).tolist()],
        "codes": spec.weight_bank.codes(w).tolist(),
        "start_rad": start.tolist(),
        "window_s": spec.window_s,
        "readout": spec.readout,
    }
    return key_of(inputs)


def draw(spec: NeuronSpec, count: int, seed: int) -> Cases:
    """Return `count` random cases within the margins, each fifth one silent.

    The first ones are the same for every count.

    Raise InputError when the circuit leaves too little room for the margins.
    """
    times, weights, starts, drawn = [], [], [], 0
    for k in range(count):
        rng = np.random.default_rng([seed, 2, k])
        for _ in range(LARGEST_DRAWS):
            drawn += 1
            t, w = _case(spec, rng)
            if _verdict(spec, t, w) is (k % SILENT_EACH != SILENT_EACH - 1):
                break
        else:
            raise InputError(f"none of {LARGEST_DRAWS} random cases keeps the margins: the circuit has no headroom")
        times.append(t)
        weights.append(w)
        starts.append(rng.uniform(0.0, 2 * np.pi, 2))
    return Cases(np.stack(times), np.stack(weights), np.stack(starts), drawn)


def _case(spec: NeuronSpec, rng: np.random.Generator) -> tuple[Floats, Floats]:
    inputs = int(rng.integers(FEWEST, MOST + 1))
    t, w = np.full(MOST, np.inf), np.zeros(MOST)
    span = rng.uniform(0.3, 2.0)
    t[:inputs] = EARLIEST_over_tau + rng.uniform(0.0, span, inputs)
    bank = spec.weight_bank
    sign = np.where(rng.uniform(size=inputs) < INHIBITORY_SHARE, -1.0, 1.0)
    full = np.where(sign < 0, bank.inhibitory.max_weight, bank.excitatory.max_weight)
    w[:inputs] = bank.quantise(sign * full * rng.uniform(0.1, 1.0, inputs))
    return t, w


def _verdict(spec: NeuronSpec, t: Floats, w: Floats) -> bool | None:
    """Return whether the case fires by the averaged level, None when it breaks a margin."""
    course = levels.waveforms("averaged", spec.replace(output_delay_s=0.0), t, w)
    time, membrane = course.time_over_tau, course.membrane
    error = np.abs(course.vco_rad[0] - course.vco_rad[1])
    above = np.flatnonzero(membrane >= 1.0)
    end = above[0] if len(above) else len(time) - 1
    lead = spec.threshold_weight * spec.membrane_gain_rad
    if error[: end + 1].max() > LARGEST_HEADROOM * np.pi / 2:
        return None
    if (membrane[: end + 1].min() - 1) * lead < -lead - LOWEST_MEMBRANE * (np.pi - lead):
        return None
    if not len(above):
        return False if membrane.max() <= HIGHEST_SILENT else None
    slope = (membrane[end] - membrane[end - 1]) / (time[end] - time[end - 1])
    return True if slope >= SMALLEST_SLOPE and time[end] <= LATEST_over_tau else None


@dataclass(frozen=True)
class Compared:
    """Relative errors of the fire time where both fired [case], and how often both agree on fire or silent."""

    relative: Floats
    right: float
    count: int

    def quantities(self, level: str) -> list[Quantity]:
        """Return the lines of the datasheet.

        level: "edge" with the wait for VCO3, "crossing" without it, or "averaged".
        """
        some = self.relative if len(self.relative) else np.array([np.nan])
        return [
            Quantity(f"{level}_bias", f"{level}: mean error of t_j over t_j - t_first", float(some.mean()), ""),
            Quantity(
                f"{level}_std",
                f"{level}: its standard deviation",
                float(some.std(ddof=1)) if len(some) > 1 else float("nan"),
                "",
            ),
            Quantity(f"{level}_worst", f"{level}: its largest size", float(np.abs(some).max()), ""),
            Quantity(f"{level}_right", f"{level}: fire or silent as the transistors", self.right, ""),
            Quantity(f"{level}_count", f"{level}: cases in which both fire", float(self.count), ""),
        ]


def compare(truth: FireRecord, predicted_over_tau: Floats, first_over_tau: Floats) -> Compared:
    """Return the predictions [case] against a record, relative to the time since the first input [case].

    Failed runs left out.
    """
    actual = truth.fire_time_over_tau
    ran = ~np.isnan(actual)
    both = np.isfinite(actual) & np.isfinite(predicted_over_tau)
    relative = (predicted_over_tau[both] - actual[both]) / (actual[both] - first_over_tau[both])
    agree = np.isfinite(actual[ran]) == np.isfinite(predicted_over_tau[ran])
    return Compared(relative, float(agree.mean()) if len(agree) else float("nan"), int(both.sum()))
