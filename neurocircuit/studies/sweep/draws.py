"""The random draws of a sweep: what draw k is depends on (root seed, trial) alone.

Neither row, level, amplitude, worker nor batch enters, so all rows and levels share their draws, and a longer sweep
continues a shorter one. Only the phase noise is drawn anew in each row. The clean run has neither input jitter nor
phase noise; it shares times, weights and start phases with the disturbed one.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.spec import NeuronSpec, StartPhases, Testbench, Uniform

_NOISE_STREAM = 1  # keeps the seeds of the phase noise apart from the draws, whose spawn key is (trial,)


@dataclass(frozen=True)
class Draws:
    """What one batch of draws is made of; deviates have mean 0 and standard deviation 1."""

    start_rad: Floats  # [trial, 2], phases of VCO1 and VCO3
    t_over_tau: Floats  # [trial, input], from arming
    weights: Floats  # [trial, input], jitter half
    quantised_weights: Floats  # [trial, input], quantisation half, before it
    deviates: Floats  # [trial, input], jitter in units of its amplitude; 0 for inputs that do not jitter

    def jittered_over_tau(self, testbench: Testbench, amplitude: float) -> Floats:
        """Return the input times [trial, input], units of tau from arming, jittered by `amplitude` (a ratio).

        relative: t' = o + (t - o)(1 + amplitude·deviate), o the time origin; tau: t' = t + amplitude·deviate.
        Times before arming may come out: they are for the caller to refuse.
        """
        scale = np.ones_like(self.t_over_tau)
        if testbench.jitter_reference == "relative":
            scale = self.t_over_tau - self.origin_over_tau(testbench)[:, None]
        return np.asarray(self.t_over_tau + scale * (amplitude * self.deviates))

    def origin_over_tau(self, testbench: Testbench) -> Floats:
        """Return where relative jitter, in and out, counts from: arming or the first clean input.

        [trial], units of tau.
        """
        if testbench.time_origin == "arming":
            return np.zeros(len(self.t_over_tau))
        return np.asarray(self.t_over_tau.min(axis=1))


def draw(spec: NeuronSpec, testbench: Testbench, seed: int, first: int, count: int) -> Draws:
    """Return the draws `first` … `first + count - 1` of the sweep with root seed `seed`."""
    inputs = len(testbench.weights)
    uniform, normal = _raw(seed, first, count, inputs)
    parts = uniform[:, 2:].reshape(count, 4, inputs)
    deviates = normal if testbench.jitter_distribution == "gaussian" else math.sqrt(12.0) * (parts[:, 3] - 0.5)
    if testbench.jitter_correlation == "common":
        deviates = np.repeat(deviates[:, :1], inputs, axis=1)
    if testbench.jittered_inputs != "all":
        deviates = deviates * np.isin(np.arange(inputs), testbench.jittered_inputs)
    return Draws(
        start_rad=_start_rad(spec, testbench, uniform[:, :2]),
        t_over_tau=_values(testbench.input_times_over_tau, parts[:, 0]),
        weights=_values(testbench.weights, parts[:, 1]),
        quantised_weights=_values(testbench.quantised_weights, parts[:, 2]),
        deviates=deviates,
    )


@lru_cache(maxsize=64)
def noise_seeds(seed: int, row: int, first: int, count: int) -> NDArray[np.uint64]:
    """Return the seeds of the phase noise by (root, row, trial), [trial]."""
    states = [
        np.random.SeedSequence(seed, spawn_key=(trial, _NOISE_STREAM, row)).generate_state(1, np.uint64)[0]
        for trial in range(first, first + count)
    ]
    seeds = np.array(states, dtype=np.uint64)
    seeds.setflags(write=False)
    return seeds


@lru_cache(maxsize=64)
def _raw(seed: int, first: int, count: int, inputs: int) -> tuple[Floats, Floats]:
    """Return the uniform deviates [trial, 2 + 4 inputs] in 0 … 1 and normal ones [trial, input].

    Each trial consumes the same numbers in the same order whatever the testbench uses of them, so that variants of
    a testbench differ by their interpretation and not by their luck.
    """
    uniform, normal = np.empty((count, 2 + 4 * inputs)), np.empty((count, inputs))
    for k in range(count):
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(first + k,))))
        generator.random(out=uniform[k])
        generator.standard_normal(out=normal[k])
    uniform.setflags(write=False)
    normal.setflags(write=False)
    return uniform, normal


def _values(values: tuple[float | Uniform, ...], uniform: Floats) -> Floats:
    columns = [
        value.low + (value.high - value.low) * uniform[:, k]
        if isinstance(value, Uniform)
        else np.full(len(uniform), value)
        for k, value in enumerate(values)
    ]
    return np.stack(columns, axis=1)


def _start_rad(spec: NeuronSpec, testbench: Testbench, uniform: Floats) -> Floats:
    chosen = spec.start_phases if testbench.start_phases == "spec" else testbench.start_phases
    if isinstance(chosen, StartPhases):
        return np.tile([chosen.vco1_rad, chosen.vco3_rad], (len(uniform), 1))
    return 2.0 * np.pi * uniform
