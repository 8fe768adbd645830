"""``gadolin scan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gadolin.cli.failures import report_unreadable
from gadolin.cli.options import AsJson, Data, PatientFrom
from gadolin.cli.output import class_name, print_json, progress_bar, table

if TYPE_CHECKING:
    from gadolin.datasets import Scan
    from gadolin.datasets.releases.release import Release


def scan(
    data: Data,
    patient_from: PatientFrom = None,
    as_json: AsJson = False,
) -> None:
    """Show classes, parts, counts and patients of a data set.

    Changes nothing. Counts the files that are left out by reason. The exit code is 1 if a file or folder is unreadable.
    """
    from gadolin.datasets import scan as scan_data

    with progress_bar("scanning") as advance:
        found = scan_data(data, patient_from=patient_from, progress=advance)
    if as_json:
        print_json(found.as_json())
    else:
        print(_text(found))
    report_unreadable(found.errors)


def release_lines(release: Release) -> list[str]:
    """Return name and title, licence, citation and address of a release, each as a line."""
    return [
        f"release: {release.name}, {release.title}",
        f"licence: {release.licence}",
        f"cite:    {release.citation}",
        f"page:    {release.url}",
    ]


def _text(found: Scan) -> str:
    from gadolin.files.folder_walk import describe

    rows = [
        [split or "all", *map(str, counts.values()), str(sum(counts.values()))]
        for split, counts in found.counts.items()
    ]
    lines = [f"{found.root}: {len(found.records)} slices, recognised by {found.kind}", ""]
    lines += [f"the data is in {found.base}", ""] if found.base and found.base != found.root else []
    lines += [*release_lines(found.release), ""] if found.release else []
    lines += [table(["part", *map(class_name, found.classes), "total"], rows), ""]
    lines += [f"patients: {found.patients}" if found.patients else "patients: unknown (see --patient-from)"]
    lines += [f"class {old!r} is counted as {new!r}" for old, new in sorted(found.renamed.items())]
    lines += describe("cannot be read", found.errors)
    lines += describe("left out", found.left_out)
    return "\n".join(lines)
