"""A windowed layer against the same conv2d and ReLU, forward and backward; `make bench`.

Both sides run alternately in one process on one thread; ratios are medians of ratios of neighbouring runs.
"""

import pytest
import torch
from torch.nn import functional as dense

from neurocircuit.snn.functional.windowed import windowed_conv2d
from tests.benchmarks.test_layer_speed import compare

SHAPES = {"24 to 64 at 31": (24, 31, 64), "64 to 256 at 15": (64, 15, 256), "256 to 256 at 7": (256, 7, 256)}
LIMITS = {"forced": 1.15, "ramp": 1.5}  # ramp: two exponentials more for each neuron


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
