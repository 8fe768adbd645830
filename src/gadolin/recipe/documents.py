"""Recipes as text: TOML files with help beside each key, and the ``recipe`` object of ``run.json``."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gadolin.errors import RecipeError
from gadolin.recipe.fields import allowed, kinds

__all__ = ["FORMAT", "checked_json", "read_toml", "toml_text"]

FORMAT = 1
_COLUMN = 28  # column where the help starts
_HEAD = "# A Gadolin recipe. Edit it and train: gadolin train DATA --recipe FILE.toml"


def read_toml(source: Path | str) -> dict[str, Any]:
    """Return the content of a recipe in TOML: a file if ``source`` is a Path, else the text itself.

    Raises RecipeError if the file is missing, damaged or of another format.
    """
    path = source if isinstance(source, Path) else None
    given = _read(source) if isinstance(source, Path) else source
    try:
        content = tomllib.loads(given.decode("utf-8-sig") if isinstance(given, bytes) else given)
    except (ValueError, RecursionError) as error:
        raise RecipeError(
            code="recipe_damaged",
            rule="a recipe must be valid TOML in UTF-8",
            got=f"got {error}",
            remedy="gadolin recipes show default prints a valid one",
            path=path,
        ) from error
    if "format" not in content:
        raise RecipeError(
            code="recipe_format_missing",
            rule=f"a recipe file must contain format = {FORMAT}",
            got="this one has no format",
            remedy=f"add the line format = {FORMAT}",
            path=path,
        )
    _require_format(content["format"], path)
    return content


def checked_json(content: object) -> dict[str, Any]:
    """Return the recipe object of a run without its format; raises RecipeError for another format."""
    if not isinstance(content, Mapping):
        raise RecipeError(code="recipe_damaged", rule="a recipe must be a JSON object", got=f"got {content!r:.60}")
    if "format" not in content:
        raise RecipeError(
            code="recipe_format_older",
            rule=f"the recipe of a run must be of format {FORMAT}",
            got="an older Gadolin with other keys made this run",
            remedy="train again, or use the version that made the run",
        )
    _require_format(content["format"])
    return {key: value for key, value in content.items() if key != "format"}


def _require_format(found: object, path: Path | None = None) -> None:
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise RecipeError(
            code="recipe_value_invalid",
            rule="format must be a whole number of 1 or more",
            got=f"got {found!r:.60}",
            remedy=f"this version of Gadolin writes {FORMAT}",
            path=path,
        )
    if found > FORMAT:
        raise RecipeError(
            code="recipe_format_newer",
            rule=f"this version of Gadolin reads recipes of format {FORMAT}",
            got=f"got {found}",
            remedy="update Gadolin",
            path=path,
        )


def toml_text(recipe: Any) -> str:
    """Return a recipe as ASCII TOML, each key with its help and its range or choices beside it."""
    lines = [_HEAD, f"format = {FORMAT}"]
    tables = []
    for field in dataclasses.fields(recipe):
        value = getattr(recipe, field.name)
        if dataclasses.is_dataclass(value):
            lines_of_group = [_line(value, each) for each in dataclasses.fields(value)]
            tables += ["", f"# {field.metadata['help']}", f"[{field.name}]", *lines_of_group]
        else:
            lines.append(_line(recipe, field))
    return "\n".join([*lines, *tables]) + "\n"


def _line(values: Any, field: dataclasses.Field[Any]) -> str:
    value = kinds(values)[field.name](getattr(values, field.name))  # a float may have been given as 1
    pair = f"{field.name} = {_literal(value)}"
    limits = allowed(field)
    return f"{pair.ljust(_COLUMN)}  # {field.metadata['help']}" + (f" ({limits})" if limits else "")


def _literal(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        plain = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(one if " " <= one <= "~" else f"\\U{ord(one):08x}" for one in plain) + '"'
    return repr(value)


def _read(path: Path) -> bytes:
    """Return the content of a file; raises RecipeError if it cannot be opened."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecipeError(
            code="recipe_not_found",
            rule="the recipe file must be readable",
            got=f"it is not ({error.strerror})",
            remedy="check the path; gadolin recipes lists those that come with Gadolin",
            path=path,
        ) from error
