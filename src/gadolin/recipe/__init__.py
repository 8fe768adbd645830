"""Recipes, the settings that decide what a network learns, as values, TOML files and JSON. No torch."""

from __future__ import annotations

from gadolin.recipe.load import load_recipe
from gadolin.recipe.presets import RECIPES, SUMMARIES, named_recipe, recipes
from gadolin.recipe.recipe import Augmentation, Corruptions, Network, Optimizer, Recipe, Sources
from gadolin.recipe.settings import with_settings

__all__ = [
    "RECIPES",
    "SUMMARIES",
    "Augmentation",
    "Corruptions",
    "Network",
    "Optimizer",
    "Recipe",
    "Sources",
    "load_recipe",
    "named_recipe",
    "recipes",
    "with_settings",
]
