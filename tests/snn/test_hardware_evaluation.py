"""Accuracy on chips: numbered luck, monotone in every planted noise, honest intervals; the command."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch

from neurocircuit.core.files import file_sha256
from neurocircuit.core.stats import random_effects
from neurocircuit.errors import InputError
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data import library
from neurocircuit.snn.data.images import ImagesInMemory
from neurocircuit.snn.evaluate import accuracy
from neurocircuit.snn.hardware.evaluate import EventDraws, evaluate_on_chips
from neurocircuit.snn.models import spiking_layers
from neurocircuit.snn.recipe import load_recipe
from neurocircuit.snn.training.run import FINAL
from neurocircuit.spec import WeightBank
from tests.command_line import call
from tests.noise.tables import planted_table
from tests.snn.training.test_train import DIGITS, trainer

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    directory = tmp_path_factory.mktemp("digits")
    trainer(directory, "epochs=4").run()
    return directory / FINAL


@pytest.fixture(scope="module")
def case(weights):
    subject, network = checkpoint.load_network(weights)
    return network, library.load(subject.data, "test"), subject


def first(source, n, begin=0):
    pixels, labels = source.batch(np.arange(begin, begin + n))
    return ImagesInMemory(pixels, labels, {})


def test_without_causes_it_is_the_software_with_the_banks_weights(case):
    network, source, subject = case
    few = first(source, 120)
    found = evaluate_on_chips(network, few, subject, planted_table(layers=3), 2, 2, causes=())
    assert found.accuracy == found.rounded.mean()
    assert found.software.mean() == accuracy(network, few, subject)
    assert all(layer.rounding is None for layer in spiking_layers(network))
    with torch.no_grad():
        for layer in spiking_layers(network):
            kept = layer.weight.detach().clone()
            flat = torch.cat([kept.flatten()] + ([] if layer.bias is None else [layer.bias])).double().numpy()
            made = WeightBank().with_bits(4).spanning(flat).quantise(flat)[: kept.numel()]
            layer.rounding = lambda weight, bias, made=made, kept=kept: (
                torch.from_numpy(made.reshape(kept.shape)).float(),
                bias,
            )
    by_hand = accuracy(network, few, subject)
    for layer in spiking_layers(network):
        layer.rounding = None
    assert found.rounded.mean() == by_hand


def test_luck_depends_on_chip_repeat_and_image_and_on_nothing_else(case):
    """Other batches, other chips beside: the same decisions."""
    network, source, subject = case
    table = planted_table(layers=3, event=0.1, chip=0.1, false=0.2)
    few = first(source, 40)
    whole = evaluate_on_chips(network, few, subject, table, 4, 2, batch_size=40, tables=0)
    parts = evaluate_on_chips(network, few, subject, table, 2, 1, batch_size=7, tables=0)
    np.testing.assert_array_equal(whole.right[:2, :1], parts.right)
    np.testing.assert_array_equal(whole.decision_over_tau[:2, :1], parts.decision_over_tau)
    other = evaluate_on_chips(network, few, subject, table, 2, 1, tables=0, seed=1)
    assert not np.array_equal(other.decision_over_tau, parts.decision_over_tau)


def test_draws_are_even_and_independent():
    draws = EventDraws(0, [(0, 0), (1, 0)], range(50))(0, (2, 50, 400)).numpy()
    assert abs(draws.mean() - 0.5) < 5 / np.sqrt(12 * draws.size)
    rows = draws.reshape(100, -1)
    correlation = np.corrcoef(rows)[np.triu_indices(100, 1)]
    assert np.abs(correlation).max() < 5.5 / np.sqrt(400)


SIZES = (0.0, 0.15, 0.4, 0.9)


@pytest.fixture(scope="module")
def by_size(case):
    """Evaluations of 360 digits on 4 chips by cause, at SIZES of its noise."""
    network, source, subject = case
    images = first(source, 360)

    def evaluate(cause, size):
        return evaluate_on_chips(network, images, subject, planted_table(layers=3, **{cause: size}), 4, 1, tables=0)

    return {cause: [evaluate(cause, size) for size in SIZES] for cause in ("event", "chip", "false")}


def gain(more, less):
    """Mean over images of right(more) - right(less), in its standard errors; the images are independent, paired.

    One test in 3.5 million exceeds 5 by chance (normal), fewer where few images differ: |gain| <= sqrt(their number).
    """
    difference = (more.right.astype(float) - less.right).mean(axis=(0, 1))
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return 0.0 if error == 0.0 else difference.mean() / error


@pytest.mark.parametrize("cause", ["event", "chip", "false"])
def test_more_of_a_noise_never_raises_the_accuracy_beyond_its_error(by_size, cause):
    found = by_size[cause]
    assert found[0].accuracy == found[0].rounded.mean()
    assert max(gain(more, less) for less, more in pairwise(found)) < 5
    if cause != "false":  # which harms too little to be told on 360 digits; counted by the next test
        assert gain(found[-1], found[0]) < -5  # about -30 and -40
        assert gain(found[0], found[-1]) > 5  # a planted wrong order is seen


def test_false_spikes_are_as_frequent_as_planted(by_size):
    """In the first layer, whose inputs noise does not reach: counts in proportion to the share, 5 binomial errors."""
    layers = [evaluation.layers[0] for evaluation in by_size["false"]]
    counts = np.array([layer.false * layer.neurons * 4 * 360 for layer in layers])
    assert counts[0] == 0
    near = counts[-1] / SIZES[-1]  # neurons that come near the threshold without reaching it
    assert near > 1000
    for count, share in zip(counts[1:], SIZES[1:], strict=True):
        error = np.sqrt(near * share * (1 - share) + near * share**2 * (1 - SIZES[-1]) / SIZES[-1])
        assert abs(count - near * share) < 5 * error


def test_intervals_cover_the_accuracy_on_all_chips_and_images(case):
    """100 evaluations of 30 of 360 digits on 4 of 40 chips; 95 % nominal, at least 87 (false alarm 3e-4)."""
    network, source, subject = case
    table, whole = planted_table(layers=3, event=0.15, chip=0.12), first(source, 360)
    run = evaluate_on_chips(network, whole, subject, table, 40, 1, tables=0)
    truth, rng, hits = run.right.mean(), np.random.default_rng(5), 0
    assert 0.3 < truth < 0.9
    for _ in range(100):
        chips, images = rng.permutation(40)[:4], rng.permutation(360)[:30]
        part = run.right[chips][:, :, images]
        low, high = random_effects.accuracy_interval(part, random_effects.components(part))
        hits += low <= truth <= high
    assert hits >= 87


def test_events_are_counted_and_layers_named(case):
    network, source, subject = case
    table = planted_table(layers=3, event=0.1, false=0.3)
    found = evaluate_on_chips(network, first(source, 20), subject, table, 2, 2, tables=0)
    assert [layer.name for layer in found.layers] == ["conv1", "conv2", "fc1"]
    for layer in found.layers:
        assert layer.fired == pytest.approx(layer.ideal - layer.missed + layer.false)
    assert found.layers[0].false > 0
    assert found.right.shape == found.decision_over_tau.shape == (2, 2, 20)
    for bad in ({"chips": 0, "seeds": 1}, {"chips": 1, "seeds": 0}):
        with pytest.raises(InputError, match=r"(chips|seeds) must be >= 1, got 0"):
            evaluate_on_chips(network, first(source, 5), subject, table, **bad)


def test_the_command_says_what_the_library_finds(case, weights, tmp_path):
    network, source, subject = case
    table = planted_table(layers=3, event=0.1, chip=0.05, false=0.1)
    table.save(tmp_path / "table.nc")
    done = call(
        "evaluate",
        weights,
        "--noise",
        tmp_path / "table.nc",
        "--chips",
        3,
        "--repeats",
        2,
        "--images",
        50,
        "--threads",
        1,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    found = evaluate_on_chips(network, first(source, 50), subject, table, 3, 2)
    assert values["accuracy"] == found.accuracy
    assert values["by_chip"] == found.by_chip.tolist()
    assert values["valid"] is True
    assert values["energy_J"] == pytest.approx(found.spikes * 10e-12)
    text = call("evaluate", weights, "--noise", tmp_path / "table.nc", "--chips", 2, "--images", 20)
    assert "missed" in text.stdout
    assert "other weights" in text.stdout  # the planted table belongs to no network


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--noise", "none.nc"), "cannot read none.nc"),
        (("--chips", "3"), "chips needs a noise table"),
        (("--first-passage-neurons", "3"), "first-passage-neurons needs a noise table"),
        (("--images", "100000", "--noise", "TABLE"), "images must be within 1 … 360"),
    ],
)
def test_wrong_options_are_one_line(weights, tmp_path, options, message):
    planted_table(layers=3).save(tmp_path / "table.nc")
    done = call("evaluate", weights, *(str(tmp_path / "table.nc") if one == "TABLE" else one for one in options))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_recovered_compares_networks_by_their_own_tables(weights, tmp_path):
    """The "trained" network is the same one with a quieter table: it wins back part of the loss."""
    own = file_sha256(weights)
    planted_table(layers=3, event=0.4, chip=0.05, checkpoint_sha256=own).save(tmp_path / "loud.nc")
    planted_table(layers=3, event=0.1, chip=0.05, checkpoint_sha256=own).save(tmp_path / "quiet.nc")
    planted_table(layers=3).save(tmp_path / "foreign.nc")
    comparison = (
        "study",
        "compare-networks",
        "--clean",
        weights,
        tmp_path / "loud.nc",
        "--images",
        60,
        "--chips",
        3,
        "--tables",
        2,
        "--threads",
        1,
        "--out",
        tmp_path / "out",
        "--trained",
        weights,
    )
    done = call(*comparison, tmp_path / "quiet.nc", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)["recovery"]
    assert summary["clean"][0] < summary["trained"][0] < summary["software"]
    assert summary["gain"][1] > 0
    assert "wins back" in " ".join((tmp_path / "out" / "report.md").read_text().split())
    controlled = (*comparison, tmp_path / "quiet.nc", "--control", weights, tmp_path / "loud.nc", "--json")
    summary = json.loads(call(*controlled).stdout)["recovery"]
    assert summary["control"][0] == summary["clean"][0]  # the same table, images and chips
    assert summary["beyond_control"][0] == pytest.approx(summary["gain"][0])
    refused = call(*comparison, tmp_path / "foreign.nc")
    assert refused.returncode == 2
    assert "its network has other weights" in refused.stderr


def replayed(folder, decided):
    """A folder as `verify` leaves it, of images whose label is 1, on two chips."""
    folder.mkdir()
    rows = [f"{k},{chip},1,1,1,{one},0,1.5" for k, one in enumerate(decided) for chip in (0, 1)]
    head = "image,chip,label,software,rounded,decided,predicted,decision_over_tau"
    (folder / "images.csv").write_text("\n".join([head, *rows]) + "\n")
    (folder / "result.json").write_text(json.dumps({"level": "edge", "run": {}}))
    return folder


def test_recovered_compares_replays_on_the_images_and_chips_they_share(weights, tmp_path):
    table = tmp_path / "table.nc"
    planted_table(layers=3, checkpoint_sha256=file_sha256(weights)).save(table)
    clean = replayed(tmp_path / "clean", [1, 0, 0, 0, 1, 1])  # one image more than the other has
    trained = replayed(tmp_path / "trained", [1, 1, 1, 0, 1])
    comparison = (
        "study",
        "compare-networks",
        "--clean",
        weights,
        table,
        "--trained",
        weights,
        table,
        "--images",
        10,
        "--chips",
        2,
        "--tables",
        0,
        "--threads",
        1,
        "--out",
        tmp_path / "out",
        "--replay",
        clean,
    )
    done = call(*comparison, "--replay", trained, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["in_circuit"]
    assert (found["images"], found["chips"], found["level"]) == (5, 2, "edge")
    assert found["recovery"]["clean"][0] == pytest.approx(0.4)
    assert found["recovery"]["gain"][0] == pytest.approx(0.4)
    assert found["recovery"]["share"][0] == pytest.approx(0.4 / 0.6)
    assert "In the circuit itself, 5 whole images on 2 chips" in " ".join(
        (tmp_path / "out" / "report.md").read_text().split()
    )
    few = call(*comparison)
    assert few.returncode == 2
    assert "--replay must be given 2 times, got 1" in few.stderr


def test_the_recipe_of_the_digits_still_loads():
    assert load_recipe(DIGITS).hardware.noise == ""
