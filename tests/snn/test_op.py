"""The operator as torch sees it, and the implementations behind it against each other."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from neurocircuit._kernel import native
from neurocircuit.snn import functional, layers
from neurocircuit.snn.functional import cpu, event_loop, op
from neurocircuit.snn.functional.arguments import Layer, OutputGradients
from neurocircuit.snn.functional.geometry import Padding, resolve_padding

OP = torch.ops.neurocircuit.causal_conv2d.default
CASES = {  # images, inputs, (height, width), outputs, (kernel), stride, padding
    "mnist 1": (5, 1, (28, 28), 32, (5, 5), 2, "same"),
    "mnist 2": (3, 32, (14, 14), 16, (5, 5), 2, "same"),
    "fully connected": (9, 200, (1, 1), 10, (1, 1), 1, 0),
    "odd": (2, 24, (9, 7), 70, (3, 2), 1, (1, 0, 2, 1)),
    "few patches": (40, 3, (2, 2), 5, (1, 1), 1, 0),
    "wide": (2, 70, (8, 8), 130, (3, 3), 1, 1),
    "skips pixels": (2, 7, (6, 5), 33, (2, 2), 3, 0),
    "tiles": (1, 12, (40, 41), 5, (3, 3), 1, "same"),
}


def draw(case, dtype):
    images, inputs, size, outputs, kernel, stride, padding = CASES[case]
    generator = torch.Generator().manual_seed(0)
    options = {"generator": generator, "dtype": torch.float64}
    z = torch.exp(2 * torch.rand((images, inputs, *size), **options))
    z[torch.rand(z.shape, generator=generator) < 0.1] = torch.inf
    neurons = inputs * kernel[0] * kernel[1]
    weight = 3 / neurons + 0.5 / neurons**0.5 * torch.randn((outputs, inputs, *kernel), **options)
    bias = 0.3 * torch.randn((1, outputs), **options)
    rest = ([1.0], stride, resolve_padding(padding, size, kernel, stride))
    return z.to(dtype), weight.to(dtype), bias.to(dtype), *rest


def draw_layer(case, dtype, arming_z):
    """A drawn layer; one that is armed late has a second bias spike, which comes first."""
    z, weight, bias, (bias_z,), *geometry = draw(case, dtype)
    if not arming_z:
        return Layer(z, weight, bias, [bias_z], *geometry)
    return Layer(z, weight, torch.cat([bias, 0.5 - bias]), [bias_z, 0.9], *geometry, arming_z)


def upstream(z_out, with_slope):
    generator = torch.Generator().manual_seed(1)
    grads = torch.randn((2, *z_out.shape), generator=generator, dtype=z_out.dtype)
    return grads[0], grads[1] if with_slope else None


def assert_close(got, expected, relative):
    """Within a fraction of the largest value: sums over thousands of terms round by that."""
    scale = expected[torch.isfinite(expected)].abs().max().item() if expected.numel() else 1.0
    torch.testing.assert_close(got, expected, rtol=relative, atol=relative * scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("arming_z", [0.0, 4.0])
@pytest.mark.parametrize("case", CASES)
def test_kernel_agrees_with_event_loop(case, arming_z, dtype):
    """Armed before the first input, and within the inputs with two bias spikes."""
    layer = draw_layer(case, dtype, arming_z)
    fired, expected = cpu.forward(layer), event_loop.forward(layer)
    at_arming = fired[0] == arming_z
    assert torch.equal(torch.isfinite(fired[0]), torch.isfinite(expected[0]))
    assert torch.equal(at_arming, expected[0] == arming_z)
    assert bool(at_arming.any()) == bool(arming_z)
    assert not at_arming.all()
    assert torch.isfinite(fired[0]).double().mean() > 0.8
    relative = 2e-6 if dtype == torch.float32 else 1e-13
    if arming_z:  # other orders of summing: Σ w z and Σ w agree where they do on whether a last input came before z_out
        same_set = (fired[1] - expected[1]).abs() <= 10 * relative * expected[1].max()
        assert same_set.double().mean() > 0.999
        moments = [(slope * z_out)[same_set & (slope > 0)] for z_out, slope in (fired, expected)]
        assert_close(*moments, 10 * relative)
    else:
        for got, other in zip(fired, expected, strict=True):
            assert_close(got, other, relative)
    for with_slope in (False, True):
        grads = OutputGradients(*upstream(fired[0], with_slope))
        results = [module.backward(grads, layer, fired, True) for module in (cpu, event_loop)]
        for got, other in zip(*results, strict=True):
            assert_close(got, other, relative)


def test_causal_set_is_the_inputs_before_the_output():
    """The slope W_C - 1 belongs to {i: z_i < z_out} to the last bit of the numbers, in float32."""
    generator = torch.Generator().manual_seed(0)
    z = torch.exp(0.01 * torch.rand(300, 60, generator=generator))
    weight = torch.randn(40, 60, generator=generator) * 2 + 4
    for module in (cpu, event_loop):
        rows, matrix = z[:, :, None, None], weight[:, :, None, None]
        layer = Layer(rows, matrix, None, [], 1, Padding(0, 0, 0, 0))
        z_out, slope = (value[:, :, 0, 0] for value in module.forward(layer))
        causal = (z[:, None, :] < z_out[:, :, None]) & torch.isfinite(z_out)[:, :, None]
        total = (causal * weight.double()).sum(2)
        torch.testing.assert_close(torch.where(slope > 0, total - 1, 0.0).float(), slope, rtol=1e-5, atol=3e-5)


@pytest.mark.parametrize("arming_z", [0.0, 4.0])
@pytest.mark.parametrize("case", ["mnist 1", "few patches", "wide"])
def test_every_instruction_set_and_thread_count_gives_the_same_bits(case, arming_z):
    layer = draw_layer(case, torch.float32, arming_z)
    threads, fastest = torch.get_num_threads(), native.instruction_set()

    def run():
        fired = cpu.forward(layer)
        return [*fired, *cpu.backward(OutputGradients(*upstream(fired[0], False)), layer, fired, True)]

    try:
        expected = run()
        for name, count in (("base", threads), ("avx2", 3), (fastest, 1), (fastest, 7)):
            if not native.use_instruction_set(name):
                continue
            torch.set_num_threads(count)
            assert all(torch.equal(got, other) for got, other in zip(run(), expected, strict=True)), (name, count)
    finally:
        torch.set_num_threads(threads)
        native.use_instruction_set(fastest)


WITHOUT_OPENMP = """
import ctypes, sys
sys.modules["torch"] = None
import numpy as np
from neurocircuit._kernel import native
assert not hasattr(ctypes.CDLL(None), "GOMP_parallel")
z, weight, z_out, slope = (np.load(path) for path in sys.argv[1:5])
for threads in (1, 3):
    z_again, slope_again = np.empty_like(z_out), np.empty_like(slope)
    none = np.empty((0, len(weight)), np.float32), np.empty(0, np.float32)
    assert native.causal_forward(z, weight, *none, 0.0, 2, 1, 2, 1, 2, threads, z_again, slope_again)
    assert np.array_equal(z_again, z_out) and np.array_equal(slope_again, slope), threads
"""


def test_threads_of_our_own_give_the_same_bits_where_there_is_no_openmp(tmp_path):
    z, weight, _, _, *geometry = draw("mnist 1", torch.float32)
    arrays = [z, weight, *cpu.forward(Layer(z, weight, None, [], *geometry))]
    paths = [str(tmp_path / f"{k}.npy") for k in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array.numpy())
    ran = subprocess.run([sys.executable, "-c", WITHOUT_OPENMP, *paths], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_one_that_ran_is_recorded_and_its_absence_said_once(monkeypatch):
    z, weight = torch.rand(2, 3) + 1, torch.rand(4, 3)
    functional.causal_linear(z, weight)
    assert functional.implementation_used() == f"native {native.instruction_set()}"
    monkeypatch.setattr(op, "native", None)
    op._warn_once.cache_clear()
    with pytest.warns(UserWarning, match="without a compiler"):
        functional.causal_linear(z, weight)
    functional.causal_linear(z, weight)  # a second warning would be an error
    assert functional.implementation_used() == "event loop"


@pytest.mark.parametrize("with_bias", [False, True])
def test_opcheck(with_bias):
    z, weight, bias, bias_z, stride, padding = draw("few patches", torch.float64)
    tensors = [tensor.requires_grad_() for tensor in (z, weight, bias)]
    spikes = (tensors[2], bias_z) if with_bias else (None, [])
    torch.library.opcheck(OP, (*tensors[:2], *spikes, stride, list(padding), 4.0 if with_bias else 0.0))


def test_compiles_into_one_graph_with_the_slope_kept():
    layer = layers.SpikingConv2d(2, 8, 3, padding="same", keep_slope=True)
    network = torch.nn.Sequential(
        layer, layers.EarliestPool2d(2), layers.Rebase(), torch.nn.Flatten(), layers.SpikingLinear(32, 4, bias=False)
    )
    z = torch.exp(torch.rand(3, 2, 4, 4))

    def gradients(module):
        network.zero_grad()
        z_out = module(z)
        (torch.where(torch.isfinite(z_out), z_out, 0.0).sum() + layer.slope.square().sum()).backward()
        return [parameter.grad.clone() for parameter in network.parameters()]

    expected = gradients(network)
    compiled = gradients(torch.compile(network, fullgraph=True, backend="aot_eager"))
    for got, other in zip(compiled, expected, strict=True):
        torch.testing.assert_close(got, other)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # of torch's own forward mode
def test_second_derivatives_and_torch_func_are_refused_in_words():
    z, weight = torch.ones(2, 3), torch.ones(4, 3, requires_grad=True)
    (grad,) = torch.autograd.grad(functional.causal_linear(z, weight)[0].sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        grad.sum().backward()
    with pytest.raises(RuntimeError, match=r"torch\.func"):
        torch.func.grad(lambda w: functional.causal_linear(z, w)[0].sum())(weight.detach())
    with pytest.raises(RuntimeError, match="no forward-mode derivative"):
        torch.func.jvp(lambda w: functional.causal_linear(z, w)[0].sum(), (weight.detach(),), (weight.detach(),))
    with torch.autograd.forward_ad.dual_level(), pytest.raises(RuntimeError, match="no forward-mode derivative"):
        functional.causal_linear(torch.autograd.forward_ad.make_dual(z, z), weight.detach())
    with torch.autograd.forward_ad.dual_level():
        assert torch.isfinite(functional.causal_linear(z, weight.detach())[1]).all()  # nothing to differentiate


def test_gradient_of_the_weights_alone():
    """An input without gradient costs none, and changes nothing for the weights."""
    z, weight = torch.rand(5, 3) + 1, torch.rand(4, 3, requires_grad=True)
    (alone,) = torch.autograd.grad(functional.causal_linear(z, weight)[1].sum(), weight)
    (both, _) = torch.autograd.grad(functional.causal_linear(z.requires_grad_(), weight)[1].sum(), (weight, z))
    assert torch.equal(alone, both)
