"""Spikes of a network while it computes: all of a batch of images on the clock of its input, or how many there were."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from neurocircuit.snn.layers import Rebase
from neurocircuit.snn.models import layer_names, spiking_layers
from neurocircuit.snn.retime import Retime, first_over_tau
from neurocircuit.snn.windowed import Carried, WindowedSum, pixels_of, windowed_in


@dataclass
class Spikes:
    """Layers in the order they computed.

    t_over_tau: times [image, neuron] from the time origin of the input, units of the first layer's tau; inf: silent.
    z_out: output spikes [image, class] on the last layer's own clock, or, windowed, on the input's.
    """

    names: list[str] = field(default_factory=list)
    t_over_tau: list[Tensor] = field(default_factory=list)
    z_out: Tensor = field(default_factory=lambda: torch.empty(0))


class _Clock:
    """Follows Retime layers: own time t corresponds to offset + t · scale on the input's clock."""

    def __init__(self, network: nn.Module) -> None:
        self.spikes = Spikes()
        self._offset: Tensor | float = 0.0
        self._scale = 1.0
        names = layer_names(network)
        self._handles = [
            module.register_forward_hook(self._spiked(names[module]) if module in names else self._retimed)
            for module in network.modules()
            if module in names or isinstance(module, Retime | Rebase)
        ]

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _retimed(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._offset = self._offset + first_over_tau(inputs[0]).flatten()[:, None] * self._scale
        self._scale /= float(module.gain) if isinstance(module, Retime) else 1.0

    def _spiked(self, name: str):  # type: ignore[no-untyped-def]
        def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.spikes.names.append(name)
            self.spikes.t_over_tau.append(self._offset + torch.log(output.flatten(1)) * self._scale)

        return record


@torch.no_grad()
def trace(network: nn.Module, z: Tensor) -> Spikes:
    """Return the spikes of every layer for input spikes z [image, channel, row, column].

    Of a windowed network those before their window's end; the input's windows open at 0.
    """
    windowed = windowed_in(network)
    if windowed is not None:
        times = windowed.times_over_tau(windowed.activations(pixels_of(network, z)))
        each = [t.flatten(1) for t in times.values()]
        return Spikes(list(times), each, torch.exp(each[-1]))
    clock = _Clock(network)
    try:
        z_out = network(z)
    finally:
        clock.remove()
    clock.spikes.z_out = z_out
    return clock.spikes


class SpikedFraction:
    """Counts the neurons that spiked in the latest forward pass; of a ReLU or windowed network those above 0."""

    def __init__(self, network: nn.Module) -> None:
        """Watches all layers of neurons from here on."""
        self._last: dict[str, Tensor] = {}
        others = [
            module for module in network.modules() if isinstance(module, nn.ReLU | nn.Hardtanh | WindowedSum | Carried)
        ]
        hidden = [module for module in others if not (isinstance(module, WindowedSum) and module.node.is_readout)]
        watched = [*spiking_layers(network), *hidden]
        for name, layer in enumerate(watched):
            layer.register_forward_hook(self._keep(str(name)))

    def _keep(self, name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self._last[name] = output.detach()

        return hook

    def fraction(self) -> float:
        """Of all neurons and images of that pass."""
        fired = sum(int((torch.isfinite(z) & (z > 0)).sum()) for z in self._last.values())
        return fired / max(sum(z.numel() for z in self._last.values()), 1)
