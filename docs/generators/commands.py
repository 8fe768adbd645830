"""The arguments and options of each command in docs/commands.md, from the help of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import typer.main

from gadolin.cli.app import app
from generators.marks import fill
from generators.schema_tables import marked

__all__ = ["write_commands"]

KINDS = {Path: "path", int: "integer", float: "number", str: "text"}


def write_commands(path: Path) -> None:
    """Write the arguments and options of every command between its marks; those of parts of a command follow."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        parameters = list(command.params)
        for inner in getattr(command, "commands", {}).values():
            parameters += [one for one in inner.params if not set(one.opts) & {"--json"}]
        fill(path, name, "\n".join(line(one) for one in parameters))


def line(parameter: Any) -> str:
    """Return an argument or option as an item of a list: names, values, default and meaning."""
    argument = parameter.param_type_name == "argument"
    names = [parameter.metavar or parameter.name.upper()] if argument else [*parameter.opts, *parameter.secondary_opts]
    facts = [*values(parameter), *default(parameter)]
    shown = f" ({'; '.join(facts)})" if facts else ""
    return f"- {', '.join(f'`{one}`' for one in names)}{shown}: {marked(parameter.help)}"


def values(parameter: Any) -> list[str]:
    """Return what a parameter takes, in words; nothing for a flag."""
    kind = parameter.type_descriptor.annotation
    if kind is bool:
        return []
    if parameter.param_type_name != "argument" and parameter.metavar:
        return [", ".join(f"`{one}`" for one in parameter.metavar.split(" | "))]
    words = KINDS.get(kind) or KINDS[get_args(kind)[0]]
    most = "" if parameter.max is None else f" to {parameter.max:g}"
    return [words if parameter.min is None else f"{words}, {parameter.min:g}{most or ' or more'}"]


def default(parameter: Any) -> list[str]:
    """Return whether a parameter must be given, or its default, in words."""
    if parameter.required:
        return ["required"]
    if parameter.param_type_name == "argument":
        return ["optional"]
    if isinstance(parameter.default, bool):
        return [f"default `{parameter.opts[0]}`"] if parameter.default else []
    return [] if parameter.default in (None, "") else [f"default `{parameter.default}`"]
