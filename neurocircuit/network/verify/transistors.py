"""Trained neurons of the first layer in transistors, against the noise table of the fast level fitted to them.

The neuron has all its synapses. An input whose code is 0, or that comes so long after the ideal spike that it decides
nothing, stays idle; the idle ones stand as one device of their number (spice/saved_states.py), which halves the time.
What the transistors cannot hold is left out and counted: neurons beyond the XOR's range or near a wrap (the circuit's
scale is fixed). Late spikes and many active inputs are left out for time alone.

The fast level's spec was fitted with the synapses that its circuit states. More of them slow VCO1, which the saved
state shows, and change the jump of a spike, which rings show (process/fan_in.py): the prediction takes the one as a
frequency error of VCO1, the other as a factor on the weights. Layers of more synapses than a neuron can carry are
named, not run.

Neurons with a readout window have their signals (spice/transistor.py). Their bias spike has a bank of its own in a
mapping; here it comes by as many synapses of the circuit's bank at once as its weight takes, and is what they make.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.network.calibrate import Points
from neurocircuit.network.run import Circuit
from neurocircuit.network.verify import level_agreement, neurons
from neurocircuit.network.windowed import WindowedLayer
from neurocircuit.neuron import chip as chips
from neurocircuit.neuron import levels
from neurocircuit.neuron.operating_points import Operating, concatenate, delay_of, operate, operate_in_window
from neurocircuit.neuron.record import Arming
from neurocircuit.neuron.sensitivity import drift, wrap_distance
from neurocircuit.noise import fit
from neurocircuit.noise.model import NoiseModel
from neurocircuit.process import fan_in as fan_ins
from neurocircuit.results.replay import Case, LayerCheck, TransistorCase
from neurocircuit.spec import NeuronSpec
from neurocircuit.spice import process, transistor
from neurocircuit.spice.saved_states import saved_states

LARGEST_HEADROOM = 0.9
LEAST_WRAP_DISTANCE = 0.15
LATEST_over_tau = 1.6
HEARD_after_over_tau = 0.7  # inputs later than this after the ideal spike stay idle
MOST_ACTIVE = 8
TIMEOUT_s = 300.0
WORST = 2
CODES = (2, 8, fan_ins.FULL_SCALE)  # at which the jumps of many synapses are measured
_EVENT = 5 * 10**6


@dataclass(frozen=True)
class Chosen:
    """Points of the first layer, and what share of its firing neurons the circuit holds and the choice left."""

    points: Points
    held: float
    eligible: float


def choose(
    circuit: Circuit,
    images: list[Floats],
    count: int,
    seed: int,
    *,
    latest: float = LATEST_over_tau,
    most_active: int = MOST_ACTIVE,
) -> Chosen:
    """`count` firing neurons of the first layer from images given by their input spikes [number], one in each slot.

    Spread evenly over ln(W_C - 1), those with a readout window over their different times, among those that are
    eligible. Raise InputError when there are fewer.
    """
    layer, spec = circuit.layers[0], circuit.mapped.neuron_of(0)
    if circuit.mapped.layers[0].full_scale == "neuron":
        raise InputError("level transistor needs one full scale for each layer: the circuit's weight currents stand")
    bias, (weights, column) = circuit.mapped.bias_delay_over_tau(0), synapses_of(circuit)
    weights = weights[layer.row]
    each = [layer.inputs(circuit.received_first(spikes), bias)[:, column] for spikes in images]
    point = concatenate([_operate(spec, times, weights) for times in each])
    times, repeated = np.concatenate(each), np.tile(weights, (len(images), 1))
    window = spec.readout_window
    latest = latest if window is None else max(latest, spec.window_over_tau)
    headroom = spec.headroom(point.peak_current)
    held = point.fired & (headroom <= LARGEST_HEADROOM) & (wrap_distance(spec, point) >= LEAST_WRAP_DISTANCE)
    active = np.sum(_active(spec, times, repeated, point.at), axis=1)
    eligible = np.flatnonzero(held & (point.at <= latest) & (active <= most_active))
    share = len(eligible) / point.fired.sum()
    if window is None:
        order = eligible[np.argsort(point.slope[eligible])]
    else:  # neurons over a dark background all do the same
        order = eligible[np.unique(np.round(point.at[eligible], 6), return_index=True)[1]]
    if len(order) < count:
        raise InputError(f"--runs must be <= {len(order)}, the neurons of these images that fit, got {count}")
    edges = np.linspace(0, len(order), count + 1).astype(int)
    generator = np.random.default_rng([seed, 16])
    chosen = np.array([order[generator.integers(low, high)] for low, high in pairwise(edges)])
    image, neuron = np.divmod(chosen, layer.neurons)
    coordinates = fit.features(spec, point, headroom)[:, point.fired]
    points = Points(0, spec, point.take(chosen), neuron, image, times[chosen], repeated[chosen], coordinates)
    return Chosen(points, float(held.sum() / point.fired.sum()), float(share))


def replay(circuit: Circuit, model: NoiseModel, images: list[Floats], runs: int, seed: int) -> LayerCheck:
    """`runs` neurons in transistors: coverage of the model's intervals, and how far off its median is, in numbers.

    The transistors are nominal and their transient has no noise: the network's variation must be zero and its circuit
    free of noise, so that the model predicts the same causes.
    Raise InputError otherwise, and where the network's circuit has no transistors.
    """
    if circuit.mapped.neuron.is_noisy:
        raise InputError(
            "level transistor has no noise of the oscillators: map the network with a --spec without it "
            "(neurocircuit spec --spec FILE --without-noise)"
        )
    if not circuit.mapped.variation.is_zero:
        raise InputError("level transistor is nominal: map the network with a --variation of zeros to compare")
    chosen = choose(circuit, images, runs, seed)
    points = chosen.points
    start, seeds = chips.draw_event(points.spec, seed, 0, _EVENT, 0, runs)
    active = _active(points.spec, points.times, points.weights, points.point.at)
    t, w = np.full((runs, MOST_ACTIVE), np.inf), np.zeros((runs, MOST_ACTIVE))
    for k, active_inputs in enumerate(active):
        t[k, : active_inputs.sum()], w[k, : active_inputs.sum()] = (
            points.times[k, active_inputs],
            points.weights[k, active_inputs],
        )
    fan_in = int(np.sum(synapses_of(circuit)[0] != 0, axis=1).max())
    fan_in = circuit.layers[0].fan_in if points.spec.readout_window is None else fan_in
    attached = with_synapses(points.spec, fan_in)
    record = transistor.fire(attached, t, w, start, seeds, timeout_s=TIMEOUT_s)
    good = ~np.isnan(record.fire_time_over_tau)
    if not good.any():
        raise InputError(f"level transistor: no run delivered a result: {next(iter(record.failures.values()))}")
    rows = np.flatnonzero(good)
    spec, shift = loaded(points.spec, fan_in)
    carried = carries(points.spec, tuple(layer.fan_in for layer in circuit.layers[1:]))
    armed = transistor.arming(spec, start[rows], MOST_ACTIVE)
    since = armed.wait_over_tau
    kept = points.take(rows)
    gains = jump_gains(points.spec, fan_in, kept.weights)
    kept = replace(kept, spec=spec, weights=kept.weights * gains)
    in_use = float(np.mean(gains[active[rows]]))
    compare = _from_arming if spec.readout_window is None else _from_origin
    kept, measured, edge = compare(kept, armed, record.fire_time_over_tau[rows], seeds[rows])
    generator = np.random.default_rng([seed, 17])
    pit, median = neurons.pit_values(model, kept, circuit.mapped.variation, measured, generator)
    runs_of = neurons.Runs(
        0, pit, measured, kept.point.at, median, np.arange(len(rows)), kept.image, kept, np.arange(len(rows))
    )
    check = neurons.summary(circuit, runs_of)
    lateness = _lateness(measured, median, edge, kept)
    low, high = lateness["late_quartiles"]
    left_out = not_run(circuit, carried)
    with np.errstate(invalid="ignore"):  # both silent
        worst = np.argsort(-np.abs(np.nan_to_num(measured - median, posinf=9.0)))[:WORST]
    sentence = (
        f"{check.sentence} In transistors ({len(rows)} nominal neurons of {fan_in} synapses) the spike comes "
        f"{lateness['late_median']:+.3f} τ after the model's median (quartiles {low:+.3f}, {high:+.3f}); "
        f"{check.missed} did not fire. The synapses shift VCO1 by {shift:+.2e} and change its jumps by "
        f"{in_use - 1:+.1%} on average, each by its code, which the prediction has. The circuit's fixed scale holds "
        f"{chosen.held:.1%} of the layer's firing neurons."
    )
    return check.with_fields(
        sentence=" ".join([sentence, *left_out]),
        failures=len(record.failures),
        held=chosen.held,
        eligible=chosen.eligible,
        fan_in=fan_in,
        vco1_shift=shift,
        jump_gain=in_use,
        left_out=0,
        tail_share=0.0,
        outside_share=0.0,
        fan_in_limit=carried.limit,
        not_run=tuple(left_out),
        worst=tuple(
            _case(attached, runs_of, int(k), t[rows[k]], w[rows[k]], start[rows[k]], float(since[k])) for k in worst
        ),
        **lateness,
    )


def synapses_of(circuit: Circuit) -> tuple[Floats, NDArray[np.intp]]:
    """Return the weights [row, synapse] of the first layer as one bank makes them, and the input that each receives.

    The bias spikes of a windowed layer come by several synapses at once.
    """
    layer, kernel = circuit.layers[0], circuit.weights[0]
    if not isinstance(layer, WindowedLayer):
        return kernel, np.arange(kernel.shape[1])
    bank, columns, inputs = circuit.mapped.layers[0].weight_bank, list(kernel[:, :-2].T), list(range(layer.fan_in - 2))
    for number in (layer.fan_in - 2, layer.fan_in - 1):
        left = kernel[:, number]
        while (part := bank.quantise(left)).any():
            columns.append(part)
            inputs.append(number)
            left = left - part
    return np.stack(columns, axis=1), np.array(inputs)


def _operate(spec: NeuronSpec, times: Floats, weights: Floats) -> Operating:
    if spec.readout_window is None:
        return operate(times, weights, spec.window_over_tau)
    return operate_in_window(spec, times, weights)


def _from_arming(
    points: Points, armed: Arming, fire_over_tau: Floats, seeds: NDArray[np.uint64]
) -> tuple[Points, Floats, Floats]:
    """Return points, measured times and those of edge, all since VCO3 and VCO4 of the deck were armed.

    The deck's membrane was armed before the time origin, and drifts from there.
    """
    since, spec = armed.wait_over_tau, points.spec
    spec = spec.replace(window_s=spec.window_s + float(since.max()) * spec.tau_s)
    times = points.times + since[:, None]
    points = replace(points, spec=spec, times=times, point=_operate(spec, times, points.weights))
    record = levels.evaluate("edge", spec, times, points.weights, noise_seed=seeds, start_rad=armed.start_rad)
    return points, fire_over_tau + since, record.fire_time_over_tau


def _from_origin(
    points: Points, armed: Arming, fire_over_tau: Floats, seeds: NDArray[np.uint64]
) -> tuple[Points, Floats, Floats]:
    """Return the same of neurons with a readout window, whose times count from the origin, as their windows do.

    What the membrane has drifted before the origin is taken off the times, for the prediction does not know of it.
    """
    spec, since = points.spec, armed.wait_over_tau
    window, edge = spec.readout_window, np.empty(len(since))
    assert window is not None  # noqa: S101
    for k, wait in enumerate(since):
        wait_s = float(wait) * spec.tau_s
        later = spec.replace(
            readout_window=window.replace(armed_s=window.armed_s + wait_s), window_s=spec.window_s + wait_s
        )
        record = levels.evaluate(
            "edge",
            later,
            points.times[k : k + 1] + wait,
            points.weights[k : k + 1],
            noise_seed=seeds[k : k + 1],
            start_rad=armed.start_rad[k : k + 1],
        )
        edge[k] = record.by_itself_over_tau[0] - wait
    points = replace(points, point=_operate(spec, points.times, points.weights))
    drifted = delay_of(spec, points.point, drift(spec.replace(readout_window=None), since))
    return points, fire_over_tau - drifted, edge - drifted


def jump_gains(spec: NeuronSpec, fan_in: int, weights: Floats) -> Floats:
    """Return the factors on the jumps of weights on the bank's codes, same shape, that so many synapses make.

    Relative to those with which the spec was fitted, by sign and size of the code: idle synapses load the current
    node, which costs every jump alike, and the bias lines, which a large synapse then disturbs less. A ring for each of
    CODES and sign. All 1 where the spec's own synapses are as many.
    """
    built = transistor.circuit_of(spec)
    installed = process.load(built.process)
    full_scale = 2 ** np.array([spec.weight_bank.inhibitory.bits, spec.weight_bank.excitatory.bits]) - 1
    codes = spec.weight_bank.codes(weights)
    codes = codes * CODES[-1] / np.where(codes < 0, *full_scale)
    factors = np.ones(codes.shape)
    if fan_in <= built.synapses:
        return factors
    signed = [sign * code for sign in (1, -1) for code in CODES]
    jump_rad = fan_ins.measure(installed, built.condition, (built.synapses, fan_in), codes=signed).jump_rad
    for sign, gains in zip((1, -1), np.split(jump_rad[:, 1] / jump_rad[:, 0], 2), strict=True):
        used = sign * codes > 0
        factors[used] = np.interp(sign * codes[used], CODES, gains)
    return factors


@dataclass(frozen=True)
class Carried:
    """What synapses do to a neuron: smallest factor on its jumps by their number, and how many it carries."""

    gain: dict[int, float]
    limit: int


def carries(spec: NeuronSpec, fan_in: tuple[int, ...]) -> Carried:
    """Compare with the synapses with which the spec was fitted.

    The limit is the circuit's own, searched where it has none.
    """
    built = transistor.circuit_of(spec)
    at = partial(fan_ins.measure, process.load(built.process), built.condition)
    counts = sorted({built.synapses, *fan_in})
    gain = dict(zip(counts, (1 - at(counts).jump_loss.max(axis=0)).tolist(), strict=True))
    return Carried(gain, built.largest_fan_in or fan_ins.search(at, built.synapses)[0])


def not_run(circuit: Circuit, carried: Carried) -> list[str]:
    """Return a sentence for each layer after the first."""
    sentences = []
    for scale, layer in zip(circuit.mapped.layers[1:], circuit.layers[1:], strict=True):
        why = (
            f"more than the {carried.limit} that a neuron carries with VCO1 and its jumps within "
            f"{fan_ins.LARGEST_LOSS:.0%} (here {1 - carried.gain[layer.fan_in]:.0%} of a jump is lost)"
            if layer.fan_in > carried.limit
            else "which would take hours"
        )
        sentences.append(f"Layer {scale.name} was not run: its neurons have {layer.fan_in} synapses, {why}.")
    return sentences


def with_synapses(spec: NeuronSpec, synapses: int) -> NeuronSpec:
    """Return the spec of a neuron with at least so many synapses; those that have no input are idle."""
    circuit = transistor.circuit_of(spec)
    return spec.replace(circuit=circuit.replace(synapses=max(circuit.synapses, synapses)))


def loaded(spec: NeuronSpec, synapses: int) -> tuple[NeuronSpec, float]:
    """Return the spec with VCO1 as slow as so many synapses make it, and that relative shift."""
    windowed = spec.readout_window is not None
    spec = with_synapses(spec, synapses)
    armed = saved_states(transistor.circuit_of(spec), MOST_ACTIVE, transistor.STATE_TIMEOUT_s, windowed)
    shift = armed.f1_Hz / spec.f0_Hz - 1.0
    first, *others = spec.frequency_error.in_force
    error = spec.frequency_error.replace(after_trim=(first + shift, *others), trimmed=True)
    return spec.replace(frequency_error=error), float(shift)


def _lateness(measured: Floats, median: Floats, edge: Floats, points: Points) -> dict[str, Any]:
    both = np.isfinite(measured) & np.isfinite(median)
    late = measured[both] - median[both]
    low, middle, high = np.quantile(late, (0.25, 0.5, 0.75)) if both.any() else (np.nan,) * 3
    return {
        "late_median": float(middle),
        "late_quartiles": (float(low), float(high)),
        "late_mean": float(late.mean()) if both.any() else float("nan"),
        "late_spread": float(late.std()) if both.any() else float("nan"),
        "cases": tuple(
            TransistorCase(
                neuron=int(points.neuron[k]),
                image=int(points.image[k]),
                slope=float(points.point.slope[k]),
                ideal=float(points.point.at[k]),
                model=float(median[k]),
                edge=float(edge[k]),
                transistor=float(measured[k]),
            )
            for k in range(len(measured))
        ),
    }


def _case(spec: NeuronSpec, runs: neurons.Runs, k: int, t: Floats, w: Floats, start: Floats, since: float) -> Case:
    """Return a run as level_agreement.worst gives it, simulated once more; times count from arming, `since` earlier."""
    wave = transistor.waveforms(spec, t, w, start, 0)
    return level_agreement.case_of(runs, k, level_agreement.thinned(wave, wave.time_over_tau + since))


def _active(spec: NeuronSpec, times: Floats, weights: Floats, at: Floats) -> np.ndarray:
    """Return which inputs [neuron, input] decide: not those that a neuron with a window receives after its arming."""
    if spec.readout_window is None:
        heard = times < at[:, None] + HEARD_after_over_tau
    else:
        heard = times <= spec.armed_over_tau if spec.ramp_slope is None else times < spec.armed_over_tau
    return np.asarray((weights != 0.0) & heard)
