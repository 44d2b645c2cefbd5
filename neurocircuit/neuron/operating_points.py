"""Where a neuron of eq. (3) works: the whole membrane trajectory in closed form, and its sensitivities.

With spikes in order, z = e^t, C_k = Σ_{i≤k} w_i and R_k = Σ_{i≤k} w_i z_i, between spike k and the next one

    V(t) = C_k - R_k/z,    I(t) = dV/dt = R_k/z        (threshold 1, units of τ)

V is monotone there and |I| falls, so their extrema over all time are among their values at the spikes and at the end.
At the crossing I = C - 1, the slope W_C - 1. A disturbance m that raises the threshold (units of the threshold) moves
the crossing by Δ with 1 + s(1 - e^{-Δ}) = 1 + m as long as no further spike comes:

    Δ = -ln(1 - m/s),  s = W_C - 1                      first order: Δ = m/s

On the ramp of a readout window V rises by r, whatever comes: Δ = m/r.

The relative errors of a neuron disturb it by m = threshold - gain - (1 - J) τ with J = Σ_C w x e^{-x}, x = t_j - t_i;
those of its synapses by -Σ_C w δ (1 - e^{-x}), and frequency errors by a drift that grows with the time since arming.
"""

from dataclasses import dataclass, fields

import numpy as np

from neurocircuit._kernel import native
from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.spec import NeuronSpec


@dataclass(frozen=True)
class Operating:
    """Operating points of neurons under eq. (4) until they fire or the window ends; all [neuron].

    For a silent neuron `at`, `slope` … `root_synapse` are those of its closest approach to the threshold.
    """

    fired: Bools
    at: Floats  # fire time, or that of the closest approach; units of tau from arming
    slope: Floats  # W_C - 1 of a firing neuron; else dV/dt before the closest approach, that is 0 or more
    margin: Floats  # to the next spike that it receives, at most to the window's end; units of tau
    peak_current: Floats  # largest |I|
    lowest: Floats  # lowest V, <= 0
    highest: Floats  # highest V: 1 for a firing neuron
    tau_term: Floats  # 1 - J: what a relative error of τ does to V; on a ramp V(arming) - J
    root_synapse: Floats  # sqrt of Σ_C (w (1 - e^{-x}))²: V's spread per relative error of independent synapses
    root_sum_w2: Floats  # sqrt of Σ_C w²

    def take(self, which: np.ndarray) -> "Operating":
        """Return those of some neurons."""
        return Operating(*(getattr(self, field.name)[which] for field in fields(self)))


def concatenate(parts: "list[Operating]") -> Operating:
    """Return one after another."""
    return Operating(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Operating)))


def window_share_of(spec: NeuronSpec, point: Operating) -> Floats:
    """Return when neurons with a readout window fire, [neuron]: 0 at the arming, 1 at the window's end."""
    return np.asarray((point.at - spec.armed_over_tau) / (spec.window_over_tau - spec.armed_over_tau))


def disturbance_of(spec: NeuronSpec, point: Operating, delay_over_tau: Floats) -> Floats:
    """Return the membrane disturbance m that moves a crossing by a delay, both [neuron]: what a late spike has met."""
    if spec.ramp_slope is not None:
        return np.asarray(spec.ramp_slope * delay_over_tau)
    return np.asarray(-point.slope * np.expm1(-delay_over_tau))


def delay_of(spec: NeuronSpec, point: Operating, disturbance: Floats) -> Floats:
    """Return by what a disturbance moves a crossing, units of tau, both [neuron]; inf: it never comes."""
    if spec.ramp_slope is not None:
        return np.asarray(disturbance / spec.ramp_slope)
    slope = np.where(point.fired, point.slope, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log1p(-np.minimum(disturbance / slope, 1.0)))


def operate(t_over_tau: Floats, weights: Floats, window_over_tau: float) -> Operating:
    """Return the operating points from spike times (units of tau) and weights, both [neuron, input], threshold 1."""
    if native is None:
        return _operate_numpy(t_over_tau, weights, window_over_tau)
    columns = np.empty((len(t_over_tau), len(fields(Operating))))
    native.operate(np.ascontiguousarray(t_over_tau), np.ascontiguousarray(weights), window_over_tau, columns)
    return _of_columns(columns)


def operate_in_window(spec: NeuronSpec, t_over_tau: Floats, weights: Floats) -> Operating:
    """Return the operating points of neurons with a readout window, threshold 1; arguments as of `operate`.

    t_over_tau may be [input]: the spikes that all these neurons receive, which are sorted once. Currents count until
    the arming, spikes of one instant together; membranes from the arming to the crossing or the window's end, for the
    comparator is blind before. On a ramp V rises by its slope, which stands for W_C - 1.
    """
    armed, closes, ramp = spec.armed_over_tau, spec.window_over_tau, spec.ramp_slope
    heard = t_over_tau <= armed if ramp is None else t_over_tau < armed
    t = np.where(heard, t_over_tau, armed)
    w = np.where(heard, weights, 0.0)
    order = np.argsort(t, axis=-1, kind="stable")
    w = np.take(w, order, axis=1) if t.ndim == 1 else np.take_along_axis(w, order, axis=1)
    t = np.take_along_axis(t, order, axis=-1)
    moment = np.cumsum(w * np.exp(t - armed), axis=1)
    is_last = np.diff(t, axis=-1, append=np.inf) > 0  # of the spikes of one instant
    current = np.abs(moment) * np.where(is_last, np.exp(armed - t), 0.0)
    total, moment_all = w.sum(axis=1), moment[:, -1]
    at_arming = total - moment_all
    if ramp is None:
        slope, at_end = total - 1.0, total - moment_all * np.exp(armed - closes)
        rising = (moment_all > 0) & (slope > 0)
        delay = np.log(np.divide(moment_all, slope, out=np.ones(len(w)), where=rising))
    else:
        slope, at_end = np.full(len(w), ramp), at_arming + ramp * (closes - armed)
        delay = (1.0 - at_arming) / ramp
    above = at_arming >= 1.0
    fired = above | (at_end >= 1.0)
    at = np.where(fired, np.where(above, armed, np.clip(armed + delay, armed, closes)), closes)
    if ramp is None:
        approach = np.maximum(moment_all * np.exp(armed - closes), 0.0)
        slope = np.where(fired, slope, approach)
    since = at[:, None] - t if ramp is None else armed - t
    charge = w * -np.expm1(-since)
    return Operating(
        fired=fired,
        at=at,
        slope=slope,
        margin=closes - at,
        peak_current=current.max(axis=1),
        lowest=np.minimum(np.minimum(at_arming, np.where(fired, 1.0, at_end)), 0.0),
        highest=np.where(fired, 1.0, np.maximum(np.maximum(at_arming, at_end), 0.0)),
        tau_term=(1.0 if ramp is None else at_arming) - np.sum(w * since * np.exp(-since), axis=1),
        root_synapse=np.sqrt(np.sum(charge**2, axis=1)),
        root_sum_w2=np.sqrt(np.sum(w**2, axis=1)),
    )


def operate_rows_in_window(spec: NeuronSpec, trains: Floats, kernel: Floats) -> Operating:
    """Return those of each row of kernel [row, input] with each of `trains` [train, input]; all [row · train].

    The same as of the pairs in `operate_in_window`, but sums may round otherwise; each train is sorted once.
    """
    rows, count = len(kernel), len(trains)
    if native is None:
        points = [operate_in_window(spec, train, kernel) for train in trains]
        return concatenate(points).take(np.arange(rows * count).reshape(count, rows).T.ravel())
    columns = np.empty((rows * count, len(fields(Operating))))
    ramp = np.nan if spec.ramp_slope is None else spec.ramp_slope
    arrays = np.ascontiguousarray(trains), np.ascontiguousarray(kernel)
    native.operate_in_window(*arrays, spec.armed_over_tau, spec.window_over_tau, ramp, columns)
    return _of_columns(columns)


def _of_columns(columns: Floats) -> Operating:
    fired, *others = np.ascontiguousarray(columns.T)
    return Operating(fired > 0, *others)


def _operate_numpy(t_over_tau: Floats, weights: Floats, window_over_tau: float) -> Operating:
    """Return the operating points of many neurons at once: the reference of the kernel, and what runs without it."""
    inside = t_over_tau < window_over_tau
    t = np.where(inside, t_over_tau, window_over_tau)
    order = np.argsort(t, axis=1)
    t = np.take_along_axis(t, order, axis=1)
    w = np.take_along_axis(np.where(inside, weights, 0.0), order, axis=1)
    z = np.exp(t)
    total, moment = np.cumsum(w, axis=1), np.cumsum(w * z, axis=1)
    current = np.abs(moment / z)
    early = t[:, 0]
    following = np.concatenate([t[:, 1:], np.full((len(t), 1), window_over_tau)], axis=1)
    reached = total - moment * np.exp(-following)  # V at the next spike
    crossing = reached >= 1.0
    fired = crossing.any(axis=1)
    rows = np.arange(len(t))
    last = np.where(fired, crossing.argmax(axis=1), t.shape[1] - 1)
    until = np.arange(t.shape[1]) <= last[:, None]
    top = np.where(until, reached, -np.inf).argmax(axis=1)
    highest = np.maximum(reached[rows, top], 0.0)
    last = np.where(fired, last, top)
    slope = total[rows, last] - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        at = np.log(np.where(fired, moment[rows, last] / slope, 1.0))
    at = np.where(fired, np.clip(at, t[rows, last], following[rows, last]), following[rows, last])
    none = ~fired & (highest <= 0.0)  # never above rest
    at = np.where(none, early, at)
    before = until & (np.arange(t.shape[1]) <= last[:, None]) & ~none[:, None]
    x = np.where(before, at[:, None] - t, 0.0)
    decay = np.exp(-x)
    causal = np.where(before, w, 0.0)
    lowest = np.where(until & ~(fired[:, None] & (np.arange(t.shape[1]) >= last[:, None])), reached, 0.0).min(axis=1)
    return Operating(
        fired=fired,
        at=at,
        slope=np.where(fired, slope, np.where(none, 0.0, np.maximum(moment[rows, last] * np.exp(-at), 0.0))),
        margin=np.where(fired, following[rows, last] - at, window_over_tau - at),
        peak_current=np.where(until, current, 0.0).max(axis=1),
        lowest=np.minimum(lowest, 0.0),
        highest=np.where(fired, 1.0, highest),
        tau_term=np.sum(causal * (1.0 - decay - x * decay), axis=1),
        root_synapse=np.sqrt(np.sum((causal * (1.0 - decay)) ** 2, axis=1)),
        root_sum_w2=np.sqrt(np.sum(causal**2, axis=1)),
    )
