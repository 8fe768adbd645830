"""Recipes: what decides what a network learns, as values, TOML files and JSON. Without torch."""

from __future__ import annotations

from gadolin.recipes.load import load_recipe
from gadolin.recipes.presets import RECIPES, SUMMARIES, named_recipe
from gadolin.recipes.recipe import Augmentation, Corruptions, Network, Optimizer, Recipe
from gadolin.recipes.settings import with_settings

__all__ = [
    "RECIPES",
    "SUMMARIES",
    "Augmentation",
    "Corruptions",
    "Network",
    "Optimizer",
    "Recipe",
    "load_recipe",
    "named_recipe",
    "with_settings",
]
