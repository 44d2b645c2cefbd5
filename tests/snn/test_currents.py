"""Currents of windowed layers before their arming, and the training term that keeps them small."""

import numpy as np
import pytest
import torch
from torch import nn

import neurocircuit as nc
from neurocircuit.errors import SpecError
from neurocircuit.neuron import windows
from neurocircuit.snn.currents import WindowedMargins, current_at, largest_currents
from neurocircuit.snn.data.augment import Augmentation, for_evaluation
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.relu import build_compact
from neurocircuit.snn.windowed import Synapses
from tests.snn.digits_recipe import PLAIN_DIGITS, relu_network


def converted(form="ramp"):
    return nc.snn.convert(relu_network(), nc.data.digits("train")[:100], form=form)


def some_pixels(n=12):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("share", [0.3, 0.8, 1.0])
def test_the_current_is_that_of_the_spikes_that_have_come(share):
    """The read-out, synapse by synapse, from the spike times of the layer before it and the bias spike."""
    network, pixels = converted(), some_pixels()
    values = network.activations(pixels)
    hidden, last = network.graph.layers
    synapses = Synapses(network.layer(last))
    z = synapses.z_first + share * (1.0 - synapses.z_first)
    t = network.times_over_tau(values)[hidden.name]
    earliest = -nn.functional.max_pool2d(-t.nan_to_num(posinf=1e3), 2)  # 1e3: none
    t_in = earliest.flatten(1).double()
    now = windows.arming_over_tau(last, network.codes) + np.log(z)
    weights = (synapses.per_slope[0] * synapses.scale("ramp", last)[:, None]).double()
    kernel = torch.where(t_in <= now + 1e-9, torch.exp(t_in - now), 0.0)
    wanted = kernel @ weights.T + synapses.bias.first * synapses.z_first / z
    torch.testing.assert_close(
        current_at(network, last, synapses, values, z).double(),
        wanted,
        rtol=1e-4,
        atol=1e-4 * float(wanted.detach().abs().max()),
    )


@pytest.mark.parametrize("form", ["ramp", "forced"])
def test_the_term_makes_the_largest_currents_smaller_and_nothing_else_is_drawn(form):
    network, pixels = converted(form), some_pixels(40)
    before = dict(largest_currents(network, pixels))
    margins = WindowedMargins(network, 0.2 * max(before.values()))
    first, again = (float(margins.term(pixels, torch.Generator().manual_seed(1)).detach()) for _ in range(2))
    assert first == again > 0.0
    generator, optimiser = torch.Generator().manual_seed(0), torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(100):
        optimiser.zero_grad()
        torch.autograd.backward(margins.term(pixels, generator))
        optimiser.step()
    after = dict(largest_currents(network, pixels))
    assert float(margins.term(pixels, torch.Generator().manual_seed(1)).detach()) < 0.1 * first
    assert max(after.values()) < 0.8 * max(before.values())
    margins.largest_current = 2 * max(after.values())
    assert float(margins.term(pixels, generator).detach()) == 0.0


def test_fine_tuning_under_the_margins_keeps_currents_small(tmp_path):
    path = tmp_path / "ramp.pt"
    converted().save(path)
    settings = (*PLAIN_DIGITS, "epochs=6", "averaging=0", "lr=0.002", "loss.largest_current=1.5")
    images = nc.data.digits("held_out", held_out=300)
    pixels = torch.from_numpy(for_evaluation(images.batch(np.arange(40))[0], Augmentation()))
    terms = []
    for margin in (0, 0.1):
        model = nc.snn.train(
            "mnist_windowed_finetune",
            initial=path,
            settings=(*settings, f"loss.margin={margin}"),
            out=tmp_path / f"{margin}",
            threads=1,
        )
        margins = WindowedMargins(model.network.inner, 1.5)
        terms.append(float(margins.term(pixels, torch.Generator().manual_seed(1)).detach()))
    assert terms[1] < 0.3 * terms[0]


def test_a_compact_network_keeps_the_synapses_of_a_neuron():
    generator = torch.Generator().manual_seed(0)
    network = build_compact(Encoding(kind="linear"), (8, 16, 32), (1, 28, 28), 10, generator, 78)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert max(module.weight[0].numel() + 2 for module in layers) == 74
    assert [module.groups for module in layers if isinstance(module, nn.Conv2d)] == [1, 1, 1, 1, 2, 2, 4]
    pixels = torch.rand(4, 1, 28, 28, generator=generator)
    assert network.inner(pixels).shape == (4, 10)


@pytest.mark.parametrize(
    ("widths", "largest", "message"),
    [
        ((8, 16, 90), 78, r"network\.widths: the last must be <= 76 .*, got 90"),
        ((8, 16, 16), 10, r"network\.largest_fan_in must let some groups of 8 channels make 8, got 10"),
        ((8, 9, 16), 40, r"some groups of 8 channels make 9, got 40"),
    ],
)
def test_a_fan_in_that_no_groups_meet_is_named(widths, largest, message):
    with pytest.raises(SpecError, match=message):
        build_compact(Encoding(kind="linear"), widths, (1, 28, 28), 10, torch.Generator().manual_seed(0), largest)
