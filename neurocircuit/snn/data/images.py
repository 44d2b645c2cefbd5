"""What every reader returns: images in memory, or images read from files when they are asked for."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neurocircuit.errors import FileFormatError

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Indices = NDArray[np.int64]
Draws = NDArray[
    np.float64
]  # [image, DRAWS], uniform on 0 … 1: all that is random about reading and augmenting an image
DRAWS = 10


class ImageSource(Protocol):
    """Labelled images, by index."""

    @property
    def sha256(self) -> dict[str, str]:
        """Hash of the unpacked content of each file read, by file name: part of the identity of a result."""

    def __len__(self) -> int:
        """Number of images."""

    def batch(self, indices: Indices, draws: Draws | None = None) -> tuple[Pixels, Labels]:
        """Return the pixels [image, channel, row, column] and labels [image].

        `draws` decide what the reading leaves open.
        """


@dataclass(frozen=True)
class ImagesInMemory:
    """Pixels [image, channel, row, column], 0 … 255, and labels [image]."""

    pixels: Pixels
    labels: Labels
    sha256: dict[str, str]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def batch(self, indices: Indices, draws: Draws | None = None) -> tuple[Pixels, Labels]:
        """Return the pixels [image, channel, row, column] and labels [image]; nothing is random here."""
        return self.pixels[indices], self.labels[indices]


@dataclass(frozen=True)
class Section:
    """The images of another source from `start` to `stop`."""

    source: ImageSource
    start: int
    stop: int

    @property
    def sha256(self) -> dict[str, str]:
        """Hashes of the whole source."""
        return self.source.sha256

    def __len__(self) -> int:
        """Number of images."""
        return self.stop - self.start

    def batch(self, indices: Indices, draws: Draws | None = None) -> tuple[Pixels, Labels]:
        """As of the source."""
        return self.source.batch(indices + self.start, draws)


def checked_labels(labels: NDArray[np.integer], classes: int, where: str) -> Labels:
    """Return the labels [image] as int64. Raise FileFormatError naming `where` when one is not below `classes`."""
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        worst = labels.max() if labels.max() >= classes else labels.min()
        raise FileFormatError(f"{where} must hold labels 0 … {classes - 1}, got {worst}")
    return labels.astype(np.int64)
