"""``gadolin audit``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.failures import report_unreadable
from gadolin.cli.options import Cache, PatientFrom
from gadolin.cli.output import print_json, progress_bar, say, table

if TYPE_CHECKING:
    from gadolin.reports.audit import Audit


def audit(
    data: Annotated[Path, typer.Argument(help="A folder of pictures by class, or a manifest CSV.")],
    against: Annotated[
        Path | None,
        typer.Option(help="Another data set that may hold the same slices; its labels and patients are compared."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML page to write, with the pictures of each finding.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Out-of-fold predictions of these slices, as CSV: labels are judged by them.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A run folder or bundle: is the data like what the model was trained on?")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run only this check; may be given several times.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Do not run this check; may be given several times.")] = None,
    patient_from: PatientFrom = None,
    cache: Cache = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find what is wrong with a data set: copies across parts, shared patients, conflicting labels and more.

    Nothing is changed. Unreadable files and folders are listed, and the exit code is then 1; files that are left out
    are listed with the reason.
    """
    from gadolin.datasets import scan
    from gadolin.files.atomic import require_file
    from gadolin.reports.drawings import load
    from gadolin.workflows.audit import audit as audit_data

    if report is not None:
        load("jinja2")
        require_file(report)
    with progress_bar("auditing") as advance:
        found = audit_data(
            scan(data, patient_from=patient_from, progress=advance) if patient_from else data,
            against,
            only=only or (),
            skip=skip or (),
            cache=cache,
            predictions=predictions,
            model=model,
            progress=advance,
        )
    if as_json:
        print_json(found.as_json())
    else:
        print(_words(found))
    if report is not None:
        found.write_html(report)
        sys.stdout.flush()
        say(f"report: {report}")
    report_unreadable(found.dataset.errors)


def _words(found: Audit) -> str:
    from gadolin.files.folder_walk import describe
    from gadolin.records import NOTICE

    lines = [found.verdict, ""]
    tested = [one for one in found.parts if one.duplicate is not None]
    if tested:
        head = ["test part", "slices", "duplicate", "known patient", "new slice", "new patient"]
        rows = [
            [
                one.label or "all classes",
                *(
                    f"{count:,}"
                    for count in (one.slices, one.duplicate, one.known_patient, one.new_slice, one.new_patient)
                    if count is not None
                ),
            ]
            for one in tested
        ]
        lines += [table(head, rows), ""]
    for one in found.findings:
        lines += [f"{one.severity}: {one.kind}: {one.message}", f"  what to do: {one.remedy}"]
    lines += [f"not looked for: {name}: {reason}" for name, reason in found.skipped.items()]
    lines += describe("cannot be read", found.dataset.errors)
    lines += describe("left out", found.dataset.left_out)
    return "\n".join([*lines, "", NOTICE])
