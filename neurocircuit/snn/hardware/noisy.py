"""A noise table inside a torch network: each layer's spikes move as the circuit's do, with gradients.

With s = W_C - 1 and a membrane disturbance m (noise/fit.py) a spike moves to t - ln(1 - m/s), that is z' = z s/(s - m).
m is a constant of the graph; gradients go through eq. (4), the ideal path: ∂z'/∂z = s/(s - m), and with `gradient` =
"slope" also ∂z'/∂s = -z m/(s - m)², by which training can buy steeper crossings. A neuron that eq. (4) leaves silent
fires by its closest approach 1 - max V; V(t) = Σ w (1 - z_i/e^t) over the spikes so far is a dense layer, taken at
`approaches` times until the window ends. Such a spike has no gradient, nor has one that noise removed.

A layer here knows slope and time of its spikes, so cells of other axes are mixed, what all chips share (second pole of
the loop, half a spike's width) is in the cells, early spikes and wraps come by their shares, and the chip enters by the
spread of its terms: one number for the die, one for each neuron, one for its synapses, drawn once per chip. A layer of
few neurons (`first_passage_neurons`), as outputs are, where decisions fall, follows the first-passage model instead
(first_passage.py). Without causes the spikes come back untouched.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurocircuit.errors import InputError
from neurocircuit.neuron.on_time import Span
from neurocircuit.neuron.sensitivity import flicker_spread
from neurocircuit.noise.model import CAUSES
from neurocircuit.noise.table import NoiseTable
from neurocircuit.snn.hardware.approach import closest
from neurocircuit.snn.hardware.first_passage import FirstPassages
from neurocircuit.snn.hardware.lookup import NoiseLookup
from neurocircuit.snn.hardware.move import Moved, Received, move, placed
from neurocircuit.snn.hardware.on_chips import NetworkOnChips
from neurocircuit.snn.layer_graph import stages_of
from neurocircuit.snn.layers import Rebase, SpikingConv2d, SpikingLinear
from neurocircuit.snn.models import layer_names, spiking_layers
from neurocircuit.snn.retime import Retime, tau_of_layers
from neurocircuit.snn.stages import Stage, run_stages
from neurocircuit.spec import MappedNetwork, NeuronSpec
from neurocircuit.spec.layer_graph import INPUT

OUTSIDE = ("error", "ideal", "nearest")
_TAU_TOLERANCE = 1e-6  # relative
FIRST_PASSAGE_NEURONS = 128  # neurons of a layer: in training outputs, and small hidden layers


class NoisyNetwork(NetworkOnChips):
    """A network of free neurons on chips."""

    def __init__(
        self,
        network: nn.Module,
        table: NoiseTable,
        causes: tuple[str, ...] = CAUSES,
        outside: str = "error",
        window_over_tau: float | None = None,
        *,
        gradient: str = "ideal",
        approaches: int | Sequence[int] = 2,
        first_passage_neurons: int = FIRST_PASSAGE_NEURONS,
    ) -> None:
        """approaches: moments at which silent neurons are looked at, for all layers or for each.

        first_passage_neurons: layers of at most so many neurons follow their membranes to the first passage.

        outside: "error"; "ideal": spikes beyond the table stay where they are; "nearest": they take its edge cells.

        Either way they are counted in `count`.
        """
        super().__init__(table, causes)
        layers = spiking_layers(network)
        if len(layers) != len(table.layers):
            raise InputError(
                f"the noise table must have {len(layers)} layers like the network, got {len(table.layers)}"
            )
        if outside not in OUTSIDE:
            raise InputError(f"outside must be one of {', '.join(OUTSIDE)}, got {outside!r}")
        described = table.provenance["network"]
        neuron = NeuronSpec.from_dict(described["neuron"])
        of_layers = described.get("layers", [{}] * len(layers))  # a table of one neuron describes no layers
        self._taus = [float(layer.get("tau_over_base", 1.0)) for layer in of_layers]
        for k, (ratio, there) in enumerate(zip(tau_of_layers(network), self._taus, strict=True)):
            if abs(ratio / there - 1.0) > _TAU_TOLERANCE:
                raise InputError(
                    f"layer {k}: tau over the network's must be {there:g} as in the noise table, got {ratio:g}"
                )
        self.network, self.outside, self.gradient = network, outside, gradient
        self._stages = stages_of(network)
        self.window_over_tau = window_over_tau if window_over_tau is not None else neuron.window_over_tau
        self._windows = [self.window_over_tau / ratio for ratio in self._taus]  # in units of each layer's tau
        self._lookup = [NoiseLookup(fit, causes) for fit in table.layers]
        self._known_models = (
            _first_passages_of(table, causes, self._windows) if first_passage_neurons > 0 else [None] * len(layers)
        )
        self._largest = first_passage_neurons
        self._flicker_per_tau = [0.0] * len(layers)
        self._specs = [neuron] * len(layers)
        if neuron.flicker is not None or neuron.ripple is not None or table.own_causes:
            mapped = MappedNetwork.from_dict(described)
            self._specs = [mapped.neuron_of(k) for k in range(len(layers))]
            self._flicker_per_tau = [float(flicker_spread(spec, np.ones(1))[0]) for spec in self._specs]
        for layer, lookup, passage in zip(layers, self._lookup, self._known_models, strict=True):
            lookup.to(layer.weight.device)
            if passage is not None:
                passage.to(layer.weight.device)
        counts = [approaches] * len(layers) if isinstance(approaches, int) else list(approaches)
        self._moments = [
            [window * (q + 1) / count for q in range(count)]
            for window, count in zip(self._windows, counts, strict=True)
        ]

    @property
    def spans(self) -> list[Span]:
        """Return when the neurons of each layer are on."""
        return [Span()] * len(self._lookup)

    @property
    def latest_over_tau(self) -> float:
        """When an image ends that has no decision, units of τ from its start."""
        return self.window_over_tau

    @property
    def layer_names(self) -> list[str]:
        """Names of the layers of neurons."""
        return list(layer_names(self.network).values())

    def decision_over_tau(self, z_out: Tensor) -> Tensor:
        """Return when the first output of each image spikes [image], units of the network's tau; inf: none does."""
        return torch.log(z_out.amin(dim=1)) * self._taus[-1]

    def forward(self, z: Tensor) -> Tensor:
        """Output spikes [chip · image, class] of the chips, from input spikes z [image, channel, row, column].

        The chips of `new_chips` come one after another; what they share is computed once. Times count from the arming,
        of every layer in units of its own tau.
        """
        numbers = itertools.count()
        chips = len(self._chips.numbers)
        shared = {INPUT}  # stages whose values all chips have in common, [image, ...]
        if self.heard is not None:
            self.heard.clear()

        def step(stage: Stage, values: Sequence[Tensor]) -> Tensor:
            common = [source in shared for source in stage.sources]
            if all(common) and not (stage.is_layer and self.causes):
                shared.add(stage.name)
            elif chips > 1 and any(common) and not all(common):
                pairs = zip(values, common, strict=True)
                values = [v.repeat(chips, *(1 for _ in v.shape[1:])) if alike else v for v, alike in pairs]
            if isinstance(stage.module, Retime):
                return stage.module.from_arming(values[0])
            if isinstance(stage.module, Rebase):
                return values[0]
            if not isinstance(stage.module, SpikingConv2d | SpikingLinear) or not self.causes:
                return stage(values)
            layer, received = stage.module, values[0]
            kept, layer.keep_slope = layer.keep_slope, True
            spikes = layer(received)
            layer.keep_slope = kept
            assert layer.slope is not None  # noqa: S101
            return self._circuit(next(numbers), layer, received, spikes, layer.slope, chips > 1 and all(common))

        return run_stages(self._stages, z, step)

    def _circuit(self, k: int, stage: Any, received: Tensor, z: Tensor, slope: Tensor, shared: bool) -> Tensor:
        """Layer k's spikes on all chips, [chip · image, ...], from eq. (4)'s [image if shared, else chip · image, ...].

        shared: all chips have what it receives in common.
        """
        chips = len(self._chips.numbers)
        latest = float(np.exp(self._windows[k]))
        term = self._chip_term(k, z)
        images = len(z) if shared else len(z) // chips
        lead = (1 if shared else chips, images)
        z_, s_ = z.view(*lead, *z.shape[1:]), slope.view(*lead, *z.shape[1:])
        uniform = self.draws(k, (chips, images, *z.shape[1:])).to(z.device)
        taken = self._taken(k, uniform.shape, self._specs[k])
        if taken is not None:
            term = taken.to(z) if term is None else term + taken.to(z)
        flicker = self._flicker(k, uniform.shape, self._flicker_per_tau[k])
        ripple = self._ripple(k, images, self._specs[k], 0.0)
        spikes = Received(z_, s_, uniform, term, latest, None if flicker is None else flicker.to(z), ripple)
        with torch.no_grad():
            passage = self._first_passages(k, z[0].numel())
            circuit_result = (
                self._disturbed(k, stage, received, spikes)
                if passage is None
                else self._moved_to_first_passages(passage, k, stage, received, spikes)
            )
        self.count.points += uniform.numel()
        self.count.outside += circuit_result.outside
        if circuit_result.outside and self.outside == "error":
            self._refuse(k, z_.detach(), s_.detach(), latest)
        moved: Tensor = _Move.apply(z_, s_, circuit_result)  # type: ignore[no-untyped-call]
        if self.tallies is not None:
            self._tally(k, moved[0, 0].numel(), (z_ < latest).expand(moved.shape), torch.isfinite(moved))
        if self.heard is not None:
            self.heard.append(torch.log(moved.detach()).flatten(0, 1).flatten(1) * self._taus[k])
        return moved.reshape(chips * images, *z.shape[1:])

    def _disturbed(self, k: int, stage: Any, received: Tensor, spikes: Received) -> Moved:
        """Return the spikes moved by the membrane disturbance at each.

        Others come by probability: false, early, wrapped.
        """
        lookup, uniform = self._lookup[k], spikes.uniform
        moved = move(
            lookup, replace(spikes, uniform=lookup.split(uniform)), self.outside == "ideal", self.gradient == "slope"
        )
        if lookup.ever_false:
            at, false = self._false(k, stage, received, moved.silent, spikes)
            moved.z.view(-1).index_copy_(0, at, false.to(moved.z.dtype))
        if lookup.early + lookup.wrap > 0.0:
            moved.replace_spikes(*lookup.early_spikes(spikes.z, spikes.z < spikes.latest, uniform))
        return moved

    def _first_passages(self, k: int, neurons: int) -> FirstPassages | None:
        """Return the first passages of layer k if it is small enough for them."""
        return self._known_models[k] if neurons <= self._largest else None

    def _moved_to_first_passages(
        self, passage: FirstPassages, k: int, stage: Any, received: Tensor, spikes: Received
    ) -> Moved:
        """Return the first passages, which early spikes are among; wraps by their share."""
        lookup, z, uniform = self._lookup[k], spikes.z, spikes.uniform
        drawn = lookup.split(uniform, early_too=False)
        to = passage.spikes(stage, received, z, spikes.slope, drawn, spikes.term, spikes.flicker, spikes.ripple)
        wraps, at = lookup.early_spikes(z, torch.zeros_like(z, dtype=torch.bool), uniform)
        to.view(-1)[wraps] = torch.minimum(to.view(-1)[wraps], at.to(to.dtype))
        return placed(lookup, spikes, to, self.outside == "ideal", self.gradient == "slope")

    def _false(self, k: int, stage: Any, received: Tensor, where: Tensor, spikes: Received) -> tuple[Tensor, Tensor]:
        """Places `where` [silent] in the draws of neurons silent under eq. (4), and their z, inf where they stay so."""
        term, uniform = spikes.term, spikes.uniform
        highest, at = closest(stage, received, self._moments[k])
        source = where if highest.numel() == uniform.numel() else where % highest.numel()
        approach = highest.flatten().index_select(0, source).clamp_(min=0.0).neg_().add_(1.0)
        if term is not None:
            neuron = term[0].numel()
            term_index = where % neuron
            if len(term) > 1:
                term_index += where.div(uniform[0].numel(), rounding_mode="floor") * neuron
            approach += term.flatten().index_select(0, term_index if term.shape[1] == 1 else where)
        z = at if at.ndim == 0 else at.flatten().index_select(0, source)
        if spikes.flicker is not None:
            approach += spikes.flicker.flatten().index_select(0, where) * z.log()
        if spikes.ripple is not None:
            event = where.div(uniform[0, 0].numel(), rounding_mode="floor")
            approach += spikes.ripple.taken_of(z.log().expand(len(where)), event)
        hit, factor = self._lookup[k].false_spikes(approach, uniform.flatten().index_select(0, where))
        z = z * factor
        z.clamp_(1.0, float(np.exp(self._windows[k])))
        return where, z.masked_fill_(~hit, torch.inf)

    def _refuse(self, k: int, z: Tensor, slope: Tensor, latest: float) -> None:
        """Raise InputError for the first spike beyond the table."""
        lookup = self._lookup[k]
        beyond = lookup.beyond(z, slope)
        assert beyond is not None  # noqa: S101
        where = tuple(int(n[0]) for n in (beyond & (z < latest)).nonzero(as_tuple=True))
        ranges = " and ".join(f"{low:.4g} … {high:.4g}" for low, high in lookup.ranges.values())
        raise InputError(
            f"noise table layer {k}: ln(W_C - 1) and time must be within {ranges}, got "
            f"{float(slope[where].log()):.4g} and {float(z[where].log()):.4g}"
        )

    def _chip_term(self, k: int, z: Tensor) -> Tensor | None:
        """Return [chip, 1, neuron ...] of the chips, drawn once: spread of die, neuron and synapse terms.

        None without.
        """
        passage = self._first_passages(k, z[0].numel())
        spread = self._lookup[k].component_spread if passage is None else passage.spread
        return self._chips.of(k, tuple(z.shape[1:]), spread, z)


class _Move(torch.autograd.Function):
    """The moved spikes forward; backward with m held constant, false spikes being constants too."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, s: Tensor, moved: Moved) -> Tensor:
        """Return the shapes [1 or chip, image, ...] of z and s, [chip, image, ...] of the result."""
        ctx.shape = z.shape
        ctx.save_for_backward(moved.factor, *([] if moved.slope_factor is None else [moved.slope_factor]))
        return moved.z

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return ∂z'/∂z = s/(s - m), ∂z'/∂s = -z m/(s - m)²; both 0 for a lost spike."""
        factor, *slope_factors = ctx.saved_tensors
        grad_s = _summed(grads[0] * slope_factors[0], ctx.shape) if slope_factors else None
        return _summed(grads[0] * factor, ctx.shape), grad_s, None


def _summed(grad: Tensor, shape: torch.Size) -> Tensor:
    """Sum over chips, where they share the spike."""
    return grad if grad.shape == shape else grad.sum(0, keepdim=True)


def _first_passages_of(
    table: NoiseTable, causes: tuple[str, ...], windows: Sequence[float]
) -> list[FirstPassages | None]:
    """Return the first passages of each layer where table and circuit have what they need, None elsewhere."""
    if all(fit.first_passage is None for fit in table.layers):
        return [None] * len(table.layers)
    mapped = MappedNetwork.from_dict(table.provenance["network"])
    passages_of_layers: list[FirstPassages | None] = []
    for k, fit in enumerate(table.layers):
        spec = mapped.neuron_of(k)
        spec = spec.replace(window_s=windows[k] * spec.tau_s)
        passages_of_layers.append(FirstPassages(fit, spec, causes) if FirstPassages.fits(fit, spec) else None)
    return passages_of_layers
