"""Tests of recipe files and of the recipe in a run folder."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import tomllib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gadolin.errors import DataError, RecipeError
from gadolin.recipe import RECIPES, Recipe, load_recipe, named_recipe, with_settings
from gadolin.recipe.keys import changed


def values_of(made):
    """Return a strategy of tables that change a recipe or a group within the limits of its fields."""
    tables = {}
    for field in dataclasses.fields(made):
        value, limits = getattr(made, field.name), field.metadata
        if dataclasses.is_dataclass(value):
            tables[field.name] = values_of(value)
        elif isinstance(value, bool):
            tables[field.name] = st.booleans()
        elif "choices" in limits:
            tables[field.name] = st.sampled_from(limits["choices"])
        elif "low" in limits and isinstance(value, int):
            step = limits.get("multiple_of", 1)
            whole = st.integers(limits["low"] // step, limits["high"] // step)
            tables[field.name] = whole.map(lambda number, step=step: number * step)
        elif "low" in limits:
            tables[field.name] = st.floats(limits["low"], limits["high"]) | st.integers(
                math.ceil(limits["low"]), math.floor(limits["high"])
            )
        else:
            tables[field.name] = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1)
    return st.fixed_dictionaries({}, optional=tables)


def written(tmp_path, text, name="mine.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(read):
    with pytest.raises(RecipeError) as refused:
        read()
    assert "\n" not in str(refused.value)
    return refused.value


@pytest.mark.parametrize("name", RECIPES)
def test_a_built_in_recipe_is_the_same_read_from_the_file_that_shows_it(name, tmp_path):
    recipe = named_recipe(name)

    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert load_recipe(written(tmp_path, recipe.to_toml())) == recipe
    assert load_recipe(str(tmp_path / "mine.toml")) == recipe
    assert Recipe.from_json(json.loads(json.dumps(recipe.as_json()))) == recipe


@given(values_of(RECIPES["default"]))
@pytest.mark.slow
def test_every_recipe_is_the_same_read_from_what_it_writes(content):
    try:
        recipe = changed(RECIPES["default"], content)
    except RecipeError as error:
        assume(error.code != "recipe_values_conflict")
        raise

    text = recipe.to_toml()

    assert text.isascii()
    assert Recipe.from_toml(text) == recipe
    assert Recipe.from_toml(text).to_toml() == text
    assert Recipe.from_json(json.loads(json.dumps(recipe.as_json()))) == recipe
    assert recipe.as_json() == tomllib.loads(text)


def test_keys_left_out_are_the_defaults_and_the_name_is_that_of_the_file(tmp_path):
    path = written(tmp_path, "format = 1\nepochs = 3\n[optimizer]\nlr = 1\n")

    recipe = Recipe.from_toml(path)

    assert recipe == with_settings(Recipe("mine"), ["epochs=3", "optimizer.lr=1"])
    assert isinstance(recipe.optimizer.lr, float)


def test_a_file_may_change_a_built_in_recipe(tmp_path):
    path = written(tmp_path, 'format = 1\nbase = "robust"\nepochs = 3\n[augmentation]\nflip = 0\n')

    expected = dataclasses.replace(named_recipe("robust"), name="mine")
    assert Recipe.from_toml(path) == with_settings(expected, ["epochs=3", "augmentation.flip=0"])


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbfformat = 1\n")

    assert Recipe.from_toml(tmp_path / "mine.toml") == Recipe("mine")


BAD = {
    "no format": ("epochs = 3", "recipe_format_missing"),
    "newer format": ("format = 2\nunheard = 1", "recipe_format_newer"),
    "format of another type": ('format = "1"', "recipe_value_invalid"),
    "true as a format": ("format = true", "recipe_value_invalid"),
    "format zero": ("format = 0", "recipe_value_invalid"),
    "unknown key": ("format = 1\nepoch = 3", "recipe_key_unknown"),
    "unknown key of a group": ("format = 1\n[optimizer]\nlrr = 3", "recipe_key_unknown"),
    "unknown group": ("format = 1\n[augment]\nflip = 0.5", "recipe_key_unknown"),
    "text for a number": ('format = 1\nepochs = "3"', "recipe_value_invalid"),
    "a fraction for a whole number": ("format = 1\nepochs = 3.0", "recipe_value_invalid"),
    "true for a number": ("format = 1\nepochs = true", "recipe_value_invalid"),
    "a number for true": ("format = 1\n[preparation]\ncrop = 1", "recipe_value_invalid"),
    "a list for a number": ("format = 1\nepochs = [3]", "recipe_value_invalid"),
    "a date for text": ("format = 1\nname = 2020-01-01", "recipe_value_invalid"),
    "a table for a value": ("format = 1\n[epochs]\nmost = 3", "recipe_value_invalid"),
    "a value for a table": ('format = 1\noptimizer = "adam"', "recipe_value_invalid"),
    "several lines of text": ('format = 1\nname = "a\\nb"', "recipe_value_invalid"),
    "out of range": ("format = 1\nepochs = 0", "recipe_value_out_of_range"),
    "not a number": ("format = 1\n[optimizer]\nlr = nan", "recipe_value_out_of_range"),
    "no multiple": ("format = 1\n[network]\ninput_size = 100", "recipe_value_out_of_range"),
    "a preparation out of range": ("format = 1\n[preparation]\nsize = 1", "recipe_value_out_of_range"),
    "a preparation that contradicts itself": (
        "format = 1\n[preparation]\nlow_percentile = 100",
        "recipe_values_conflict",
    ),
    "unknown choice": ('format = 1\nbalance = "weight"', "recipe_value_unknown"),
    "contradiction": ('format = 1\npatience = 3\nchoose = "last"', "recipe_values_conflict"),
    "unknown base": ('format = 1\nbase = "robst"', "recipe_unknown"),
    "base of another type": ("format = 1\nbase = 3", "recipe_unknown"),
    "damaged": ("format = 1\nepochs =", "recipe_damaged"),
    "too deep": ("format = 1\nepochs = " + "[" * 100_000, "recipe_damaged"),
}


@pytest.mark.parametrize(("text", "code"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_used_is_one_error_with_code_and_path(text, code, tmp_path):
    path = written(tmp_path, text)

    for read in (load_recipe, Recipe.from_toml):
        error = refusal(lambda read=read: read(path))
        assert (error.code, error.path) == (code, str(path))
    assert refusal(lambda: Recipe.from_toml(text)).path is None


def test_a_wrong_key_of_a_file_is_refused_with_the_nearest(tmp_path):
    path = written(tmp_path, "format = 1\n[optimizer]\nlrr = 3")

    assert "'optimizer.lr'" in str(refusal(lambda: load_recipe(path)))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, "recipe_not_found"),
        (lambda path: path.mkdir(), "recipe_not_found"),
        (lambda path: path.write_bytes(b"format = 1 # \xff"), "recipe_damaged"),
    ],
    ids=["missing", "a folder", "not UTF-8"],
)
def test_a_file_that_cannot_be_read_is_one_error_with_code_and_path(make, code, tmp_path):
    make(tmp_path / "mine.toml")

    for source in (tmp_path / "mine.toml", str(tmp_path / "mine.toml")):
        error = refusal(lambda source=source: load_recipe(source))
        assert (error.code, error.path) == (code, str(tmp_path / "mine.toml"))


def test_a_run_folder_holds_its_recipe(tmp_path, write_run):
    recipe = with_settings(named_recipe("hardened"), ["epochs=3"])
    write_run(tmp_path, recipe=recipe.as_json())

    assert Recipe.from_run(tmp_path) == recipe
    assert load_recipe(str(tmp_path)) == load_recipe(tmp_path) == recipe


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        ({"name": "default", "epochs": 3, "augment": {}}, "recipe_format_older"),
        ({"format": 2, "name": "default"}, "recipe_format_newer"),
        ({"format": 1, "name": "default", "epoch": 3}, "recipe_key_unknown"),
        ({"format": 1, "base": "default"}, "recipe_key_unknown"),
        ({"format": 1, "epochs": None}, "recipe_value_invalid"),
    ],
    ids=str,
)
def test_a_recipe_of_a_run_that_cannot_be_used_is_one_error_with_code_and_path(recipe, code, tmp_path, write_run):
    write_run(tmp_path, recipe=recipe)

    error = refusal(lambda: Recipe.from_run(tmp_path))

    assert (error.code, error.path) == (code, str(tmp_path))


@pytest.mark.parametrize("recipe", ["default", []], ids=str)
def test_a_run_whose_recipe_is_no_table_is_damaged(recipe, tmp_path, write_run):
    write_run(tmp_path, recipe=recipe)
    with pytest.raises(DataError) as refused:
        Recipe.from_run(tmp_path)
    assert refused.value.code == "run_damaged"


@pytest.mark.slow
def test_recipes_and_plans_are_made_without_torch():
    code = """
import sys
from pathlib import Path
from gadolin.recipe import SUMMARIES, load_recipe
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
for name in SUMMARIES:
    load_recipe(name).to_toml()
Plan(Path("data"), Path("out"), load_recipe("resnet50"), machine=Machine(device="cpu", precision="bfloat16"))
print(*sorted({"torch", "torchvision", "timm", "lightning_fabric"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []
