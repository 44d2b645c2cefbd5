"""One n-LIF neuron by other means than the layers: every prefix by itself, and integration of its equation."""

import itertools
import math

import numpy as np
from scipy.integrate import solve_ivp


def brute_force(z, w):
    """(z_out, slope, causal inputs) from z [input] (inf: silent) and w [input], Python floats. Eq. (4)."""
    times = sorted({float(at) for at in z if math.isfinite(at)})
    for at, after in itertools.pairwise([*times, math.inf]):
        causal = [i for i in range(len(z)) if z[i] <= at]
        slope = math.fsum(float(w[i]) for i in causal) - 1
        if slope <= 0:
            continue
        crossing = math.fsum(float(w[i]) * float(z[i]) for i in causal) / slope
        if at < crossing <= after:
            return crossing, slope, causal
    return math.inf, 0.0, []


def margin(z, w):
    """How far the neuron is from another causal set: least |1 - V| at an input, and |1 - W_C| of any prefix."""
    finite = [i for i in np.argsort(z, kind="stable") if math.isfinite(z[i])]
    z_out = brute_force(z, w)[0]
    distances = []
    for k, i in enumerate(finite):
        if z[i] > z_out:
            break
        before = finite[:k]
        v = sum(w[j] * (1 - z[j] / z[i]) for j in before)
        total = sum(w[j] for j in finite[: k + 1])
        distances += [abs(1 - v), abs(1 - total)]
    return min(distances, default=1.0)


def integrate(t, w, until):
    """Spike time of dv/dt = s, ds/dt = -s, s jumping by w_i at t_i: eq. (1) with τ = 1; inf if v < 1 until then."""
    order = np.argsort(t, kind="stable")
    state = np.zeros(2)

    def threshold(_, y):
        return y[0] - 1

    threshold.terminal, threshold.direction = True, 1
    stops = [*t[order], until]
    for i, (begin, end) in zip(order, itertools.pairwise(stops), strict=True):
        state[1] += w[i]
        if end <= begin:
            continue
        run = solve_ivp(lambda _, y: [y[1], -y[1]], (begin, end), state, events=threshold, rtol=1e-10, atol=1e-12)
        if run.t_events[0].size:
            return float(run.t_events[0][0])
        state = run.y[:, -1].copy()
    return math.inf
