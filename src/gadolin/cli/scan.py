"""``gadolin scan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.failures import report_unreadable
from gadolin.cli.options import PatientFrom
from gadolin.cli.output import print_json, progress_bar, table

if TYPE_CHECKING:
    from gadolin.datasets import Scan
    from gadolin.datasets.releases.release import Release


def scan(
    data: Annotated[Path, typer.Argument(help="A folder of pictures by class, or a manifest CSV.")],
    patient_from: PatientFrom = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show what is recognised in a data set: classes, parts, counts, patients. Nothing is changed.

    Files that are left out are counted by reason. If a file or folder cannot be read, the exit code is 1.
    """
    from gadolin.datasets import scan as scan_data

    with progress_bar("scanning") as advance:
        found = scan_data(data, patient_from=patient_from, progress=advance)
    if as_json:
        print_json(found.as_json())
    else:
        print(_words(found))
    report_unreadable(found.errors)


def release_lines(release: Release) -> list[str]:
    """Return what to tell of a release: its title, its licence, what to cite and where it is from."""
    return [
        f"release: {release.name}, {release.title}",
        f"licence: {release.licence}",
        f"cite:    {release.citation}",
        f"page:    {release.url}",
    ]


def _words(found: Scan) -> str:
    from gadolin.files.folder_walk import describe

    rows = [
        [part or "all", *map(str, counts.values()), str(sum(counts.values()))] for part, counts in found.counts.items()
    ]
    lines = [f"{found.root}: {len(found.records)} slices, recognised by {found.kind}", ""]
    lines += [f"the data is in {found.base}", ""] if found.base and found.base != found.root else []
    lines += [*release_lines(found.release), ""] if found.release else []
    lines += [table(["part", *found.classes, "total"], rows), ""]
    lines += [f"patients: {found.patients}" if found.patients else "patients: unknown (see --patient-from)"]
    lines += [f"class {old!r} is counted as {new!r}" for old, new in sorted(found.renamed.items())]
    lines += describe("cannot be read", found.errors)
    lines += describe("left out", found.left_out)
    return "\n".join(lines)
