"""Synaptic currents of windowed layers before their arming: what the XOR's range must hold of them.

A phase of a per weight keeps a·max|I| within the range (network/limits.py): the larger the largest current of a layer,
the smaller its a, and the more the phase noise of VCO1 and VCO2 weighs in its activations.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as dense

from neurocircuit.neuron import windows
from neurocircuit.snn import functional
from neurocircuit.snn.functional.geometry import Padding
from neurocircuit.snn.windowed import Synapses, WindowedNetwork
from neurocircuit.spec.windowed import LayerNode

INSTANTS = 16  # of a window, at which the largest partial current is measured
IMAGES = 16  # of a step, on which currents are charged


def current_at(
    network: WindowedNetwork, node: LayerNode, synapses: Synapses, values: dict[str, Tensor], z: float
) -> Tensor:
    """Return I = Σ w e^-(t - ti) of all that came until t = ln z, [N, ...] as the layer's neurons, thresholds.

    z: 1 at the arming, synapses.z_first at the first input; values: of `activations`, to which there are gradients.
    """
    form = network.graph.form
    pixels = next(iter(values.values()))
    scale = synapses.scale(form, node).to(pixels)
    bias = synapses.bias.first.to(pixels) * synapses.z_first
    if z == 1.0 and form == "forced":
        bias = bias + synapses.bias.last.to(pixels)
    total: Tensor | float = 0.0
    for term, per_slope in zip(node.terms, synapses.per_slope, strict=True):
        code = network.codes[term.source]
        x = values[term.source]
        each = (1, -1, *(1 for _ in x.shape[2:]))
        age_of = np.exp(code.end_over_tau - synapses.arming_over_tau)
        columns = (code.largest, windows.window_share(code.window_over_tau), age_of)
        X, share, age = (torch.from_numpy(np.array(column)).to(x).view(each) for column in columns)
        z_in = (1.0 - share * x / X) * age
        silent = z_in >= age if form == "ramp" else torch.zeros_like(z_in, dtype=torch.bool)
        charge = torch.where((z_in <= z) & ~silent, z_in, 0.0)
        level = windows.spike_z(code.padding, code.largest, code.window_over_tau) * age_of
        level = np.where(level <= z, level, 0.0) if form == "forced" else level * 0
        if term.kind == "linear":
            part = charge.flatten(1) @ per_slope.to(x).t()
        else:
            padded = functional.pad(charge, Padding(*term.padding), torch.from_numpy(level))
            part = dense.conv2d(padded, per_slope.to(x), None, term.stride, 0, term.dilation)
        total = total + part * scale.view(1, -1, *(1 for _ in part.shape[2:]))
    assert isinstance(total, Tensor)  # noqa: S101
    current: Tensor = (total + bias.view(1, -1, *(1 for _ in total.shape[2:]))) / z
    return current


@torch.no_grad()
def largest_currents(network: WindowedNetwork, pixels: Tensor) -> Iterator[tuple[str, float]]:
    """Yield each layer's max |I| over neurons, images and INSTANTS from its first input to its arming, thresholds."""
    values = network.activations(pixels)
    for node in network.graph.layers:
        synapses = Synapses(network.layer(node))
        instants = np.linspace(synapses.z_first, 1.0, INSTANTS + 1)[1:]
        yield node.name, max(float(current_at(network, node, synapses, values, z).abs().max()) for z in instants)


class WindowedMargins:
    """Charges layers of a windowed network for currents beyond `largest_current`, as `Margins` does of a free one."""

    def __init__(self, network: WindowedNetwork, largest_current: float) -> None:
        """largest_current: thresholds. The network itself is looked at, without a circuit's noise."""
        self._network, self.largest_current = network, largest_current

    def term(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the squared excess of |I|, its mean over layers, neurons and IMAGES, a scalar that has gradients.

        pixels [image, channel, row, column]. One instant of each layer, drawn anew, and the arming.
        """
        network, total = self._network, torch.zeros((), device=pixels.device)
        which = torch.randperm(len(pixels), generator=generator)[:IMAGES].to(pixels.device)
        values = network.activations(pixels[which])
        for node in network.graph.layers:
            synapses = Synapses(network.layer(node))
            drawn = synapses.z_first + (1.0 - synapses.z_first) * float(torch.rand((), generator=generator))
            for z in (drawn, 1.0):
                excess = current_at(network, node, synapses, values, z).abs() - self.largest_current
                total = total + excess.relu().square().mean()
        return total / len(network.graph.layers)
