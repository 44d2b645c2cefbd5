"""What makes ten and more layers trainable, measured: neurons alive, spread of spike times, gradients by layer."""

import itertools
import math
import os
import resource

import numpy as np
import pytest
import torch
from torch import nn

from neurocircuit.snn import checkpoint
from neurocircuit.snn.data import library
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.encode import Encoding, encode
from neurocircuit.snn.loss import LossSpec, spike_loss
from neurocircuit.snn.models import Builder, NetworkSpec, spiking_layers
from neurocircuit.snn.recipe import OptimiserSpec, Recipe, Subject
from neurocircuit.snn.training.optimise import bound_gradients, new_optimiser

TEN = (16, 16, 16, "pool", 16, 16, 16, "pool", 16, 16, 16)
needs_data = pytest.mark.skipif(os.environ.get(library.VARIABLE) is None, reason=f"{library.VARIABLE} is not set")


def ten_layers(**values):
    """Nine 3x3 layers with two poolings, and an FC layer."""
    spec = NetworkSpec(**values)
    make = Builder(spec, (1, 16, 16), torch.Generator().manual_seed(1))
    stages = []
    for part in TEN:
        stages += [make.pool(2, 2)] if part == "pool" else [*(make.clock() if stages else []), make.conv(part, 3)]
    return nn.Sequential(*stages, *make.clock(), nn.Flatten(), make.linear(10)).train()


def digits(count):
    """Input spikes [image, 1, 16, 16] and labels of the first digits."""
    pytest.importorskip("sklearn")
    pixels, labels = library.load(DataSpec(), "train").batch(np.arange(count))
    z = encode(torch.from_numpy(pixels / np.float32(255)), Encoding(kind="bright_first"))
    return nn.functional.interpolate(z, scale_factor=2), torch.from_numpy(labels)


def at_the_start(network, z, target):
    """By layer: fraction of neurons that spike, and |gradient|/|weights| of the loss."""
    outputs = []
    for layer in spiking_layers(network):
        layer.register_forward_hook(lambda module, inputs, output: outputs.append(output.detach()))
    spike_loss(network(z), target, LossSpec()).backward()
    free = [
        next(p for name, p in layer.named_parameters() if name.endswith(("original", "weight")))
        for layer in spiking_layers(network)
    ]
    gradients = [float(p.grad.norm() / p.detach().norm()) for p in free]
    return [float(torch.isfinite(out).float().mean()) for out in outputs], gradients


def decades(values):
    return math.log10(max(values) / min(values))


def test_ten_layers_start_alive_with_gradients_within_two_decades():
    alive, gradients = at_the_start(ten_layers(), *digits(16))

    assert len(alive) == 10
    assert min(alive) > 0.7
    assert decades(gradients) < 2


def test_a_small_spread_of_weights_makes_gradients_vanish_with_depth():
    """The first recipe of the feasibility study, S = 4 and s = 0.5: the reason for the defaults."""
    _, small = at_the_start(ten_layers(initial_sum=4.0, initial_spread=0.5), *digits(16))
    _, default = at_the_start(ten_layers(), *digits(16))

    assert decades(small) > decades(default) + 1


def train(network, batches, lr):
    """Loss of each step of Adam with gradients of norm 1 for each layer, the default of deep recipes."""
    spec, losses = OptimiserSpec(gradient="unit_per_layer"), []
    optimiser = new_optimiser(network, spec)
    for step, (z, target) in enumerate(batches):
        loss = spike_loss(network(z), target, LossSpec())
        optimiser.zero_grad()
        loss.backward()
        bound_gradients(network.parameters(), spec)
        for group in optimiser.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / 10)
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_ten_layers_learn():
    """The loss goes from 2.4 … 2.5 (mean of 10 steps) to 0.54 … 0.79 in 60 steps over 200 digits; seeds 1 to 5."""
    z, target = digits(200)
    parts = [(z[k : k + 20], target[k : k + 20]) for k in range(0, 200, 20)]

    losses = train(ten_layers(), itertools.islice(itertools.cycle(parts), 60), lr=5e-3)

    assert np.mean(losses[:10]) > 2.0
    assert np.mean(losses[-10:]) < 1.1


@pytest.mark.long
@needs_data
def test_spiking_vgg16_starts_alive_with_gradients_within_two_decades():
    subject = Subject(name="vgg", data=DataSpec(name="cifar10"), network=NetworkSpec(name="spiking_vgg16"))
    network = checkpoint.new_network(subject, torch.Generator().manual_seed(1)).train()
    pixels, labels = library.load(subject.data, "official").batch(np.arange(8))
    z = encode(torch.from_numpy(pixels / np.float32(255)), Encoding(kind="dark_first"))

    alive, gradients = at_the_start(network, z, torch.from_numpy(labels))

    assert len(alive) == 17
    assert min(alive) > 0.7
    assert decades(gradients) < 2


@pytest.mark.long
@needs_data
def test_spiking_vgg16_loss_falls_steadily_over_200_steps():
    recipe = Recipe(name="vgg", data=DataSpec(name="cifar10"), network=NetworkSpec(name="spiking_vgg16"))
    network = checkpoint.new_network(recipe, torch.Generator().manual_seed(1)).train()
    source = library.load(recipe.data, "train")

    def batches():
        for start in range(0, 200 * 16, 16):
            pixels, labels = source.batch(np.arange(start, start + 16))
            z = encode(torch.from_numpy(pixels / np.float32(255)), Encoding(kind="dark_first"))
            yield z, torch.from_numpy(labels)

    quarters = np.array(train(network, batches(), lr=1e-3)).reshape(4, 50).mean(axis=1)

    assert (np.diff(quarters) < 0).all()


@pytest.mark.long
def test_spiking_googlenet_takes_a_step_at_batch_2_within_24_gib():
    subject = Subject(name="g", data=DataSpec(name="image_folder"), network=NetworkSpec(name="spiking_googlenet"))
    network = checkpoint.new_network(subject, torch.Generator().manual_seed(1)).train()
    z = torch.exp(3 * torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(2)))

    losses = train(network, [(z, torch.tensor([3, 7]))], lr=1e-3)

    assert math.isfinite(losses[0])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < 24 * 2**30
