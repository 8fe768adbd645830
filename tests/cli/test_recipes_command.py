"""Tests of ``gadolin recipes``: its output can be edited and used for training."""

from __future__ import annotations

import pytest

from gadolin.recipe import RECIPES, Recipe, named_recipe


@pytest.fixture
def planned(gadolin, monkeypatch, tmp_path):
    """Return a function that runs ``train`` or ``crossval`` with a recipe and returns the resulting plan."""
    plans = []

    def work(plan, *_given, **_rest):
        plans.append(plan)
        raise KeyboardInterrupt

    monkeypatch.setattr("gadolin.training.train.train_model", work)
    monkeypatch.setattr("gadolin.training.crossval.cross_validate", work)

    def run(command, *words):
        gadolin(command, "data", "--out", tmp_path / "out", *words)
        return plans.pop()

    return run


def test_every_built_in_recipe_is_listed_on_a_line_of_its_own(gadolin):
    ending = gadolin("recipes")

    assert (ending.code, ending.err) == (0, "")
    assert [line.split()[0] for line in ending.out.splitlines()] == list(RECIPES)
    listed = gadolin("recipes", "--json").json["recipes"]
    assert [each["name"] for each in listed] == list(RECIPES)
    assert all(each["summary"] in ending.out for each in listed)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("command", ["train", "crossval"])
def test_what_is_shown_trains_the_same(command, name, gadolin, planned, tmp_path):
    shown = gadolin("recipes", "show", name)
    assert (shown.code, shown.err) == (0, "")
    (tmp_path / "mine.toml").write_text(shown.out, encoding="utf-8")

    by_file = planned(command, "--recipe", tmp_path / "mine.toml", "--set", "epochs=3")

    assert by_file == planned(command, "--recipe", name, "--set", "epochs=3")


def test_a_recipe_is_shown_as_a_run_holds_it(gadolin, tmp_path, write_run):
    recipe = named_recipe("robust")

    for words in (("recipes", "show", "robust", "--json"), ("recipes", "--json", "show", "robust")):
        assert gadolin(*words).json == recipe.as_json()
    write_run(tmp_path, recipe=recipe.as_json())
    assert Recipe.from_toml(gadolin("recipes", "show", tmp_path).out) == recipe


def test_a_recipe_that_is_not_there_is_refused(gadolin):
    gadolin("recipes", "show", "robst").refused("'robust'")
    ending = gadolin("recipes", "show", "robst", "--json")
    assert (ending.code, ending.json["error"]["code"]) == (2, "recipe_unknown")
