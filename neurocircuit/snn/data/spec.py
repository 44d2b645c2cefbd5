"""Which data set a recipe or a checkpoint names, and what images it has."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from neurocircuit.errors import SpecError
from neurocircuit.snn.data.folder import Framing
from neurocircuit.snn.data.table import Feature
from neurocircuit.spec.fields import Spec

VARIABLE = "NEUROCIRCUIT_DATA"
DataName = Literal["digits", "mnist", "fashion_mnist", "cifar10", "image_folder", "image_arrays", "table", "own"]
SplitName = Literal["train", "held_out", "test", "official"]


_FIELDS_OF_OWN = {
    "image_folder": ("path", "split_seed", "size_px", "channels", "framing"),
    "image_arrays": ("path", "split_seed", "size_px", "channels"),
    "table": ("path", "split_seed", "size_px", "channels", "label", "ignored", "features"),
    "own": ("split_seed", "size_px", "channels"),
}


class DataSpec(Spec):
    """Which images, and which of them training never sees.

    Of data of one's own the fields from `path` on; what is left out of `classes`, `size_px`, `channels` and `features`
    is read from the training images, and stands in the checkpoint.
    """

    name: Annotated[
        DataName,
        Field(
            description="data set; image_folder: pictures by class; image_arrays: images in an npz; table: rows of "
            "features; own: given from Python"
        ),
    ] = "digits"
    held_out: Annotated[
        int,
        Field(
            ge=0,
            strict=True,
            description="training images kept out to choose by: the last ones before the test, of data of one's own "
            "as many of each class as its share; 0: val/ where it stands beside train/ and test/, else none",
        ),
    ] = 0
    test_from_training: Annotated[
        int,
        Field(
            ge=0,
            strict=True,
            description="last training images that serve as the test set, of data of one's own as many of each class "
            "as its share; 0: the official one",
        ),
    ] = 0
    path: Annotated[
        str | None,
        Field(min_length=1, description="folder or file of one's own data, from where one is; --data goes before it"),
    ] = None
    split_seed: Annotated[
        int | None,
        Field(ge=0, strict=True, description="order in which the classes of one's own data take turns; absent: 1"),
    ] = None
    classes: Annotated[
        tuple[str, ...] | None, Field(min_length=2, description="names by label; absent: those in training, sorted")
    ] = None
    size_px: Annotated[
        tuple[Annotated[int, Field(ge=1, le=4096, strict=True)], Annotated[int, Field(ge=1, le=65536, strict=True)]]
        | None,
        Field(description="rows and columns to which pictures are brought; absent: the size that all have"),
    ] = None
    channels: Annotated[
        int | None, Field(ge=1, strict=True, description="1: grey, 3: colour; absent: grey where all pictures are")
    ] = None
    framing: Annotated[
        Framing | None,
        Field(
            description="of pictures; centre: the largest area of the shape of size_px; imagenet: centre square of "
            "224/256 of the shorter side, in training a random part of 8 to 100 %; absent: centre"
        ),
    ] = None
    label: Annotated[str | None, Field(description="column of a table with the classes; absent: by its name")] = None
    ignored: Annotated[tuple[str, ...] | None, Field(description="columns of a table that are no features")] = None
    features: Annotated[
        tuple[Feature, ...] | None, Field(description="columns of a table, their ranges; absent: as in training")
    ] = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape [channel, row, column] of an image; of a folder of pictures that says none as of ImageNet.

        Raise SpecError for other data of one's own that have not been read.
        """
        if self.size_px is None and self.name in ("image_arrays", "table", "own"):
            raise SpecError(f"data.size_px must be read from the data first (data.name {self.name})")
        known = DATA_SETS[self.name].shape
        rows, columns = self.size_px or known[1:]
        return self.channels or known[0], rows, columns

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return DATA_SETS[self.name].classes if self.classes is None else len(self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by label; their numbers where none are known."""
        return self.classes or tuple(map(str, range(self.class_count)))

    @property
    def is_own(self) -> bool:
        """Whether the images are of the user's own."""
        return self.name in _FIELDS_OF_OWN

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for field in ("path", "split_seed", "size_px", "channels", "framing", "label", "ignored", "features"):
            if getattr(self, field) is not None and field not in _FIELDS_OF_OWN.get(self.name, ()):
                raise ValueError(f"{field} must be left out for {self.name}")
        if self.classes is not None and (not self.is_own or len(set(self.classes)) != len(self.classes)):
            raise ValueError(f"classes must be different names, of data of one's own, got {', '.join(self.classes)}")
        if self.name == "image_folder" and self.channels not in (None, 1, 3):
            raise ValueError(f"channels must be 1 or 3 for image_folder, got {self.channels}")
        return self


@dataclass(frozen=True)
class DataSet:
    """One data set: shape [channel, row, column] and classes of its images, its folders, how to get it."""

    shape: tuple[int, int, int]
    classes: int
    folders: tuple[str, ...] = ()
    how_to_get: str = ""


DATA_SETS: dict[str, DataSet] = {
    "digits": DataSet((1, 8, 8), 10),
    "mnist": DataSet(
        (1, 28, 28),
        10,
        ("mnist", "MNIST/raw"),
        "download the four idx files from https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    "fashion_mnist": DataSet(
        (1, 28, 28),
        10,
        ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw", "/usr/share/datasets/fashion-mnist"),
        "apt-get install dataset-fashion-mnist, or download the four idx files from https://github.com/zalandoresearch/fashion-mnist",
    ),
    "cifar10": DataSet(
        (3, 32, 32),
        10,
        ("cifar10", "cifar-10", "cifar-10-batches-bin", "cifar-10-batches-py"),
        "download cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    "image_folder": DataSet(
        (3, 224, 224),
        1000,
        ("imagenet",),
        "make a folder with train/ and val/, each with one folder of pictures per class",
    ),
    "image_arrays": DataSet(
        (1, 1, 1), 2, (), "make an npz file with train_images, train_labels, test_images and test_labels"
    ),
    "table": DataSet((1, 1, 1), 2, ("table",), "make a CSV or npz file, or a folder with train.csv and test.csv"),
    "own": DataSet((1, 1, 1), 2),
}
