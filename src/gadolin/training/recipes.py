"""The named recipes."""

from __future__ import annotations

from dataclasses import replace

from gadolin.errors import RecipeError, suggestion
from gadolin.network import NetworkConfig
from gadolin.training.recipe import AugmentConfig, DisturbConfig, OptimizerConfig, Recipe

__all__ = ["RECIPES", "named_recipe"]

_DEFAULT = Recipe(
    name="default",
    epochs=32,
    label_smoothing=0.1,
    ema_decay=0.998,
    progressive=0.6,
    outline_weight=3.0,
    augment=AugmentConfig(
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
    network=NetworkConfig(evidence="outlines"),
    augment=replace(_DEFAULT.augment, rotate_degrees=30, zoom=0.2, shear=0.1, gamma=1.5, contrast=0.25, elastic=0.02),
    optimizer=OptimizerConfig(lr=1.5e-3),
)

_ROBUST = replace(
    _OUTLINES,
    name="robust",
    epochs=40,
    progressive=0.6,
    balance="none",
    choose="last",
    augment=replace(_OUTLINES.augment, tone=0.5, gamma=1.7, contrast=0.3, noise=0.06, blur=0.25),
)

_HARDENED = replace(
    _ROBUST,
    name="hardened",
    epochs=36,
    progressive=1.0,
    network=replace(_ROBUST.network, healthy="absence"),
    augment=replace(_ROBUST.augment, lesions=0.1, pastes=0.5, fills=0.4),
    disturb=DisturbConfig(bias=0.5, marks=0.1, invert=0.04),
    optimizer=replace(_ROBUST.optimizer, lr=8e-4, warmup_epochs=0.5),
)

RECIPES = {
    "default": _DEFAULT,
    "outlines": _OUTLINES,
    "robust": _ROBUST,
    "hardened": _HARDENED,
    "resnet50": Recipe(
        name="resnet50",
        epochs=20,
        patience=5,
        network=NetworkConfig(
            backbone="resnet50", input_size=256, hidden=128, dropout=0.5, mirror_average=False,
            freeze=3, freeze_blocks=1,
        ),
        augment=AugmentConfig(rotate_degrees=30, shift=0.2, zoom=0.2, shear=0.2, flip=0.5),
        optimizer=OptimizerConfig(name="adam", lr=1e-4, weight_decay=0.0, schedule="constant", warmup_epochs=0.0),
    ),
}  # fmt: skip


def named_recipe(name: str) -> Recipe:
    """Return a recipe by name; raises RecipeError with a suggestion where there is none."""
    if name not in RECIPES:
        raise RecipeError(
            code="recipe_unknown",
            rule=f"the recipe must be one of {', '.join(RECIPES)}",
            got=f"got {name!r}{suggestion(name, RECIPES)}",
        )
    return RECIPES[name]
