"""Fields of a recipe: default, allowed values and help in one place, and the validation of values."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any, get_type_hints

from gadolin.errors import RecipeError, printable, suggestion

__all__ = ["allowed", "choice", "kinds", "number", "require_fields", "require_value", "switch", "text"]

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_LONGEST_SHOWN = 60  # characters of a wrong value


def number(default: float, low: float, high: float, help_text: str, *, multiple_of: int = 1) -> Any:
    """Return a field that holds a number in [``low``, ``high``], whole where it is annotated with int."""
    limits = {"low": low, "high": high, "multiple_of": multiple_of}
    return dataclasses.field(default=default, metadata={"help": help_text, **limits})


def choice(known: tuple[str, ...], default: str, help_text: str) -> Any:
    """Return a field that holds one of the ``known`` words."""
    return dataclasses.field(default=default, metadata={"help": help_text, "choices": known})


def switch(default: bool, help_text: str) -> Any:
    """Return a field that holds true or false."""
    return dataclasses.field(default=default, metadata={"help": help_text})


def text(help_text: str, default: Any = dataclasses.MISSING) -> Any:
    """Return a field that holds one line of text; without a default it is required."""
    return dataclasses.field(default=default, metadata={"help": help_text})


def allowed(field: dataclasses.Field[Any]) -> str:
    """Return the allowed values of a field as text, such as "0 to 1" or "adam, adamw"; empty for any of its type."""
    known = field.metadata
    if "choices" in known:
        return ", ".join(known["choices"])
    if "low" not in known:
        return ""
    step = known.get("multiple_of", 1)
    return f"{known['low']} to {known['high']}" + (f" in steps of {step}" if step != 1 else "")


def kinds(values: Any) -> dict[str, type]:
    """Return the types of the fields of a dataclass instance by name."""
    made: Any = type(values)
    return _kinds(made)


@cache
def _kinds(made: Any) -> dict[str, type]:
    return get_type_hints(made)


def require_fields(values: Any, group: str = "") -> None:
    """Raise RecipeError unless every field of a dataclass is valid; ``group`` is the prefix of its keys.

    Fields that are dataclasses were validated when they were created.
    """
    for field in dataclasses.fields(values):
        kind = kinds(values)[field.name]
        value = getattr(values, field.name)
        if not dataclasses.is_dataclass(kind):
            require_value(field, kind, group + field.name, value)
        elif not isinstance(value, kind):
            raise _wrong_type(group + field.name, f"a {kind.__name__}", value)


def require_value(field: dataclasses.Field[Any], kind: type, key: str, value: object) -> None:
    """Raise RecipeError unless ``value`` has the type ``kind`` and ``field`` allows it."""
    fitting = (int, float) if kind is float else kind
    if not isinstance(value, fitting) or isinstance(value, bool) != (kind is bool):
        raise _wrong_type(key, _WORDS[kind], value)
    if "choices" in field.metadata:
        _require_known(key, str(value), field.metadata["choices"])
    elif "low" in field.metadata:
        _require_in_range(field, key, value)
    elif isinstance(value, str) and not (value.strip() and value.isprintable()):
        raise _wrong_type(key, "one line of text", value)


def _wrong_type(key: str, expected: str, value: object) -> RecipeError:
    shown = "a table" if isinstance(value, dict) else repr(value)
    shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
    return RecipeError(code="recipe_value_invalid", rule=f"{key} must be {expected}", got=f"got {printable(shown)}")


def _require_known(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RecipeError(
            code="recipe_value_unknown",
            rule=f"{key} must be one of {', '.join(known)}",
            got=f"got {value!r}{suggestion(value, known)}",
        )


def _require_in_range(field: dataclasses.Field[Any], key: str, value: Any) -> None:
    low, high, step = field.metadata["low"], field.metadata["high"], field.metadata.get("multiple_of", 1)
    if not low <= value <= high or (step != 1 and value % step):
        multiple = f"a multiple of {step} " if step != 1 else ""
        raise RecipeError(
            code="recipe_value_out_of_range",
            rule=f"{key} must be {multiple}between {low} and {high}",
            got=f"got {value}",
            remedy=f"the default is {field.default}",
        )
