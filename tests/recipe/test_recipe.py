from __future__ import annotations

import re

import pytest

from gadolin.errors import RecipeError, RequestError
from gadolin.recipe import RECIPES, named_recipe, with_settings

BOUNDS = {
    "epochs": (1, 100_000),
    "batch_size": (2, 65_536),
    "label_smoothing": (0, 0.9),
    "ema_decay": (0, 0.99999),
    "patience": (0, 100_000),
    "progressive": (0.25, 1),
    "outline_weight": (0, 1000),
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
    "augmentation.p_inpaint": (0, 1),
    "corruptions.bias": (0, 3),
    "corruptions.marks": (0, 1),
    "corruptions.invert": (0, 1),
}


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
    ("setting", "told"),
    [
        ("optimizer.lrr=1", "unknown recipe key 'optimizer.lrr' (did you mean 'optimizer.lr'?)"),
        ("optimiser.lr=1", "unknown recipe key 'optimiser.lr' (did you mean 'optimizer.lr'?)"),
        ("epoch=1", "unknown recipe key 'epoch' (did you mean 'epochs'?)"),
        ("=1", "unknown recipe key ''"),
        ("name=mine", "unknown recipe key 'name'"),
        ("optimizer=adam", "'optimizer' is a group of settings, not one; name one of optimizer.name, optimizer.lr"),
        ("epochs.more=1", "unknown recipe key 'epochs.more', 'epochs' holds one value"),
        ("epochs", "a setting must read key=value, got 'epochs'; for example --set optimizer.lr=3e-4"),
        ("epochs=many", "epochs must be a value of type int, got 'many'; for example --set epochs="),
        ("epochs=1.5", "epochs must be a value of type int, got '1.5'"),
        ("optimizer.lr=fast", "optimizer.lr must be a value of type float, got 'fast'"),
        ("network.freeze=yes", "network.freeze must be a value of type int, got 'yes'"),
        ("balance=weight", "balance must be one of weights, sampler, none, got 'weight' (did you mean 'weights'?)"),
        ("network.no_lesion_class=none", "network.no_lesion_class must be one of auto, evidence, absence, got 'none'"),
        ("choose=first", "choose must be one of loss, last, got 'first'"),
        ("optimizer.name=sgd", "optimizer.name must be one of adam, adamw, got 'sgd'"),
        ("optimizer.schedule=cosin", "got 'cosin' (did you mean 'cosine'?)"),
        ("network.backbone=compct", "did you mean 'compact'?"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_to_do(setting, told):
    with pytest.raises(RecipeError, match=re.escape(told)):
        with_settings(named_recipe("default"), [setting])


def test_patience_and_the_last_epoch_exclude_each_other():
    with pytest.raises(RecipeError, match=r"got 5 and choose=last; set one of them"):
        with_settings(named_recipe("default"), ["patience=5", "choose=last"])


def test_absence_needs_evidence_from_outlines():
    with pytest.raises(RecipeError, match=r"needs evidence from outlines, got network.evidence=map and"):
        with_settings(named_recipe("default"), ["network.evidence=map", "network.no_lesion_class=residual"])


@pytest.mark.parametrize("value", ["-0.1", "0.6", "nan"])
def test_a_preparation_that_cannot_be_is_refused(value):
    with pytest.raises(RequestError, match=r"preparation.margin must lie in 0 to 0.5"):
        with_settings(named_recipe("default"), [f"preparation.margin={value}"])


@pytest.mark.parametrize("key", BOUNDS)
def test_a_number_may_lie_on_its_bounds_and_not_beyond(key):
    recipe = named_recipe("default")
    low, high = BOUNDS[key]
    whole = isinstance(value_of(recipe, key), int)

    for value in (low, high):
        assert value_of(with_settings(recipe, [f"{key}={value}"]), key) == value
    beyond = (low - 1, high + 1, *(() if whole else ("nan", "inf", "-inf", low - 1e-6)))
    for value in beyond:
        with pytest.raises(RecipeError, match=f"^{key} must lie in .*, got .*; correct it with --set {key}=..."):
            with_settings(recipe, [f"{key}={value}"])


def test_every_number_of_a_recipe_has_bounds():
    content = named_recipe("default").as_json()
    elsewhere = {"preparation", "network"}  # which refuse values themselves

    assert {key for key in number_keys(content) if key.split(".")[0] not in elsewhere} == set(BOUNDS)


def test_the_documented_recipes_are_there():
    assert list(RECIPES) == ["default", "outlines", "robust", "hardened", "resnet50"]
    assert named_recipe("outlines").network.evidence == "outlines"
    assert named_recipe("resnet50").network.freeze


def test_an_unknown_recipe_is_refused_with_the_nearest_name():
    with pytest.raises(RecipeError, match=re.escape("got 'resnet' (did you mean 'resnet50'?)")):
        named_recipe("resnet")
