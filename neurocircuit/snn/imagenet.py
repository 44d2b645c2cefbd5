"""ReLU networks for ImageNet in the layout of torchvision's state dicts: vgg16, vgg16_bn, googlenet.

The modules stand here so that torchvision is not needed. A file of trained weights and a folder of pictures are enough:
`neurocircuit convert --architecture googlenet WEIGHTS --data IMAGENET`.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.sets import Data, Dataset
from neurocircuit.snn.data.spec import DataSpec

CLASSES = 1000
_OF_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5,) * 3, (0.5,) * 3)  # googlenet's trained weights come from TensorFlow: torchvision transforms its input
_LEFT_OUT = ("aux1.", "aux2.")  # classifiers that only training uses
_OPTIONAL = "num_batches_tracked"  # old files do not hold it


class Vgg16(nn.Module):
    """The VGG16 of Simonyan and Zisserman, with batch norms or without; channels are those of the paper over `over`."""

    def __init__(self, *, batch_norm: bool, classes: int = CLASSES, over: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(repeats):
                layers.append(nn.Conv2d(before, width // over, 3, padding=1))
                layers += [nn.BatchNorm2d(width // over)] if batch_norm else []
                layers.append(nn.ReLU())
                before = width // over
            layers.append(nn.MaxPool2d(2))
        hidden = 4096 // over
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            *(nn.Linear(49 * before, hidden), nn.ReLU(), nn.Dropout()),
            *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the values [N, class] of normalised pixels."""
        y: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return y


class _Conv(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, before: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, width, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


class _Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1, 3x3; 1x1, 3x3 (the paper: 5x5); pooling, 1x1."""

    def __init__(self, before: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, projection = widths
        self.branch1 = _Conv(before, one, 1)
        self.branch2 = nn.Sequential(_Conv(before, reduce3, 1), _Conv(reduce3, three, 3))
        self.branch3 = nn.Sequential(_Conv(before, reduce5, 1), _Conv(reduce5, five, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), _Conv(before, projection, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNet(nn.Module):
    """The GoogLeNet of Szegedy et al. with batch norms; channels are those of the paper over `over`."""

    _INCEPTIONS = (  # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
        ("3a", (64, 96, 128, 16, 32, 32)),
        ("3b", (128, 128, 192, 32, 96, 64)),
        ("4a", (192, 96, 208, 16, 48, 64)),
        ("4b", (160, 112, 224, 24, 64, 64)),
        ("4c", (128, 128, 256, 24, 64, 64)),
        ("4d", (112, 144, 288, 32, 64, 64)),
        ("4e", (256, 160, 320, 32, 128, 128)),
        ("5a", (256, 160, 320, 32, 128, 128)),
        ("5b", (384, 192, 384, 48, 128, 128)),
    )

    def __init__(self, *, classes: int = CLASSES, over: int = 1) -> None:
        super().__init__()
        self.conv1 = _Conv(3, 64 // over, 7, 2)
        self.conv2 = _Conv(64 // over, 64 // over, 1)
        self.conv3 = _Conv(64 // over, 192 // over, 3)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.last_pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        before = 192 // over
        for name, widths in self._INCEPTIONS:
            scaled = tuple(width // over for width in widths)
            self.add_module(f"inception{name}", _Inception(before, scaled))
            before = scaled[0] + scaled[2] + scaled[4] + scaled[5]
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the values [N, class] of normalised pixels."""
        x = self.pool(self.conv3(self.conv2(self.pool(self.conv1(x)))))
        for name, _ in self._INCEPTIONS:
            if name == "4a":
                x = self.pool(x)
            elif name == "5a":
                x = self.last_pool(x)
            x = self.get_submodule(f"inception{name}")(x)
        y: Tensor = self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))
        return y


@dataclass(frozen=True)
class _Architecture:
    make: Callable[[], nn.Module]
    normalisation: tuple[tuple[float, ...], tuple[float, ...]]  # mean and std of pixels, by channel


_ARCHITECTURES = {
    "vgg16": _Architecture(lambda: Vgg16(batch_norm=False), _OF_IMAGENET),
    "vgg16_bn": _Architecture(lambda: Vgg16(batch_norm=True), _OF_IMAGENET),
    "googlenet": _Architecture(GoogLeNet, _HALF),
}
ARCHITECTURES = tuple(_ARCHITECTURES)


@dataclass(frozen=True)
class ImageNetNetwork:
    """A ReLU network that takes (pixels - mean)/std of 224 x 224 pixels 0 … 1, with its trained weights."""

    architecture: str
    module: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def images(self, split: str, data: Data | None = None) -> Dataset:
        """Return one split of a folder of pictures; their classes are numbered in the order of their names."""
        return sets.load(DataSpec(name="image_folder", size_px=(224, 224), channels=3, framing="imagenet"), split, data)


def load(architecture: str, path: Path | str) -> ImageNetNetwork:
    """Return a network with the weights of a state dict in torchvision's layout; nothing in the file is executed.

    Weights of auxiliary classifiers are left out. Raise InputError for an unknown architecture or a file that cannot be
    read, FileFormatError naming a weight that is missing, of another shape, or of another network.
    """
    if architecture not in _ARCHITECTURES:
        raise InputError(f"architecture must be one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    known = _ARCHITECTURES[architecture]
    weights = {name: value for name, value in _state(Path(path)).items() if not name.startswith(_LEFT_OUT)}
    with torch.device("meta"):
        module = known.make()
    expected = module.state_dict()
    missing = [name for name in expected if name not in weights and not name.endswith(_OPTIONAL)]
    foreign = [name for name in weights if name not in expected]
    shaped = [name for name in weights if name in expected and weights[name].shape != expected[name].shape]
    for fault, names in (("misses", missing), ("has a foreign", foreign), ("has another shape of", shaped)):
        if names:
            raise FileFormatError(f"{path} is not a state dict of {architecture}: it {fault} {names[0]}")
    counts = {name: torch.zeros((), dtype=torch.long) for name in expected if name.endswith(_OPTIONAL)}
    module.load_state_dict(counts | weights, assign=True)
    return ImageNetNetwork(architecture, module.eval(), *known.normalisation)


def _state(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise FileFormatError(f"{path} is not a state dict: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise FileFormatError(f"{path} must be a state dict: weights by name")
    return content
