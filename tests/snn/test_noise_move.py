"""The compiled pass over a layer's spikes against the same in torch, and both against the formula in float64."""

import numpy as np
import pytest
import torch

from neurocircuit import _kernel
from neurocircuit.snn.hardware.lookup import NoiseLookup
from neurocircuit.snn.hardware.move import Received, in_torch, move
from tests.noise.tables import planted_table

needs_kernel = pytest.mark.skipif(_kernel.native is None, reason="needs the compiled kernel")


@pytest.fixture(scope="module")
def lookup():
    table = planted_table(layers=1, event=0.2)
    return NoiseLookup(table.layers[0], ("systematic", "event"))


def received(chips=3, shared=False, term=True, dtype=torch.float32):
    """Spikes well inside the table, far beyond it, after the window and silent ones."""
    rng = np.random.default_rng(7)
    shape = (1 if shared else chips, 4, 5, 6)
    z, s = np.exp(rng.uniform(0.0, 4.5, shape)), np.exp(rng.normal(0.0, 2.0, shape))
    z[rng.random(shape) < 0.2] = np.inf
    uniform = rng.random((chips, *shape[1:]))
    own = 0.1 * rng.standard_normal((chips, 1, *shape[2:])) if term else None
    tensors = (None if one is None else torch.from_numpy(one).to(dtype) for one in (z, s, uniform.astype("f4"), own))
    return Received(*tensors, float(np.exp(4.0)))


@needs_kernel
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("term", [False, True])
@pytest.mark.parametrize("ideal", [False, True])
def test_the_kernel_does_what_torch_does(lookup, shared, term, ideal):
    one = received(shared=shared, term=term)
    native, plain = move(lookup, one, ideal, True), in_torch(lookup, one, ideal, True)
    assert torch.equal(torch.isfinite(native.z), torch.isfinite(plain.z))
    assert torch.equal(native.silent, plain.silent)
    assert native.outside == plain.outside
    assert 0 < len(native.silent) < native.z.numel()
    for a, b in ((native.z, plain.z), (native.factor, plain.factor), (native.slope_factor, plain.slope_factor)):
        torch.testing.assert_close(a, b, rtol=3e-6, atol=0)  # a rounding or two in float32


def test_a_spike_moves_by_the_formula(lookup):
    """z' = z s/(s - m) with the m of the table's own rows, in float64; lost after the window or where s <= m."""
    one = received(dtype=torch.float64)
    found = in_torch(lookup, one, False, True)
    z, s = (part.numpy().astype(float) for part in (one.z, one.slope))
    m = lookup.disturb(lookup.cells(one.z, one.slope), one.uniform).double().numpy() + one.term.numpy()
    wanted = np.where(m < s, z * s / np.where(m < s, s - m, 1.0), np.inf)
    wanted = np.where((z < one.latest) & (wanted < one.latest), np.maximum(wanted, 1.0), np.inf)
    np.testing.assert_allclose(found.z.numpy(), wanted, rtol=1e-12)
    kept = np.isfinite(wanted)
    np.testing.assert_allclose(found.factor.numpy()[kept], (s / (s - m))[kept], rtol=1e-9)
    np.testing.assert_allclose(found.slope_factor.numpy()[kept], (-z * m / (s - m) ** 2)[kept], rtol=1e-9)
    assert (found.factor.numpy()[~kept] == 0).all()


@needs_kernel
def test_the_kernel_refuses_what_does_not_fit(lookup):
    one = received()
    short = Received(one.z[:, :2], one.slope, one.uniform, one.term, one.latest)
    with pytest.raises(ValueError, match="shapes do not fit"):
        move(lookup, short, False, False)
