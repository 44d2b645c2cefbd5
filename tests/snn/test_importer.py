"""Published weights: their layout, and the whole layer stack against the published accuracy."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn.data import library
from neurocircuit.snn.encode import encode
from neurocircuit.snn.evaluate import evaluate
from neurocircuit.snn.importer import import_weights, numbered_files
from neurocircuit.snn.models import spiking_layers

GIVEN = os.environ.get(library.VARIABLE)
needs_data = pytest.mark.skipif(GIVEN is None, reason=f"{library.VARIABLE} names no folder of data sets")
SHAPES = ((26, 32), (801, 16), (785, 10))


@pytest.fixture
def published(tmp_path):
    """Arrays whose every number tells where it belongs: row + column/1000."""
    for number, (rows, columns) in enumerate(SHAPES, start=9):  # 9, 10, 11: order by number, not by text
        array = np.arange(rows)[:, None] + np.arange(columns)[None] / 1000
        np.save(tmp_path / f"weight_scnn{number}.npy", array.astype(np.float32))
    return tmp_path


def test_rows_are_taps_in_row_column_channel_order_and_the_last_is_the_bias(published):
    network = import_weights(published, "mnist_scnn").network
    first, second, last = spiking_layers(network)

    for layer, (kernel, channels) in ((first, (5, 1)), (second, (5, 32))):
        neuron, channel, row, column = 3, channels - 1, 2, 4
        tap = (row * kernel + column) * channels + channel
        assert layer.weight[neuron, channel, row, column].item() == pytest.approx(tap + neuron / 1000)
        assert layer.bias[neuron].item() == pytest.approx(kernel * kernel * channels + neuron / 1000)
    channel, row, column = 5, 6, 2  # the image before the last layer is 16 x 7 x 7, flattened channel first
    flat = (channel * 7 + row) * 7 + column
    assert last.weight[1, flat].item() == pytest.approx((row * 7 + column) * 16 + channel + 0.001)


CIFAR10_SHAPES = ((76, 64), (1601, 32), (801, 16), (257, 64), (65, 10))


@pytest.fixture
def published_cifar10(tmp_path):
    for number, shape in enumerate(CIFAR10_SHAPES):
        np.save(tmp_path / f"weight_{number}.npy", np.full(shape, 3.0 / shape[0], np.float32))
    return tmp_path


@pytest.mark.parametrize(
    ("encoding", "kind", "white_first"),
    [(None, "dark_first", False), ("dark_first", "dark_first", False), ("bright_first", "bright_first", True)],
)
def test_a_network_of_cifar10_is_fed_dark_first_as_the_paper_feeds_it(published_cifar10, encoding, kind, white_first):
    """Paper §4.1: t = alpha p for CIFAR-10, so that a white pixel spikes at alpha and a black one at 0."""
    subject = import_weights(published_cifar10, "cifar10_scnn_small", encoding=encoding).subject
    assert subject.encoding.kind == kind
    black, white = torch.log(encode(torch.tensor([0.0, 1.0]), subject.encoding)).tolist()
    assert (black, white) == pytest.approx((3.0, 0.0) if white_first else (0.0, 3.0))
    assert subject.encoding.formula == ("t = 3 (1 - p)" if white_first else "t = 3 p")


def test_a_network_of_mnist_is_fed_bright_first_as_the_paper_feeds_it(published):
    subject = import_weights(published, "mnist_scnn", alpha=2.0).subject
    assert (subject.encoding.kind, subject.encoding.alpha) == ("bright_first", 2.0)
    assert import_weights(published, "mnist_scnn", encoding="dark_first").subject.encoding.formula == "t = 3 p"


def test_files_are_ordered_by_their_number(published):
    assert [path.stem for path in numbered_files(published)] == ["weight_scnn9", "weight_scnn10", "weight_scnn11"]


def break_shape(directory):
    np.save(directory / "weight_scnn10.npy", np.zeros((800, 16), np.float32))


def break_content(directory):
    (directory / "weight_scnn10.npy").write_bytes(b"\x93NUMPY")


def break_type(directory):
    np.save(directory / "weight_scnn10.npy", np.array([{}], dtype=object), allow_pickle=True)


def break_number(directory):
    np.save(directory / "more.npy", np.zeros(1))


def break_count(directory):
    (directory / "weight_scnn10.npy").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_shape, r"weight_scnn10\.npy must have the shape \(801, 16\), got \(800, 16\)"),
        (break_content, r"weight_scnn10\.npy is not a numpy array"),
        (break_type, r"weight_scnn10\.npy is not a numpy array"),
        (break_number, r"more\.npy must end in the number of its layer"),
        (break_count, r"must hold 3 \.npy files, one for each layer of mnist_scnn, got 2"),
    ],
)
def test_what_does_not_fit_is_named(published, damage, message):
    damage(published)

    with pytest.raises((InputError, FileFormatError), match=message):
        import_weights(published, "mnist_scnn")


def test_an_unknown_network_is_refused(published):
    with pytest.raises(InputError, match=r"network must be one of mnist_scnn, .*, got .mnist."):
        import_weights(published, "mnist")


@needs_data
def test_published_weights_reach_the_published_accuracy_on_the_full_test_set(tmp_path):
    """99.43 ± 0.02 % of 10 000 images right, 88.3 % of neurons spike: an independent evaluation (data README).

    It checks padding, the order of taps, the bias spike and silent neurons at once; nothing is random.
    """
    for path in (Path(GIVEN) / "authors_mnist").glob("*.npy"):
        shutil.copy(path, tmp_path)
    model = import_weights(tmp_path, "mnist_scnn")
    subject, network = model.subject, model.network

    with torch.no_grad():
        result = evaluate(network, library.load(subject.data, "test"), subject)

    assert result.n == 10_000
    assert result.accuracy == pytest.approx(0.9943, abs=2e-4)
    assert result.overall == pytest.approx(0.883, abs=5e-4)
