"""The Triton kernels against the event loop: on a GPU where there is one, else in Triton's interpreter."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from neurocircuit.snn.functional import event_loop
from neurocircuit.snn.functional.arguments import Layer, OutputGradients
from neurocircuit.snn.functional.geometry import resolve_padding

pytest.importorskip("triton", reason="triton is not installed: its kernels stay untested here")
ON_GPU = torch.cuda.is_available()
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

kernel_runs = pytest.mark.skipif(not (ON_GPU or INTERPRETED), reason="runs in the interpreter, in a process of its own")


@pytest.mark.skipif(ON_GPU or INTERPRETED, reason="this process runs the kernels itself")
def test_in_the_interpreter():
    """Triton decides when it is imported, which torch does, so this file runs once more with the switch set."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    run = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "25 passed, 1 skipped" in run.stdout


@pytest.fixture(scope="module")
def kernels():
    from neurocircuit.snn.functional import triton

    return triton


@kernel_runs
@pytest.mark.parametrize("with_slope", [False, True])
@pytest.mark.parametrize("arming_z", [0.0, 2.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("inputs", "image", "outputs", "kernel", "stride"), [(3, 5, 7, 3, 2), (2, 3, 70, 2, 1), (40, 1, 5, 1, 1)]
)
def test_agrees_with_event_loop(kernels, inputs, image, outputs, kernel, stride, dtype, arming_z, with_slope):
    generator = torch.Generator().manual_seed(0)
    options = {"generator": generator, "dtype": dtype}
    z = torch.exp(2 * torch.rand((2, inputs, image, image), **options))
    z[torch.rand(z.shape, generator=generator) < 0.1] = torch.inf
    z[0, 0] = 1.5  # equal times
    z[1] = torch.inf if with_slope else z[1]  # an image without spikes
    neurons = inputs * kernel**2
    weight = 3 / neurons + 0.5 / neurons**0.5 * torch.randn((outputs, inputs, kernel, kernel), **options)
    bias, rest = (
        torch.randn((2, outputs), **options) / 3,
        ([1.2, 0.9], stride, resolve_padding("same", (image,) * 2, (kernel,) * 2, stride), arming_z),
    )
    on = {"device": "cuda"} if ON_GPU else {}
    moved = [tensor.to(**on) if on else tensor for tensor in (z, weight, bias)]
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-12}
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # the interpreter runs on numpy
        layer = Layer(*moved, *rest)
        fired = kernels.forward(layer)
        grads = [torch.randn(fired[0].shape, **options) for _ in range(2)]
        upstream = [grad.to(**on) if on else grad for grad in (grads if with_slope else grads[:1])]
        got = kernels.backward(OutputGradients(upstream[0], upstream[1] if with_slope else None), layer, fired, True)
    layer = Layer(z, weight, bias, *rest)
    expected = event_loop.forward(layer)
    for ours, other in zip(fired, expected, strict=True):
        torch.testing.assert_close(ours.cpu(), other, **tolerance)
    of_outputs = OutputGradients(grads[0], grads[1] if with_slope else None)
    expected = event_loop.backward(of_outputs, layer, expected, True)
    for ours, other in zip(got, expected, strict=True):  # sums of terms over small slopes, in another order
        torch.testing.assert_close(ours.cpu(), other, rtol=10 * tolerance["rtol"], atol=tolerance["atol"])


@kernel_runs
def test_empty_batch(kernels):
    z, weight = torch.ones(0, 3, 2, 2), torch.ones(4, 3, 1, 1)
    layer = Layer(z, weight, None, [], 1, resolve_padding(0, (2, 2), (1, 1), 1))
    fired = kernels.forward(layer)
    assert fired[0].shape == (0, 4, 2, 2)
    grads = kernels.backward(OutputGradients(torch.ones_like(fired[0]), None), layer, fired, True)
    assert torch.equal(grads[1], torch.zeros_like(weight))
