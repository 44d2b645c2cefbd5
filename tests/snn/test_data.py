"""Readers against files made here byte by byte, splits, augmentation, and the order of images."""

import gzip
import io
import lzma
import os
import pickle
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.snn.data import augment, cifar10, idx, library
from neurocircuit.snn.data.augment import Augmentation
from neurocircuit.snn.data.folder import ImageFolder
from neurocircuit.snn.data.images import DRAWS, ImagesInMemory
from neurocircuit.snn.data.sampler import EpochSampler
from neurocircuit.snn.data.spec import DataSpec

GIVEN = os.environ.get(library.VARIABLE)
needs_data = pytest.mark.skipif(GIVEN is None, reason=f"{library.VARIABLE} names no folder of data sets")


@pytest.fixture
def rng():
    return np.random.default_rng(20261122)


def idx_bytes(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(directory, rng, images=7, pack=gzip.compress, suffix=".gz"):
    pixels = rng.integers(0, 256, (images, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, images, dtype=np.uint8)
    directory.mkdir(exist_ok=True)
    for part in ("train", "t10k"):
        (directory / f"{part}-images-idx3-ubyte{suffix}").write_bytes(pack(idx_bytes(pixels)))
        (directory / f"{part}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx_bytes(labels)))
    return pixels, labels


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (bytes, "")])
def test_idx_files_come_back(tmp_path, rng, pack, suffix):
    pixels, labels = write_mnist(tmp_path / "mnist", rng, pack=pack, suffix=suffix)

    source = library.load(DataSpec(name="mnist"), "test", tmp_path)
    got_pixels, got_labels = source.batch(np.array([3, 1]))

    assert np.array_equal(got_pixels, pixels[[3, 1], None])
    assert np.array_equal(got_labels, labels[[3, 1]])
    assert library.is_canonical("mnist", source) is False


def test_one_idx_file_is_enough_with_its_labels_beside_it(tmp_path, rng):
    pixels, _ = write_mnist(tmp_path, rng)

    source = library.load(DataSpec(name="mnist"), "test", tmp_path / "t10k-images-idx3-ubyte.gz")

    assert len(source) == len(pixels)


def test_idx_files_of_kaggle_have_a_dot_in_their_names(tmp_path, rng):
    pixels, _ = write_mnist(tmp_path, rng, pack=bytes, suffix="")
    for path in tmp_path.iterdir():
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert np.array_equal(library.load(DataSpec(name="mnist"), "train", tmp_path).batch(np.arange(7))[0][:, 0], pixels)
    assert len(library.load(DataSpec(name="mnist"), "test", tmp_path / "t10k-images.idx3-ubyte")) == 7


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], "must have"),
        (lambda content: b"\x00\x00\x0d" + content[3:], "must be an idx file of unsigned bytes"),
        (lambda content: content[:6], "ends within its header"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, rng, damage, message):
    write_mnist(tmp_path, rng, pack=bytes, suffix="")
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(FileFormatError, match=f"{path.name} {message}"):
        idx.read_directory(tmp_path, train=False)


def test_truncated_gzip_is_named(tmp_path, rng):
    write_mnist(tmp_path, rng)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(FileFormatError, match=r"t10k-images-idx3-ubyte\.gz is damaged"):
        idx.read_directory(tmp_path, train=False)


def cifar_batches(rng, images=4):
    pixels = rng.integers(0, 256, (5, images, 3072), dtype=np.uint8)
    labels = rng.integers(0, 10, (5, images), dtype=np.uint8)
    return pixels, labels


def binary_batch(pixels, labels):
    return np.concatenate([labels[:, None], pixels], axis=1).tobytes()


def python_batch(pixels, labels):
    return pickle.dumps({b"data": pixels, b"labels": labels.tolist(), b"batch_label": b"x"}, protocol=2)


def python3_batch(pixels, labels):
    """As Python 3 writes it in its latest protocol, keys as text."""
    return pickle.dumps({"data": pixels, "labels": labels.tolist()}, protocol=5)


@pytest.mark.parametrize(
    ("pack", "form", "name"),
    [
        (bytes, binary_batch, "data_batch_{}.bin"),
        (lzma.compress, binary_batch, "data_batch_{}.bin.xz"),
        (bytes, python_batch, "data_batch_{}"),
        (bytes, python3_batch, "data_batch_{}"),
    ],
)
def test_cifar10_batches_come_back_in_order(tmp_path, rng, pack, form, name):
    pixels, labels = cifar_batches(rng)
    for number in range(5):
        (tmp_path / name.format(number + 1)).write_bytes(pack(form(pixels[number], labels[number])))

    source = cifar10.read_directory(tmp_path, train=True)
    got, classes = source.batch(np.arange(20))

    assert np.array_equal(got, pixels.reshape(20, 3, 32, 32))
    assert np.array_equal(classes, labels.reshape(20))


@pytest.mark.parametrize(
    ("form", "archive", "member"),
    [
        (binary_batch, "cifar-10-binary.tar.gz", "cifar-10-batches-bin/test_batch.bin"),
        (python_batch, "cifar-10-python.tar.gz", "cifar-10-batches-py/test_batch"),
    ],
)
def test_cifar10_archives_come_back(tmp_path, rng, form, archive, member):
    pixels, labels = cifar_batches(rng)
    content = form(pixels[0], labels[0])
    with tarfile.open(tmp_path / archive, "w:gz") as packed:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        packed.addfile(info, io.BytesIO(content))

    source = cifar10.read_directory(tmp_path, train=False)

    assert np.array_equal(source.batch(np.arange(4))[0], pixels[0].reshape(4, 3, 32, 32))


def test_a_batch_with_other_keys_is_refused_by_the_keys_that_it_has(tmp_path):
    """CIFAR-100 has fine_labels in the place of labels."""
    content = {b"data": np.zeros((1, 3072), np.uint8), b"fine_labels": [3]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content))
    with pytest.raises(
        FileFormatError, match=r"test_batch must be .* with the keys data and labels, got data, fine_la"
    ):
        cifar10.read_directory(tmp_path, train=False)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


@pytest.mark.parametrize("content", [pickle.dumps({b"data": Evil()}), b"no pickle", pickle.dumps([1]), b""])
def test_a_python_batch_is_never_evaluated(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_batch").write_bytes(content)

    with pytest.raises(FileFormatError, match="test_batch must be a python batch of CIFAR-10"):
        cifar10.read_directory(tmp_path, train=False)
    assert not (tmp_path / "evil").exists()


def test_where_data_is_missing_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv(library.VARIABLE, raising=False)

    with pytest.raises(InputError, match=r"data mnist was not found: download .* --data, .* or NEUROCIRCUIT_DATA"):
        library.load(DataSpec(name="mnist"), "test")
    with pytest.raises(InputError, match="--data must exist"):
        library.load(DataSpec(name="mnist"), "test", tmp_path / "none")


def test_a_given_folder_is_read_whatever_else_is_installed(tmp_path, monkeypatch, rng):
    installed, given = tmp_path / "installed", tmp_path / "given"
    write_mnist(installed, rng, images=3)
    write_mnist(given, rng, images=5)
    data_set = library.DATA_SETS["fashion_mnist"]
    monkeypatch.setitem(library.DATA_SETS, "fashion_mnist", replace(data_set, folders=("none", str(installed))))

    assert len(library.load(DataSpec(name="fashion_mnist"), "test", given)) == 5
    monkeypatch.setenv(library.VARIABLE, str(given))
    assert len(library.load(DataSpec(name="fashion_mnist"), "test")) == 3


def test_parts_do_not_overlap_and_cover_the_training_images(tmp_path, rng):
    pixels, _ = write_mnist(tmp_path, rng, images=10)
    spec = DataSpec(name="mnist", held_out=3, test_from_training=2)

    parts = {name: library.load(spec, name, tmp_path) for name in ("train", "held_out", "test")}
    seen = np.concatenate([part.batch(np.arange(len(part)))[0] for part in parts.values()])

    assert [len(part) for part in parts.values()] == [5, 3, 2]
    assert np.array_equal(seen[:, 0], pixels)
    with pytest.raises(SpecError, match=r"data\.held_out \+ data\.test_from_training must be < 10 images, got 12"):
        library.load(spec.replace(held_out=10), "train", tmp_path)


def test_digits_come_with_scikit_learn():
    pytest.importorskip("sklearn")
    train, test = (library.load(DataSpec(), part) for part in ("train", "test"))

    assert (len(train), len(test)) == (1437, 360)
    assert train.batch(np.arange(2))[0].shape == (2, 1, 8, 8)


def test_image_folder_reads_classes_in_order_and_crops_as_drawn(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name, grey in (("b", 200), ("a", 50)):
        (tmp_path / "val" / name).mkdir(parents=True)
        image.new("L", (40, 30), grey).save(tmp_path / "val" / name / "1.png")

    source = ImageFolder(tmp_path / "val", size_px=(224, 224), channels=3, framing="imagenet")
    pixels, labels = source.batch(np.arange(2), np.full((2, DRAWS), 0.5))

    assert pixels.shape == (2, 3, 224, 224)
    assert labels.tolist() == [0, 1]
    assert pixels[:, 0, 0, 0].tolist() == [50, 200]
    (tmp_path / "val" / "a" / "1.png").write_bytes(b"no picture")
    with pytest.raises(FileFormatError, match=r"cannot read the picture .*1\.png"):
        source.batch(np.arange(1))


@needs_data
def test_files_of_another_data_set_are_refused():
    with pytest.raises(FileFormatError, match="holds mnist, asked for fashion_mnist"):
        library.load(DataSpec(name="fashion_mnist"), "test", Path(GIVEN) / "mnist")


@needs_data
def test_canonical_files_are_known():
    assert library.is_canonical("mnist", library.load(DataSpec(name="mnist"), "test"))
    assert library.is_canonical("cifar10", library.load(DataSpec(name="cifar10"), "official"))


def test_shift_moves_pixels_and_fills_with_zeros():
    pixels = np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)

    moved = augment.shift(pixels, np.array([[1, -1]]))

    assert moved[0, 0].tolist() == [[0, 0, 0], [1, 2, 0], [4, 5, 0]]


def test_augmentation_is_decided_by_its_draws():
    pixels = np.arange(2 * 9, dtype=np.uint8).reshape(2, 1, 3, 3)
    draws = np.array([[0.5, 0.5, 0.4], [0.5, 0.5, 0.6]])  # in the middle: no shift; below a half: mirrored

    out = augment.for_training(pixels, Augmentation(shift_px=1, flip=True), draws) * 255

    assert out[0, 0].tolist() == pixels[0, 0, :, ::-1].tolist()
    assert out[1, 0].tolist() == pixels[1, 0].tolist()


def test_cutout_gives_a_square_the_mean_colour_and_keeps_the_rest(rng):
    pixels = rng.random((2, 3, 5, 6)).astype(np.float32)

    cut = augment.cut_out(pixels, 3, np.array([[0.0, 0.0], [0.999, 0.999]]))

    squares = np.zeros((2, 5, 6), dtype=bool)
    squares[0, :3, :3] = squares[1, 2:, 3:] = True
    mean = np.broadcast_to(pixels.mean((2, 3))[..., None], (2, 3, 30)).reshape(pixels.shape)
    inside = np.broadcast_to(squares[:, None], pixels.shape)
    assert np.array_equal(cut[~inside], pixels[~inside])
    assert np.allclose(cut[inside], mean[inside], rtol=1e-6)
    augment.check_fits(Augmentation(cutout_px=5), (3, 5, 6))
    with pytest.raises(InputError, match="cutout_px must be at most the image's 5, got 6"):
        augment.check_fits(Augmentation(cutout_px=6), (3, 5, 6))


def test_cutout_draws_beside_the_other_draws(rng):
    pixels = rng.integers(256, size=(1, 1, 4, 4), dtype=np.uint8)
    draws = np.full((1, 12), 0.5)

    out = augment.for_training(pixels, Augmentation(cutout_px=2), draws)

    assert np.allclose(out[0, 0, 1:3, 1:3], pixels.mean() / 255)


def test_quarter_turn_and_half_turn_permute_the_pixels(rng):
    pixels = rng.random((2, 3, 6, 6)).astype(np.float32)
    as_it_is = np.ones((2, 2))

    turned = augment.warp(pixels, np.array([np.pi / 2, np.pi]), as_it_is)

    assert np.allclose(turned[0], np.rot90(pixels[0], -1, (1, 2)), atol=1e-6)
    assert np.allclose(turned[1], pixels[1, :, ::-1, ::-1], atol=1e-6)


def test_stretched_image_keeps_its_centre_and_grows_by_the_factor():
    pixels = np.zeros((1, 1, 24, 24), dtype=np.float32)
    pixels[..., 8:16, 10:14] = 1

    wide = augment.warp(pixels, np.zeros(1), np.array([[1.0, 2.0]]))

    assert wide[0, 0, 12].sum() == pytest.approx(2 * 4)
    assert wide[0, 0, :, 12].sum() == pytest.approx(8)
    assert wide[0, 0].sum(axis=0) @ np.arange(24) / wide.sum() == pytest.approx(11.5)


def test_rotation_and_zoom_are_decided_by_their_draws(rng):
    pixels = rng.integers(0, 256, (2, 1, 8, 8), dtype=np.uint8)
    draws = np.full((2, DRAWS), 0.5)  # in the middle: no turn, no zoom
    draws[1, 7] = 1.0
    spec = Augmentation(rotate_deg=90, zoom=0.2)

    out = augment.for_training(pixels, spec, draws) * 255

    assert np.allclose(out[0], pixels[0], atol=1e-3)
    assert np.allclose(out[1], np.rot90(pixels[1], -1, (1, 2)), atol=1e-3)


def test_whitened_images_are_uniform_whatever_their_contrast(rng):
    normal = rng.normal(100, 20, (2, 3, 32, 32)).astype(np.float32) / 255
    normal[1] = normal[0] * 0.3 + 0.1

    out = augment.whiten(normal)

    assert np.allclose(out[0], out[1], atol=1e-4)
    quantiles = np.quantile(out[0], [0.1, 0.5, 0.9])
    assert np.allclose(quantiles, [0.1, 0.5, 0.9], atol=0.03)  # 6 sigma of a quantile of 3072 draws


def test_sampler_gives_every_image_once_and_continues_anywhere():
    whole = EpochSampler(images=10, batch_size=3, seed=5)
    epochs = [[batch.tolist() for batch in whole.rest_of_epoch()] for _ in range(2)]

    resumed = EpochSampler(images=10, batch_size=3, seed=5, epoch=1, step=1)

    assert [len(epoch) for epoch in epochs] == [3, 3]
    assert len({image for batch in epochs[0] for image in batch}) == 9
    assert epochs[0] != epochs[1]
    assert [batch.tolist() for batch in resumed.rest_of_epoch()] == epochs[1][1:]
    assert (resumed.epoch, resumed.step) == (2, 0)
    with pytest.raises(SpecError, match=r"schedule\.batch_size must be <= 10 training images, got 11"):
        EpochSampler(images=10, batch_size=11, seed=5)


def test_images_in_memory_have_no_randomness(rng):
    source = ImagesInMemory(rng.integers(0, 9, (3, 1, 2, 2), dtype=np.uint8), np.arange(3), {})

    assert np.array_equal(source.batch(np.array([2]))[0], source.batch(np.array([2]), np.zeros((1, DRAWS)))[0])
