"""Recipes: every shipped one is valid, settings land where they belong, errors are one line."""

from pathlib import Path

import pytest

from neurocircuit.errors import InputError, SpecError
from neurocircuit.snn.data.spec import DATA_SETS
from neurocircuit.snn.recipe import Recipe, Subject, load_recipe

TRAINING = Path(__file__).parents[2] / "training"
RECIPES = sorted(TRAINING.glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_round_trip(path):
    recipe = load_recipe(path)

    assert recipe.data.name in DATA_SETS
    again = Recipe.from_dict(recipe.to_dict())
    assert again == recipe
    assert again.sha256 == recipe.sha256


def test_there_is_a_recipe_for_each_experiment():
    assert {path.stem for path in RECIPES} >= {
        "digits",
        "mnist",
        "fashion",
        "cifar10_small",
        "vgg16_cifar10",
        "googlenet",
    }


def test_settings_change_the_recipe_and_its_hash():
    plain = load_recipe(TRAINING / "digits.toml")

    changed = load_recipe(TRAINING / "digits.toml", ("lr=0.002", "seed=7", "network.initial_sum=3.5", "decay=linear"))

    assert changed.schedule.lr == 0.002
    assert changed.seed == 7
    assert changed.network.initial_sum == 3.5
    assert changed.schedule.decay == "linear"
    assert changed.sha256 != plain.sha256


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("lr", "--set must be key=value"),
        ("speed=1", "--set must name a field of the recipe, got 'speed'"),
        ("kind=adam", "--set must name one of .*, got 'kind'"),
        ("schedule.lr=-1", r"Recipe\.schedule\.lr must be > 0, got -1"),
        ("schedule.speed=1", r"Recipe\.schedule\.speed is not a known field, got 1"),
        ("seed.a=1", "seed is not a section"),
        ("lr_end=0.5", r"schedule\.lr_end must be <= lr"),
        ("epochs=1.5", r"Recipe\.schedule\.epochs must be a valid integer, got 1.5"),
    ],
)
def test_a_wrong_setting_is_one_line(setting, message):
    with pytest.raises((SpecError, InputError), match=message) as caught:
        load_recipe(TRAINING / "digits.toml", (setting,))
    assert "\n" not in str(caught.value)


def test_a_subject_is_the_part_for_evaluation():
    recipe = load_recipe(TRAINING / "digits.toml")

    assert type(recipe.subject) is Subject
    assert recipe.subject.network == recipe.network
