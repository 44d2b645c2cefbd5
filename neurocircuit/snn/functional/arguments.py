"""What a causal-set layer gets, and what comes back of it: one object for each implementation.

The torch operator itself takes its arguments one by one (op.py): its schema knows tensors, numbers and lists only.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from neurocircuit.snn.functional.geometry import Padding, output_size


class Layer(NamedTuple):
    """Arguments of a layer, checked: spikes z [N, in, H, W], weight [out, in, kh, kw], bias [bias spike, out].

    bias_z: times of the bias spikes; arming_z: 0 for neurons that are always armed.
    """

    z: Tensor
    weight: Tensor
    bias: Tensor | None
    bias_z: Sequence[float]
    stride: int
    padding: Padding
    arming_z: float = 0.0

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """Shape of what the layer gives, [N, out, h, w]."""
        image = (self.z.shape[2], self.z.shape[3])
        return len(self.z), len(self.weight), *output_size(image, self.kernel, self.stride, self.padding)

    @property
    def pixels(self) -> int:
        """Number of output pixels of an image."""
        return self.output_shape[2] * self.output_shape[3]


class Fired(NamedTuple):
    """What a layer gave: z_out (inf where silent) and slope (0 where silent), both [N, out, h, w]."""

    z_out: Tensor
    slope: Tensor


class OutputGradients(NamedTuple):
    """Gradients of what a layer gave, [N, out, h, w]; slope None: nothing depends on it."""

    z_out: Tensor
    slope: Tensor | None


Gradients = tuple[Tensor, Tensor, Tensor]  # of z (empty where not needed), weight, bias (empty without one)
