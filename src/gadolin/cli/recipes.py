"""``gadolin recipes`` and ``gadolin recipes show``."""

from __future__ import annotations

from typing import Annotated

import typer

from gadolin.cli.help_pages import Command, Group
from gadolin.cli.options import AsJson, built_in
from gadolin.cli.output import print_json

app = typer.Typer(cls=Group, no_args_is_help=False, rich_markup_mode="rich")


@app.callback(invoke_without_command=True)
def recipes(context: typer.Context, as_json: AsJson = False) -> None:
    """List the built-in recipes, or show one as a file.

    For a recipe of your own: gadolin recipes show robust > mine.toml, edit it, gadolin train DATA --recipe mine.toml.
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


@app.command(cls=Command)
def show(
    context: typer.Context,
    recipe: Annotated[
        str, typer.Argument(autocompletion=built_in, help="A built-in recipe, a recipe file FILE.toml or a run folder.")
    ],
    as_json: AsJson = False,
) -> None:
    """Print a recipe as TOML: every key with its help and its allowed values."""
    from gadolin.recipe import load_recipe

    chosen = load_recipe(recipe)
    if as_json or context.obj:
        print_json(chosen.as_json())
    else:
        print(chosen.to_toml(), end="")
