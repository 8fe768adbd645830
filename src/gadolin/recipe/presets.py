"""The built-in recipes."""

from __future__ import annotations

from dataclasses import replace

from gadolin.errors import RecipeError, suggestion
from gadolin.recipe.recipe import Augmentation, Corruptions, Network, Optimizer, Recipe, Sources

__all__ = ["RECIPES", "SUMMARIES", "named_recipe", "recipes"]

_DEFAULT = Recipe(
    name="default",
    epochs=32,
    label_smoothing=0.1,
    ema_decay=0.998,
    progressive=0.6,
    outline_weight=3.0,
    augmentation=Augmentation(
        rotate_degrees=20, shift=0.08, zoom=0.15, shear=0.08, flip=0.5,
        gamma=1.35, contrast=0.2, noise=0.02, blur=0.1, elastic=0.01,
    ),
)  # fmt: skip

_OUTLINES = replace(
    _DEFAULT,
    name="outlines",
    epochs=80,
    batch_size=16,
    progressive=0.8,
    network=Network(evidence="outlines"),
    augmentation=replace(
        _DEFAULT.augmentation, rotate_degrees=30, zoom=0.2, shear=0.1, gamma=1.5, contrast=0.25, elastic=0.02
    ),
    optimizer=Optimizer(lr=1.5e-3),
)

_ROBUST = replace(
    _OUTLINES,
    name="robust",
    epochs=40,
    progressive=0.6,
    balance="none",
    choose="last",
    augmentation=replace(_OUTLINES.augmentation, tone=0.5, gamma=1.7, contrast=0.3, noise=0.06, blur=0.25),
)

_HARDENED = replace(
    _ROBUST,
    name="hardened",
    epochs=36,
    progressive=1.0,
    network=replace(_ROBUST.network, no_lesion_class="residual"),
    augmentation=replace(_ROBUST.augmentation, p_lesion_removal=0.1, p_lesion_paste=0.5, p_inpaint=0.4),
    corruptions=Corruptions(bias=0.5, marks=0.1, invert=0.04),
    optimizer=replace(_ROBUST.optimizer, lr=8e-4, warmup_epochs=0.5),
)

_MULTISOURCE = replace(
    _HARDENED,
    name="multisource",
    epochs=14,
    balance="sources",
    progressive=0.8,
    sources=Sources(kinds="mixed", draws=3000, outline_weight=0.5, sequence_weight=0.3),
    network=replace(_HARDENED.network, backbone="tf_efficientnet_lite0"),
    augmentation=replace(_HARDENED.augmentation, tone=0.3, gamma=1.5, noise=0.04, p_lesion_paste=0.2, p_foreign=0.15),
    optimizer=replace(_HARDENED.optimizer, lr=6e-4),
)

_FINETUNE = replace(
    _DEFAULT,
    name="finetune",
    network=replace(_DEFAULT.network, backbone=_MULTISOURCE.network.backbone),
    optimizer=replace(_DEFAULT.optimizer, lr=2e-4),
)

RECIPES = {
    "default": _DEFAULT,
    "outlines": _OUTLINES,
    "robust": _ROBUST,
    "hardened": _HARDENED,
    "multisource": _MULTISOURCE,
    "finetune": _FINETUNE,
    "resnet50": Recipe(
        name="resnet50",
        epochs=20,
        patience=5,
        network=Network(
            backbone="resnet50", input_size=256, hidden=128, dropout=0.5, mirror_average=False,
            freeze=3, freeze_blocks=1,
        ),
        augmentation=Augmentation(rotate_degrees=30, shift=0.2, zoom=0.2, shear=0.2, flip=0.5),
        optimizer=Optimizer(name="adam", lr=1e-4, weight_decay=0.0, schedule="constant", warmup_epochs=0.0),
    ),
}  # fmt: skip


SUMMARIES = {
    "default": "small network with one grey channel, trained from scratch, for computers without a GPU",
    "outlines": "the same network with evidence learned from lesion outlines; trains three times as long",
    "robust": "outlines with strong intensity and noise augmentation; the first of two steps",
    "hardened": "fine-tunes a robust run for images of other scanners; the second of two steps",
    "multisource": "from ImageNet weights, for slices of several hospitals and sequences in one manifest",
    "finetune": "fine-tunes the packaged model (--weights shipped) on your own slices",
    "resnet50": "the original design: ResNet-50 with ImageNet weights, mostly frozen; GPU recommended",
}
"""The purpose of each built-in recipe, in one line."""


def recipes() -> dict[str, str]:
    """Return the names of the built-in recipes, each with its summary."""
    return dict(SUMMARIES)


def named_recipe(name: str) -> Recipe:
    """Return a built-in recipe by name; raises RecipeError with a suggestion if there is none."""
    if not isinstance(name, str) or name not in RECIPES:
        raise RecipeError(
            code="recipe_unknown",
            rule=f"the recipe must be one of {', '.join(RECIPES)}",
            got=f"got {name!r:.60}{suggestion(str(name), RECIPES)}",
            remedy="or give a recipe file that ends in .toml, or a run folder",
        )
    return RECIPES[name]
