"""Limits of a layer: the ripple as the edge level has it, and what guard and ripple take from the lead's range."""

import numpy as np
import pytest

from neurocircuit.network import limits
from neurocircuit.network.limits import Choice, Recorded
from neurocircuit.neuron import levels
from neurocircuit.neuron.membrane import ripple
from neurocircuit.spec import Lead, NeuronSpec
from neurocircuit.spice.process import default_neuron

DEPTH = 3.0
# The current asks for a small phase per weight, so that the ripple counts; the depth limits the lead.
DEEP = Recorded(np.full(4, 10.0), np.linspace(0.0, DEPTH, 4))


def layer_of(base, recorded=DEEP, choice=None):
    return limits.choose_layer("1", base, np.array([[0.5, -0.5]]), recorded, choice or Choice())


def neuron_of(base, layer):
    """The base circuit with the layer's scale."""
    return base.replace(
        phase_per_weight_rad=layer.phase_per_weight_rad,
        threshold=Lead(lead_rad=layer.lead_rad),
        vco4_swing_Hz=layer.vco4_swing_Hz,
        ripple_guard_rad=layer.ripple_guard_rad,
    )


@pytest.mark.parametrize("f0_Hz", [0.5e9, 1e9])
def test_the_ripple_is_that_of_the_edge_level_at_rest(f0_Hz):
    """Peak to peak of the membrane after arming, without a spike before the window's end; thresholds."""
    base = NeuronSpec(f0_Hz=f0_Hz)
    neuron = neuron_of(base, layer_of(base)).replace(ripple_guard_rad=0.0)  # which would count to the threshold
    seen = levels.waveforms("edge", neuron, [0.99 * neuron.window_over_tau], [1e-9])
    before = seen.time_over_tau < 0.9 * neuron.window_over_tau
    measured = np.ptp(seen.membrane[before])
    assert limits.ripple_over_lead(base, neuron.phase_per_weight_rad) == pytest.approx(measured, rel=1e-3)
    assert ripple(neuron) == pytest.approx(measured, rel=0.01)  # lead and swing have three digits


@pytest.mark.parametrize("use", [0.9, 0.6])
def test_lead_guard_and_ripple_together_use_the_share_of_half_a_turn(use):
    """At the deepest trajectory θ(1 + depth) + guard + ripple = use·π; three digits, rounded down, make 1 %."""
    base, choice = NeuronSpec(), Choice(use=use)
    layer = layer_of(base, choice=choice)
    assert layer.lead_rad < base.threshold.lead_rad  # limited by the depth, not by the base
    ripple_rad = layer.lead_rad * ripple(neuron_of(base, layer))
    used = layer.lead_rad * (1 + DEPTH) + layer.ripple_guard_rad + ripple_rad
    assert 0.99 * use * np.pi < used <= use * np.pi * (1 + 1e-3)
    assert ripple_rad > 0.02 * use * np.pi  # to leave it out would be seen
    assert layer.ripple_guard_rad == pytest.approx(limits.GUARD_OVER_RIPPLE * ripple_rad, rel=0.01)


def test_the_limit_on_wraps_counts_guard_and_ripple_beside_the_depth():
    base = NeuronSpec()
    layer = layer_of(base)
    ripple_rad = layer.lead_rad * ripple(neuron_of(base, layer))
    (wrap,) = (limit for limit in limits.limits_of(layer, base, DEEP, Choice()) if limit.name == "no wrap")
    expected = layer.lead_rad * (1 + DEPTH) + layer.ripple_guard_rad + ripple_rad
    assert wrap.value == pytest.approx(expected, rel=1e-3)
    assert wrap.bound == np.pi
    assert limits.largest_depth(layer, base, 0.9) == pytest.approx(DEPTH, abs=0.05)


@pytest.mark.parametrize(("width_s", "met"), [(0.0, True), (4.1e-9, True), (20e-9, True), (20.1e-9, False)])
def test_an_input_spike_fits_into_the_time_constant_of_its_layer(width_s, met):
    base = NeuronSpec(spike_width_s=width_s)
    of_width = [one for one in limits.limits_of(layer_of(base), base, DEEP, Choice()) if one.name == "spike width"]
    assert [(one.value, one.bound, one.met) for one in of_width] == ([(width_s, base.tau_s, met)] if width_s else [])
    slower = layer_of(base).replace(tau_over_base=2.0)  # a layer of another time constant
    assert all(one.met for one in limits.limits_of(slower, base, DEEP, Choice()) if one.name == "spike width")


@pytest.mark.parametrize(("stated", "bound"), [(None, 60), (100, 100)])
def test_a_characterised_neuron_carries_so_many_synapses_unless_another_number_is_stated(stated, bound):
    base = default_neuron("transistor")
    base = base.replace(circuit=base.circuit.replace(largest_fan_in=60))
    choice = Choice(largest_fan_in=stated)
    for fan_in in (bound, bound + 1):
        layer = layer_of(base, choice=choice)
        (limit,) = (one for one in limits.limits_of(layer, base, DEEP, choice, fan_in) if one.name == "fan-in")
        assert (limit.value, limit.bound, limit.met) == (fan_in, bound, fan_in == bound)
    unknown = NeuronSpec()
    assert "fan-in" not in {one.name for one in limits.limits_of(layer_of(unknown), unknown, DEEP, Choice(), 1000)}


def test_a_comparators_deepest_trajectory_wraps_beyond_the_limit_and_not_within_it():
    """At level edge: a sink that takes the membrane as deep as the scales hold does not fire it, a deeper one does."""
    base = NeuronSpec(readout="continuous")
    layer = layer_of(base, choice=Choice(use=1.0))
    neuron = neuron_of(base, layer)
    rng, fired = np.random.default_rng(2), []
    for depth in (limits.largest_depth(layer, base, 1.0), np.pi / layer.lead_rad):
        weights = np.full((64, 4), -depth / 4)
        times = np.tile(np.linspace(0.1, 1.0, 4), (64, 1))
        start_rad = rng.uniform(0, 2 * np.pi, (64, 2))
        fired.append(levels.evaluate("edge", neuron, times, weights, start_rad=start_rad).false_fire.mean())
    assert fired[0] == 0.0
    assert fired[1] > 0.5


def test_costs_beside_the_base_circuit():
    """Noise in thresholds grows as 1/θ, its power as 1/θ²; two oscillators that walk freely add their variances."""
    base = NeuronSpec(phase_noise=(1e5, 2e5, 3e5, 5e5))
    layer = layer_of(base)
    costs = limits.costs_of(layer, base, 5.0)
    share = layer.lead_rad / base.threshold.lead_rad
    assert costs["lead_over_base"] == pytest.approx(share)
    assert costs["noise_power_over_base"] == pytest.approx(1 / share**2)
    assert costs["phase_noise_at_window"] == pytest.approx(np.sqrt((3e5 + 5e5) * 5.0 * base.tau_s) / layer.lead_rad)
    drift_over_tau = 2 * np.pi * base.f0_Hz * 1e-4 * base.tau_s
    assert costs["drift_per_tau_at_1e_4_of_f"] == pytest.approx(drift_over_tau / layer.lead_rad)
