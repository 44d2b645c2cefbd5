"""A folder with one subfolder of pictures per class, as ImageNet is kept; pictures are read when asked for."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.core import extras
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn.data.images import Draws, Indices, Labels, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_RESIZED_OVER_CROP = 256 / 224
_SMALLEST_AREA, _LARGEST_ASPECT = 0.08, 4 / 3  # scale and aspect ratio augmentation of the GoogLeNet procedure


class ImageFolder:
    """Pictures `root/class/picture.jpg`, classes in the order of their names, as RGB of `side_px` squared."""

    def __init__(self, root: Path, side_px: int = 224) -> None:
        """List the pictures. Raise InputError when there are none."""
        names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        self.classes = tuple(names)
        self.side_px = side_px
        self._files = [
            (path, label)
            for label, name in enumerate(names)
            for path in sorted((root / name).rglob("*"))
            if path.suffix.lower() in SUFFIXES
        ]
        if not self._files:
            raise InputError(f"{root} must hold one folder of pictures ({', '.join(SUFFIXES)}) per class")
        listing = "\n".join(f"{path.relative_to(root)} {path.stat().st_size}" for path, _ in self._files)
        self.sha256 = {f"listing of {root.name}": hashlib.sha256(listing.encode()).hexdigest()}

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._files)

    def batch(self, indices: Indices, draws: Draws | None = None) -> tuple[Pixels, Labels]:
        """Return the pixels [image, 3, side, side] and labels [image].

        scale, aspect and place by `draws`, else the centre.

        Raise FileFormatError naming a picture that cannot be read.
        """
        chosen = [self._files[index] for index in indices]
        rows: list[Draws] | list[None] = [None] * len(chosen) if draws is None else list(draws[:, 3:])
        pixels = np.stack([self._picture(path, row) for (path, _), row in zip(chosen, rows, strict=True)])
        return pixels, np.array([label for _, label in chosen], dtype=np.int64)

    def _picture(self, path: Path, draws: Draws | None) -> Pixels:
        try:
            from PIL import Image, UnidentifiedImageError
        except ImportError as error:
            raise extras.missing(error) or error from None
        try:
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
        except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise FileFormatError(f"cannot read the picture {path}: {error}") from None
        box = _centre_box(picture) if draws is None else _drawn_box(picture, draws)
        side = (self.side_px, self.side_px)
        cut = picture.resize(side, Image.Resampling.BILINEAR, box=box)
        return np.asarray(cut, dtype=np.uint8).transpose(2, 0, 1)


def _centre_box(picture: "Image") -> tuple[float, float, float, float]:
    """Return the centre square of 224/256 of the shorter side: resize to 256, crop 224."""
    width, height = picture.size
    side = min(width, height) / _RESIZED_OVER_CROP
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _drawn_box(picture: "Image", draws: Draws) -> tuple[float, float, float, float]:
    """Return 8 to 100 % of the area, aspect 3/4 to 4/3, anywhere inside, by four numbers uniform on 0 … 1."""
    width, height = picture.size
    area = width * height * (_SMALLEST_AREA + (1 - _SMALLEST_AREA) * draws[0])
    aspect = _LARGEST_ASPECT ** (2 * draws[1] - 1)
    cut_width, cut_height = min(width, np.sqrt(area * aspect)), min(height, np.sqrt(area / aspect))
    left, top = draws[2] * (width - cut_width), draws[3] * (height - cut_height)
    return left, top, left + cut_width, top + cut_height
