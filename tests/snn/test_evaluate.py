"""Figures of an evaluation against counts made by hand."""

import math

import numpy as np
import pytest
import torch

from neurocircuit.core.stats import wilson_interval
from neurocircuit.results.inference import NeuronPower
from neurocircuit.snn.data.images import ImagesInMemory
from neurocircuit.snn.encode import encode
from neurocircuit.snn.evaluate import accuracy, evaluate, held_out
from neurocircuit.snn.models import NetworkSpec, build, count_weights, spiking_layers
from neurocircuit.snn.recipe import Subject
from neurocircuit.studies.evaluation import of_counts


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(20261123)
    source = ImagesInMemory(rng.integers(0, 256, (7, 1, 28, 28), dtype=np.uint8), rng.integers(0, 10, 7), {})
    subject = Subject(name="case", network=NetworkSpec(clock="absolute", initial_sum=1.5, initial_spread=2.0))
    return build(subject.network, (1, 28, 28), 10, torch.Generator().manual_seed(1)).eval(), source, subject


def by_hand(network, source, subject):
    """Spike times [image, neuron] of each layer, one layer after the other."""
    pixels, labels = source.batch(np.arange(len(source)))
    z, times = encode(torch.from_numpy(pixels / np.float32(255)), subject.encoding), []
    for stage in network:
        z = stage(z)
        if spiking_layers(stage):
            times.append(torch.log(z.detach().flatten(1)).numpy())
    return times, labels


def test_counts_are_those_of_the_spikes(case):
    network, source, subject = case
    times, labels = by_hand(*case)

    result = evaluate(network, source, subject, batch_size=3)

    decision_times = times[-1].min(axis=1)
    right = (times[-1].argmin(axis=1) == labels) & np.isfinite(decision_times)
    assert result.accuracy == right.mean()
    assert result.accuracy == accuracy(network, source, subject, batch_size=4)
    assert result.undecided == np.isinf(decision_times).sum()
    for layer, t in zip(result.layers, times, strict=True):
        assert layer.neurons == t.shape[1]
        assert layer.overall == pytest.approx(np.isfinite(t).mean())
        before = np.isfinite(t) & (t <= decision_times[:, None])
        assert layer.before_decision == pytest.approx(before.mean())
    assert np.allclose(result.decision_over_tau, decision_times[np.isfinite(decision_times)])


def test_times_of_layers_and_confusions_are_those_of_the_spikes(case):
    """In batches of any size: first spikes averaged over images that have one, all spikes over spikes."""
    network, source, subject = case
    times, labels = by_hand(*case)

    result = evaluate(network, source, subject, batch_size=3)

    for layer, t in zip(result.layers, times, strict=True):
        first = t.min(axis=1)
        assert layer.first_over_tau == pytest.approx(first[np.isfinite(first)].mean(), rel=1e-5)
        assert layer.mean_over_tau == pytest.approx(t[np.isfinite(t)].mean(), rel=1e-5)
    decisions = np.where(np.isinf(times[-1]).all(axis=1), 10, times[-1].argmin(axis=1))
    expected = np.zeros((10, 11), dtype=int)
    for label, decision in zip(labels, decisions, strict=True):
        expected[label, decision] += 1
    assert np.array_equal(result.confusion.matrix, expected)
    assert sum(times for _, _, times, _ in result.confusion.mistakes()) == round((1 - result.accuracy) * len(source))


def test_progress_counts_images(case):
    network, source, subject = case
    heard = []
    evaluate(network, source, subject, batch_size=3, progress=lambda *told: heard.append(told[:2]))
    assert heard == [(3, 7), (6, 7), (7, 7)]


def test_held_out_images_of_a_relu_network_have_decisions_and_no_layers(case):
    _, source, subject = case
    relu = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    with torch.no_grad():
        relu[1].weight.zero_()
        relu[1].bias.copy_(torch.arange(10.0) - 3 * (torch.arange(10) == 9) * 4)  # class 9 is the smallest output

    result = held_out(relu, source, subject)

    labels = source.batch(np.arange(len(source)))[1]
    assert (result.accuracy, result.layers) == ((labels == 9).mean(), ())
    assert result.confusion.matrix[:, 9].sum() == len(source)


def test_energy_and_latency_follow_from_the_counts(case):
    network, source, subject = case
    times, _ = by_hand(*case)
    spikes = sum(np.isfinite(t).sum() for t in times) / len(source)

    values = of_counts(evaluate(network, source, subject), 5e-12, NeuronPower(power_W=1e-4), tau_s=20e-9)

    assert values["spikes"] == pytest.approx(spikes)
    assert values["energy_J"] == pytest.approx(spikes * 5e-12)
    fraction = spikes / (6272 + 784 + 10)
    assert values["paper_energy_J"] == pytest.approx(count_weights(network) * fraction * 10e-12)
    assert values["latency"].mean_s == pytest.approx(values["latency"].mean_over_tau * 20e-9)
    # undecided images last to the window's end, 10 τ, or to a later spike
    last = [max(10.0, *(t[k][np.isfinite(t[k])].max(initial=0.0) for t in times)) for k in range(len(source))]
    ends = [end if np.isinf(at) else at for at, end in zip(times[-1].min(axis=1), last, strict=True)]
    on = [np.minimum(t[k], ends[k]).sum() for t in times for k in range(len(source))]
    assert values["cost"].energy_J == pytest.approx(1e-4 * 20e-9 * sum(on) / len(source), rel=1e-5)


def test_the_papers_energies_come_from_its_formula():
    """Findings §6: weights x sparsity x 10 pJ gives 202 nJ against 205, 0.337 mJ against 0.336."""
    assert pytest.approx(205e-9, rel=0.02) == 21.4e3 * 0.94 * 10e-12
    assert pytest.approx(0.336e-3, rel=0.01) == 54.3e6 * 0.62 * 10e-12


def test_wilson_interval_holds_its_textbook_values():
    """Brown, Cai and DasGupta (2001): 0 of 10 gives (0, 0.278); 95 of 100 gives (0.888, 0.978)."""
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-3)
    assert wilson_interval(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-3)


def test_a_network_without_output_spikes_has_no_latency(case):
    _, source, subject = case
    silent = build(subject.network.replace(parameterisation="free"), (1, 28, 28), 10, torch.Generator()).eval()
    with torch.no_grad():
        for layer in spiking_layers(silent):
            layer.weight.zero_()

    result = evaluate(silent, source, subject)
    values = of_counts(result, 10e-12, NeuronPower(power_W=1e-4), 20e-9)

    assert (result.accuracy, result.undecided, result.overall) == (0.0, 7, 0.0)
    assert math.isnan(values["latency"].mean_over_tau)
    assert values["cost"].energy_J == pytest.approx(result.neurons * 10 * 1e-4 * 20e-9)
