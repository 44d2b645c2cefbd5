"""Errors of spikes and thresholds without operating points: jitter, missed spikes, thresholds of 1 + δ.

Relative jitter moves each time by a relative normal error, t' = t (1 + j N(0, 1)).

Table 3 defines jitter relative to the spike time since the start of the image. In transfer mode the input has a given
jitter and each layer adds what the transfer table's curve makes of that before it (tables/curve.py); a study gives all
layers the same. Chips, operating points and silence do not enter. Where each layer has a clock of its own (Retime)
there is no time since the image's start: a study may then take that since the layer's earliest input.
"""

import itertools
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor, nn

from neurocircuit.errors import InputError
from neurocircuit.neuron import windows
from neurocircuit.snn import functional
from neurocircuit.snn.functional import rows as matrix_rows
from neurocircuit.snn.functional.geometry import output_size, resolve_padding
from neurocircuit.snn.functional.windowed import jittered, jittered_readout
from neurocircuit.snn.layer_graph import stages_of
from neurocircuit.snn.layers import Rebase, SpikingConv2d, SpikingLinear
from neurocircuit.snn.models import spiking_layers
from neurocircuit.snn.relu import PixelNetwork
from neurocircuit.snn.retime import Retime
from neurocircuit.snn.stages import Stage, run_stages
from neurocircuit.snn.windowed import Synapses, WindowedSum, pixels_of, windowed_in
from neurocircuit.spec.windowed import LayerNode

_LATEST_OVER_TAU = 80.0  # e^80 is the largest round value that float32 holds


def has_own_clocks(network: nn.Module) -> bool:
    """Return whether the times of a layer count from that layer's earliest input."""
    return any(isinstance(module, Retime | Rebase) for module in network.modules())


class _DisturbedNetwork(nn.Module):
    """A free network whose input and layers of neurons pass their spikes through `_disturbed`, anew at every call."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self._stages = network, stages_of(network)
        self.event_rng = torch.Generator().manual_seed(0)

    def forward(self, z: Tensor) -> Tensor:
        """Return the output spikes [image, class] from input spikes z [image, channel, row, column]."""
        numbers = itertools.count(1)

        def step(stage: Stage, values: Sequence[Tensor]) -> Tensor:
            if not isinstance(stage.module, SpikingConv2d | SpikingLinear):
                return stage(values)
            k = next(numbers)
            return self._disturbed(k, self._fired(k, stage.module, values[0]))

        return run_stages(self._stages, self._disturbed(0, z), step)

    def _fired(self, k: int, stage: SpikingConv2d | SpikingLinear, z: Tensor) -> Tensor:
        """Return the spikes of the k-th layer of neurons from those that it receives."""
        spikes: Tensor = stage(z)
        return spikes

    def _disturbed(self, k: int, z: Tensor) -> Tensor:
        """Return the spikes of the input (k = 0) or of the k-th layer of neurons, of the same shape."""
        raise NotImplementedError


class JitteredNetwork(_DisturbedNetwork):
    """A network whose input and layers of neurons have the given relative jitters, drawn anew at every call."""

    def __init__(self, network: nn.Module, jitter: Sequence[float], own_clocks: bool = False) -> None:
        """jitter: of the input, then of each layer of neurons. own_clocks: allow times that count from a layer's start.

        Raise InputError.
        """
        super().__init__(network)
        layers = len(spiking_layers(network))
        if len(jitter) != layers + 1:
            raise InputError(f"jitter must have {layers + 1} values (input and {layers} layers), got {len(jitter)}")
        if has_own_clocks(network) and not own_clocks:
            raise InputError("network.clock must be absolute under jitter: its times count from the image's start")
        self.jitter = tuple(jitter)

    def _disturbed(self, k: int, z: Tensor) -> Tensor:
        """Return z^(1 + j N), not before t = 0; silence stays."""
        jitter = self.jitter[k]
        if jitter == 0.0:
            return z
        drawn = torch.randn(z.shape, generator=self.event_rng).to(z)
        fired = torch.isfinite(z)
        t = torch.log(torch.where(fired, z, 1.0))
        moved = (t * (1.0 + jitter * drawn)).clamp(min=0.0)
        kept = fired & (moved < _LATEST_OVER_TAU)
        return torch.where(kept, torch.exp(torch.where(kept, moved, 0.0)), torch.inf)


class _Thresholds:
    """Relative errors of the thresholds of one chip's neurons: normal, drawn when a layer is first met, then kept."""

    def __init__(self, spread: float) -> None:
        self.spread = spread
        self._of_layer: dict[Hashable, Tensor] = {}

    def errors(self, layer: Hashable, neurons: Sequence[int], event_rng: torch.Generator) -> Tensor:
        """Return the errors of a layer, shaped as its neurons. They follow from the seed of event_rng at first."""
        if not self._of_layer:
            self._rng = torch.Generator().manual_seed(event_rng.initial_seed())
        if layer not in self._of_layer:
            self._of_layer[layer] = self.spread * torch.randn(tuple(neurons), generator=self._rng)
        return self._of_layer[layer]


class SpikeErrorsNetwork(_DisturbedNetwork):
    """A free network whose spikes, input included, move by a normal error, and some of whose neurons miss theirs.

    Errors are drawn anew at each call. jitter_over_tau: deviation, but no spike comes before t = 0 on its clock.
    missed: share of the neurons' spikes. threshold: relative deviation of the thresholds, each neuron's own, drawn at
    the first call.
    """

    def __init__(self, network: nn.Module, jitter_over_tau: float, missed: float = 0.0, threshold: float = 0.0) -> None:
        """network: as `build` in snn/models.py makes it."""
        super().__init__(network)
        self.jitter_over_tau, self.missed, self._thresholds = jitter_over_tau, missed, _Thresholds(threshold)

    def _fired(self, k: int, stage: SpikingConv2d | SpikingLinear, z: Tensor) -> Tensor:
        """Return the spikes by eq. (4), V = 1 + δ under weights w being V = 1 under w/(1 + δ)."""
        if not self._thresholds.spread:
            return super()._fired(k, stage, z)
        (weight, bias), at = stage.in_force(), stage.bias_z
        kernel, size = (1, 1), (1, 1)
        rows = z[:, None]  # [image, position, input]
        if isinstance(stage, SpikingConv2d):
            kernel, image = (weight.shape[2], weight.shape[3]), (z.shape[2], z.shape[3])
            sides = resolve_padding(stage.padding, image, kernel, stage.stride)
            size = output_size(image, kernel, stage.stride, sides)
            rows = matrix_rows.patches(z, kernel, stage.stride, sides).view(len(z), size[0] * size[1], -1)
        factors = 1.0 / (1.0 + self._thresholds.errors(k, (len(weight), size[0] * size[1]), self.event_rng).to(z))
        matrix = weight.flatten(1)
        spikes = torch.stack(
            [
                functional.causal_linear(part, matrix * c[:, None], None if bias is None else bias * c, at)[0]
                for part, c in zip(rows.unbind(1), factors.unbind(1), strict=True)
            ],
            dim=2,
        )
        return spikes.view(*spikes.shape[:2], *size) if isinstance(stage, SpikingConv2d) else spikes[..., 0]

    def _disturbed(self, k: int, z: Tensor) -> Tensor:
        """Return the spikes moved, of neurons (k > 0) without those that are missed."""
        lost = _lost(z, self.missed, self.event_rng) if k else None
        delay = self.jitter_over_tau * torch.randn(z.shape, generator=self.event_rng)
        moved = (z * torch.exp(delay).to(z)).clamp(min=1.0)
        return moved if lost is None else torch.where(lost, torch.inf, moved)


def _lost(spikes: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Return which of the spikes are missed, of their shape."""
    return torch.rand(spikes.shape, generator=rng).to(spikes.device) < share


class JitteredWindows(nn.Module):
    """A windowed network all of whose spikes, input included, move by a normal error of `jitter_over_tau` at each call.

    Its layers stay within their windows. Gradients pass as if nothing had moved. missed: share of the neurons' spikes
    that are lost, as if the neurons were silent. threshold: as of `SpikeErrorsNetwork`.
    """

    def __init__(self, network: nn.Module, jitter_over_tau: float, missed: float = 0.0, threshold: float = 0.0) -> None:
        """network: as `WindowedNetwork.on_spikes` has it."""
        super().__init__()
        windowed = windowed_in(network)
        assert windowed is not None  # noqa: S101
        assert isinstance(network, PixelNetwork)  # noqa: S101
        self.network, self._windowed, self.jitter_over_tau = network, [windowed], jitter_over_tau
        self.missed, self._thresholds = missed, _Thresholds(threshold)
        self.event_rng = torch.Generator().manual_seed(0)

    def forward(self, z: Tensor) -> Tensor:
        """Return the output spikes [image, class] from input spikes z [image, channel, row, column]."""
        (windowed,) = self._windowed  # in a list: its weights are those of `network`
        at_thresholds = self._at_thresholds if self._thresholds.spread else None
        y = windowed.activations(pixels_of(self.network, z), self._moved, at_thresholds)[windowed.graph.nodes[-1].name]
        spikes: Tensor = self.network.spikes_of(y)
        return spikes

    def _at_thresholds(self, layer: WindowedSum, y: Tensor) -> Tensor:
        """Return the values y that neurons of their own thresholds show. Eq. (W8)."""
        errors = self._thresholds.errors(layer.node.name, y.shape[1:], self.event_rng).to(y)
        slope = Synapses(layer, layer.in_force()).bias.slope.to(y).view(-1, *(1 for _ in y.shape[2:]))
        shown: Tensor = windows.at_threshold(layer.form, layer.node, y, slope, errors, torch)
        return shown

    def _moved(self, node: LayerNode | None, x: Tensor) -> Tensor:
        x = x.float() if x.dtype == torch.bfloat16 else x  # which has no digits for a jitter
        delay = (self.jitter_over_tau * torch.randn(x.shape, generator=self.event_rng)).to(x)
        graph = self._windowed[0].graph
        if node is None:
            return jittered(x, 1.0, graph.window_over_tau, delay)
        if node.is_readout:
            x, silent = torch.where(x == -torch.inf, x, jittered_readout(x, node, graph.form, delay)), -torch.inf
        else:
            x, silent = jittered(x, node.largest, node.window_over_tau, delay), 0.0
        return torch.where(_lost(x, self.missed, self.event_rng), silent, x) if self.missed else x
