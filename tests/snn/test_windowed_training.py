"""Windowed networks fine-tuned by a recipe: they learn, go on after an interruption, and train under jitter."""

import math

import numpy as np
import pytest
import torch

import neurocircuit as nc
from neurocircuit.errors import FileFormatError, SpecError
from neurocircuit.neuron import windows
from neurocircuit.snn.functional.windowed import jittered, jittered_readout
from neurocircuit.snn.hardware.jitter import JitteredWindows
from neurocircuit.spec.windowed import LayerNode, Term
from tests.snn.digits_recipe import PLAIN_DIGITS, relu_network

SETTINGS = (*PLAIN_DIGITS, "checkpoint_steps=4")


@pytest.fixture(scope="module")
def ramp(tmp_path_factory):
    """A random ReLU network for the digits, converted into form ramp: at chance."""
    network = nc.snn.convert(relu_network(), nc.data.digits("train")[:200], form="ramp")
    path = tmp_path_factory.mktemp("ramp") / "ramp.pt"
    network.save(path)
    return path


def train(initial, out, *settings, **options):
    changes = (*SETTINGS, *settings)
    return nc.snn.train("mnist_windowed_finetune", initial=initial, settings=changes, out=out, threads=1, **options)


def held_out():
    return nc.data.digits("held_out", held_out=300)


def test_it_learns_as_spikes(ramp, tmp_path):
    before = nc.evaluate(ramp, held_out())
    model = train(ramp, tmp_path / "run", "epochs=8", "averaging=0.9", "lr=0.01")
    after = nc.evaluate(model, held_out())
    assert before.accuracy < 0.4
    assert after.accuracy > 0.75
    assert after.exact.same_decisions == after.exact.images
    assert after.exact.largest_error_over_tau < 1e-5
    assert nc.load(tmp_path / "run").held_out_accuracy == pytest.approx(after.accuracy, abs=0.02)  # undecided images
    assert after.undecided <= 3
    graph, converted = model.network.inner.graph, nc.snn.WindowedNetwork.load(ramp).graph
    assert graph.nodes[:-1] == converted.nodes[:-1]
    assert graph.nodes[-1].largest > converted.nodes[-1].largest  # the read-out's window follows the outputs


def test_an_interrupted_run_ends_with_the_same_weights(ramp, tmp_path):
    class Stop(Exception):
        pass

    def stop(step, steps, text):
        if step == 7:
            raise Stop

    jitter = "jitter_over_tau=0.02"
    whole = train(ramp, tmp_path / "a", jitter)
    with pytest.raises(Stop):
        train(ramp, tmp_path / "b", jitter, progress=stop)
    again = train(ramp, tmp_path / "b", jitter, resume=True)
    plain = train(ramp, tmp_path / "c")
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
        assert not torch.equal(value, plain.network.state_dict()[name]), name


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (("hardware.jitter=0.1",), SpecError, r"hardware\.jitter is for free networks only"),
        (
            ("hardware.noise=a.nc", "hardware.mode=transfer"),
            SpecError,
            r"hardware\.mode transfer is for free networks only",
        ),
        (("loss.l2=1.0",), SpecError, r"loss\.l2 must be 0 for a windowed network, got 1"),
        (("alpha=1.0",), FileFormatError, r"for the recipe's encoding, .*e\^1.*: it was trained with .*e\^0\.5"),
    ],
)
def test_what_does_not_fit_is_named(ramp, tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        train(ramp, tmp_path / "run", *settings)


def test_it_needs_a_converted_network(tmp_path, ramp):
    with pytest.raises(SpecError, match="needs initial, the file of a converted network"):
        train(None, tmp_path / "run")
    with pytest.raises(SpecError, match=r"hardware\.jitter_over_tau is for windowed networks only"):
        nc.snn.train("digits", settings=["jitter_over_tau=0.1"], out=tmp_path / "run")
    model = nc.snn.train("digits", settings=["epochs=1", "batch_size=400"], out=tmp_path / "free", threads=1)
    with pytest.raises(FileFormatError, match="must hold a windowed network"):
        train(model, tmp_path / "run")
    with pytest.raises(FileFormatError, match="must be for the recipe's network"):
        nc.snn.train("digits", initial=ramp, out=tmp_path / "run")


X, T = 3.0, 0.8


def spread(x, delay_over_tau, **options):
    """Spread of an activation x whose spike jitters."""
    delay = delay_over_tau * torch.randn(20_000, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    return float((jittered(torch.full_like(delay, x), X, T, delay, **options) - x).std())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_jitter_moves_an_activation_as_the_formula_says(share):
    """δx = X z δt/L on the layer's clock, e^T at 0 and 1 at X; the formula with z = 1 throughout fails."""
    z = math.exp(T) - math.expm1(T) * share
    expected = X * z * 1e-3 / math.expm1(T)
    assert spread(share * X, 1e-3) == pytest.approx(expected, rel=0.05)
    assert spread(share * X, 1e-3) != pytest.approx(expected / z, rel=0.05) or z < 1.1


def test_jitter_stays_within_the_window_and_passes_gradients_on():
    x = torch.tensor([0.0, 0.0, 1e-3, 1.0, X], dtype=torch.double, requires_grad=True)
    delay = torch.tensor([0.3, -0.3, 0.3, 0.0, -0.3], dtype=torch.double)
    moved = jittered(x, X, T, delay)
    np.testing.assert_allclose(moved.detach().numpy(), [0, 0, 0, 1, X], atol=1e-12)
    assert torch.autograd.grad(moved.sum(), x)[0].tolist() == [1] * 5


@pytest.mark.parametrize("form", ["forced", "ramp"])
def test_the_read_out_jitters_in_time(form):
    term = Term(kind="linear", source="input", weight="v")
    node = LayerNode(
        name="out", terms=(term,), bias="c", channels=2, largest=X, window_over_tau=T, is_readout=True, offset=-1.0
    )
    y, delay = torch.tensor([0.2, 1.5], dtype=torch.double), torch.tensor([0.03, -0.02], dtype=torch.double)
    before, after = (windows.spike_over_tau(form, node, v, torch) for v in (y, jittered_readout(y, node, form, delay)))
    torch.testing.assert_close(after - before, delay, rtol=1e-9, atol=1e-12)


def test_more_jitter_costs_more(ramp, tmp_path):
    """Under the jitter that training has; none is the network itself."""
    model = train(ramp, tmp_path / "run", "epochs=8", "averaging=0.9", "lr=0.01").network.eval()
    images = held_out()
    z = torch.from_numpy(images.pixels) / 255
    z = math.exp(0.5) - math.expm1(0.5) * z
    right = []
    for jitter in (0.0, 0.02, 0.2):
        with torch.no_grad():
            out = JitteredWindows(model, jitter)(z)
        right.append(float((out.argmin(1).numpy() == images.labels).mean()))
    with torch.no_grad():
        assert right[0] == float((model(z).argmin(1).numpy() == images.labels).mean())
    assert right[0] + 0.02 >= right[1] > right[2] + 0.1
