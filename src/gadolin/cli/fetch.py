"""``gadolin fetch``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.options import AsJson, completer, output_folder, plugins
from gadolin.cli.output import print_json, progress_bar
from gadolin.cli.scan import release_lines
from gadolin.progress import Progress

_SOURCES = ("kaggle", "kaggle-7200", "figshare", "br35h", "sartaj")


def fetch(
    source: Annotated[
        str,
        typer.Argument(
            autocompletion=completer(*_SOURCES, more=plugins("gadolin.sources")),
            help="kaggle (7,023 slices, four classes), kaggle-7200 (its later release), figshare (3,064 slices with "
            "patients and outlines), br35h (3,000, tumour or none), sartaj (3,264, four classes), or a plug-in.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Argument(help="Folder to write: new, empty, or with an interrupted fetch to continue.")
    ] = None,
    out_option: Annotated[Path | None, typer.Option("--out", help="The same as OUT.")] = None,
    as_json: AsJson = False,
) -> None:
    """Download a public MRI data set and check it.

    The version is fixed, and OUT/manifest.csv is written last, after all checks, so that an incomplete download is not
    mistaken for a data set. If the network fails, run the same command again: it continues where it stopped. Licence
    and citation are printed and kept in OUT/source.json; please cite the data that you use.
    """
    from gadolin.datasets import fetch as fetch_source

    folder = output_folder(out, out_option)
    with ExitStack() as bars:
        bar: list[Progress] = []

        def advance(done: int, total: int, what: str) -> None:
            if not bar:  # not earlier, because kagglehub draws its own bar
                bar.append(bars.enter_context(progress_bar(what)))
            bar[0](done, total, what)

        found = fetch_source(source, folder, progress=advance)
    if as_json:
        print_json(found.as_json())
        return
    print(f"{folder}: {len(found.records)} slices")
    if found.release is not None:
        print("\n".join(release_lines(found.release)))
    print(f"next: gadolin scan {folder}")
