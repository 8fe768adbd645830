"""``gadolin recipes`` and ``gadolin recipes show``."""

from __future__ import annotations

from typing import Annotated

import typer

from gadolin.cli.output import print_json

app = typer.Typer(no_args_is_help=False, add_completion=False, rich_markup_mode=None)

_AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.callback(invoke_without_command=True)
def recipes(context: typer.Context, as_json: _AsJson = False) -> None:
    """List the built-in recipes, or show one as a file.

    gadolin recipes show robust > mine.toml writes a file to change; gadolin train --recipe mine.toml trains by it.
    """
    if context.invoked_subcommand:
        context.obj = as_json
        return
    from gadolin.recipe import SUMMARIES

    if as_json:
        print_json({"recipes": [{"name": name, "summary": summary} for name, summary in SUMMARIES.items()]})
        return
    width = max(map(len, SUMMARIES))
    print("\n".join(f"{name.ljust(width)}  {summary}" for name, summary in SUMMARIES.items()))


@app.command()
def show(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="A built-in recipe, a recipe file FILE.toml or a run folder.")],
    as_json: _AsJson = False,
) -> None:
    """Print a recipe as TOML: every key with its help and what it allows."""
    from gadolin.recipe import load_recipe

    chosen = load_recipe(recipe)
    if as_json or context.obj:
        print_json(chosen.as_json())
    else:
        print(chosen.to_toml(), end="")
