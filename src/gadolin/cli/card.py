"""``gadolin card``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.options import AsJson
from gadolin.cli.output import print_json, print_message


def card(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    as_json: AsJson = False,
) -> None:
    """Make pages of the model card and datasheets of a run.

    Makes the HTML pages from the Markdown files as they are now, and counts the items that are left to fill in. Writes
    files that are missing, and never changes a Markdown file that exists.
    """
    from gadolin.checks.wording import counted
    from gadolin.models.run_folder import RunFolder
    from gadolin.records import NOTICE
    from gadolin.workflows.card import write_cards

    cards = write_cards(RunFolder(run))
    if as_json:
        files = [
            {"text": str(path), "page": str(path.with_suffix(".html")), "to_fill": count}
            for path, count in cards.to_fill.items()
        ]
        print_json({"notice": NOTICE, "to_fill": cards.total, "files": files})
        return
    lines = [f"{path}: {counted(count, 'item')} to fill" for path, count in cards.to_fill.items()]
    print_message("\n".join([*lines, f"page: {cards.card.with_suffix('.html')}"]), wrap=False)
