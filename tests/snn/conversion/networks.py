"""ReLU networks to convert: random graphs, and the shapes of published ones."""

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


def _block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


def vgg16_bn(width=8, classes=10):
    """The layers of torchvision's vgg16_bn, channels over 64/width."""
    layers, channels = [], 3
    for step in (1, 1, "M", 2, 2, "M", 4, 4, 4, "M", 8, 8, 8, "M", 8, 8, 8, "M"):
        if step == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers += [nn.Conv2d(channels, step * width, 3, padding=1), nn.BatchNorm2d(step * width), nn.ReLU(inplace=True)]
        channels = step * width
    hidden = 16 * width
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d((7, 7)),
        nn.Flatten(),
        nn.Linear(49 * channels, hidden),
        nn.ReLU(True),
        nn.Dropout(),
        nn.Linear(hidden, hidden),
        nn.ReLU(True),
        nn.Dropout(),
        nn.Linear(hidden, classes),
    )


class _Conv(nn.Module):
    def __init__(self, inputs, outputs, **geometry):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, bias=False, **geometry)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return nn.functional.relu(self.bn(self.conv(x)), inplace=True)


class _Inception(nn.Module):
    def __init__(self, inputs, one, reduce3, three, reduce5, five, projection):
        super().__init__()
        self.branch1 = _Conv(inputs, one, kernel_size=1)
        self.branch2 = nn.Sequential(
            _Conv(inputs, reduce3, kernel_size=1), _Conv(reduce3, three, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            _Conv(inputs, reduce5, kernel_size=1), _Conv(reduce5, five, kernel_size=3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), _Conv(inputs, projection, kernel_size=1)
        )

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNet(nn.Module):
    """The graph of torchvision's googlenet without auxiliary classifiers, channels over `divisor`."""

    WIDTHS = (
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
        None,
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
        None,
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    )

    def __init__(self, divisor=8, classes=10):
        super().__init__()
        n = divisor
        steps = [
            _Conv(3, 64 // n, kernel_size=7, stride=2, padding=3),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            _Conv(64 // n, 64 // n, kernel_size=1),
            _Conv(64 // n, 192 // n, kernel_size=3, padding=1),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
        ]
        channels = 192 // n
        for k, widths in enumerate(self.WIDTHS):
            if widths is None:
                steps.append(nn.MaxPool2d(3 if k == 2 else 2, stride=2, ceil_mode=True))
                continue
            one, reduce3, three, reduce5, five, projection = (width // n for width in widths)
            steps.append(_Inception(channels, one, reduce3, three, reduce5, five, projection))
            channels = one + three + five + projection
        self.steps, self.avgpool = nn.Sequential(*steps), nn.AdaptiveAvgPool2d((1, 1))
        self.dropout, self.fc = nn.Dropout(0.2), nn.Linear(channels, classes)

    def forward(self, x):
        return self.fc(self.dropout(torch.flatten(self.avgpool(self.steps(x)), 1)))
