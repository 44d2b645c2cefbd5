"""training/README.md states the networks of reports/published/networks as their files do."""

import csv
import json
from pathlib import Path

import pytest

from neurocircuit.snn.recipe import load_recipe

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted((ROOT / "reports/published/networks").glob("*-seed*"))


def result_of(directory):
    """One row of the table of results, from the files of a run."""
    run = json.loads((directory / "run.json").read_text())
    test = json.loads((directory / "evaluation.json").read_text())
    with (directory / "log.csv").open() as log:
        epochs = len(list(csv.DictReader(log)))
    cells = (
        f"`{directory.name}`",
        str(epochs),
        f"{run['held_out_accuracy']:.2%}",
        f"{test['accuracy']:.2%} ({test['accuracy_low']:.2%} to {test['accuracy_high']:.2%}) of {test['images']['n']}",
        f"{test['spikes'] / test['neurons']:.3f}, {test['spikes_before_decision'] / test['neurons']:.3f}",
        f"{test['latency']['mean_over_tau']:.3f} tau",
    )
    return "| " + " | ".join(cells) + " |"


@pytest.mark.parametrize("directory", PUBLISHED, ids=lambda directory: directory.name)
def test_readme_states_the_published_result(directory):
    assert result_of(directory) in (ROOT / "training/README.md").read_text().splitlines()


@pytest.mark.parametrize("directory", PUBLISHED, ids=lambda directory: directory.name)
def test_published_run_is_finished_and_was_read_on_images_it_never_saw(directory):
    run = json.loads((directory / "run.json").read_text())
    test = json.loads((directory / "evaluation.json").read_text())

    assert run["finished"]
    assert run["data_canonical"]
    assert test["images"]["canonical"]
    assert test["images"]["split"] == "test"


@pytest.mark.parametrize("directory", PUBLISHED, ids=lambda directory: directory.name)
def test_published_run_followed_the_recipe_that_stands_here(directory):
    name, _, seed = directory.name.rpartition("-seed")
    recorded = json.loads((directory / "run.json").read_text())["recipe"]

    assert differences(recorded, load_recipe(ROOT / "training" / f"{name}.toml", (f"seed={seed}",)).to_dict()) == []


def differences(recorded, now, where=""):
    """Fields of the record with another value now; a field that is new since then has its default."""
    if not isinstance(recorded, dict):
        return [] if recorded == now else [f"{where}: {recorded} -> {now}"]
    return [line for key, value in recorded.items() for line in differences(value, now.get(key), f"{where}.{key}")]


def test_readme_states_the_mean_over_the_seeds_of_mnist():
    found = [
        json.loads((ROOT / f"reports/published/networks/mnist-seed{seed}/evaluation.json").read_text())
        for seed in (1, 2, 3)
    ]
    mean = sum(result["accuracy"] for result in found) / 3

    assert f"MNIST: {100 * mean:.2f} % in the mean of the three seeds" in (ROOT / "training/README.md").read_text()
