"""A ReLU network trained by a recipe: it learns, goes on after an interruption, and converts."""

import numpy as np
import pytest
import torch
from torch import nn

import neurocircuit as nc
from neurocircuit.errors import InputError, SpecError
from neurocircuit.snn import evaluate
from neurocircuit.snn.encode import Encoding, encode
from neurocircuit.snn.models import count_weights
from neurocircuit.snn.recipe import load_recipe
from neurocircuit.snn.relu import WHITENING_EPSILON, PixelsOf, ReluNetwork, build_compact, build_vgg16
from neurocircuit.snn.training.optimise import new_optimiser
from neurocircuit.snn.training.run import Trainer

SETTINGS = (
    "name=small",
    "data.name=digits",
    "data.test_from_training=0",
    "data.held_out=300",
    "network.widths=[8, 8, 8]",
    "flip=false",
    "alternate=false",
    "shift_px=0",
    "cutout_px=0",
    "averaging=0.5",
    "batch_size=100",
    "epochs=6",
    "warmup_steps=10",
    "checkpoint_steps=4",
    "precision=float32",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return nc.snn.train("cifar10_windowed", settings=SETTINGS, out=tmp_path_factory.mktemp("run") / "a", threads=1)


def held_out():
    return nc.data.digits("held_out", held_out=300)


def test_it_learns_and_the_windowed_network_decides_alike(trained):
    """Six epochs of digits: far above 10 %; spikes by the exact rule agree on every image."""
    images = held_out()
    pixels, labels = torch.from_numpy(images.pixels) / 255, torch.from_numpy(images.labels)
    network = nc.snn.convert(trained, nc.data.digits("train")[:400], form="forced")
    with torch.no_grad():
        y = trained.network.eval().inner(pixels)
        decided = network.first_spike(network.spikes(pixels)[network.graph.nodes[-1].name])
        by_spikes = evaluate.accuracy(trained.network, images, trained.subject)
    assert float((y.argmax(1) == labels).double().mean()) == pytest.approx(by_spikes)
    assert by_spikes > 0.5
    assert float((decided == y.argmax(1)).double().mean()) > 0.99


def test_an_interrupted_run_ends_with_the_same_weights(trained, tmp_path):
    class Stop(Exception):
        pass

    def stop(step, steps, text):
        if step == 17:
            raise Stop

    options = {"settings": SETTINGS, "out": tmp_path / "b", "threads": 1}
    with pytest.raises(Stop):
        nc.snn.train("cifar10_windowed", progress=stop, **options)
    again = nc.snn.train("cifar10_windowed", resume=True, **options)
    for name, value in trained.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


def test_a_relu_network_is_neither_evaluated_as_spikes_nor_mapped(trained):
    with pytest.raises(InputError, match="convert it first"):
        evaluate.evaluate(trained.network, held_out(), trained.subject)
    with pytest.raises(InputError, match="no circuit: convert it first"):
        nc.map(trained, images=held_out()[:5])


@pytest.mark.parametrize("name", ["relu_compact", "relu_vgg16"])
def test_it_needs_the_linear_encoding(tmp_path, name):
    settings = (*SETTINGS, f"network.name={name}", "encoding.kind=dark_first")
    with pytest.raises(SpecError, match=rf"encoding\.kind must be linear for {name}, got dark_first"):
        nc.snn.train("cifar10_windowed", settings=settings, out=tmp_path / "c")


def test_vgg16_has_the_weights_of_table_1_and_passes_its_inputs_on():
    """54 million weights; what differs between images neither vanishes nor explodes over its 17 layers."""
    generator = torch.Generator().manual_seed(0)
    network = build_vgg16(Encoding(kind="linear"), (3, 32, 32), 10, generator)
    assert count_weights(network) == pytest.approx(54e6, rel=0.01)
    with torch.no_grad():
        y = network.inner(torch.rand(8, 3, 32, 32, generator=generator))
    assert y.shape == (8, 10)
    assert 0.1 < float(y.std(dim=0).mean()) < 10


def test_pixels_come_back_from_their_spikes():
    pixels = torch.rand(2, 1, 4, 4, dtype=torch.double)
    encoding = Encoding(kind="linear", alpha=0.5)
    z = encode(pixels, encoding)
    assert float(z.min()) >= 1
    assert float(z.max()) <= np.exp(0.5)
    torch.testing.assert_close(PixelsOf(encoding)(z), pixels, rtol=1e-12, atol=1e-12)


def test_whitened_patches_have_unit_covariance():
    """Of pixels that hang together; the filters and their opposites, without their mean."""
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(200, 1, 9, 9, generator=generator)
    pixels = nn.functional.avg_pool2d(rough, 2, 1) + 0.3 * torch.rand(200, 1, 8, 8, generator=generator)
    network = build_compact(Encoding(kind="linear"), (2, 2, 2), (1, 8, 8), 10, generator)
    network.whiten(pixels)
    with torch.no_grad():
        values = network.inner[0](pixels).permute(1, 0, 2, 3).flatten(1).double()
    half = len(values) // 2
    torch.testing.assert_close(values[:half], -values[half:], rtol=1e-4, atol=1e-4)
    spread = torch.linalg.eigvalsh(torch.cov(values[:half]))
    assert float(spread.max()) < 1.0 + 1e-4
    assert float(spread.min()) > 1 / (1 + WHITENING_EPSILON / 1e-3)
    assert float(values.mean(1).abs().max()) < 1e-4


def test_each_image_is_mirrored_in_every_second_epoch(tmp_path):
    changes = (*SETTINGS[:5], "flip=true", "alternate=true", *SETTINGS[7:])
    trainer = Trainer(load_recipe("cifar10_windowed", changes), tmp_path, None, torch.device("cpu"))
    indices = np.arange(60)
    plain = trainer.train_images.batch(indices)[0] / np.float32(255)
    mirrored = []
    for epoch in range(3):
        trainer.sampler.epoch = epoch
        z, _ = trainer._inputs(indices)
        pixels = PixelsOf(trainer.recipe.encoding)(z).numpy()
        same = np.abs(pixels - plain).max(axis=(1, 2, 3)) < 1e-5
        flipped = np.abs(pixels - plain[..., ::-1]).max(axis=(1, 2, 3)) < 1e-5
        assert (same | flipped).all()
        mirrored.append(flipped & ~same)
    assert np.array_equal(mirrored[0], mirrored[2])
    assert np.array_equal(mirrored[0], ~mirrored[1])
    assert 0.2 < mirrored[0].mean() < 0.8


def test_biases_of_batch_norms_learn_faster_and_decay_alike():
    network = build_compact(Encoding(kind="linear"), (2, 2, 2), (1, 8, 8), 10, torch.Generator().manual_seed(0))
    spec = load_recipe("cifar10_windowed").optimiser
    weights, biases = new_optimiser(network, spec).param_groups
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {id(p) for p in biases["params"]} == {id(norm.bias) for norm in norms}
    assert biases["factor"] == 64
    assert biases["factor"] * biases["weight_decay"] == pytest.approx(weights["weight_decay"])
    frozen = {id(p) for p in network.parameters() if not p.requires_grad}
    assert len(frozen) == 1 + len(norms)
    assert not frozen & {id(p) for group in (weights, biases) for p in group["params"]}
    assert isinstance(network, ReluNetwork)
