"""The keys of a recipe, such as ``optimizer.lr``: list them, and change values by nested tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gadolin.errors import RecipeError, RequestError, suggestion
from gadolin.recipe.fields import allowed, kinds, require_value

__all__ = ["Key", "changed", "keys_of", "unknown_key"]

Values = TypeVar("Values")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a recipe, with its value in that recipe.

    ``name`` is the whole key, as in ``--set``; ``kind`` bool, int, float or str; ``help`` one line; ``allowed`` the
    range or the choices as text.
    """

    name: str
    kind: type
    value: Any
    help: str
    allowed: str


def keys_of(values: Any, group: str = "") -> Iterator[Key]:
    """Yield every key of a recipe, or of one of its groups with the prefix ``group``, in order."""
    for field in dataclasses.fields(values):
        value, name = getattr(values, field.name), group + field.name
        if dataclasses.is_dataclass(value):
            yield from keys_of(value, f"{name}.")
        else:
            yield Key(name, kinds(values)[field.name], value, field.metadata["help"], allowed(field))


def changed(values: Values, content: Mapping[str, Any], group: str = "") -> Values:
    """Return a recipe or group with the values of ``content``, nested tables as in TOML and JSON.

    Raises RecipeError for an unknown key (with a suggestion), a value of the wrong type or out of range, and values
    that contradict each other.
    """
    known = {field.name: field for field in dataclasses.fields(values)}  # type: ignore[arg-type]  # a dataclass
    new: dict[str, Any] = {}
    for name, value in content.items():
        if name not in known:
            raise unknown_key(group + name, [key.name for key in keys_of(values, group)])
        before, kind = getattr(values, name), kinds(values)[name]
        if not dataclasses.is_dataclass(before):
            require_value(known[name], kind, group + name, value)
            new[name] = float(value) if kind is float else value
        elif isinstance(value, Mapping):
            new[name] = changed(before, value, f"{group}{name}.")
        else:
            raise RecipeError(
                code="recipe_value_invalid",
                rule=f"{group}{name} is a group of keys and must be a table",
                got=f"got {value!r:.60}",
                remedy=f"give {next(keys_of(before, f'{group}{name}.')).name} and others",
            )
    try:
        return dataclasses.replace(values, **new)  # type: ignore[type-var]  # a dataclass
    except RecipeError:
        raise
    except RequestError as error:  # from the preparation, which bundles use too
        raise RecipeError(code="recipe_values_conflict", rule=error.rule, got=error.got, remedy=error.remedy) from error


def unknown_key(key: str, known: list[str]) -> RecipeError:
    """Return the error for an unknown key."""
    first = list(dict.fromkeys(name.partition(".")[0] for name in known))
    shown = known if len(first) == 1 else first
    return RecipeError(
        code="recipe_key_unknown",
        rule=f"unknown recipe key {key!r}{suggestion(key, known)}",
        remedy=f"known are {', '.join(shown)}",
    )
