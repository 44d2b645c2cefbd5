"""ReLU networks to convert: random graphs, long branches, wide layers."""

import torch
from torch import nn


def settle(network, images, generator):
    """The network with batch norms of random scales and shifts, statistics of `images`, in float64."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.4, generator=generator)
    network.double().train()
    with torch.no_grad():
        network(images.double())
    return network.eval()


class Branches(nn.Module):
    """Concatenation of branches of unequal depth, a residual sum with a strided shortcut, a mean."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.short = nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.long = nn.Sequential(nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU6())
        self.pooled = nn.Sequential(nn.AvgPool2d(3, 1, padding=1), nn.Conv2d(8, 4, 1), nn.ReLU())
        self.residual = nn.Sequential(nn.Conv2d(12, 8, 3, 2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        self.shortcut = nn.Sequential(nn.Conv2d(12, 8, 1, 2, bias=False), nn.BatchNorm2d(8))
        self.relu, self.mean, self.out = nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([self.short(x), self.long(x), self.pooled(x)], 1)
        x = self.relu(self.residual(x) + self.shortcut(x))
        return self.out(torch.flatten(self.mean(x), 1))


class RandomGraph(nn.Module):
    """Depth, branches, strides, pooling, padding and biases as `rng` (numpy) draws them, for 8 x 8 images."""

    def __init__(self, rng, channels=2):
        super().__init__()
        self.blocks, width, size = nn.ModuleList(), channels, 8
        self.kinds = []
        for _ in range(int(rng.integers(1, 5))):
            kind = str(rng.choice(["plain", "concat", "residual", "pool", "average", "grouped"]))
            out = int(rng.integers(1, 4)) * 2
            kernel, stride = int(rng.choice([1, 2, 3])), int(rng.choice([1, 1, 2])) if size > 2 else 1
            padding = int(rng.integers(0, kernel))
            if kind in ("concat", "residual") or size + 2 * padding < kernel:
                kernel, stride, padding = 3, 1, 1
            if kind in ("pool", "average") and size < 2:
                kind = "plain"
            make = {
                "plain": lambda i, o, k, s, p: nn.Sequential(nn.Conv2d(i, o, k, s, p), nn.BatchNorm2d(o), nn.ReLU()),
                "pool": lambda i, o, k, s, p: nn.Sequential(
                    nn.Conv2d(i, o, k, s, p), nn.MaxPool2d(2, 2, 1, ceil_mode=True), nn.BatchNorm2d(o), nn.ReLU()
                ),
                "average": lambda i, o, k, s, p: nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(i, o, 1), nn.ReLU()),
                "grouped": lambda i, o, k, s, p: nn.Sequential(nn.Conv2d(i, o, k, s, p, groups=2), nn.ReLU()),
                "concat": lambda i, o, k, s, p: nn.ModuleList(
                    [_block(i, o), nn.Sequential(_block(i, 2), _block(2, o))]
                ),
                "residual": lambda i, o, k, s, p: nn.ModuleList([_block(i, i), nn.Conv2d(i, i, 3, padding=1)]),
            }[kind]
            self.blocks.append(make(width, out, kernel, stride, padding))
            self.kinds.append(kind)
            width = {"concat": 2 * out, "residual": width}.get(kind, out)
            with torch.no_grad():
                size = self.features(torch.zeros(2, channels, 8, 8)).shape[-1]
        self.out = nn.Linear(width * size * size, 4)

    def features(self, x):
        for kind, block in zip(self.kinds, self.blocks, strict=True):
            if kind == "concat":
                x = torch.cat([block[0](x), block[1](x)], 1)
            elif kind == "residual":
                x = torch.relu(x + block[1](block[0](x)))
            else:
                x = block(x)
        return x

    def forward(self, x):
        return self.out(self.features(x).flatten(1))


class LongBranches(nn.Module):
    """Five layers, each of the one before it and of an earlier one or the pixels, as `rng` draws; 6 x 6 images and up.

    Sums with the earlier activations as they are, projected or pooled, and concatenations: up to five windows old.
    """

    def __init__(self, rng, channels=2, width=4, classes=4):
        super().__init__()
        self.stem = _block(channels, width)
        kinds = ["same", "projected", "pooled", "pixels", "concat"]
        self.kinds = [kinds[k] for k in rng.permutation(len(kinds))]
        self.earlier = [int(rng.integers(0, k + 1)) for k in range(len(kinds))]
        self.body, self.shortcut = nn.ModuleList(), nn.ModuleList()
        for kind in self.kinds:
            inputs = 2 * width if kind == "concat" else width
            self.body.append(nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width)))
            self.shortcut.append(
                {
                    "same": nn.Identity(),
                    "projected": nn.Conv2d(width, width, 1),
                    "pooled": nn.MaxPool2d(3, 1, 1),
                    "pixels": nn.Conv2d(channels, width, 3, padding=1),
                    "concat": nn.Identity(),
                }[kind]
            )
        self.pool, self.out = nn.AdaptiveAvgPool2d(2), nn.Linear(8 * width, classes)

    def forward(self, x):
        values = [self.stem(x)]
        for kind, k, body, shortcut in zip(self.kinds, self.earlier, self.body, self.shortcut, strict=True):
            if kind == "concat":
                y = body(torch.cat([values[-1], values[k]], 1))
            else:
                y = body(values[-1]) + shortcut(x if kind == "pixels" else values[k])
            values.append(torch.relu(y))
        return self.out(self.pool(torch.cat([values[-1], values[0]], 1)).flatten(1))


class Wide(nn.Sequential):
    """A convolution of 72 inputs and a linear layer of 24, which split into partial sums."""

    def __init__(self, rng, channels=2):
        super().__init__(
            *(_block(channels, 8), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 6, 3, 2, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(24, 4)),
        )


def _block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())
