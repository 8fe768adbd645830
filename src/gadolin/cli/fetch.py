"""``gadolin fetch``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.output import print_json, progress_bar
from gadolin.cli.scan import release_lines
from gadolin.progress import Progress


def fetch(
    source: Annotated[
        str,
        typer.Argument(
            help="kaggle (7,023 slices, four classes), kaggle-7200 (its later release), figshare (3,064 slices with "
            "patients and outlines), br35h (3,000, tumour or none), sartaj (3,264, four classes), or that of a plug-in."
        ),
    ],
    out: Annotated[
        Path, typer.Argument(help="Folder to write: new, empty, or one where a fetch broke off, which then goes on.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fetch a public MRI data set, check it, and lay it out so that scan and train can use it.

    The version is pinned and everything is checked before OUT/manifest.csv is written, so that half a download is
    never taken for a data set. If the network fails, run the same command again: it goes on where it stopped. Licence
    and citation are printed and kept in OUT/source.json; please cite what you use.
    """
    from gadolin.datasets import fetch as fetch_source

    with ExitStack() as bars:
        begun: list[Progress] = []

        def advance(done: int, total: int, what: str) -> None:
            if not begun:  # not before: kagglehub draws a bar of its own
                begun.append(bars.enter_context(progress_bar(what)))
            begun[0](done, total, what)

        found = fetch_source(source, out, progress=advance)
    if as_json:
        print_json(found.as_json())
        return
    print(f"{out}: {len(found.records)} slices")
    if found.release is not None:
        print("\n".join(release_lines(found.release)))
    print(f"next: gadolin scan {out}")
