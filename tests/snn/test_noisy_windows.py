"""A noise table in windowed networks: the membranes are those of the noise model in numpy, gradients those of y."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torch import nn

import neurocircuit as nc
from neurocircuit.core.arrays import Floats
from neurocircuit.core.netcdf import seal
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network.calibrate import fit_table
from neurocircuit.network.run import Circuit, EncodedImages
from neurocircuit.network.verify.images import predict
from neurocircuit.neuron import membrane, supply
from neurocircuit.neuron.flicker import difference_spreads
from neurocircuit.noise import NoiseTable
from neurocircuit.noise.model import NoiseModel
from neurocircuit.snn.hardware import noisy_windows
from neurocircuit.snn.hardware.noisy_windows import NoisyWindows
from neurocircuit.snn.relu import PixelNetwork, SpikesOf
from neurocircuit.snn.windowed import WindowedNetwork
from neurocircuit.spec import Flicker, NeuronSpec, Supply, Tone, Variation
from neurocircuit.spec.neuron import FrequencyError
from tests.network.test_windowed import random_network
from tests.network.test_windowed_circuit import OnCircuit, mapped
from tests.neuron.test_pulse_overlap import spec as overlapping
from tests.snn.conversion import networks
from tests.snn.digits_recipe import PLAIN_DIGITS, relu_network

DEFAULT = NeuronSpec()
SEEDS = (1, 4, 5)  # the last two have branches, whose windows end earlier


def table_of(network: OnCircuit, images: EncodedImages, **options: Any) -> NoiseTable:
    """One cell a layer, so that no axis is mixed in torch."""
    with mock.patch("neurocircuit.noise.first_passage.choose_axes", return_value=((), {})):
        return fit_table(network.circuit, images.spikes, chip_count=4, points_per_layer=60, axes=(), **options)[0]


def unrounded(circuit: Circuit) -> Circuit:
    return replace(circuit, weights=tuple(layer.kernel for layer in circuit.layers))


def stacked(model: WindowedNetwork) -> PixelNetwork:
    return PixelNetwork(nn.Identity(), model, SpikesOf())


def times_of(noisy: NoisyWindows, circuit: Circuit, pixels: torch.Tensor) -> list[Floats]:
    """Times of every layer from its origin, [chip · image, neuron]; inf: silent."""
    noisy.heard = []
    with torch.no_grad():
        noisy(pixels)
    return [t.numpy() - layer.origin_over_tau for t, layer in zip(noisy.heard, circuit.layers, strict=True)]


def largest_difference(
    seed: int, base: NeuronSpec, graph: type[nn.Module] = networks.RandomGraph, **options: Any
) -> float:
    """Between torch and numpy over all neurons that fire in both, units of τ; none fires in one alone but at an end."""
    causes = ("systematic",)
    model, pixels = random_network(seed, "ramp", graph, **options)
    network, images = mapped("ramp", base, made=(model, pixels))
    table, circuit = table_of(network, images), unrounded(network.circuit)
    noisy = NoisyWindows(stacked(model), model, table, causes)
    times = times_of(noisy, circuit, pixels)
    chip, worst = circuit.chip(1, 0, Variation()), 0.0
    for number, spikes in enumerate(images.spikes[:3]):
        for k, expected in enumerate(predict(chip, NoiseModel(table, causes), spikes, number)):
            both = np.isfinite(expected) & np.isfinite(times[k][number])
            difference = np.abs(expected[both] - times[k][number][both])
            worst = max(worst, float(difference.max(initial=0.0)))
            layer = circuit.layers[k]
            closes = layer.closes_over_tau - layer.origin_over_tau
            other = np.minimum(expected, times[k][number])[~both]
            assert (np.isinf(other) | (other > closes - 0.01)).all()
    return worst


@pytest.mark.parametrize("seed", SEEDS)
def test_membranes_are_those_of_the_noise_model(seed: int) -> None:
    """Loop, width of spikes, branches and padding."""
    assert largest_difference(seed, DEFAULT) < 1e-7


@pytest.mark.parametrize(
    ("graph", "options"),
    [(networks.LongBranches, {"window": 0.25}), (networks.Wide, {"largest_fan_in": 40})],
    ids=["long", "split"],
)
def test_membranes_of_old_spikes_and_of_partial_sums(graph: type[nn.Module], options: dict[str, Any]) -> None:
    """Sums over windows up to five ago, and split layers with their complements."""
    assert largest_difference(0, DEFAULT, graph, **options) < 1e-7


def test_drift_is_taken_at_the_middle_of_one_of_32_parts_of_the_window() -> None:
    error = FrequencyError(before_trim=(2e-4, 0.0, 0.0, 1e-4), after_trim=(2e-4, 0.0, 0.0, 1e-4))
    assert largest_difference(1, DEFAULT.replace(frequency_error=error)) < 2e-3


def test_a_bias_spike_with_the_charge_of_an_ideal_loop_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted wrong answer."""
    monkeypatch.setattr(noisy_windows._Ramp, "_bias", lambda layer: layer._module.bias + 0.0 * layer.node.largest)
    assert largest_difference(1, DEFAULT) > 1e-3


OVERLAPPING = DEFAULT.replace(circuit=overlapping(0.4).circuit)


def test_membranes_where_pulses_overlap_are_those_of_the_noise_model() -> None:
    """But for the series of the overlap, which test_windowed_overlap.py holds against pairs of spikes."""
    assert largest_difference(1, OVERLAPPING) < 0.02


@pytest.mark.parametrize("known", [True, False])
def test_what_overlapping_pulses_lose_is_in_the_membranes_and_not_in_the_bias(
    monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """The bias of the table moves by less than 0.005 thresholds, but where membranes know of no overlap (planted)."""
    plain = table_of(*mapped("ramp", DEFAULT))
    if not known:
        monkeypatch.setattr(membrane, "overlapping_weights", lambda spec, t_over_tau, weights: weights)
    overlapped = table_of(*mapped("ramp", OVERLAPPING))
    biases = [
        [float(np.mean(fit.first_passage.bias)) for fit in table.layers[:2] if fit.first_passage is not None]
        for table in (plain, overlapped)
    ]
    assert (np.max(np.abs(np.subtract(*biases))) < 0.005) == known


@pytest.mark.parametrize(("spec", "refused"), [(OVERLAPPING, True), (DEFAULT, False)], ids=["overlap", "none"])
def test_a_table_with_overlap_in_its_cells_is_refused(tmp_path: Path, spec: NeuronSpec, refused: bool) -> None:
    table = table_of(*mapped("ramp", spec))
    NoiseTable(seal(table.dataset.assign_attrs(schema_version=3))).save(tmp_path / "old.nc")
    with pytest.raises(FileFormatError, match=r"old\.nc .*: calibrate it anew") if refused else nullcontext():
        NoiseTable.load(tmp_path / "old.nc")


def test_without_causes_it_is_the_network_and_chips_differ() -> None:
    network, images = mapped("ramp", DEFAULT)
    model, pixels = random_network(1, "ramp")
    table = table_of(network, images)
    stack = stacked(model)
    assert torch.equal(NoisyWindows(stack, model, table, ())(pixels), stack(pixels))
    noisy = NoisyWindows(stack, model, table, ("neuron",))
    noisy.new_chips(1, [0, 1])
    both = noisy(pixels)
    noisy.new_chip(1, 1)
    np.testing.assert_allclose(both[len(pixels) :].detach(), noisy(pixels).detach(), rtol=1e-5)
    assert (both[: len(pixels)] - both[len(pixels) :]).abs().max() > 1e-3


def test_events_have_the_spread_of_the_table() -> None:
    """At a fixed y m is b + g ξ: its quantiles over many draws are those of the cell."""
    network, images = mapped("ramp", DEFAULT)
    model, _ = random_network(1, "ramp")
    table = table_of(network, images)
    noisy = NoisyWindows(stacked(model), model, table)
    for k, layer in enumerate(noisy._layers):
        node, spec = layer.node, network.circuit.mapped.neuron_of(k)
        y = torch.full((1, 1, 20_000), node.offset + 0.5 * node.largest)
        uniform = (torch.arange(20_000).view(y.shape) + 0.5) / 20_000
        m = layer.disturbance(y, uniform).numpy()
        fit = table.layers[k].first_passage
        assert fit is not None
        at = spec.armed_over_tau + 0.5 * node.window_over_tau
        scale = float(noisy_windows.event_scale(spec, np.array([at]))[0])
        expected = fit.bias.item() + scale * fit.quantiles.reshape(-1)[[6, 11, 16]]  # 10, 50, 90 %
        np.testing.assert_allclose(np.quantile(m, (0.1, 0.5, 0.9)), expected, rtol=0.02, atol=2e-3 * scale)


def test_flicker_spreads_spikes_as_first_order_says() -> None:
    """4000 draws at one y: variance by chi-square at 1e-7; the loop's part has grown until the arming only."""
    base = DEFAULT.replace(flicker=Flicker(h=(1e-11, 2e-11, 1e-11, 1e-11), shared_vco1_vco2=0.5))
    network, images = mapped("ramp", base)
    model, _ = random_network(1, "ramp")
    noisy = NoisyWindows(stacked(model), model, table_of(network, images), ("flicker",))
    low, high = chi2.ppf([5e-8, 1 - 5e-8], 3999) / 3999
    for k, layer in enumerate(noisy._layers):
        node, spec = layer.node, network.circuit.mapped.neuron_of(k)
        share = 0.5 + 0.5 / noisy_windows._INSTANTS  # the middle of a part of the window
        m = noisy._disturbance(k, torch.full((4000, 1), node.offset + share * node.largest)).numpy()
        at = spec.armed_over_tau + (1.0 - share) * node.window_over_tau
        cycles = 2 * np.pi * spec.cycles_per_tau
        looped, compared = difference_spreads(spec)
        held = cycles * looped / spec.phase_per_weight_rad
        free = cycles * compared / spec.fixed_lead_rad * at
        assert low < np.var(m, ddof=1) / np.hypot(held * spec.armed_over_tau, free) ** 2 < high
        assert not low < np.var(m, ddof=1) / np.hypot(held * at, free) ** 2 < high


def test_supply_ripple_is_one_for_all_neurons_of_an_image_and_spreads_as_its_equation_says() -> None:
    """4000 images of two neurons. The mean square of a tone of random phase is known to 1/sqrt(2 n): 6 % is 5 of it.

    Planted: the loop's part not held from the arming on.
    """
    tones = (Tone(frequency_Hz=9e6, amplitude_V=1e-3), Tone(frequency_Hz=2.3e7, amplitude_V=2e-3))
    base = DEFAULT.replace(supply=Supply(sensitivity_per_V=(0.5, 0.0, 0.0, 0.1), tones=tones))
    network, images = mapped("ramp", base)
    model, _ = random_network(1, "ramp")
    noisy = NoisyWindows(stacked(model), model, table_of(network, images), ("supply",))
    for k, layer in enumerate(noisy._layers):
        node, spec = layer.node, network.circuit.mapped.neuron_of(k)
        m = noisy._disturbance(k, torch.full((4000, 2), node.offset + 0.5 * node.largest)).numpy()
        np.testing.assert_array_equal(m[:, 0], m[:, 1])
        at = np.array([spec.armed_over_tau + 0.5 * node.window_over_tau])
        spread = supply.course(spec).spread(at)[0]
        assert np.sqrt(np.mean(m[:, 0] ** 2)) == pytest.approx(spread, rel=0.06)
        going_on = replace(supply.course(spec), until=np.inf).spread(at)[0]
        assert going_on != pytest.approx(spread, rel=0.06)


def test_gradients_are_those_of_the_membrane_at_constant_noise() -> None:
    x = torch.linspace(0.05, 1.4, 40, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: noisy_windows._Charge.apply(x, 0.02, (6.8, 1.17)), (x,))
    y = torch.linspace(-0.4, 1.6, 21, dtype=torch.double, requires_grad=True)
    m = torch.linspace(-0.1, 0.1, 21, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda y: noisy_windows._Ahead.apply(y, m, 0.5, 0.41, 0.5), (y,))


def test_what_does_not_fit_is_named() -> None:
    network, images = mapped("ramp", DEFAULT)
    model, _ = random_network(1, "ramp")
    table = table_of(network, images)
    forced, _ = random_network(1, "forced")
    with pytest.raises(InputError, match="must be ramp under a noise table, got forced"):
        NoisyWindows(stacked(forced), forced, table)
    with pytest.raises(InputError, match="causes must be among"):
        NoisyWindows(stacked(model), model, table, ("magic",))
    first = model.graph.layers[0]
    nodes = tuple(node.replace(window_over_tau=0.7) if node == first else node for node in model.graph.nodes)
    model.follow(model.graph.replace(nodes=nodes))
    with pytest.raises(InputError, match=f"layer {first.name}: window's end must be"):
        NoisyWindows(stacked(model), model, table)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: Any) -> tuple[Any, Any]:
    """A converted network for the digits, on a noisy circuit, and its table."""
    folder = tmp_path_factory.mktemp("windows")
    images = nc.data.digits("train")[:40]
    network = nc.snn.convert(relu_network(), images, form="ramp")
    network.save(folder / "ramp.pt")
    mapped_network = nc.map(folder / "ramp.pt", images=images[:10])
    nc.calibrate(mapped_network, images[:3], chips=6, points=60).save(folder / "table.nc")
    return folder / "ramp.pt", folder / "table.nc"


def test_it_trains_and_is_evaluated_under_a_table(trained: tuple[Any, Any], tmp_path: Any) -> None:
    weights, table = trained
    settings = (*PLAIN_DIGITS, "jitter_over_tau=0")
    options: dict[str, Any] = {"initial": weights, "noise": table, "threads": 1, "out": tmp_path / "run"}
    changes = (*settings, "epochs=5", "averaging=0.9", "lr=0.01")
    model = nc.snn.train("mnist_windowed_finetune", settings=changes, **options)
    images = nc.data.digits("held_out", held_out=300)
    before, after = (nc.evaluate(net, images, noise=table, chips=2, tables=2) for net in (weights, model))
    assert before.accuracy < 0.4
    assert after.accuracy > 0.6
    assert np.isfinite(after.latency.mean_over_tau)
    _costs_what_its_spikes_say(after, before)
    assert [layer.name for layer in after.layers] == [layer.name for layer in before.layers]
    assert all(0 < layer.fired < 1 for layer in after.layers)


def _costs_what_its_spikes_say(*results: Any) -> None:
    """Two layers with windows of T = 0.5 τ, on for T before their ramps, then for at most T more."""
    for result in results:
        cost, (hidden, last) = result.cost, result.layers
        assert cost.window_over_tau == pytest.approx(1.5)
        assert cost.spikes == pytest.approx(result.spikes)
        assert cost.neurons == hidden.neurons + last.neurons
        before = 0.5 * cost.power_W * (hidden.neurons + last.neurons)
        silent = 0.5 * (1.0 - hidden.fired) * hidden.neurons
        decided = (cost.latency_over_tau - 1.0) * last.neurons
        low, high = silent + decided, 0.5 * hidden.neurons + decided
        ramps = (cost.energy_J / 20e-9 - before) / cost.ramp_power_W
        assert low < ramps < high
        assert cost.energy_spikes_J < cost.energy_J


def test_options_of_free_networks_are_refused(trained: tuple[Any, Any]) -> None:
    weights, table = trained
    images = nc.data.digits("held_out", held_out=300)[:5]
    for name, value in (("outside", "nearest"), ("first_passage_neurons", 10)):
        with pytest.raises(InputError, match=f"{name.replace('_', '-')} is for free networks"):
            nc.evaluate(weights, images, noise=table, **{name: value})


def test_a_table_calibrated_on_chips_of_its_own_is_redrawn(trained: tuple[Any, Any]) -> None:
    table = nc.NoiseTable.load(trained[1])
    again = table.redrawn(np.random.default_rng(1))
    fits = [(fit.first_passage, other.first_passage) for fit, other in zip(table.layers, again.layers, strict=True)]
    assert all(fit is not None and other is not None for fit, other in fits)
    assert any(not np.array_equal(fit.bias, other.bias) for fit, other in fits if fit and other)
    assert replace(table.layers[0], first_passage=None).first_passage is None
