"""Load a recipe from a name, a file or a run folder."""

from __future__ import annotations

from pathlib import Path

from gadolin.errors import RecipeError
from gadolin.models.run_folder import RunFolder
from gadolin.recipe.presets import RECIPES, named_recipe
from gadolin.recipe.recipe import Recipe

__all__ = ["load_recipe"]


def load_recipe(source: Recipe | Path | str) -> Recipe:
    """Return a built-in recipe by name, the recipe of a TOML file, or the recipe of a run folder.

    A str is tried as a name first; a Recipe is returned unchanged. Raises RecipeError if it is none of these, or the
    file or run cannot be used.
    """
    if isinstance(source, Recipe):
        return source
    if not isinstance(source, str | Path):
        raise RecipeError(
            code="recipe_unknown",
            rule="a recipe must be a Recipe, a name, a file or a run folder",
            got=f"got a {type(source).__name__}",
            remedy="gadolin recipes lists the names",
        )
    if isinstance(source, str) and source in RECIPES:
        return RECIPES[source]
    path = Path(source)
    if RunFolder(path).exists:
        return Recipe.from_run(path)
    if path.suffix == ".toml" or isinstance(source, Path):
        return Recipe.from_toml(path)
    return named_recipe(source)
