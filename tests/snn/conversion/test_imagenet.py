"""Networks in the layout of torchvision: weights from a file, pictures from a folder, accuracy before and after."""

import dataclasses

import numpy as np
import pytest
import torch

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn import imagenet
from neurocircuit.snn.conversion import convert_file
from neurocircuit.snn.data.sets import image_folder
from tests.snn.conversion.networks import settle

CLASSES = 3

OF_IMAGENET = {"size_px": (224, 224), "framing": "imagenet"}


def small_googlenet():
    return imagenet.GoogLeNet(classes=CLASSES, over=16)


@pytest.fixture
def small(monkeypatch):
    """The architecture `googlenet` with a sixteenth of its channels and three classes."""
    known = imagenet._ARCHITECTURES["googlenet"]
    monkeypatch.setitem(imagenet._ARCHITECTURES, "googlenet", dataclasses.replace(known, make=small_googlenet))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with train/ and val/, three classes of coarse random pictures."""
    Image = pytest.importorskip("PIL.Image")
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 3)):
        for name in ("n01", "n02", "n03")[:CLASSES]:
            folder = root / split / name
            folder.mkdir(parents=True)
            for k in range(count):
                coarse = (255 * generator.random((7, 7, 3))).astype(np.uint8)
                Image.fromarray(coarse).resize((260, 300)).save(folder / f"{k}.png")
    return root


@pytest.fixture
def weights(tmp_path, pictures):
    """A file of random weights, with what training leaves beside them; and the network."""
    torch.manual_seed(0)
    network = small_googlenet()
    pixels = torch.from_numpy(image_folder("train", data=pictures, **OF_IMAGENET).pixels).float() / 255
    settle(network, (pixels - 0.5) / 0.5, torch.Generator().manual_seed(0))
    path = tmp_path / "weights.pth"
    state = {name: value.float() for name, value in network.state_dict().items() if "num_batches" not in name}
    torch.save(state | {"aux1.fc1.weight": torch.zeros(2, 2)}, path)
    return path, network.float()


@pytest.mark.parametrize(
    ("name", "parameters", "key"),
    [  # as torchvision states them, without auxiliary classifiers
        ("vgg16", 138_357_544, "features.28.weight"),
        ("vgg16_bn", 138_365_992, "features.41.running_var"),
        ("googlenet", 6_624_904, "inception4e.branch3.1.conv.weight"),
    ],
)
def test_layout_is_that_of_torchvision(name, parameters, key):
    with torch.device("meta"):
        module = imagenet._ARCHITECTURES[name].make()
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters
    assert key in module.state_dict()


@pytest.mark.usefixtures("small")
def test_one_call_gives_accuracy_before_and_after(pictures, weights):
    path, network = weights
    converted = convert_file(path, architecture="googlenet", images=6, test=9, data=pictures, form="forced")
    test = image_folder("test", data=pictures, **OF_IMAGENET)
    pixels = torch.from_numpy(test.pixels).float() / 255
    with torch.no_grad():
        decided = network((pixels - 0.5) / 0.5).argmax(1).numpy()
        after = converted(pixels).argmax(1).numpy()
    accuracy = converted.conversion.accuracy
    assert (accuracy.split, accuracy.images) == ("test", 9)
    assert accuracy.right_before == (decided == test.labels).sum()
    assert accuracy.right_after == (after == test.labels).sum()
    assert accuracy.same_decisions == (after == decided).sum()
    assert converted.conversion.largest_error < 1e-9
    assert "9 test images" in str(converted)
    assert (converted.subject.name, converted.subject.data.name) == ("googlenet", "image_folder")


@pytest.mark.usefixtures("small")
def test_other_files_are_refused_by_the_weight_that_does_not_fit(tmp_path, weights):
    state = torch.load(weights[0], weights_only=True)

    def refused(changed, message):
        torch.save(changed, tmp_path / "changed.pth")
        with pytest.raises(FileFormatError, match=message):
            imagenet.load("googlenet", tmp_path / "changed.pth")

    refused({name: value for name, value in state.items() if name != "fc.bias"}, r"misses fc\.bias")
    refused(state | {"fc.bias": torch.zeros(7)}, r"has another shape of fc\.bias")
    refused(state | {"layer1.weight": torch.zeros(7)}, r"has a foreign layer1\.weight")
    refused([1, 2], "weights by name")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(FileFormatError, match="not a state dict"):
        imagenet.load("googlenet", tmp_path / "text.pth")
    with pytest.raises(InputError, match="cannot read"):
        imagenet.load("googlenet", tmp_path / "absent.pth")
    with pytest.raises(InputError, match="architecture must be one of"):
        imagenet.load("alexnet", tmp_path / "absent.pth")
