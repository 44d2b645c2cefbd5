"""The unrolled network says what the torch network says, and refuses what has no circuit."""

import numpy as np
import pytest
import torch

from neurocircuit.core.files import file_sha256
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network.run import spikes_of
from neurocircuit.neuron.operating_points import operate
from neurocircuit.snn import checkpoint, layers, unroll
from neurocircuit.snn.trace import trace


def test_every_neuron_fires_when_torch_says_so(trained, physical, spikes):
    _, network = trained
    for one in spikes:
        z = torch.from_numpy(np.exp(one)).reshape(1, 1, 8, 8)
        expected = trace(network, z.float()).t_over_tau
        seen = one
        for layer, reference in zip(physical.layers, expected, strict=True):
            seen = spikes_of(operate(layer.inputs(seen, 0.0), layer.kernel[layer.row], 60.0))
            found, wanted = seen, reference[0].double().numpy()
            np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
            np.testing.assert_allclose(
                found[np.isfinite(found)], wanted[np.isfinite(wanted)], rtol=1e-5
            )  # torch in float32


def test_pooling_is_a_gate_for_the_earliest_spike(trained):
    subject, _ = trained
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        layers.SpikingConv2d(1, 3, 3, padding="same", bias=False),
        layers.EarliestPool2d(2, padding="same"),
        layers.Rebase(),
        torch.nn.Flatten(),
        layers.SpikingLinear(48, 4, bias=False),
    )
    unrolled = unroll.unroll(subject, network)
    spikes = np.random.default_rng(0).uniform(0, 3, 64)
    first = spikes_of(
        operate(unrolled.layers[0].inputs(spikes, 0.0), unrolled.layers[0].kernel[unrolled.layers[0].row], 50.0)
    )
    pooled = unrolled.stages[1].earliest(first)
    z = network[0](torch.from_numpy(np.exp(spikes)).float().reshape(1, 1, 8, 8))
    np.testing.assert_allclose(pooled, torch.log(network[1](z)).flatten().detach().numpy(), rtol=1e-4)


def test_what_has_no_circuit_is_named(trained):
    subject, _ = trained
    average = subject.replace(network=subject.network.replace(pooling="average"))
    with pytest.raises(InputError, match=r"network\.pooling must be earliest to be mapped, got average"):
        unroll.unroll(average, torch.nn.Sequential(layers.AveragePool2d(2)))
    with pytest.raises(InputError, match=r"0 \(Sigmoid\) has no meaning here; what would serve: ReLU"):
        unroll.unroll(subject, torch.nn.Sequential(torch.nn.Sigmoid()))


def test_a_changed_checkpoint_is_refused(trained, mapping, tmp_path):
    subject, network = trained
    checkpoint.save(tmp_path / "tiny.pt", subject, network.float())
    (tmp_path / "net.toml").write_text(mapping.mapped.to_toml())
    with pytest.raises(FileFormatError, match=r"tiny\.pt must be the checkpoint that .*net\.toml maps"):
        unroll.load_mapped(tmp_path / "net.toml")
    digest = file_sha256(tmp_path / "tiny.pt")
    (tmp_path / "net.toml").write_text(mapping.mapped.replace(checkpoint_sha256=digest).to_toml())
    mapped, unrolled = unroll.load_mapped(tmp_path / "net.toml")
    assert [layer.name for layer in unrolled.physical.layers] == [layer.name for layer in mapped.layers]
