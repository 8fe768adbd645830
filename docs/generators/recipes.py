"""The table of docs/recipes.md: every key of a recipe."""

from __future__ import annotations

from pathlib import Path

from generators.marks import fill

__all__ = ["write_recipes"]

KINDS = {bool: "true, false", str: "text"}


def write_recipes(path: Path) -> None:
    """Write the table of every recipe key: default of the field, built-in values, what is allowed and the help."""
    from gadolin.recipe import RECIPES, Recipe
    from gadolin.recipe.keys import keys_of

    columns = [{key.name: shown(key.value) for key in keys_of(recipe)} for recipe in RECIPES.values()]
    head = ["key", "field", *RECIPES, "allowed", "meaning"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for key in keys_of(Recipe("recipe")):
        if key.name != "name":
            values = [column[key.name] for column in columns]
            cells = [shown(key.value), *values, key.allowed or KINDS[key.kind], key.help]
            lines.append(f"| {' | '.join([f'`{key.name}`', *cells])} |")
    fill(path, "recipes", "\n".join(lines))


def shown(value: object) -> str:
    """Return a value of a recipe as a cell of the table."""
    return str(value).lower() if isinstance(value, bool) else str(value)
