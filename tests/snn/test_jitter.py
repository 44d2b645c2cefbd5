"""Spike-time jitter without operating points, and the transfer mode that takes it from Table 3's curve."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from neurocircuit.errors import InputError
from neurocircuit.snn.hardware.jitter import JitteredNetwork
from neurocircuit.snn.layers import SpikingLinear
from neurocircuit.tables import TransferTable
from neurocircuit.tables.curve import jitter_by_layer
from tests.snn.training.test_train import SHORT, trainer

TABLE_3 = Path(__file__).parents[2] / "reports" / "published" / "table3" / "table.nc"


def network():
    torch.manual_seed(1)
    return torch.nn.Sequential(SpikingLinear(30, 200, bias=False), SpikingLinear(200, 5, bias=False))


def test_without_jitter_spikes_come_back_bit_for_bit():
    plain, z = network(), torch.exp(torch.rand(4, 30))
    assert torch.equal(JitteredNetwork(plain, [0, 0, 0])(z), plain(z))


def test_jitter_has_its_size():
    """ln z'/ln z - 1 over 200 neurons x 50 images: its deviation within 5 standard errors (false alarm 6e-7)."""
    plain, z = torch.nn.Sequential(SpikingLinear(30, 200, bias=False)), torch.exp(0.5 + torch.rand(50, 30))
    clean, moved = plain(z).detach(), JitteredNetwork(plain, [0, 0.03])(z).detach()
    both = torch.isfinite(clean) & torch.isfinite(moved)
    relative = (moved[both].log() / clean[both].log() - 1).double().numpy()
    assert len(relative) > 5000
    assert abs(relative.std() - 0.03) < 5 * 0.03 / np.sqrt(2 * len(relative))
    assert torch.equal(torch.isfinite(clean), torch.isfinite(moved))


def test_the_number_of_jitters_is_checked():
    with pytest.raises(InputError, match=r"jitter must have 3 values \(input and 2 layers\), got 2"):
        JitteredNetwork(network(), [0.1, 0.1])


def test_transfer_mode_trains_under_the_curve_of_table_3(tmp_path):
    pytest.importorskip("sklearn")
    settings = (*SHORT, "epochs=1", f"hardware.noise={json.dumps(str(TABLE_3))}", "mode=transfer", "input_jitter=0.05")
    run = trainer(tmp_path, *settings)
    assert isinstance(run.conditions.trained, JitteredNetwork)
    expected, _ = jitter_by_layer(TransferTable.load(TABLE_3), 0.05, 3, "it")
    assert run.conditions.trained.jitter == tuple(expected)
    assert 0.05 == expected[0] > expected[1] > expected[2] > 0
    run.run()
    assert len(run.identity()["noise_sha256"]) == 64


def test_table_without_rows_and_wrong_jitter_are_named():
    table = TransferTable.load(TABLE_3)
    with pytest.raises(InputError, match=r"input jitter must be within 0 … 1, got 2"):
        jitter_by_layer(table, 2.0, 3, "it")


def test_own_clocks_are_refused_unless_asked_for_and_then_start_at_the_layers_earliest_input():
    """A layer's earliest spike has time 0 on the next layer's clock: no jitter moves it, whatever its size."""
    from neurocircuit.snn.retime import Retime

    torch.manual_seed(2)
    clocked = torch.nn.Sequential(SpikingLinear(30, 50, bias=False), Retime(None))
    with pytest.raises(InputError, match=r"network.clock must be absolute under jitter"):
        JitteredNetwork(clocked, [0.1, 0.1])
    z = torch.exp(torch.rand(20, 30))
    z = z / z.amin(dim=1, keepdim=True)
    noisy = JitteredNetwork(clocked, [0.5, 0.0], own_clocks=True)
    moved = noisy._disturbed(0, z)
    assert torch.equal(moved.amin(dim=1), torch.ones(20))
    assert not torch.equal(moved, z)
