"""Weights of windowed layers rounded as the circuit holds their synapses, in training and evaluation."""

import copy

import numpy as np
import pytest
import torch

import neurocircuit as nc
from neurocircuit.network.windowed import WindowedNetwork as Physical
from neurocircuit.snn.evaluate import against_exact
from neurocircuit.snn.hardware.quantise import Rounding, round_once, round_to, set_rounding, to_words
from neurocircuit.spec import WeightBank
from tests.snn.conversion.networks import RandomGraph, settle
from tests.snn.digits_recipe import PLAIN_DIGITS, relu_network

FORMS = ("forced", "ramp")


def converted(form, seed=3):
    """A random graph with branches, strides, groups, pooling and padding, in float64, and its images."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(6, 2, 8, 8, generator=generator, dtype=torch.double)
    torch.manual_seed(seed)
    relu = settle(RandomGraph(np.random.default_rng(seed)), images, generator)
    return nc.snn.convert(relu, images, form=form), images


def physical(network):
    return Physical(network.graph, {name: value.detach().numpy() for name, value in network.state_dict().items()})


@pytest.mark.parametrize("full_scale", ["layer", "neuron"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(4))
def test_synapses_are_those_of_the_circuit(form, full_scale, seed):
    """Rounded in torch and unrolled, the synapses are those that the unrolled network's banks make."""
    network, _ = converted(form, seed)
    rounded = copy.deepcopy(network)
    round_once(rounded, Rounding("bank", 4, WeightBank(), full_scale=full_scale))
    slope_changes = False
    for layer, made in zip(physical(network).layers, physical(rounded).layers, strict=True):
        synapses = layer.kernel[:, :-2]
        expected = round_to(synapses if full_scale == "neuron" else synapses.ravel(), "bank", 4, WeightBank())
        expected = expected.reshape(synapses.shape)
        assert not np.allclose(expected, synapses, rtol=1e-3)  # rounding is seen
        slope_changes = slope_changes or (form == "forced" and bool(layer.late.any()))
        if not slope_changes:
            ordered = [np.sort(rows, axis=1) for rows in (made.kernel[:, :-2], expected)]  # zeros may have moved
            np.testing.assert_allclose(*ordered, rtol=1e-9, atol=1e-12)
            assert len(np.unique(np.round(made.kernel[0, :-2], 9))) <= 2 * 15 + 1


@pytest.mark.parametrize("form", FORMS)
def test_spikes_and_dense_layers_agree_with_rounded_weights(form):
    network, images = converted(form)
    y, exact = network(images), against_exact(network, images)
    set_rounding(network, Rounding("word", 5, WeightBank(), full_scale="neuron"))
    rounded = against_exact(network, images)
    for each in (exact, rounded):
        assert each.same_decisions == len(images)
        assert each.largest_error_over_tau < 1e-9
    assert not torch.allclose(network(images), y, rtol=1e-3)
    set_rounding(network, None)
    assert torch.equal(network(images), y)


def test_straight_through_gradients_are_those_at_the_rounded_weights():
    network, images = converted("ramp")
    rounding = Rounding("bank", 3, WeightBank(), full_scale="neuron")
    held = copy.deepcopy(network)
    round_once(held, rounding)
    set_rounding(network, rounding)
    upstream = torch.randn(network(images).shape, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    got, expected, unrounded = (
        torch.autograd.grad((each(images) * upstream).sum(), list(each.parameters()))
        for each in (network, held, converted("ramp")[0])
    )
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    assert not all(torch.allclose(one, other, rtol=1e-3) for one, other in zip(got, unrounded, strict=True))


@pytest.mark.parametrize("kind", ["bank", "word"])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_each_neuron_has_a_full_scale_of_its_own(kind, bits):
    """A neuron of weights a hundred times smaller keeps as many levels; with one full scale it loses them."""
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 1, (3, 500)) * np.array([[1.0], [0.01], [0.0]])
    made = round_to(weights, kind, bits, WeightBank())
    together = round_to(weights.ravel(), kind, bits, WeightBank()).reshape(weights.shape)
    codes = 2 * (2**bits - 1) + 1 if kind == "bank" else 2**bits - 1
    for k in (0, 1):
        assert len(np.unique(np.round(made[k] / np.abs(weights[k]).max(), 9))) <= codes
    errors = [
        np.square(each - weights).sum(axis=1) / np.maximum(np.square(weights).sum(axis=1), 1e-30)
        for each in (made, together)
    ]
    assert errors[0][1] == pytest.approx(errors[0][0], rel=0.4)
    assert errors[0][1] < 0.3 * errors[1][1]
    assert (made[2] == 0).all()


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_no_other_step_of_a_neuron_is_much_closer(bits):
    weights, top = np.random.default_rng(4).normal(0, 1, (2, 4000)), 2 ** (bits - 1) - 1
    errors = np.mean((to_words(weights, bits) - weights) ** 2, axis=1)
    for step in np.linspace(0.01, 2, 400) / top * np.abs(weights).max():
        other = np.clip(np.round(weights / step), -top, top) * step
        assert (errors <= np.mean((other - weights) ** 2, axis=1) * 1.06).all()


@pytest.fixture(scope="module")
def ramp(tmp_path_factory):
    """A ReLU network for the digits after some epochs, in form ramp and fine-tuned."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("ramp")
    nc.snn.convert(relu_network(), nc.data.digits("train")[:200]).save(folder / "ramp.pt")
    return train(folder / "ramp.pt", folder / "tuned", "epochs=8", "lr=0.01")


def train(initial, out, *settings, **options):
    changes = (
        *PLAIN_DIGITS,
        "averaging=0.9",
        *settings,
    )
    return nc.snn.train("mnist_windowed_finetune", initial=initial, settings=changes, out=out, threads=1, **options)


def held_out():
    return nc.data.digits("held_out", held_out=300)


def test_training_with_few_bits_wins_back_what_rounding_costs(ramp, tmp_path):
    """300 images: 0.1 is more than three standard errors of the difference."""
    tuned = train(ramp, tmp_path / "run", "epochs=20", "lr=0.02", bits=1)
    before, after = (nc.evaluate(each, held_out(), bits=1, full_scale="neuron") for each in (ramp, tuned))
    assert (after.bits, after.full_scale) == (1, "neuron")
    assert "weights of 1 bit" in str(after)
    assert after.accuracy > before.accuracy + 0.1
    assert after.exact.same_decisions == after.exact.images
    assert after.exact.largest_error_over_tau < 1e-5
    assert nc.load(tmp_path / "run").held_out_accuracy == pytest.approx(after.accuracy, abs=0.02)  # undecided images
    assert nc.evaluate(ramp, held_out(), bits=32).accuracy == nc.evaluate(ramp, held_out()).accuracy


def test_evaluate_rounds_free_networks_too(tmp_path):
    model = nc.snn.train("digits", settings=["epochs=2"], out=tmp_path / "run", threads=1)
    exact, rounded, other = (nc.evaluate(model, "test", bits=bits).accuracy for bits in (None, 8, 1))
    assert abs(exact - rounded) < 0.02
    assert other < exact - 0.1
    assert nc.evaluate(model, "test").accuracy == exact  # the model keeps its weights
    with pytest.raises(nc.errors.InputError, match="bits must be left out beside a noise table"):
        nc.evaluate(model, "test", bits=4, noise="table.nc")
