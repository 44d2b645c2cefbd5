"""Random neurons, and two independent ways to find when they fire."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from neurocircuit.neuron import levels
from neurocircuit.spec import NeuronSpec, Ramp


@pytest.fixture
def rng():
    return np.random.default_rng(20261121)


def random_neuron(rng, *, inputs=(2, 20), latest=4.0):
    """Spike times (units of tau) and weights of both signs, both [input]."""
    n = int(rng.integers(inputs[0], inputs[1] + 1))
    return rng.uniform(0, latest, n), rng.normal(0.2, 0.8, n)


def seeds(count, first=0):
    """Seeds of the noise of `count` events."""
    return np.arange(first, first + count, dtype=np.uint64)


def check_edge_and_averaged_move_together(spec: NeuronSpec, n: int) -> None:
    """Of n events of one neuron from one start phase both levels give the same spread, and nearly the same times."""
    t, w, start = np.tile([0.3, 0.6], (n, 1)), np.tile([0.9, 0.9], (n, 1)), np.tile([0.4, 0.0], (n, 1))
    edge, average = (
        levels.evaluate(level, spec, t, w, start_rad=start, noise_seed=seeds(n)).fire_time_over_tau
        for level in ("edge", "averaged")
    )
    assert np.corrcoef(edge, average)[0, 1] > 0.98
    assert np.std(edge) == pytest.approx(np.std(average), rel=0.05)


def fire_time_by_ode(spec: NeuronSpec, t, w, noise=None):
    """First crossing of the averaged loop by numerical integration, restarted at every corner of inputs and noise.

    noise: a Walk of the four phases; where it is straight, its slopes are frequencies.
    """
    r, a, width = spec.loop_ratio, spec.phase_per_weight_rad, spec.spike_width_s / spec.tau_s
    d1, d2, d3, d4 = spec.frequency_error.in_force
    cycles = 2 * np.pi * spec.cycles_per_tau
    gain = 2 * spec.vco4_swing_Hz * spec.tau_s
    ramp = 2 * np.pi * spec.threshold.offset_Hz * spec.tau_s if isinstance(spec.threshold, Ramp) else 0.0
    static = cycles * (d1 - d2)
    corners = [0.0, spec.window_over_tau, *t, *(t + width), *([] if noise is None else noise.corners_over_tau)]
    corners = np.unique([c for c in corners if c <= spec.window_over_tau])
    state = np.array([static, static, 0.0 if ramp else -spec.threshold.lead_rad])  # error, VCO2 speed, VCO4 - VCO3
    waiting = bool(ramp)

    def crossing(_, x):
        return x[2]

    crossing.terminal, crossing.direction = True, 1
    for low, high in pairwise(corners):
        if waiting and low == min(t):
            waiting = False
            if state[2] >= 0:
                return low
        state[0] += a * np.sum(w[t == low]) if width == 0 else 0.0
        pulse = a * np.sum(w[(t <= low) & (low < t + width - 1e-12)]) / width if width else 0.0
        drift = cycles * spec.threshold_vco_ratio * (d4 - d3) - ramp
        if noise is not None:
            one, two, three, four = (
                np.diff(noise.at(vco, np.array([low, high])))[0] / (high - low) for vco in range(1, 5)
            )
            pulse, drift = pulse + one - two, drift + four - three

        def flow(_, x, pulse=pulse, drift=drift):
            return [pulse + static - x[1], r * (x[0] - x[1]), gain * x[0] + drift]

        events = None if waiting else crossing
        solution = solve_ivp(flow, (low, high), state, method="DOP853", rtol=1e-11, atol=1e-13, events=events)
        if events and len(solution.t_events[0]):
            return solution.t_events[0][0]
        state = solution.y[:, -1]
    return np.inf


def fire_times_by_small_steps(spec: NeuronSpec, t, w, phase1, *, step):
    """Edge-level neuron by fixed time steps and the signs of sines, for many neurons; arrays [trial, input]."""
    r, a, width = spec.loop_ratio, spec.phase_per_weight_rad, spec.spike_width_s / spec.tau_s
    omega = 2 * np.pi * spec.cycles_per_tau
    swing = 2 * np.pi * spec.vco4_swing_Hz * spec.tau_s
    before = 4.0  # the loop settles into lock for this long before arming
    one, two = phase1 - omega * before, phase1 - omega * before - np.pi / 2
    duty, membrane = np.full(len(t), 0.5), np.full(len(t), -spec.threshold.lead_rad)
    fired = np.full(len(t), np.inf)
    for k in range(int((before + spec.window_over_tau) / step)):
        now = k * step - before
        up = (np.sin(one) * np.sin(two) < 0).astype(float)
        pulse = a / width * np.sum(w * ((t <= now) & (now < t + width)), axis=1)
        one, two = one + (omega + pulse) * step, two + (omega + np.pi * (duty - 0.5)) * step
        duty = duty + r * (up - duty) * step
        if now >= 0:
            membrane = membrane + swing * (up - 0.5) * step
            new = (membrane >= 0) & ~np.isfinite(fired)
            fired[new] = now
            if np.isfinite(fired).all():
                break
    return fired
