"""What happens between a gradient and the next weights: bounds, learning rate, optimiser, averaged weights."""

import copy
import ctypes
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from neurocircuit.snn.recipe import OptimiserSpec, ScheduleSpec

_BETAS = (0.9, 0.999)
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h


def new_optimiser(network: nn.Module, spec: OptimiserSpec) -> torch.optim.Optimizer:
    """Return the adam or SGD with momentum over all parameters; the learning rate is set before each step."""
    if spec.kind == "adam":
        return torch.optim.Adam(network.parameters(), lr=0.0, betas=_BETAS, fused=True)
    norms = {id(module.bias) for module in network.modules() if isinstance(module, nn.BatchNorm2d)}
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    biases = [parameter for parameter in trained if id(parameter) in norms]
    groups = [{"params": [p for p in trained if id(p) not in norms], "weight_decay": spec.weight_decay, "factor": 1.0}]
    if biases:
        factor = spec.norm_bias_lr
        groups.append({"params": biases, "weight_decay": spec.weight_decay / factor, "factor": factor})
    return torch.optim.SGD(groups, lr=0.0, momentum=spec.momentum, nesterov=spec.nesterov)


def learning_rate(step: int, steps: int, spec: ScheduleSpec) -> float:
    """Rate of step 0 … steps - 1: a linear rise over the warm-up, then linear or cosine from lr to lr_end."""
    if step < spec.warmup_steps:
        return spec.lr * (step + 1) / spec.warmup_steps
    progress = (step - spec.warmup_steps) / max(steps - 1 - spec.warmup_steps, 1)
    share = progress if spec.decay == "linear" else (1 - math.cos(math.pi * progress)) / 2
    return spec.lr + (spec.lr_end - spec.lr) * share


@torch.no_grad()
def bound_gradients(parameters: Iterable[nn.Parameter], spec: OptimiserSpec) -> float:
    """Scale the gradient G [neuron, ...] of each layer's parameters as the recipe says.

    clip_row_norm: its row-normalised Frobenius norm |G|/sqrt(neurons), the rms over neurons of the norm of a neuron's
    gradient, is brought down to the bound (paper §4.1 takes 10; the division is our reading of "row-normalized").
    unit_per_layer: |G| = 1 for each. Returns the largest |G| before that, nan where a gradient is not finite.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack(torch._foreach_norm(gradients)).tolist()
    for gradient, norm in zip(gradients, norms, strict=True):
        bound = spec.largest_row_norm * math.sqrt(len(gradient))
        if (spec.gradient == "clip_row_norm" and norm > bound) or (spec.gradient == "unit_per_layer" and norm > 0):
            gradient.mul_((bound if spec.gradient == "clip_row_norm" else 1.0) / norm)
    return float(max(norms)) if all(map(math.isfinite, norms)) else math.nan


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Numbers below 1e-38 count as 0: gradients of images that are surely right reach them, at 2.5 times the cost."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def keep_freed_memory() -> None:
    """Let malloc keep what a step frees for the next one: paging it in anew costs a wide network a fifth of its time.

    This is of the GNU C library; elsewhere nothing changes. The process keeps the memory of its largest step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)


class AveragedWeights:
    """A copy of a network whose weights and buffers follow the trained ones: a <- d a + (1 - d) w after each step."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Start as a copy; d = min(decay, (1 + step)/(10 + step)), so that the start fades."""
        self.network: nn.Module = copy.deepcopy(network)
        self._decay = decay
        averaged, trained = self.network.state_dict(), network.state_dict()
        names = [name for name, value in averaged.items() if value.is_floating_point()]
        self._averaged, self._trained = [averaged[name] for name in names], [trained[name] for name in names]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Take in the trained weights after step 0, 1, ..."""
        share = 1.0 - min(self._decay, (1.0 + step) / (10.0 + step))
        torch._foreach_lerp_(self._averaged, self._trained, share)
