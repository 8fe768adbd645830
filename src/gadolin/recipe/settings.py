"""Recipe settings from the command line, such as ``optimizer.lr=3e-4``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gadolin.errors import RecipeError
from gadolin.recipe.keys import Key, changed, keys_of, unknown_key
from gadolin.recipe.recipe import Recipe

__all__ = ["with_settings"]


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Return the recipe changed by settings such as ``optimizer.lr=3e-4``; the last one for a key counts.

    All are applied at once, so that their order does not matter. Raises RecipeError for an unknown key (with a
    suggestion), a value of the wrong type or out of range.
    """
    known = {key.name: key for key in keys_of(recipe) if key.name != "name"}
    content: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not equals:
            raise RecipeError(
                code="setting_invalid",
                rule="a setting must read key=value",
                got=f"got {setting!r}",
                remedy="for example --set optimizer.lr=3e-4",
            )
        inner = [key for key in known if key.startswith(f"{name}.")]
        if inner:
            raise RecipeError(
                code="recipe_key_unknown",
                rule=f"{name!r} is a group of keys",
                remedy=f"set one of {', '.join(inner)}",
            )
        if name not in known:
            raise unknown_key(name, list(known))
        group, _, last = name.rpartition(".")
        (content.setdefault(group, {}) if group else content)[last] = _parsed(known[name], text)
    return changed(recipe, content)


def _parsed(key: Key, text: str) -> object:
    try:
        if key.kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return key.kind(text)
    except (KeyError, ValueError) as error:
        raise RecipeError(
            code="recipe_value_invalid",
            rule=f"{key.name} must be a value of type {key.kind.__name__}",
            got=f"got {text!r}",
            remedy=f"for example --set {key.name}={str(key.value).lower()}",
        ) from error
