"""A folder with one subfolder of pictures per class, as ImageNet is kept; pictures are read when asked for.

At the start the header of every picture is read: what cannot be read, is hidden or is no picture is named then, not in
the middle of training.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core import extras
from neurocircuit.core.pool import Progress, silent
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn.data.images import Draws, Indices, Labels, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
Framing = Literal["centre", "imagenet"]
Size = tuple[int, int]
_RESIZED_OVER_CROP = 256 / 224
_SMALLEST_AREA, _LARGEST_ASPECT = 0.08, 4 / 3  # scale and aspect ratio augmentation of the GoogLeNet procedure
_LEFT_BY_SYSTEMS = ("thumbs.db", "desktop.ini", "__macosx")
_GREY_MODES = ("1", "L", "LA")
_SIXTEEN_BITS, _WHITE_16 = ("I;16", "I;16L", "I;16B", "I;16N"), 65535
_OTHER_MODES = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_ORIENTATION = 0x0112  # of EXIF
_TURNED, _ON_ITS_SIDE = range(2, 9), range(5, 9)
_NAMED = 3  # files of a kind that a remark or an error names


@dataclass(frozen=True)
class Picture:
    """One file, and what its header says: size [row, column] in pixels, Pillow's name of its mode.

    is_turned: by its EXIF orientation, as every viewer shows it; size_px is that of the turned picture.
    """

    path: Path
    label: int
    size_px: Size
    mode: str
    is_turned: bool = False

    @property
    def is_grey(self) -> bool:
        """Whether it has no colour."""
        return self.mode in _GREY_MODES or self.is_deep

    @property
    def is_deep(self) -> bool:
        """Whether its pixels have 16 bits."""
        return self.mode in _SIXTEEN_BITS


class ImageFolder:
    """Pictures `root/class/picture.jpg` as pixels [channel, row, column] of one size, labels by the names of classes.

    Pixels are 0 … 255, or floats 0 … 1 in a folder with pictures of 16 bits.
    """

    def __init__(
        self,
        root: Path,
        classes: Sequence[str] = (),
        size_px: Size | None = None,
        channels: int | None = None,
        framing: Framing = "centre",
        progress: Progress = silent,
    ) -> None:
        """List the pictures and read their headers.

        Args:
            root: folder of the folders of the classes.
            classes: names by label; default: those of the folders, sorted.
            size_px: rows and columns to which pictures are brought; default: the size that all of them have.
            channels: 1 for grey, 3 for colour; default: 1 where all are grey.
            framing: centre: the largest area at the centre that has the shape of size_px. imagenet: the centre square
                of 224/256 of the shorter side; in training a random part of 8 to 100 % of the area.
            progress: hears how many headers have been read.

        Raise InputError when there are no pictures, as `check_classes` and for pictures of several
        sizes without size_px; FileFormatError naming those that cannot be read.
        """
        self.classes = tuple(classes) or _class_folders(root)
        check_classes(root, self.classes)
        listed = [
            (path, label)
            for label, name in enumerate(self.classes)
            for path in sorted((root / name).rglob("*"))
            if path.is_file()
        ]
        beside = [path for path in root.iterdir() if path.is_file() or _is_hidden(path)] if root.is_dir() else []
        hidden = [path for path in (*beside, *(path for path, _ in listed)) if _is_hidden(path)]
        shown = [(path, label) for path, label in listed if not _is_hidden(path)]
        others = [path for path in (*beside, *(path for path, _ in shown)) if _is_other(path)]
        files = [(path, label) for path, label in shown if not _is_other(path)]
        if not files:
            raise InputError(f"{root} must hold one folder of pictures ({', '.join(SUFFIXES)}) per class")
        self.pictures = _headers(files, root, progress)
        sizes = Counter(picture.size_px for picture in self.pictures)
        if size_px is None and len(sizes) > 1:
            raise InputError(
                f"data.size_px must say to how many rows and columns the pictures of {root} are brought: they have "
                f"{len(sizes)} sizes, {_sizes(sizes)}"
            )
        self.size_px = size_px or next(iter(sizes))
        self.channels = channels or (1 if all(picture.is_grey for picture in self.pictures) else 3)
        self.labels: Labels = np.array([picture.label for picture in self.pictures], dtype=np.int64)
        self._framing: Framing = framing
        self._deep = any(picture.is_deep for picture in self.pictures)
        listing = "\n".join(f"{path.relative_to(root)} {path.stat().st_size}" for path, _ in files)
        self.sha256 = {f"listing of {root.name}": hashlib.sha256(listing.encode()).hexdigest()}
        self.remarks = tuple(_remarks(self, sizes, hidden, others))

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.pictures)

    def batch(self, indices: Indices, draws: Draws | None = None) -> tuple[Pixels, Labels]:
        """Return the pixels [image, channel, row, column] and labels [image].

        With framing imagenet scale, aspect and place by `draws`, else the centre.

        Raise FileFormatError naming a picture that cannot be read.
        """
        chosen = [self.pictures[index] for index in indices]
        rows: list[Draws] | list[None] = [None] * len(chosen) if draws is None else list(draws[:, 3:])
        stacked = np.stack([self._pixels(picture, row) for picture, row in zip(chosen, rows, strict=True)])
        pixels: Pixels = stacked.astype(np.float32) if self._deep else stacked.astype(np.uint8)
        return pixels, self.labels[indices]

    def _pixels(self, picture: Picture, draws: Draws | None) -> NDArray[Any]:
        pillow = _pillow()
        try:
            with pillow.open(picture.path) as opened:
                read = self._converted(_upright(opened) if picture.is_turned else opened, picture)
        except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
            raise FileFormatError(f"cannot read the picture {picture.path}: {error}") from None
        if self._framing == "centre":
            box = _centre_box(read.size, self.size_px)
        else:
            box = _imagenet_box(read.size) if draws is None else _drawn_box(read.size, draws)
        rows, columns = self.size_px
        if (read.size, box) != ((columns, rows), (0.0, 0.0, float(columns), float(rows))):
            read = read.resize((columns, rows), pillow.Resampling.BILINEAR, box=box)
        array = np.asarray(read)
        array = array.transpose(2, 0, 1) if array.ndim == 3 else np.broadcast_to(array, (self.channels, *array.shape))
        return array if picture.is_deep or not self._deep else array.astype(np.float32) / np.float32(255)

    def _converted(self, opened: "Image", picture: Picture) -> "Image":
        """Return the pixels of one file: of 16 bits as floats 0 … 1, else 0 … 255 with the channels of the folder."""
        if not picture.is_deep:
            return opened.convert("L" if self.channels == 1 else "RGB")
        values = np.asarray(opened).astype(np.float32) / np.float32(_WHITE_16)
        read: Image = _pillow().fromarray(values)
        return read


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise extras.missing(error) or error from None
    return Image


def _headers(files: Sequence[tuple[Path, int]], root: Path, progress: Progress) -> list[Picture]:
    """Return the pictures by their headers. Raise FileFormatError naming those that cannot be read, and why."""
    pictures, faults = [], []
    for k, (path, label) in enumerate(files):
        progress(k, len(files), f"reading the headers of the pictures in {root}" if k else "")
        try:
            pictures.append(_header(path, label))
        except FileFormatError as error:
            faults.append(f"{path.relative_to(root)} ({error})")
    if faults:
        raise FileFormatError(f"{root} must hold pictures that can be read, got {len(faults)} others: {_few(faults)}")
    return pictures


def check_classes(root: Path, classes: Sequence[str]) -> None:
    """Raise InputError for a folder that is none of `classes`."""
    strangers = [name for name in _class_folders(root) if name not in classes]
    if strangers:
        raise InputError(
            f"{root} must hold folders of the classes {_few(classes)}, as training does, got {_few(strangers)}"
        )


def _class_folders(root: Path) -> tuple[str, ...]:
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return tuple(folder.name for folder in folders if not _is_hidden(folder))


def _header(path: Path, label: int) -> Picture:
    pillow = _pillow()
    try:
        with pillow.open(path) as opened:
            (columns, rows), mode, frames = opened.size, str(opened.mode), getattr(opened, "n_frames", 1)
            orientation = opened.getexif().get(_ORIENTATION, 1)
            if mode == "I" and opened.format == "PNG":  # older versions of Pillow open a PNG of 16 bits so
                mode = "I;16"
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        raise FileFormatError(str(error).split(" '")[0]) from None
    if frames != 1:
        raise FileFormatError(f"{frames} pictures in one file")
    if mode not in (*_GREY_MODES, *_SIXTEEN_BITS, *_OTHER_MODES):
        raise FileFormatError(f"mode {mode}, whose white is not known")
    size = (columns, rows) if orientation in _ON_ITS_SIDE else (rows, columns)
    return Picture(path, label, size, mode, orientation in _TURNED)


def _upright(opened: "Image") -> "Image":
    """Return a picture as its EXIF orientation says."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(opened)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _LEFT_BY_SYSTEMS


def _is_other(path: Path) -> bool:
    return not _is_hidden(path) and path.suffix.lower() not in SUFFIXES


def _remarks(
    folder: ImageFolder, sizes: "Counter[Size]", hidden: Sequence[Path], others: Sequence[Path]
) -> Iterable[str]:
    modes = Counter(picture.mode for picture in folder.pictures)
    yield f"sizes {_sizes(sizes)}; modes {', '.join(f'{mode} ({n})' for mode, n in modes.most_common())}"
    if modes["RGBA"] or modes["LA"]:
        yield "transparency is left out"
    if turned := sum(picture.is_turned for picture in folder.pictures):
        yield f"turned by their EXIF orientation: {turned}"
    empty = [name for k, name in enumerate(folder.classes) if k not in folder.labels]
    if empty:
        yield f"no pictures of {_few(empty)}"
    for what, paths in (("hidden files passed over", hidden), ("files that are no pictures passed over", others)):
        if paths:
            yield f"{len(paths)} {what}: {_few([path.name for path in paths])}"


def _sizes(sizes: "Counter[Size]") -> str:
    """Return the most frequent sizes in words, rows x columns."""
    words = [f"{rows} x {columns} ({n})" for (rows, columns), n in sizes.most_common(_NAMED)]
    return ", ".join(words) + (", …" if len(sizes) > _NAMED else "")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


Box = tuple[float, float, float, float]


def _centre_box(size: Size, size_px: Size) -> Box:
    """Return the largest box at the centre of a picture (width, height) of the aspect of size_px [row, column]."""
    (width, height), (rows, columns) = size, size_px
    scale = min(width / columns, height / rows)
    left, top = (width - scale * columns) / 2, (height - scale * rows) / 2
    return left, top, left + scale * columns, top + scale * rows


def _imagenet_box(size: Size) -> Box:
    """Return the centre square of 224/256 of the shorter side: resize to 256, crop 224."""
    width, height = size
    side = min(width, height) / _RESIZED_OVER_CROP
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _drawn_box(size: Size, draws: Draws) -> Box:
    """Return 8 to 100 % of the area, aspect 3/4 to 4/3, anywhere inside, by four numbers uniform on 0 … 1."""
    width, height = size
    area = width * height * (_SMALLEST_AREA + (1 - _SMALLEST_AREA) * draws[0])
    aspect = _LARGEST_ASPECT ** (2 * draws[1] - 1)
    cut_width, cut_height = min(width, np.sqrt(area * aspect)), min(height, np.sqrt(area / aspect))
    left, top = draws[2] * (width - cut_width), draws[3] * (height - cut_height)
    return left, top, left + cut_width, top + cut_height
