"""What every reader returns: images in memory, or images read from files when they are asked for."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neurocircuit.errors import FileFormatError

Pixels = NDArray[np.uint8] | NDArray[np.float32]  # 0 … 255, or 0 … 1 where eight bits would not hold them
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

    @property
    def labels(self) -> Labels:
        """All labels [image]; no pixel is read for them."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of the files: sizes, modes, files that were passed over."""

    def __len__(self) -> int:
        """Number of images."""

    def batch(self, indices: Indices, draws: Draws | None = None) -> tuple[Pixels, Labels]:
        """Return the pixels [image, channel, row, column] and labels [image].

        `draws` decide what the reading leaves open.
        """


@dataclass(frozen=True)
class ImagesInMemory:
    """Pixels [image, channel, row, column], 0 … 255 or as floats 0 … 1, and labels [image]."""

    pixels: Pixels
    labels: Labels
    sha256: dict[str, str]
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def batch(self, indices: Indices, draws: Draws | None = None) -> tuple[Pixels, Labels]:
        """Return the pixels [image, channel, row, column] and labels [image]; nothing is random here."""
        return self.pixels[indices], self.labels[indices]


@dataclass(frozen=True)
class Chosen:
    """Images of another source by their numbers there, in that order; further: remarks on the choice."""

    source: ImageSource
    order: Indices
    further: tuple[str, ...] = ()

    @property
    def sha256(self) -> dict[str, str]:
        """Hashes of the whole source."""
        return self.source.sha256

    @property
    def labels(self) -> Labels:
        """Labels [image] of the chosen ones."""
        return self.source.labels[self.order]

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on the whole source, and on the choice."""
        return (*self.source.remarks, *self.further)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.order)

    def batch(self, indices: Indices, draws: Draws | None = None) -> tuple[Pixels, Labels]:
        """As of the source."""
        return self.source.batch(self.order[indices], draws)


def section(source: ImageSource, start: int, stop: int) -> Chosen:
    """Return the images of a source from `start` to `stop`."""
    return Chosen(source, np.arange(start, stop))


def in_turns(labels: Labels, seed: int) -> Indices:
    """Return an order [image] in which the classes take turns by their shares, at random within each class.

    Image k of the n of its class, counted in a random order, stands at (k + 1/2)/n of the whole. So a section of m of
    all N images has m n/N of each class to within one at its either end: any such section is a stratified sample.
    """
    rng = np.random.default_rng([seed, len(labels)])
    position = np.empty(len(labels))
    for label in np.unique(labels):
        images = rng.permutation(np.flatnonzero(labels == label))
        position[images] = (np.arange(len(images)) + 0.5) / len(images)
    return np.lexsort((rng.random(len(labels)), position))  # classes of equal size stand at the same places: any order


def checked_labels(labels: NDArray[np.integer], classes: int, where: str) -> Labels:
    """Return the labels [image] as int64. Raise FileFormatError naming `where` when one is not below `classes`."""
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        worst = labels.max() if labels.max() >= classes else labels.min()
        raise FileFormatError(f"{where} must hold labels 0 … {classes - 1}, got {worst}")
    return labels.astype(np.int64)
