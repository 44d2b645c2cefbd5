"""How long neurons are on, against times that were added by hand."""

import numpy as np
import pytest

from neurocircuit.neuron.on_time import OnTimes, Span, on_times
from neurocircuit.results.inference import InferenceCost, NeuronPower
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.neuron import ReadoutWindow

INF = np.inf
POWER = NeuronPower(power_W=100e-6, ramp_power_W=60e-6, source="planted")


def one_image(layers: list[list[float]], spans: list[Span], latest: float) -> OnTimes:
    return on_times([np.array([layer]) for layer in layers], spans, latest)


def test_free_neurons_are_on_until_their_spike_or_the_decision():
    free = one_image([[0.5, 3.0, INF], [2.0, INF]], [Span(), Span()], 6.0)
    assert free.latency.tolist() == [2.0]
    assert free.on.tolist() == [0.5 + 2.0 + 2.0 + 2.0 + 2.0]  # the decision switches off who has not fired
    assert free.on_of_spikes.tolist() == [0.5 + 2.0]
    assert (free.before.tolist(), free.spikes.tolist(), free.forced.tolist()) == ([2], [3], [0])
    assert free.ramp.tolist() == [0.0]


def test_an_image_without_decision_lasts_to_the_end():
    free = one_image([[1.0], [INF]], [Span(), Span()], 6.0)
    assert (free.latency[0], free.on[0], free.before[0]) == (6.0, 7.0, 1)


# Two layers with windows of 0.5 τ: on from 0 and 0.5, armed at 0.5 and 1, closed at 1 and 1.5.
RAMPS = [Span(0.0, 0.5, 1.0), Span(0.5, 1.0, 1.5)]
TIMES = [[0.6, INF, 0.9], [1.2, INF]]


def test_on_a_ramp_the_time_after_the_arming_is_counted_apart():
    ramp = one_image(TIMES, RAMPS, 1.5)
    assert ramp.latency == 1.2
    assert ramp.on[0] == pytest.approx(3 * 0.5 + 2 * 0.5)
    assert ramp.ramp[0] == pytest.approx((0.1 + 0.5 + 0.4) + (0.2 + 0.2))
    assert ramp.on_of_spikes[0] == pytest.approx(2 * 0.5 + 0.5)
    assert ramp.ramp_of_spikes[0] == pytest.approx(0.1 + 0.4 + 0.2)
    assert (ramp.spikes[0], ramp.before[0], ramp.forced[0]) == (3, 3, 0)


def test_where_windows_force_spikes_all_neurons_of_a_closed_layer_spike():
    spans = [Span(0.0, INF, 1.0, forced=True), Span(0.5, INF, 1.5, forced=True)]
    forced = one_image(TIMES, spans, 1.5)
    assert forced.on[0] == pytest.approx((0.6 + 1.0 + 0.9) + (0.7 + 0.7))
    assert forced.on_of_spikes[0] == pytest.approx(0.6 + 1.0 + 0.9 + 0.7)
    assert (forced.spikes[0], forced.before[0], forced.forced[0]) == (3, 3, 1)  # outputs close after the decision
    undecided = one_image([TIMES[0], [INF, INF]], spans, 1.5)
    assert undecided.forced[0] == 3
    assert undecided.on_of_spikes[0] == undecided.on[0] == pytest.approx(2.5 + 2.0)


def test_images_are_counted_one_by_one():
    times = [np.array([[0.6, INF], [0.8, 0.7]]), np.array([[1.2], [INF]])]
    both = on_times(times, RAMPS, 1.5)
    each = [on_times([t[k : k + 1] for t in times], RAMPS, 1.5) for k in range(2)]
    for name, values in vars(OnTimes.joined(each)).items():
        np.testing.assert_array_equal(getattr(both, name), values)


def test_energy_is_power_times_these_times():
    cost = InferenceCost.of(one_image(TIMES, RAMPS, 1.5), POWER, tau_s=20e-9, neurons=5, window_over_tau=1.5)
    assert cost.energy_J == pytest.approx(20e-9 * (100e-6 * 2.5 + 60e-6 * 1.4))
    assert cost.energy_spikes_J == pytest.approx(20e-9 * (100e-6 * 1.5 + 60e-6 * 0.7))
    assert cost.energy_per_spike_J == pytest.approx(cost.energy_spikes_J / 3)
    assert cost.latency_s == pytest.approx(1.2 * 20e-9)
    free = InferenceCost.of(
        one_image([[0.5]], [Span()], 6.0), NeuronPower(power_W=1e-4), tau_s=20e-9, neurons=1, window_over_tau=6.0
    )
    assert free.energy_J == pytest.approx(20e-9 * 1e-4 * 0.5)  # what a ramp draws need not be known


def test_the_span_of_a_neuron_is_that_of_its_readout_window():
    spec = NeuronSpec()
    assert Span.of(spec, 0.0) == Span()
    for form, slope, ramp in (("ramp", 2.0, 3.5), ("forced", None, INF)):
        window = ReadoutWindow(form=form, armed_s=1.5 * spec.tau_s, length_s=0.5 * spec.tau_s, slope=slope)
        span = Span.of(spec.replace(readout_window=window), 2.0)
        assert (span.begin, span.ramp, span.end) == pytest.approx((2.0, ramp, 4.0))
        assert span.forced == (form == "forced")
