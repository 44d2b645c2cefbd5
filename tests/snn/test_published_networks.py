"""The committed networks: finished runs of the recipes that stand here, read on images that they never saw."""

import json
from pathlib import Path

import pytest

from neurocircuit.snn.recipe import load_recipe

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted((ROOT / "reports/published/networks").glob("*-seed*"))


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
