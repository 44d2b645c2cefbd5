"""A windowed layer, and a step of SpikingVGG16, against the same conv2d and ReLU, forward and backward; `make bench`.

Both sides run alternately in one process on one thread; ratios are medians of ratios of neighbouring runs.
"""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as dense

import neurocircuit as nc
from neurocircuit.snn.functional.windowed import windowed_conv2d
from neurocircuit.snn.models import VGG16_GROUPS, VGG16_NEURONS
from tests.benchmarks.test_layer_speed import compare

SHAPES = {"24 to 64 at 31": (24, 31, 64), "64 to 256 at 15": (64, 15, 256), "256 to 256 at 7": (256, 7, 256)}
LIMITS = {"forced": 1.15, "ramp": 1.5}  # ramp: two exponentials more for each neuron
VGG_LIMIT = 1.6  # three steps of seconds each: 1.0 to 1.3 in repeated runs, most of it gradients of 54 million weights


@pytest.mark.parametrize("form", LIMITS)
@pytest.mark.parametrize("name", SHAPES)
def test_windowed_layer_against_conv2d_and_relu(benchmark, name, form):
    inputs, image, outputs = SHAPES[name]
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((32, inputs, image, image), generator=generator).to(memory_format=torch.channels_last)
    weight = torch.randn(outputs, inputs, 3, 3, generator=generator) / (9 * inputs) ** 0.5
    bias = torch.zeros(outputs)
    leaves = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    upstream = torch.randn(32, outputs, image, image, generator=generator).to(memory_format=torch.channels_last)

    def windowed():
        y = windowed_conv2d(x, weight, bias, 2.0, 0.5, form, padding=1)
        torch.autograd.grad(y, leaves, upstream)

    def plain():
        y = torch.relu(dense.conv2d(x, weight, bias, padding=1))
        torch.autograd.grad(y, leaves, upstream)

    assert compare(benchmark, windowed, plain, threads=1) < LIMITS[form]


def relu_vgg16():
    """SpikingVGG16 of Table 1 as a ReLU network: five groups of 3x3 layers, then 4096, 4096, 512 and 10 neurons."""
    layers, before = [], 3
    for channels, repeats in VGG16_GROUPS:
        for _ in range(repeats):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
            before = channels
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.Flatten())
    for neurons in VGG16_NEURONS:
        layers += [nn.Linear(before, neurons), nn.ReLU()]
        before = neurons
    return nn.Sequential(*layers, nn.Linear(before, 10))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("form", LIMITS)
def test_training_step_of_spiking_vgg16(benchmark, form):
    """Batch 100 of 32 x 32 pixels, one thread: seconds a step; reported too: how far the peak of memory rises in it."""
    torch.manual_seed(0)
    plain = relu_vgg16()
    pixels, labels = torch.rand(100, 3, 32, 32), torch.randint(0, 10, (100,))
    windowed = nc.snn.convert(plain, pixels[:2], form=form)
    weights = benchmark.extra_info["weights"] = sum(weight.numel() for weight in windowed.parameters())
    assert round(weights / 1e6) == 54

    def step(network):
        loss = dense.cross_entropy(network(pixels), labels)
        torch.autograd.grad(loss, list(network.parameters()))

    ratio = compare(benchmark, lambda: step(windowed), lambda: step(plain), threads=1, rounds=3)
    ours, other = (peak_rise_MiB(lambda network=network: step(network)) for network in (windowed, plain))
    benchmark.extra_info |= {"ours_MiB": ours, "other_MiB": other}
    assert ratio < VGG_LIMIT


def peak_rise_MiB(run):
    """How far the resident memory of this process rises above what it holds before."""

    def kilobytes(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field))

    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again at VmRSS
    before = kilobytes("VmRSS")
    run()
    return (kilobytes("VmHWM") - before) / 1024
