from __future__ import annotations

from dataclasses import asdict

import pytest

from gadolin.errors import RecipeError
from gadolin.recipe import (
    RECIPES,
    SUMMARIES,
    Augmentation,
    Network,
    Optimizer,
    Recipe,
    load_recipe,
    named_recipe,
    with_settings,
)
from gadolin.recipe.keys import keys_of

BOUNDS = {
    "epochs": (1, 100_000),
    "batch_size": (2, 65_536),
    "label_smoothing": (0, 0.9),
    "ema_decay": (0, 0.99999),
    "patience": (0, 100_000),
    "progressive": (0.25, 1),
    "outline_weight": (0, 1000),
    "sources.draws": (0, 10_000_000),
    "sources.kind_share": (0, 1),
    "sources.outline_weight": (0, 1),
    "sources.sequence_weight": (0, 100),
    "optimizer.lr": (1e-9, 100),
    "optimizer.weight_decay": (0, 10),
    "optimizer.warmup_epochs": (0, 100_000),
    "optimizer.clip_norm": (0, 1e9),
    "augmentation.rotate_degrees": (0, 180),
    "augmentation.shift": (0, 1),
    "augmentation.zoom": (0, 0.9),
    "augmentation.shear": (0, 2),
    "augmentation.flip": (0, 1),
    "augmentation.tone": (0, 1),
    "augmentation.gamma": (1, 10),
    "augmentation.contrast": (0, 1),
    "augmentation.noise": (0, 1),
    "augmentation.blur": (0, 1),
    "augmentation.elastic": (0, 1),
    "augmentation.mixup": (0, 100),
    "augmentation.p_lesion_removal": (0, 1),
    "augmentation.p_lesion_paste": (0, 1),
    "augmentation.p_style": (0, 1),
    "augmentation.p_foreign": (0, 1),
    "augmentation.p_inpaint": (0, 1),
    "corruptions.bias": (0, 3),
    "corruptions.marks": (0, 1),
    "corruptions.invert": (0, 1),
    "network.input_size": (32, 1024),
    "network.hidden": (0, 65_536),
    "network.dropout": (0, 0.99),
    "network.freeze": (0, 4),
    "network.freeze_blocks": (0, 1000),
    "preparation.size": (16, 2048),
    "preparation.margin": (0, 0.5),
    "preparation.low_percentile": (0, 100),
    "preparation.high_percentile": (0, 100),
}
BESIDE = {"preparation.low_percentile": 100, "preparation.high_percentile": 0}
"""What a percentile may be too, but not with the other as it is by default."""


def value_of(recipe, key):
    for name in key.split("."):
        recipe = getattr(recipe, name)
    return recipe


def number_keys(content, prefix=""):
    for name, value in content.items():
        if isinstance(value, dict):
            yield from number_keys(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}"


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("epochs=7", "epochs", 7),
        ("optimizer.lr=3e-4", "optimizer.lr", 3e-4),
        (" optimizer.lr = 1 ", "optimizer.lr", 1.0),
        ("balance=sampler", "balance", "sampler"),
        ("network.freeze=3", "network.freeze", 3),
        ("network.mirror_average=False", "network.mirror_average", False),
        ("network.backbone=resnet50", "network.backbone", "resnet50"),
        ("preparation.crop=false", "preparation.crop", False),
        ("preparation.size=128", "preparation.size", 128),
    ],
)
def test_a_setting_changes_one_value_and_keeps_its_type(setting, key, value):
    before = named_recipe("default")

    after = with_settings(before, [setting])

    assert value_of(after, key) == value
    assert type(value_of(after, key)) is type(value)
    assert with_settings(after, [f"{key}={value_of(before, key)}"]) == before


def test_the_last_of_several_settings_holds():
    assert with_settings(named_recipe("default"), ["epochs=3", "epochs=4"]).epochs == 4


@pytest.mark.parametrize(
    ("setting", "code", "suggested"),
    [
        ("optimizer.lrr=1", "recipe_key_unknown", "optimizer.lr"),
        ("optimiser.lr=1", "recipe_key_unknown", "optimizer.lr"),
        ("epoch=1", "recipe_key_unknown", "epochs"),
        ("=1", "recipe_key_unknown", ""),
        ("name=mine", "recipe_key_unknown", ""),
        ("optimizer=adam", "recipe_key_unknown", "optimizer.name, optimizer.lr"),
        ("epochs.more=1", "recipe_key_unknown", "epochs"),
        ("epochs", "setting_invalid", "key=value"),
        ("epochs=many", "recipe_value_invalid", "epochs=32"),
        ("epochs=1.5", "recipe_value_invalid", ""),
        ("optimizer.lr=fast", "recipe_value_invalid", ""),
        ("network.freeze=yes", "recipe_value_invalid", ""),
        ("network.normalise=yes", "recipe_value_invalid", "true"),
        ("network.backbone=", "recipe_value_invalid", ""),
        ("balance=weight", "recipe_value_unknown", "weights"),
        ("network.no_lesion_class=none", "recipe_value_unknown", "auto, evidence, residual"),
        ("choose=first", "recipe_value_unknown", "loss, last"),
        ("optimizer.name=sgd", "recipe_value_unknown", "adam, adamw"),
        ("optimizer.schedule=cosin", "recipe_value_unknown", "cosine"),
        ("network.input_size=100", "recipe_value_out_of_range", "multiple of 32"),
        ("preparation.margin=0.6", "recipe_value_out_of_range", "0 and 0.5"),
        ("preparation.low_percentile=99.95", "recipe_values_conflict", "low < high"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_to_do(setting, code, suggested):
    with pytest.raises(RecipeError) as refused:
        with_settings(named_recipe("default"), [setting])

    assert refused.value.code == code
    assert suggested in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        ["patience=5", "choose=last"],
        ["network.evidence=map", "network.no_lesion_class=residual"],
        ["network.evidence=outlines", "network.hidden=8"],
    ],
    ids=str,
)
def test_values_that_contradict_each_other_are_refused(settings):
    with pytest.raises(RecipeError) as refused:
        with_settings(named_recipe("default"), settings)

    assert refused.value.code == "recipe_values_conflict"


def test_the_order_of_settings_does_not_matter():
    settings = ["network.evidence=outlines", "network.hidden=0"]

    changed = [with_settings(named_recipe("resnet50"), each) for each in (settings, settings[::-1])]

    assert changed[0] == changed[1]


@pytest.mark.parametrize("key", BOUNDS)
def test_a_number_may_lie_on_its_bounds_and_not_beyond(key):
    recipe = named_recipe("default")
    low, high = BOUNDS[key]
    whole = isinstance(value_of(recipe, key), int)
    step = 32 if key == "network.input_size" else 1

    for value in {low, high} - {BESIDE.get(key)}:
        assert value_of(with_settings(recipe, [f"{key}={value}"]), key) == value
    beyond = (low - step, high + step, *(() if whole else ("nan", "inf", "-inf", low - 1e-6)))
    for value in beyond:
        with pytest.raises(RecipeError) as refused:
            with_settings(recipe, [f"{key}={value}"])
        assert refused.value.code == "recipe_value_out_of_range"


def test_every_number_of_a_recipe_has_bounds():
    assert set(number_keys(asdict(named_recipe("default")))) == set(BOUNDS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Optimizer(lr="fast"),
        lambda: Optimizer(lr=True),
        lambda: Augmentation(flip=None),
        lambda: Network(freeze=1.0),
        lambda: Network(mirror_average=1),
        lambda: Recipe(""),
        lambda: Recipe("two\nlines"),
        lambda: Recipe("mine", epochs=2.0),
        lambda: Recipe("mine", optimizer={"lr": 1}),
    ],
)
def test_a_value_of_another_type_is_refused_where_it_is_made(make):
    with pytest.raises(RecipeError) as refused:
        make()

    assert refused.value.code == "recipe_value_invalid"


def test_a_backbone_need_not_exist_before_the_network_is_built():
    assert Network(backbone="resnet5").backbone == "resnet5"


@pytest.mark.parametrize("key", [key.name for key in keys_of(named_recipe("default"))])
def test_every_key_has_one_line_of_help(key):
    (found,) = (each for each in keys_of(named_recipe("default")) if each.name == key)

    assert found.help
    assert found.help.isprintable()
    assert found.help.isascii()
    assert found.allowed or found.kind in (bool, str)


def test_the_built_in_recipes_are_there_each_with_a_summary():
    names = ["default", "outlines", "robust", "hardened", "multisource", "finetune", "resnet50"]
    assert list(RECIPES) == list(SUMMARIES) == names
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert named_recipe("outlines").network.evidence == "outlines"
    assert named_recipe("resnet50").network.freeze


@pytest.mark.parametrize("resolve", [named_recipe, load_recipe])
def test_an_unknown_recipe_is_refused_with_the_nearest_name(resolve):
    with pytest.raises(RecipeError) as refused:
        resolve("resnet")

    assert refused.value.code == "recipe_unknown"
    assert "'resnet50'" in str(refused.value)
