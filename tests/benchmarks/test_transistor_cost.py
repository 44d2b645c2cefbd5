"""Processor time of one neuron in transistors: from a saved state to Q, against a whole run from power-up."""

import resource
from pathlib import Path

import numpy as np

from neurocircuit.spec import NeuronSpec
from neurocircuit.spice import transistor
from neurocircuit.spice.saved_states import idle, saved_states
from neurocircuit.spice.transistor_deck import SAVED, Input, compose_neuron
from neurocircuit.spice.transistor_run import fire_times_s, simulate

SPEC = Path(__file__).parents[2] / "reports/published/datasheet-generic65/spec.toml"
NAIVE_s = 130e-9
AIM = 4.0


def cpu_s(function):
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    function()
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime


def test_an_evaluation_against_130_ns_from_power_up(benchmark):
    """Two inputs at 0.16 tau, four idle synapses, steps of 5 ps in both; the states are made before, as in a sweep."""
    spec = NeuronSpec.from_toml(SPEC)
    circuit, t, w = spec.circuit, np.array([[0.16, 0.16]]), np.array([[0.8319019847224631] * 2])
    saved_states(circuit, 2, transistor.STATE_TIMEOUT_s)

    def evaluate():
        found = transistor.fire(spec, t, w, np.zeros((1, 2)), np.zeros(1, dtype=np.uint64), timeout_s=600.0)
        assert np.isfinite(found.fire_time_over_tau).all()

    def naive():
        arrives_s = circuit.arming_s + 0.16 * spec.tau_s
        inputs = [Input((arrives_s,), int(code)) for code in spec.weight_bank.codes(w)[0]]
        deck = compose_neuron(circuit, inputs, stop_s=NAIVE_s, saved=SAVED, extra=idle(circuit, 2, from_power_up=True))
        assert len(fire_times_s(simulate(deck, timeout_s=600), circuit.condition.supply_V, circuit.arming_s)) == 1

    whole, one = cpu_s(naive), cpu_s(evaluate)
    benchmark.extra_info.update(naive_cpu_s=whole, evaluation_cpu_s=one, naive_over_evaluation=whole / one)
    benchmark.pedantic(lambda: None)
    assert whole / one >= AIM
