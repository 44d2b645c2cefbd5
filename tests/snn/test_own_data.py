"""Data of the user's own: folders of pictures, tables, torch data sets. Faults are named before anything trains."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import neurocircuit as nc
from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.snn.data import library, table
from neurocircuit.snn.data.folder import ImageFolder
from neurocircuit.snn.data.images import ImagesInMemory, in_turns, section
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.recipe import load_recipe

Image = pytest.importorskip("PIL.Image")
CASES = {"ant": 60, "bee": 120, "cat": 180}  # mean level of the pictures of a class


def picture(path, level, size=(12, 10), mode="RGB", seed=0):
    """Write a noisy picture of (width, height) with the mean level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    pixels = np.clip(np.random.default_rng([level, seed]).normal(level, 20, shape), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def pictures(tmp_path):
    """Write four pictures of each class in train/ and two in val/."""
    for name, level in CASES.items():
        for n in range(4):
            picture(tmp_path / "pictures/train" / name / f"{n}.png", level, seed=n)
        for n in range(2):
            picture(tmp_path / "pictures/val" / name / f"{n}.png", level, seed=10 + n)
    return tmp_path / "pictures"


def folder(pictures, split, **fields):
    return nc.data.image_folder(split, data=pictures, **fields)


# Splits


@pytest.mark.parametrize("counts", [(4, 4, 4), (40, 40, 40), (50, 100, 7)])
def test_a_section_of_classes_in_turns_has_each_by_its_share(counts):
    labels = np.repeat(np.arange(3), counts)
    order = in_turns(labels, 1)
    assert sorted(order) == list(range(len(labels)))
    slack = 1.0 + len(counts)  # an image of each class may stand at either end of the section
    for start, stop in ((0, 6), (3, 9), (len(labels) - 4, len(labels)), (0, len(labels) // 2)):
        held = np.bincount(labels[order][start:stop], minlength=3)
        assert np.abs(held - (stop - start) * np.array(counts) / len(labels)).max() <= slack
    assert not np.array_equal(order, in_turns(labels, 2))
    assert np.array_equal(order, in_turns(labels, 1))
    in_file_order = np.bincount(labels[-4:], minlength=3)  # what a folder sorted by class gave: the last class alone
    assert np.abs(in_file_order - 4 * np.array(counts) / len(labels)).max() > 2 or counts[2] < 40


def test_held_out_pictures_of_a_sorted_folder_are_of_all_classes(pictures):
    held_out = folder(pictures, "held_out", held_out=4)
    assert sorted(set(held_out.labels.tolist())) == [0, 1, 2]
    train = folder(pictures, "train", held_out=4)
    assert np.bincount(train.labels).tolist() == [4 - n for n in np.bincount(held_out.labels)]
    of_training = folder(pictures, "test", test_from_training=3)
    assert np.bincount(of_training.labels).tolist() == [1, 1, 1]
    assert np.bincount(folder(pictures, "train")[:6].labels).tolist() == [2, 2, 2]  # what `map` takes first
    assert not np.array_equal(folder(pictures, "test", test_from_training=3, split_seed=7).pixels, of_training.pixels)


def test_splits_do_not_overlap_and_cover_the_folder(pictures):
    parts = [folder(pictures, name, held_out=3, test_from_training=2).pixels for name in ("train", "held_out", "test")]
    joined = np.concatenate(parts)
    assert [len(part) for part in parts] == [7, 3, 2]
    assert len(np.unique(joined.reshape(12, -1), axis=0)) == 12


# Folders


def test_labels_go_by_the_classes_of_training(pictures):
    for path in (pictures / "val/bee").iterdir():
        path.unlink()
    (pictures / "val/bee").rmdir()
    test = folder(pictures, "test")
    assert test.classes == ("ant", "bee", "cat")
    assert np.bincount(test.labels, minlength=3).tolist() == [2, 0, 2]
    for pixels, label in test:
        assert abs(pixels.mean() - list(CASES.values())[label]) < 10
    assert "no pictures of bee" in test.summary
    picture(pictures / "val/dog/0.png", 30)
    with pytest.raises(InputError, match=r"val must hold folders of the classes ant, bee, cat, .*, got dog$"):
        folder(pictures, "test")


def test_hidden_files_and_strangers_are_named_at_the_start(pictures):
    (pictures / "train/ant/._0.jpg").write_bytes(b"\x00\x05\x16\x07not a picture")
    (pictures / "train/.ipynb_checkpoints").mkdir()
    (pictures / "train/bee/notes.txt").write_text("notes")
    read = folder(pictures, "train")
    assert len(read) == 12
    assert read.classes == ("ant", "bee", "cat")
    assert "2 hidden files passed over: .ipynb_checkpoints, ._0.jpg" in read.summary
    assert "1 files that are no pictures passed over: notes.txt" in read.summary
    assert "ant (4), bee (4), cat (4)" in read.summary
    (pictures / "train/ant/broken.jpg").write_bytes(b"no picture")
    with pytest.raises(FileFormatError, match=r"train must hold pictures that can be read, got 1 others: ant.broken"):
        folder(pictures, "train")


def test_tiff_and_grey_pictures_are_read_as_they_are(tmp_path):
    written = {name: picture(tmp_path / name / "0.tif", level, mode="L") for name, level in CASES.items()}
    read = ImageFolder(tmp_path)
    assert (read.size_px, read.channels) == ((10, 12), 1)
    assert np.array_equal(read.batch(np.arange(3))[0][:, 0], list(written.values()))
    coloured = ImageFolder(tmp_path, channels=3).batch(np.arange(3))[0]
    assert coloured.shape == (3, 3, 10, 12)
    assert np.array_equal(coloured[:, 0], coloured[:, 2])


def test_sixteen_bits_keep_their_levels(tmp_path):
    """A picture of 16 bits is neither all white (clipped at 255) nor rounded to 256 levels."""
    for name, level in (("dark", 9000), ("light", 60000)):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((32, 32), level, np.uint16)).save(tmp_path / name / "0.png")
        Image.fromarray(np.full((32, 32), level + 1, np.uint16)).save(tmp_path / name / "1.tif")
    picture(tmp_path / "dark/2.png", 51, size=(32, 32), mode="L")
    read = ImageFolder(tmp_path)
    pixels, labels = read.batch(np.arange(5))
    assert pixels.dtype == np.float32
    means = pixels.mean(axis=(1, 2, 3))
    assert means[[0, 1, 3, 4]] == pytest.approx(np.array([9000, 9001, 60000, 60001]) / 65535, rel=1e-6)
    assert means[2] == pytest.approx(0.2, abs=0.01)
    assert labels.tolist() == [0, 0, 0, 1, 1]


def test_a_mode_without_a_known_white_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.full((4, 4), 3.0, np.float32)).save(tmp_path / "a/0.tif")
    with pytest.raises(FileFormatError, match=r"a.0.tif \(mode F, whose white is not known\)"):
        ImageFolder(tmp_path)


def test_pictures_of_several_sizes_need_one(pictures):
    picture(pictures / "train/ant/wide.png", 60, size=(40, 20))
    with pytest.raises(InputError, match=r"data\.size_px must say .* 2 sizes, 10 x 12 \(12\), 20 x 40 \(1\)"):
        folder(pictures, "train")
    assert folder(pictures, "train", size_px=(8, 9)).pixels.shape == (13, 3, 8, 9)


def test_other_sizes_are_cut_at_the_centre_and_not_distorted(tmp_path):
    (tmp_path / "a").mkdir()
    columns = np.repeat(np.arange(40, dtype=np.uint8)[None], 20, axis=0)
    Image.fromarray(columns).save(tmp_path / "a/0.png")
    pixels = ImageFolder(tmp_path, size_px=(20, 20)).batch(np.arange(1))[0]
    assert np.array_equal(pixels[0, 0], columns[:, 10:30])
    halved = ImageFolder(tmp_path, size_px=(10, 20)).batch(np.arange(1))[0][0, 0].astype(float)
    assert halved[:, 5:15] == pytest.approx(np.broadcast_to(2 * np.arange(5, 15) + 0.5, (10, 10)), abs=0.51)


def test_a_folder_without_parts_needs_a_test_of_its_own(pictures):
    flat = pictures / "train"
    with pytest.raises(SpecError, match=r"data\.test_from_training must be > 0 to train on .*train: no test/ or val/"):
        folder(flat, "train")
    assert len(folder(flat, "train", test_from_training=3)) == 9
    assert len(folder(flat, "official")) == 12
    for path in pictures.rglob("val/*/*"):
        path.unlink()
    for path in (*pictures.glob("val/*"), pictures / "val"):
        path.rmdir()
    with pytest.raises(InputError, match=r"must hold test/ or val/ to test with, or data\.test_from_training say"):
        folder(pictures, "test")


# Tables


def rows(path, text, **options):
    path.write_text(text, encoding="utf-8")
    return table.read(path, **options)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_scaled_by_the_ranges_of_training(tmp_path, separator):
    lines = ["length,width,species", "1,10,b", "3,30,a", "2,10,b", "5,20,a", "4,15,b", "2,25,a"]
    (tmp_path / "t.csv").write_text("\ufeff" + "\r\n".join(lines).replace(",", separator) + "\r\n", encoding="utf-8")
    train = nc.data.table("train", data=tmp_path / "t.csv", test_from_training=2)
    test = nc.data.table("test", data=tmp_path / "t.csv", test_from_training=2)
    assert train.classes == ("a", "b")
    assert train.pixels.shape == (4, 1, 1, 2)
    assert (train.pixels.min(), train.pixels.max()) == (0.0, 1.0)  # ranges are those of the four rows
    assert np.bincount(test.labels).tolist() == [1, 1]
    low, high = np.array([[one.low, one.high] for one in train.data.features]).T
    raw = {tuple(map(float, line.split(",")[:2])) for line in lines[1:]}
    assert {tuple(row) for row in (train.pixels[:, 0, 0] * (high - low) + low).round(6).tolist()} < raw
    assert "labels: column species; 2 features: length" in train.summary


def test_values_beyond_training_are_counted_and_saturate(tmp_path):
    (tmp_path / "train.csv").write_text("a,y\n0,p\n10,q\n")
    (tmp_path / "test.csv").write_text("a,y\n5,p\n20,q\n-1,q\n")
    test = nc.data.table("test", data=tmp_path)
    assert sorted(test.pixels.ravel().tolist()) == [0.0, 0.5, 1.0]
    assert "2 of 3 values are beyond the ranges of training" in test.summary
    (tmp_path / "test.csv").write_text("a,y\n5,r\n")
    with pytest.raises(InputError, match=r"test.csv: y must be one of p, q, as in training, got r"):
        nc.data.table("test", data=tmp_path)
    (tmp_path / "test.csv").write_text("b,y\n5,p\n")
    with pytest.raises(InputError, match=r"test.csv .*it lacks a"):
        nc.data.table("test", data=tmp_path)


def test_columns_without_names_and_numbers_as_labels(tmp_path):
    read = rows(tmp_path / "iris.data.csv", "5.1,3.5,10\n4.9,3.0,9\n")
    assert (read.names, read.label) == (("column 1", "column 2"), "column 3")
    assert read.classes == ("9", "10")
    read = rows(tmp_path / "t.csv", "Id,class,x\n1,a,0.5\n2,b,1\n", ignored=("Id",))
    assert (read.names, read.label) == (("x",), "class")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,p\n,q\n", r"t.csv, line 3: a must be a number, .* got ''; .*data\.ignored"),
        ("a;y\n1,5;p\n", r"line 2: a must be a number, with a decimal point, got '1,5'"),
        ("a,y\n1,p\nnan,q\n", r"line 3: a must be a number"),
        ("a,y\n1\n", r"line 2 must have 2 cells, got 1"),
        ("a,y\n1,\n", r"line 2: y must be a label, got none"),
        ("a,a,y\n1,2,p\n", r"different names, got a twice"),
        ("nothing\n", r"must be a table with commas, semicolons or tabs"),
        ("a,y\n", r"must have rows below"),
    ],
)
def test_what_is_no_table_is_named_by_line_and_column(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message):
        rows(tmp_path / "t.csv", text)


def test_an_npz_gives_the_same_as_its_csv(tmp_path):
    x, y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])
    np.savez(tmp_path / "t.npz", X=x, target=y)
    read = table.read(tmp_path / "t.npz")
    assert np.array_equal(read.values, x)
    assert read.classes == ("0", "1")
    np.savez(tmp_path / "other.npz", train_images=x)
    with pytest.raises(FileFormatError, match=r"must hold x \[row, feature\] and y \[row\], got train_images \(6, 2\)"):
        table.read(tmp_path / "other.npz")
    with pytest.raises(InputError, match=r"has no column z; it has feature 1, feature 2, y"):
        table.read(tmp_path / "t.npz", label="z")


# Data sets of torch


def torch_images(count=24, seed=0):
    """Return images of 6 x 6 whose class is the brighter half, as ToTensor gives them."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    bytes_ = rng.integers(0, 100, (count, 6, 6), dtype=np.uint8)
    for image, label in zip(bytes_, labels, strict=True):
        image[:, 3 * label : 3 * label + 3] += 150
    return [
        (torch.from_numpy(image)[None].float() / 255, int(label)) for image, label in zip(bytes_, labels, strict=True)
    ]


def test_a_torch_data_set_is_read_as_it_is():
    images = torch_images()
    data = nc.data.from_torch(images, classes=["left", "right"])
    assert data.train.pixels.dtype == np.uint8  # ToTensor's floats are the bytes they were
    assert np.array_equal(data.train.pixels.astype(np.float32) / np.float32(255), torch.stack([x for x, _ in images]))
    fine = nc.data.from_torch([(image * 0.999, label) for image, label in images])
    assert fine.train.pixels.dtype == np.float32
    assert fine.classes == ("0", "1")
    assert fine.train.sha256 != data.train.sha256
    pillow = nc.data.from_torch([(Image.new("RGB", (5, 4), (10, 20, 30)), 0), (Image.new("RGB", (5, 4)), 1)])
    assert pillow.shape == (3, 4, 5)
    assert pillow.train.pixels[0, :, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((torch.full((1, 6, 6), -2.0), 0), r"train\[24\] must have pixels within 0 … 1, got -2 … -2: take a normal"),
        ((torch.zeros(1, 6, 6), 0.5), r"train\[24\] must have a label that is a whole number >= 0, got 0.5"),
        ((torch.zeros(1, 5, 6), 0), r"train\[24\] must be as the first image, float32 \(1, 6, 6\)"),
        (torch.zeros(1, 6, 6), r"train\[24\] must be a pair \(image, label\), got Tensor"),
        ((torch.zeros(6), 0), r"train\[24\] must be an image of 2 or 3 dimensions"),
        (
            (torch.zeros(1, 6, 6, dtype=torch.long), 0),
            r"train\[24\] must have bytes 0 … 255 or floats 0 … 1, got int64",
        ),
    ],
)
def test_what_is_no_image_with_a_label_is_named_by_its_number(item, message):
    with pytest.raises(InputError, match=message):
        nc.data.from_torch([*torch_images(), item])


def test_own_data_sets_train_evaluate_map_and_verify(tmp_path):
    train, test = torch_images(80), torch_images(20, seed=1)
    settings = ["epochs=8", "held_out=8", "network.name=mlp", "network.hidden=[6]", "batch_size=8", "lr=1e-2"]
    data = nc.data.from_torch(train, test, classes=["left", "right"])
    model = nc.snn.train("digits", settings=settings, out=tmp_path / "run", data=data)
    assert model.subject.data.classes == ("left", "right")
    assert model.subject.data.shape == (1, 6, 6)
    by_split = nc.evaluate(model, "test", data=data)
    by_images = nc.evaluate(tmp_path / "run/weights.pt", test)
    assert by_images.accuracy == by_split.accuracy > 0.9
    circuit = nc.map(model, nc.NeuronSpec(), images=train)
    assert circuit.encoded(test).labels.tolist() == [label for _, label in test]
    replay = nc.verify(circuit, test[:4], level="edge", chips=1)
    assert replay.images.images == 4
    with pytest.raises(InputError, match=r"data own were given from Python"):
        model.images("test")
    with pytest.raises(InputError, match=r"images must have the shape \(1, 6, 6\) of training, got \(1, 5, 5\)"):
        nc.evaluate(model, [(np.zeros((5, 5), np.uint8), 0)])
    with pytest.raises(InputError, match=r"labels must be below 2, as in training, got 3"):
        nc.evaluate(model, [(np.zeros((6, 6), np.uint8), 3)])


# Arrays of images


def arrays(path, form="{}_images {}_labels", parts=("train", "val", "test"), **changed):
    """Write an npz of 12, 6 and 6 colour images in three classes, by default named and shaped as MedMNIST's."""
    rng = np.random.default_rng(4)
    content = {}
    for part, count in zip(("train", "val", "test"), (12, 6, 6), strict=True):
        images, labels = form.format(part, part).split()
        if part in parts:
            content[images] = rng.integers(0, 256, (count, 10, 8, 3), dtype=np.uint8)
            content[labels] = np.arange(count, dtype=np.uint8)[:, None] % 3
    np.savez(path, **content | changed)
    return content


@pytest.mark.parametrize("form", ["{}_images {}_labels", "x_{} y_{}", "X_{} y_{}"])
def test_arrays_of_medmnist_and_keras_are_read(tmp_path, form):
    content = arrays(tmp_path / "a.npz", form)
    for part, split in (("train", "train"), ("val", "held_out"), ("test", "test")):
        images, labels = (content[name] for name in form.format(part, part).split())
        read = nc.data.image_arrays(split, data=tmp_path / "a.npz")
        assert read.classes == ("0", "1", "2")
        order = in_turns(labels.ravel().astype(np.int64), 1)
        assert np.array_equal(read.pixels, images.transpose(0, 3, 1, 2)[order])
        assert read.labels.tolist() == labels.ravel()[order].tolist()


def test_without_a_test_val_is_the_test_and_one_part_is_shared_out(tmp_path):
    content = arrays(tmp_path / "a.npz", parts=("train", "val"))
    assert len(nc.data.image_arrays("test", data=tmp_path / "a.npz")) == 6
    with pytest.raises(SpecError, match=r"data.held_out must be > 0"):
        nc.data.image_arrays("held_out", data=tmp_path / "a.npz")
    grey = content["train_images"][..., 0].astype(np.float32) / 255
    np.savez(tmp_path / "b.npz", images=grey, labels=np.array(["up", "down"])[np.arange(12) % 2])
    test = nc.data.image_arrays("test", data=tmp_path / "b.npz", test_from_training=4)
    assert (test.classes, test.pixels.shape, test.pixels.dtype) == (("down", "up"), (4, 1, 10, 8), np.float32)
    with pytest.raises(SpecError, match=r"test_from_training must be > 0 to train on .*b\.npz"):
        nc.data.image_arrays("train", data=tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_images": np.zeros((12, 10, 8), np.int32) + 900}, r"must be bytes .* got int32 900 … 900"),
        ({"train_images": np.full((12, 10, 8), np.nan)}, r"floats 0 … 1, got float64 nan"),
        ({"train_images": np.zeros((12, 80), np.uint8)}, r"must be images .*, got \(12, 80\)"),
        ({"train_labels": np.zeros((12, 14), np.uint8)}, r"must have one label, .* 12 images, got uint8 \(12, 14\)"),
        ({"train_labels": np.zeros(12, np.uint8)}, r"must have labels of 2 classes or more, got 0"),
        ({"train_labels": np.array([None] * 12)}, r"train_labels must be an array of numbers"),
    ],
)
def test_arrays_that_are_no_images_or_labels_are_named(tmp_path, changed, message):
    arrays(tmp_path / "a.npz", **changed)
    with pytest.raises((FileFormatError, InputError), match=message):
        nc.data.image_arrays("train", data=tmp_path / "a.npz")


def test_files_without_arrays_and_strangers_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", weights=np.zeros(3))
    with pytest.raises(FileFormatError, match=r"must hold train_images and train_labels, .* got weights"):
        nc.data.image_arrays("train", data=tmp_path / "a.npz")
    (tmp_path / "b.npz").write_text("no archive")
    with pytest.raises(FileFormatError, match=r"b\.npz must be an npz of arrays"):
        nc.data.image_arrays("train", data=tmp_path / "b.npz")
    arrays(tmp_path / "c.npz", test_labels=np.arange(6) + 7)
    with pytest.raises(InputError, match=r"test_labels must be one of 0, 1, 2, as in training, got 7, 8, 9"):
        nc.data.image_arrays("test", data=tmp_path / "c.npz")
    with pytest.raises(InputError, match=r"data.name must be image_arrays, or table, for the npz .*c\.npz"):
        nc.data.image_folder("train", data=tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 6, 6), np.uint8), y=np.arange(4))
    with pytest.raises(FileFormatError, match=r"d\.npz holds images: data.name must be image_arrays, got table"):
        nc.data.table("train", data=tmp_path / "d.npz")


def test_a_test_that_is_not_read_is_said_and_its_strangers_are_named_before_training(pictures):
    assert (
        "val is not read, for data.test_from_training is not 0"
        in folder(pictures, "train", test_from_training=3).summary
    )
    picture(pictures / "val/dog/0.png", 90, seed=20)
    with pytest.raises(InputError, match=r"val must hold folders of the classes ant, bee, cat, .*, got dog$"):
        folder(pictures, "train")
    assert len(folder(pictures, "train", test_from_training=3)) == 9


# From files to a circuit


def test_val_beside_test_is_what_training_chooses_by(pictures, tmp_path):
    for name, level in CASES.items():
        picture(pictures / "test" / name / "0.png", level, seed=20)
    assert len(folder(pictures, "held_out")) == 6
    assert len(folder(pictures, "test")) == 3
    own = folder(pictures, "train", held_out=3)
    assert (len(own), len(folder(pictures, "train"))) == (9, 12)
    assert "val is not read, for data.held_out is not 0" in own.summary
    settings = ["data.name=image_folder", "data.held_out=0", "test_from_training=0", "epochs=1", "batch_size=4"]
    nc.snn.train("table", settings=[*settings, "network.hidden=[8]"], data=pictures, out=tmp_path / "run")
    assert '"held_out_images": 6' in (tmp_path / "run/run.json").read_text()


def test_a_picture_is_turned_as_its_exif_says(tmp_path):
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :5] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees clockwise
    for name in ("ant", "bee"):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "train" / name / "a.png", exif=exif)
    read = ImageFolder(tmp_path / "train")
    assert read.size_px == (20, 10)
    turned = read.batch(np.array([0]))[0][0, 0]
    assert turned[:5].min() == 255
    assert turned[5:].max() == 0
    assert "turned by their EXIF orientation: 2" in read.remarks


def test_a_folder_trains_by_a_small_recipe_and_is_read_again(pictures, tmp_path):
    recipe = tmp_path / "my.toml"
    recipe.write_text(
        f"name = 'mine'\n[data]\nname = 'image_folder'\npath = '{pictures}'\nheld_out = 3\n"
        "[network]\nname = 'mlp'\nhidden = [8]\n[schedule]\nepochs = 1\nbatch_size = 4\n"
    )
    model = nc.snn.train(recipe, out=tmp_path / "run")
    assert model.subject.data.classes == ("ant", "bee", "cat")
    assert model.subject.data.shape == (3, 10, 12)
    assert "9 images of 3 x 10 x 12; 3 classes: ant (3)" in nc.report(tmp_path / "run").with_suffix(".md").read_text()
    again = nc.snn.load(tmp_path / "run/weights.pt")
    assert len(again.images("test")) == 6
    assert nc.evaluate(again).images.n == 6
    picture(pictures / "val/dog/0.png", 30)
    with pytest.raises(InputError, match="got dog"):
        nc.evaluate(again)


def test_a_table_trains_and_stands_on_a_circuit(tmp_path):
    rng = np.random.default_rng(3)
    kind = np.arange(60) % 3
    values = rng.normal(kind[:, None] * np.array([2.0, -1.5]), 0.3)
    lines = [f"{a:.3f},{b:.3f},{'abc'[k]}" for (a, b), k in zip(values, kind, strict=True)]
    (tmp_path / "t.csv").write_text("first,second,label\n" + "\n".join(lines))
    settings = ["held_out=9", "test_from_training=12", "epochs=40", "network.hidden=[8]", "batch_size=6"]
    model = nc.snn.train("table", settings=settings, data=tmp_path / "t.csv", out=tmp_path / "run")
    assert nc.evaluate(model, data=tmp_path / "t.csv").accuracy > 0.8
    net = nc.map(model, nc.NeuronSpec(), images=model.images("train", tmp_path / "t.csv"))
    assert [layer.neurons for layer in net.unrolled.free.layers] == [8, 3]


@pytest.mark.parametrize("name", ["pictures", "table"])
def test_the_recipes_for_own_data_are_whole(name):
    recipe = load_recipe(name)
    assert recipe.data.is_own
    assert recipe.data.test_from_training > 0
    assert set(tomllib.loads((Path("training") / f"{name}.toml").read_text())["data"]) <= set(DataSpec.model_fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "mnist", "size_px": (8, 8)}, r"size_px must be left out for mnist"),
        ({"name": "mnist", "classes": ("a", "b")}, r"classes must be different names, of data of one's own"),
        ({"name": "image_folder", "channels": 2}, r"channels must be 1 or 3 for image_folder, got 2"),
        ({"name": "table", "framing": "centre"}, r"framing must be left out for table"),
        ({"name": "image_folder", "classes": ("a", "a")}, r"classes must be different names"),
    ],
)
def test_fields_of_other_data_are_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        DataSpec(**fields)


def test_rows_of_a_table_are_not_moved(tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n0,p\n10,q\n2,p\n8,q\n")
    with pytest.raises(InputError, match=r"augmentation.shift_px must be left out for images of one row"):
        nc.snn.train(
            "table",
            settings=["held_out=0", "test_from_training=2", "shift_px=1"],
            data=tmp_path / "t.csv",
            out=tmp_path / "run",
        )


def test_a_section_has_the_labels_of_its_images():
    source = ImagesInMemory(np.zeros((4, 1, 1, 1), np.uint8), np.arange(4), {}, ("remark",))
    assert section(source, 1, 3).labels.tolist() == [1, 2]
    assert section(source, 1, 3).remarks == ("remark",)
    assert library.load(DataSpec(), "test").remarks == ()
