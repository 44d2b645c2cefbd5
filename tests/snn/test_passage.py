"""A noise table in torch and in numpy: the same first passages, early spikes and wraps; gradients of moved spikes."""

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp, norm

from neurocircuit.neuron.membrane import first_passage, membranes, unit_response
from neurocircuit.neuron.operating_points import operate
from neurocircuit.neuron.pulse_overlap import PulseOverlap
from neurocircuit.noise import NoiseModel, NoiseTable
from neurocircuit.noise.curves import APPROACH_EDGES, QUANTILES
from neurocircuit.noise.first_passage import FirstPassageFit
from neurocircuit.noise.fit import AXES
from neurocircuit.snn.functional.geometry import Padding
from neurocircuit.snn.functional.rows import patches
from neurocircuit.snn.hardware.first_passage import FirstPassages, STEP_over_tau
from neurocircuit.snn.hardware.noisy import NoisyNetwork
from neurocircuit.snn.layers import SpikingConv2d, SpikingLinear
from neurocircuit.spec import MappedNetwork, NeuronSpec
from tests.noise.tables import WINDOW_OVER_TAU, planted_table

CHIPS, INPUTS, OUTPUTS = 2000, 60, 12


DRIFTS = {
    "flicker": lambda size: {"h": [1e-10 * size**2] * 4},
    "supply": lambda size: {
        "sensitivity": ["0.4 1/V", "0 1/V", "0 1/V", "1 1/V"],
        "tones": [
            {"frequency": "20 MHz", "amplitude": f"{0.3 * size} mV"},
            {"frequency": "3 MHz", "amplitude": f"{0.4 * size} mV"},
        ],
    },
}


def _table(kind, drift=None, size=1.0, **changes):
    """One layer under phase noise; first passages with bias and a spread of ξ, or without them. drift: of DRIFTS."""
    table = planted_table(1, event=0.1, bias=0.02)
    provenance = table.provenance
    provenance["network"]["neuron"]["phase_noise"] = ["2e5 rad2/s"] * 4
    if drift is not None:
        provenance["network"]["neuron"][drift] = DRIFTS[drift](size)
    fit, one = table.layers[0], np.ones((1,) * len(AXES))
    passage = FirstPassageFit(
        edges=fit.edges,
        n=1000 * one,
        bias=0.03 * one,
        bias_low=0.03 * one,
        bias_high=0.03 * one,
        spread=0.9 * one,
        spread_low=0.9 * one,
        spread_high=0.9 * one,
        quantiles=0.9 * np.clip(norm.ppf(QUANTILES), -3.3, 3.3).reshape(*one.shape, -1),
        kappa=np.ones(3),
        kappa_error=np.zeros(3),
        gains={},
    )
    if kind == "log":
        passage = None
    return NoiseTable.from_fits([replace(fit, first_passage=passage, **changes)], provenance)


def _layer(kind, seed=0):
    torch.manual_seed(seed)
    made = SpikingLinear(INPUTS, OUTPUTS) if kind == "linear" else SpikingConv2d(INPUTS, OUTPUTS, 1)
    with torch.no_grad():
        made.weight.copy_((0.025 + 0.1 * torch.randn(OUTPUTS, INPUTS)).view(made.weight.shape))
        made.bias.copy_(0.1 * torch.randn(OUTPUTS))
    return made


def _numpy(table, layer, z, causes, with_membranes, count=CHIPS):
    """Times [draw, neuron] by the numpy model."""
    spec = MappedNetwork.from_dict(table.provenance["network"]).neuron_of(0)
    times = np.append(np.log(z), 0.0)
    weights = torch.cat([layer.weight.flatten(1), layer.bias[:, None]], dim=1).detach().double().numpy()
    received = np.tile(times, (OUTPUTS, 1))
    point = operate(received, weights, WINDOW_OVER_TAU)
    model, rng = NoiseModel(table, causes=causes, outside="ideal"), np.random.default_rng(1)
    seen = membranes(spec, received, weights) if with_membranes else None
    return np.stack([model.times(0, spec, point, None, rng, seen) for _ in range(count)]), point


def _torch(table, layer, z, causes, count=CHIPS):
    noisy = NoisyNetwork(torch.nn.Sequential(layer), table, causes, approaches=8)
    shape = (count, INPUTS) if isinstance(layer, SpikingLinear) else (count, INPUTS, 1, 1)
    with torch.no_grad():
        return (
            noisy(torch.from_numpy(z).float().expand(count, INPUTS).reshape(shape))
            .reshape(count, OUTPUTS)
            .log()
            .numpy()
        )


def _agree(one, two):
    """Kolmogorov-Smirnov by neuron, silence last: 12 tests at 1e-4, false alarm 1e-3; grids differ by 0.01 τ."""
    for k in range(OUTPUTS):
        first, second = (np.where(np.isfinite(t[:, k]), t[:, k], 8.0) for t in (one, two))
        found = ks_2samp(first, second)
        middle = np.abs(np.quantile(first, (0.05, 0.5, 0.95)) - np.quantile(second, (0.05, 0.5, 0.95)))
        assert found.pvalue > 1e-4 or (found.statistic < 0.06 and middle.max() < 0.02), (k, found, middle)


@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize("causes", [("systematic", "event"), ("event",), ("systematic",)])
def test_first_passages_of_torch_are_those_of_numpy(causes, kind):
    """The share of early spikes is for neurons moved by slope: a passage's are its own."""
    table, layer = _table("passage", early_share=np.array([0.2])), _layer(kind)
    z = np.exp(np.random.default_rng(3).uniform(0.0, 2.0, INPUTS))
    here, point = _numpy(table, layer, z, causes, True)
    there = _torch(table, layer, z, causes)
    assert 6 <= point.fired.sum() < OUTPUTS  # silent neurons too
    if "event" in causes:
        assert 0.01 < np.isfinite(here[:, ~point.fired]).mean() < 0.9
        _agree(here, there)
    else:
        np.testing.assert_array_equal(np.isfinite(here[0]), np.isfinite(there[0]))
        both = np.isfinite(here[0])
        np.testing.assert_allclose(there[0][both], here[0][both], atol=0.01)


@pytest.mark.parametrize("cause", ["flicker", "supply"])
@pytest.mark.parametrize(("kind", "passages"), [("linear", "passage"), ("conv", "passage"), ("conv", "log")])
def test_drifts_of_torch_are_those_of_numpy(kind, passages, cause):
    """By first passages and by slope; without the cause no two draws differ, and half the size is another spread."""
    layer, z = _layer(kind), np.exp(np.random.default_rng(3).uniform(0.0, 2.0, INPUTS))
    near = {} if passages == "passage" else {"false_fire": np.linspace(0.9, 0.0, len(APPROACH_EDGES) - 1)}
    count = 1000
    here, point = _numpy(_table(passages, cause, **near), layer, z, (cause,), passages == "passage", count)
    there = _torch(_table(passages, cause, **near), layer, z, (cause,), count)
    spare = np.where(point.fired & (point.at > 0.5), 0.0, np.nan)
    if passages == "log":  # silent neurons are looked at at 8 instants there
        assert (np.isfinite(there[:, ~point.fired]).std(axis=0) > 0).any()
        here, there = (np.nan_to_num(times + spare, nan=1.0, posinf=np.inf) for times in (here, there))
    _agree(here, there)
    quiet = _torch(_table(passages, cause, **near), layer, z, (), count)
    assert (np.ptp(np.where(np.isfinite(quiet), quiet, 8.0), axis=0) == 0).all()
    less = _torch(_table(passages, cause, 0.5, **near), layer, z, (cause,), count)
    k = int(np.flatnonzero(spare == 0.0)[0])
    spread = [np.diff(np.quantile(times[:, k], (0.25, 0.75)))[0] for times in (here, less)]
    assert spread[0] > 1.4 * spread[1] > 0


def test_early_spikes_and_moves_of_torch_are_those_of_numpy():
    """By slope, as a convolution has them: the same bias, event and share of early spikes of firing neurons."""
    table = _table("log", early_share=np.array([0.03]), early_time=np.linspace(0.3, 0.6, len(QUANTILES)))
    layer = _layer("conv")
    z = np.exp(np.random.default_rng(3).uniform(0.0, 2.0, INPUTS))
    here, point = _numpy(table, layer, z, ("systematic", "event"), False)
    there = _torch(table, layer, z, ("systematic", "event"))
    fired = point.fired & (point.at > 0.8)
    assert fired.sum() >= 4
    for own in (here, there):
        share = np.mean(own[:, fired] < 0.65 * point.at[fired])
        assert share == pytest.approx(0.03, abs=0.008)  # 8000 draws and more: four errors are 0.0076
    spare = np.where(fired, 0.0, np.nan)
    _agree(np.nan_to_num(here + spare, nan=1.0, posinf=np.inf), np.nan_to_num(there + spare, nan=1.0, posinf=np.inf))


def test_neurons_wrap_as_often_as_the_table_says():
    table = _table("log", wrap_share=np.array([0.02]), wrap_at=np.full(len(QUANTILES), 0.123))
    for kind in ("conv", "linear"):
        own = _table("passage", wrap_share=np.array([0.02]), wrap_at=np.full(len(QUANTILES), 0.123))
        z = np.exp(np.random.default_rng(3).uniform(0.5, 2.0, INPUTS))
        there = _torch(table if kind == "conv" else own, _layer(kind), z, ("systematic", "event"))
        share = np.mean(np.abs(there - 0.123) < 1e-4)
        assert share == pytest.approx(0.02, abs=0.004)  # 24 000 draws: four errors are 0.0036


def test_moved_outputs_have_the_gradients_of_a_constant_disturbance():
    """∂z'/∂(parameters) through eq. (4): z'/z times that of z, and (1 - z'/z) z'/s times that of the slope."""
    table, layer = _table("passage"), _layer("linear").double()
    z = torch.exp(2 * torch.rand(5, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(4)))
    noisy = NoisyNetwork(torch.nn.Sequential(layer), table, gradient="slope")
    moved = noisy(z)
    layer.keep_slope = True
    plain, slope = layer(z), layer.slope
    kept = torch.isfinite(moved) & torch.isfinite(plain)
    assert 10 < kept.sum() < 60
    ratio, s, moved_to = (moved / plain)[kept].detach(), slope[kept], moved[kept].detach()
    by_hand = (plain[kept] * ratio + s * ((1 - ratio) * moved_to / s).detach()).sum()
    found = torch.autograd.grad(moved[kept].sum(), layer.weight)[0]
    expected = torch.autograd.grad(by_hand, layer.weight)[0]
    torch.testing.assert_close(found, expected)
    assert torch.isfinite(found).all()


def test_membranes_of_a_convolution_are_those_of_its_patches_at_every_place():
    """Padding, stride, several channels, silence and bias: each place as a fully connected neuron of its patch."""
    table = _table("passage")
    spec = MappedNetwork.from_dict(table.provenance["network"]).neuron_of(0)
    own = FirstPassages(table.layers[0], spec, ("event",))
    torch.manual_seed(2)
    layer = SpikingConv2d(3, 4, (3, 2), stride=2, padding=(0, 1, 1, 0))
    with torch.no_grad():
        layer.bias.copy_(0.3 * torch.randn(4))
    z = torch.exp(2 * torch.rand(2, 3, 7, 6))
    z[torch.rand_like(z) < 0.3] = torch.inf
    layer(z)
    found = own.membranes(layer, z)
    rows = patches(z, (3, 2), 2, Padding(0, 1, 1, 0))
    linear = SpikingLinear(18, 4)
    with torch.no_grad():
        linear.weight.copy_(layer.weight.flatten(1))
        linear.bias.copy_(layer.bias)
    linear(rows)
    expected = own.membranes(linear, rows)  # [image · place, instant, channel]
    expected = expected.view(2, -1, *expected.shape[1:]).permute(0, 2, 3, 1).flatten(2)
    assert found.shape == expected.shape == (2, len(own.grid), 4 * 3 * 3)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


PUBLISHED = Path(__file__).parents[2] / "reports/published"


def _characterised(kind, spec):
    """A layer and spikes that meet often, some at once, on a circuit; numpy's times and weights of each neuron."""
    rng, bias_z = np.random.default_rng(11), 1.0
    t = rng.uniform(0.0, 1.5, (2, 3, 5, 4)).round(2)
    t[rng.random(t.shape) < 0.2] = np.inf
    z = torch.from_numpy(np.exp(t)).float()
    torch.manual_seed(5)
    layer = SpikingConv2d(3, 4, 3, padding=(1, 1, 1, 1)) if kind == "conv" else SpikingLinear(60, 7)
    with torch.no_grad():
        layer.weight.normal_(0.0, 0.3)
        layer.bias.normal_(0.0, 0.2)
        z = z if kind == "conv" else z.flatten(1)
        layer(z)
        seen = patches(z, (3, 3), 1, Padding(1, 1, 1, 1)) if kind == "conv" else z
    weights = layer.weight.detach().flatten(1).double().numpy()
    times = np.log(seen.double().numpy())
    times = np.concatenate([times, np.full((len(times), 1), np.log(bias_z))], axis=1)
    weights = np.concatenate([weights, layer.bias.detach().double().numpy()[:, None]], axis=1)
    return layer, z, np.repeat(times, len(weights), axis=0), np.tile(weights, (len(times), 1))


@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize("circuit", ["datasheet-generic65/spec.toml", "mnist-network/transistor/table.nc"])
def test_membranes_of_a_characterised_circuit_are_those_of_numpy(circuit, kind):
    """Pulse overlap and earlier sinks included, to float32: 1e-5 thresholds of sums over 28 and 61 spikes.

    First passages on the same grid: rounding moves a crossing by its slope, so 99 of 100 within 1e-4 τ. Without
    overlap the same test fails by more than 0.05 thresholds.
    """
    table = NoiseTable.load(PUBLISHED / "mnist-network/transistor/table.nc")
    mapped = MappedNetwork.from_dict(table.provenance["network"])
    spec = NeuronSpec.from_toml(PUBLISHED / circuit) if circuit.endswith("toml") else mapped.neuron_of(2)
    layer, z, times, weights = _characterised(kind, spec)
    own = FirstPassages(table.layers[2], spec, ("systematic", "event"))

    def by_neuron(v, neurons):
        v = v.view(len(z), v.shape[1], neurons, -1).permute(0, 3, 2, 1)  # [image, place, neuron, instant]
        return v.reshape(-1, v.shape[3]).double().numpy()

    with torch.no_grad():
        here = by_neuron(own.membranes(layer, z), len(layer.weight))
        plain = copy(own)
        plain.overlap = PulseOverlap.of(spec.replace(circuit=None))
        without = by_neuron(plain.membranes(layer, z), len(layer.weight))
    there = membranes(spec, times, weights, STEP_over_tau)
    np.testing.assert_allclose(there.grid, own.grid.numpy(), rtol=1e-6)
    np.testing.assert_allclose(here, there.v, atol=1e-5)
    assert np.abs(without - there.v).max() > 0.05
    rng = np.random.default_rng(12)
    shift, xi = 0.05 * rng.standard_normal(len(here)), rng.standard_normal(len(here))
    expected = there.first_passages(shift, xi)
    v, moved, event = (
        torch.from_numpy(values).float() for values in (here.T[None, None], shift[None, None], xi[None, None])
    )
    found = own._first(v, moved, event)[0, 0].numpy()
    fired = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(found), fired)
    assert 0.1 < fired.mean() < 0.95
    assert np.mean(np.abs(found[fired] - expected[fired]) < 1e-4) >= 0.99


def test_gradients_run_through_the_shared_relations():
    """By finite differences, in float64: the time of a first passage against its membrane."""
    grid = torch.linspace(0.0, 2.0, 21, dtype=torch.float64)
    weight = torch.tensor([1.7, 2.2], dtype=torch.float64, requires_grad=True)

    def passage(weight):
        v = weight * unit_response(grid[:, None], (6.0, 1.5), torch)
        return first_passage(v - 1.0, grid, 0.1, 0, torch)

    assert torch.isfinite(passage(weight)).all()
    assert torch.autograd.gradcheck(passage, (weight,))


def test_small_layers_follow_their_membranes_and_others_move_by_slope():
    table, z = _table("passage"), torch.exp(2 * torch.rand(3, INPUTS))
    network = torch.nn.Sequential(_layer("linear"))
    with torch.no_grad():
        by_slope, passed, default = (
            NoisyNetwork(network, table, ("event",), **size)(z)
            for size in ({"first_passage_neurons": 11}, {"first_passage_neurons": 12}, {})
        )
    torch.testing.assert_close(passed, default, rtol=0, atol=0)
    assert not torch.equal(by_slope, passed)
