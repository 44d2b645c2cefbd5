"""What happens between a gradient and the next weights: bounds, learning rate, optimiser, averaged weights."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from neurocircuit.snn.recipe import OptimiserSpec, ScheduleSpec

_BETAS = (0.9, 0.999)


def new_optimiser(network: nn.Module, spec: OptimiserSpec) -> torch.optim.Optimizer:
    """Adam or SGD with momentum over all parameters; the learning rate is set before each step."""
    if spec.kind == "adam":
        return torch.optim.Adam(network.parameters(), lr=0.0, betas=_BETAS)
    return torch.optim.SGD(network.parameters(), lr=0.0, momentum=spec.momentum)


def learning_rate(step: int, steps: int, spec: ScheduleSpec) -> float:
    """Rate of step 0 … steps - 1: a linear rise over the warm-up, then linear or cosine from lr to lr_end."""
    if step < spec.warmup_steps:
        return spec.lr * (step + 1) / spec.warmup_steps
    progress = (step - spec.warmup_steps) / max(steps - 1 - spec.warmup_steps, 1)
    share = progress if spec.decay == "linear" else (1 - math.cos(math.pi * progress)) / 2
    return spec.lr + (spec.lr_end - spec.lr) * share


@torch.no_grad()
def bound_gradients(parameters: Iterable[nn.Parameter], spec: OptimiserSpec) -> None:
    """Scale each layer's gradient G [neuron, ...] as the recipe says.

    clip_row_norm: its row-normalised Frobenius norm |G|/sqrt(neurons), the rms over neurons of the norm of a neuron's
    gradient, is brought down to the bound (paper §4.1 takes 10; the division is our reading of "row-normalized").
    unit_per_layer: |G| = 1 for each layer.
    """
    if spec.gradient == "as_is":
        return
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is None:
            continue
        norm = torch.linalg.vector_norm(gradient)
        if spec.gradient == "clip_row_norm":
            bound = spec.largest_row_norm * math.sqrt(len(gradient))
            gradient.mul_((bound / norm).clamp(max=1.0))
        else:
            gradient.div_(torch.where(norm > 0, norm, 1.0))


@torch.no_grad()
def average_in(averaged: dict[str, Tensor], network: nn.Module, decay: float, step: int) -> None:
    """Averaged <- d averaged + (1 - d) weights, d = min(decay, (1 + step)/(10 + step)) so that the start fades."""
    share = 1.0 - min(decay, (1.0 + step) / (10.0 + step))
    own = network.state_dict()
    names = [name for name, tensor in own.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([averaged[name] for name in names], [own[name] for name in names], share)
