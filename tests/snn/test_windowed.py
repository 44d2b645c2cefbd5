"""Windowed layers by themselves: functional and module form, gradients, the code of the ramp."""

import math

import pytest
import torch

from neurocircuit.snn.functional.windowed import carried, windowed_conv2d, windowed_linear
from neurocircuit.snn.windowed import WindowedConv2d, WindowedLinear


@pytest.mark.parametrize("form", ["forced", "ramp"])
def test_gradients_are_those_of_finite_differences(form):
    y = torch.tensor([-0.7, 0.2, 0.9, 1.6, 2.9, 3.4], dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: carried(y, 3.0, 0.8, form), y)
    assert torch.autograd.grad(carried(y, 3.0, 0.8, form).sum(), y)[0][[0, -1]].tolist() == [0, 0]


def test_the_ramp_is_read_as_the_time_of_its_spike():
    """t = T (1 - y/X) after the arming is the spike e^(t - T), which the next layer reads as linear in z."""
    T, X = 0.8, 3.0
    y = torch.linspace(0, X, 9, dtype=torch.double)
    z = torch.exp(T * (1 - y / X) - T)
    torch.testing.assert_close(carried(y, X, T, "ramp"), X * (1 - z) / (1 - math.exp(-T)), rtol=1e-12, atol=1e-12)
    assert (carried(y, X, T, "ramp")[1:-1] > y[1:-1]).all()
    torch.testing.assert_close(carried(y, X, 1e-6, "ramp"), y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", ["forced", "ramp"])
def test_modules_are_the_functions(form):
    torch.manual_seed(0)
    x = torch.rand(2, 3, 6, 6)
    conv = WindowedConv2d(3, 4, 3, largest=0.5, form=form, stride=2, padding=1)
    linear = WindowedLinear(36, 5, largest=0.3, form=form)
    between = windowed_conv2d(x, conv.weight, conv.bias, 0.5, 0.5, form, 2, 1)
    assert torch.equal(conv(x), between)
    assert torch.equal(
        linear(between.flatten(1)), windowed_linear(between.flatten(1), linear.weight, linear.bias, 0.3, 0.5, form)
    )
    assert 0 < float(between.detach().max()) <= 0.5
    assert "largest=0.5" in repr(conv)
    assert form in repr(linear)


def test_half_precision_layers_train():
    conv = WindowedConv2d(3, 4, 3, largest=0.5, form="ramp")
    with torch.autocast("cpu", torch.bfloat16):
        y = conv(torch.rand(2, 3, 6, 6))
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert conv.weight.grad.abs().sum() > 0
