"""The averaged neuron by scipy's DOP853, restarted at every corner of the inputs: shares no code with the package."""

from dataclasses import dataclass
from itertools import pairwise
from math import inf, pi

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq


@dataclass
class Solution:
    """Stretches (from, to, interpolant) of the states e, vc, M, in rad, 1, rad; time in tau."""

    stretches: list
    gain_rad: float

    def __call__(self, time):
        out = np.full((3, len(time)), np.nan)
        for low, high, curve in self.stretches:
            inside = (time >= low) & (time <= high)
            if inside.any():
                out[:, inside] = curve(time[inside])
        return out

    def first_crossing(self, threshold_rad, start=0.0):
        """(first t with M - threshold rising to 0, slope there in weights per tau, least distance |M - threshold|)."""
        nearest = inf
        for low, high, curve in self.stretches:
            grid = np.linspace(low, high, max(50, int((high - low) * 400)))
            grid = grid[grid >= start]
            if len(grid) < 2:
                continue
            gap = curve(grid)[2] - threshold_rad(grid)
            nearest = min(nearest, np.abs(gap).min() / self.gain_rad)
            rises = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))
            if len(rises):
                k = rises[0]
                t = brentq(lambda x, curve=curve: curve(x)[2] - threshold_rad(x), grid[k], grid[k + 1], xtol=1e-14)
                step = 1e-4 if t - 1e-4 > low else -1e-4
                slope = (0 - (curve(t - step)[2] - threshold_rad(t - step))) / step / self.gain_rad
                return t, slope, 0.0
        return inf, 0.0, nearest


def solve(spec, t_over_tau, weights) -> Solution:
    """e' = a Σ w_i [t_i < t < t_i + width]/width - π (vc - 1/2) + ...; straight from the equations of the issue."""
    tau, width = spec.tau_s, spec.spike_width_s / spec.tau_s
    r = spec.loop_filter_rad_per_s * tau
    d1, d2, d3, d4 = spec.frequency_error.in_force
    loop_drift = 2 * pi * spec.f0_Hz * tau * (d1 - d2)
    membrane_drift = 2 * pi * spec.f0_Hz * spec.threshold_vco_ratio * tau * (d4 - d3)
    swing = 2 * pi * spec.vco4_swing_Hz * tau
    window = spec.window_s / tau
    heard = t_over_tau < window
    times, jumps = t_over_tau[heard], weights[heard] * spec.phase_per_weight_rad
    corners = np.unique(np.clip(np.concatenate([[0.0, window], times, times + width]), 0, window))
    state = np.array([loop_drift, 0.5 + loop_drift / pi, 0.0])
    stretches = []
    for low, high in pairwise(corners):
        middle = (low + high) / 2
        rate = jumps[(times < middle) & (middle < times + width)].sum() / width

        def derivative(_, s, rate=rate):
            e, vc, _ = s
            return [rate - pi * (vc - 0.5) + loop_drift, r * (0.5 + e / pi - vc), swing * e / pi + membrane_drift]

        part = solve_ivp(derivative, (low, high), state, method="DOP853", rtol=1e-11, atol=1e-12, dense_output=True)
        assert part.success
        state = part.y[:, -1]
        stretches.append((low, high, part.sol))
    return Solution(stretches, 2 * spec.vco4_swing_Hz * spec.phase_per_weight_rad * tau)


def random_neuron(rng, index):
    """2 to 20 inputs of both signs; most neurons fire, some only after the membrane has fallen in between."""
    n = int(rng.integers(2, 21))
    times = rng.uniform(0.0, 2.0, n)
    weights = rng.normal(0.3, 0.7, n)
    if weights.sum() > 0.2:
        weights *= rng.uniform(1.0, 4.0) / weights.sum()
    if index % 5 == 0:
        times[0] = np.inf
    return times, weights
