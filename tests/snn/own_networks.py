"""Networks of one's own for the tests: torch modules that the package knows nothing of."""

import torch
from torch import Tensor, nn

from neurocircuit.snn import layers
from neurocircuit.snn.retime import Retime


class Branches(nn.Module):
    """Three branches of digits side by side, one of the image itself, one through gates; a deep name."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.body = nn.ModuleDict({"gates": layers.EarliestPool2d(2), "one": layers.SpikingConv2d(1, 3, 1, bias=bias)})
        self.left = nn.Sequential(layers.SpikingConv2d(1, 4, 3, stride=2, padding="same", bias=bias))
        self.out = layers.SpikingLinear(7 * 16 + 64, 10, bias=bias)

    def forward(self, z: Tensor) -> Tensor:
        right = self.body["one"](self.body["gates"](z))
        both = torch.cat([self.left(z), right], 1)
        return self.out(torch.cat((both.view(both.size(0), -1), z.flatten(1)), dim=1))


class OwnClock(nn.Module):
    """A time constant of its own for the second layer, which two branches share."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.SpikingConv2d(1, 4, 3, stride=2, padding="same", bias=False)
        self.clock = Retime(0.5)
        self.a, self.b = (layers.SpikingConv2d(4, 3, size, padding="same", bias=False) for size in (1, 3))
        self.out = layers.SpikingLinear(96, 10, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        z = self.clock(self.first(z))
        return self.out(torch.cat([self.a(z), self.b(z)], dim=1).flatten(1))


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.shortcut = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.b(torch.relu(self.a(x))) + self.shortcut(x))


class TwoBlocks(nn.Module):
    """A ReLU network of two residual blocks of one class, so that names need their paths; batch norm, functions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.blocks = nn.Sequential(_Block(), _Block())
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(torch.relu(self.norm(self.stem(x))))
        return self.head(torch.flatten(nn.functional.max_pool2d(x, 2), 1))


class Residual(nn.Module):
    """A ReLU network with a sum, written with functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.relu = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.ReLU()
        self.out = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.first(x)))
        x = self.relu(x + self.second(x))
        return self.out(torch.flatten(nn.functional.max_pool2d(x, 2), 1))
