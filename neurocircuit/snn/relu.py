"""ReLU networks that are trained to be converted into windowed neurons (snn/conversion): pixels in, classes out.

Training speaks of spikes: the first module takes pixels from input spikes, the last gives z = e^-y, so that the largest
y is the earliest spike.
"""

from typing import Self

import torch
from torch import Tensor, nn

from neurocircuit.errors import SpecError
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.models import VGG16_GROUPS, VGG16_NEURONS

WHITENING_EPSILON = 5e-4  # added to the variances of patches, which pixel noise would else rule
BIAS_SPIKES = 2  # synapses that a windowed neuron has beside its inputs
MOMENTUM = 0.4  # of batch norms: short schedules need young statistics
WHITENED_PATCHES = 5000  # images whose patches set the first layer


class PixelsOf(nn.Module):
    """Pixels 0 … 1 from the input spikes of the encoding `linear`: z = e^alpha - (e^alpha - 1) p."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.latest = float(torch.exp(torch.tensor(encoding.alpha, dtype=torch.double)))

    def forward(self, z: Tensor) -> Tensor:
        """Return the pixels [N, channel, row, column], channels last in memory: bfloat16 is fastest so."""
        pixels = (self.latest - z) / (self.latest - 1.0)
        return pixels.contiguous(memory_format=torch.channels_last)


class SpikesOf(nn.Module):
    """z = e^-y [N, class]: the largest y decides as the earliest spike."""

    def forward(self, y: Tensor) -> Tensor:
        """Return the spikes of the read-out."""
        return torch.exp(-y.float())


class PixelNetwork(nn.Sequential):
    """A network from pixels to y between `PixelsOf` and `SpikesOf`: windowed, or of ReLU."""

    @property
    def inner(self) -> nn.Module:
        """The network from pixels to y."""
        return self[1]

    @property
    def pixels_of(self) -> nn.Module:
        """From input spikes to pixels."""
        return self[0]

    @property
    def spikes_of(self) -> nn.Module:
        """From y to output spikes."""
        return self[2]


class ReluNetwork(PixelNetwork):
    """A ReLU network, which is converted."""

    @classmethod
    def of(cls, layers: list[nn.Module], encoding: Encoding) -> Self:
        """Return the network of these layers from pixels to y; channels last in memory."""
        network = cls(PixelsOf(encoding), nn.Sequential(*layers), SpikesOf())
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class WhitenedNetwork(ReluNetwork):
    """A ReLU network whose first layer whitens patches of the training images."""

    @torch.no_grad()
    def whiten(self, pixels: Tensor) -> None:
        """Set the first layer to the eigenvectors of patches of pixels [N, channel, row, column], and their opposites.

        Each is divided by the spread of the patches along it. Later steps keep these weights.
        """
        first = next(module for module in self.modules() if isinstance(module, nn.Conv2d))
        height, width = first.kernel_size
        patches = pixels.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)
        patches = patches.double()
        values, vectors = torch.linalg.eigh(torch.cov(patches.t()))
        filters = (vectors / torch.sqrt(values + WHITENING_EPSILON)).t().flip(0)
        filters = filters.view(-1, *first.weight.shape[1:]).to(first.weight)
        first.weight.copy_(torch.cat([filters, -filters]))
        mean = patches.mean(0).to(first.weight).view(first.weight.shape[1:])
        if first.bias is not None:
            first.bias.copy_(-(first.weight * mean).sum(dim=(1, 2, 3)))


def build_compact(
    encoding: Encoding,
    widths: tuple[int, int, int],
    shape: tuple[int, int, int],
    classes: int,
    rng: torch.Generator,
    largest_fan_in: int | None = None,
) -> WhitenedNetwork:
    """Return the compact network: whitening 2x2, then [3x3, pool, 3x3] for each width, pool, linear; weights drawn.

    3x3 layers start as identities for as many channels as they take in. largest_fan_in: synapses of a neuron, its two
    bias spikes among them; 3x3 layers take in as many groups as that asks for. Raise SpecError naming what is in the
    way where none does.
    """
    channels, rows, columns = shape
    first = nn.Conv2d(channels, 8 * channels, 2)
    first.weight.requires_grad_(False)
    layers: list[nn.Module] = [first, nn.ReLU()]
    before, size = 8 * channels, min(rows, columns) - 1
    for width in widths:
        kernel = min(2, size)
        size //= kernel
        first_groups, second_groups = (_groups(inputs, width, largest_fan_in) for inputs in (before, width))
        layers += [_conv(before, width, rng, first_groups), nn.MaxPool2d(kernel), _norm(width), nn.ReLU()]
        layers += [_conv(width, width, rng, second_groups), _norm(width), nn.ReLU()]
        before = width
    if largest_fan_in is not None and before + BIAS_SPIKES > largest_fan_in:
        raise SpecError(
            f"network.widths: the last must be <= {largest_fan_in - BIAS_SPIKES} for network.largest_fan_in, "
            f"got {before}"
        )
    last = nn.Linear(before * (size // min(3, size)) ** 2, classes, bias=False)
    _draw(last.weight, rng)
    layers += [nn.MaxPool2d(min(3, size)), nn.Flatten(), last]
    _draw(first.weight, rng)
    assert first.bias is not None  # noqa: S101
    nn.init.zeros_(first.bias)
    return WhitenedNetwork.of(layers, encoding)


def build_vgg16(encoding: Encoding, shape: tuple[int, int, int], classes: int, rng: torch.Generator) -> ReluNetwork:
    """Return SpikingVGG16 of Table 1 as a ReLU network with a batch norm after each convolution; weights drawn.

    Five groups of 3x3 layers, each ended by a pooling over 2x2, then 4096, 4096, 512 neurons and the classes.
    """
    before, rows, columns = shape
    layers: list[nn.Module] = []
    for width, repeats in VGG16_GROUPS:
        for _ in range(repeats):
            layers += [_conv(before, width, rng), _norm(width), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
        rows, columns = -(-rows // 2), -(-columns // 2)
    layers.append(nn.Flatten())
    before *= rows * columns
    for neurons in (*VGG16_NEURONS, classes):
        layers += [_linear(before, neurons, rng), nn.ReLU()]
        before = neurons
    return ReluNetwork.of(layers[:-1], encoding)


def _conv(inputs: int, outputs: int, rng: torch.Generator, groups: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, groups=groups)
    _draw(conv.weight, rng)
    with torch.no_grad():
        for of_group in conv.weight.chunk(groups):
            nn.init.dirac_(of_group[: min(inputs, outputs) // groups])
    return conv


def _groups(inputs: int, outputs: int, largest_fan_in: int | None) -> int:
    """Return the fewest groups of a 3x3 layer with which a neuron has so many synapses at most."""
    if largest_fan_in is None:
        return 1
    for groups in range(1, inputs + 1):
        if inputs % groups == outputs % groups == 0 and 9 * inputs // groups + BIAS_SPIKES <= largest_fan_in:
            return groups
    raise SpecError(
        f"network.largest_fan_in must let some groups of {inputs} channels make {outputs}, got {largest_fan_in}"
    )


def _linear(inputs: int, outputs: int, rng: torch.Generator) -> nn.Linear:
    """Return a layer whose deviations pass a ReLU unchanged (He et al., 2015)."""
    linear = nn.Linear(inputs, outputs)
    with torch.no_grad():
        linear.weight.normal_(0.0, (2.0 / inputs) ** 0.5, generator=rng)
        linear.bias.zero_()
    return linear


def _norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm whose scale stays 1: the next layer has one of its own."""
    norm = nn.BatchNorm2d(channels, momentum=MOMENTUM)
    norm.weight.requires_grad_(False)
    return norm


def _draw(weight: Tensor, rng: torch.Generator) -> None:
    """Uniform within ± 1/sqrt(inputs), as torch draws its layers."""
    bound = weight[0].numel() ** -0.5
    with torch.no_grad():
        weight.uniform_(-bound, bound, generator=rng)
