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


def test_what_a_recipe_leaves_out_is_as_in_its_initial_weights():
    initial = load_recipe(
        TRAINING / "mnist_windowed.toml", ("data.name=digits", "data.held_out=300", "encoding.alpha=1.0")
    ).subject
    plain = Recipe(name="short").inheriting(initial)
    assert (plain.data, plain.encoding, plain.augmentation) == (initial.data, initial.encoding, initial.augmentation)
    assert (plain.network, plain.loss) == (Recipe(name="short").network, Recipe(name="short").loss)

    stated = Recipe.from_dict({"name": "s", "data": {"held_out": 100}, "augmentation": {"zoom": 0.0}}).inheriting(
        initial
    )
    assert (stated.data.name, stated.data.held_out) == ("digits", 100)
    assert (stated.augmentation.zoom, stated.augmentation.shift_px) == (0.0, initial.augmentation.shift_px)

    named = Recipe.from_dict({"name": "s", "data": {"name": "digits"}, "encoding": {"alpha": 2.0}}).inheriting(initial)
    assert (named.data.held_out, named.augmentation.shift_px) == (0, 0)  # of data that it names itself nothing is taken
    assert (named.encoding.kind, named.encoding.alpha) == ("linear", 2.0)


def test_a_recipe_that_states_all_is_as_it_was():
    for path in RECIPES:
        recipe = load_recipe(path)
        if recipe.data.model_fields_set and recipe.encoding.model_fields_set == {"kind", "alpha"}:
            assert recipe.inheriting(Recipe(name="other").subject).sha256 == recipe.sha256


def test_a_subject_is_the_part_for_evaluation():
    recipe = load_recipe(TRAINING / "digits.toml")

    assert type(recipe.subject) is Subject
    assert recipe.subject.network == recipe.network
