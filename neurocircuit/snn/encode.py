"""Pixels to input spikes, and output spikes to a decision."""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from neurocircuit.neuron.windows import spike_z
from neurocircuit.spec.fields import Ratio, Spec

EncodingName = Literal["bright_first", "dark_first", "linear"]
# Of the paper's networks, by data set: its published weights mean nothing under the other one.
PUBLISHED: dict[str, EncodingName] = {"mnist": "bright_first", "cifar10": "dark_first", "image_folder": "dark_first"}


class Encoding(Spec):
    """How a pixel p in [0, 1] becomes a spike time, paper §4.1."""

    kind: Annotated[
        EncodingName,
        Field(
            description="bright_first: t = alpha (1 - p), MNIST; dark_first: t = alpha p, CIFAR-10 and ImageNet; "
            "linear: e^t falls with p from e^alpha to 1, for windowed networks",
        ),
    ] = "bright_first"
    alpha: Annotated[Ratio, Field(gt=0, le=80, description="latest input spike, units of tau")] = 3.0

    @property
    def formula(self) -> str:
        """The spike time t of a pixel p, units of tau, in words."""
        if self.kind == "linear":
            return f"t = ln(e^{self.alpha:g} - (e^{self.alpha:g} - 1) p)"
        return f"t = {self.alpha:g} (1 - p)" if self.kind == "bright_first" else f"t = {self.alpha:g} p"


OF_RELU = Encoding(kind="linear", alpha=0.5)  # of a ReLU network whose recipe says nothing of it: pixels go in


def encode(pixels: Tensor, encoding: Encoding) -> Tensor:
    """Return the input spikes z = e^t, same shape, from pixels in [0, 1]; t = alpha (1 - p) or t = alpha p.

    Paper §4.1. linear: z = e^alpha (1 - (1 - e^-alpha) p), eq. (W2) of neuron/windows.py.
    """
    if encoding.kind == "linear":
        latest = math.exp(encoding.alpha)
        z: Tensor = latest * spike_z(pixels, 1.0, encoding.alpha)
        return z
    delay = 1.0 - pixels if encoding.kind == "bright_first" else pixels
    return torch.exp(encoding.alpha * delay)


def first_spike(z_out: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class of the first output spike [image] and whether there was one [image], from z_out [image, class].

    The decision falls at the first spike (paper §3.2). Of simultaneous spikes the lower class wins; an image whose
    outputs are all silent has no decision: class -1, which never counts as right.
    """
    z_first, decision = z_out.min(dim=1)
    decided = torch.isfinite(z_first)
    return torch.where(decided, decision, -1), decided
