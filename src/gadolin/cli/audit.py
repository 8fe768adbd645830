"""``gadolin audit``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.failures import report_unreadable
from gadolin.cli.options import AsJson, Cache, Data, PatientFrom, completer
from gadolin.cli.output import class_name, print_json, print_message, progress_bar, table

if TYPE_CHECKING:
    from gadolin.reports.audit import Audit


def _checks() -> Iterable[str]:
    from gadolin.checks.registry import CHECKS

    return CHECKS


_CHECK = completer(more=_checks)


def audit(
    data: Data,
    against: Annotated[
        Path | None,
        typer.Option(help="Another data set with slices in common; its labels and patients are compared."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", "--out", help="HTML page to write, with the slices of each finding.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="CSV of out-of-fold predictions of these slices, to find label errors.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A run folder or bundle; measures the drift from its training data.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(autocompletion=_CHECK, help="Run only this check; may be repeated.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(autocompletion=_CHECK, help="Skip this check; may be repeated.")
    ] = None,
    patient_from: PatientFrom = None,
    cache: Cache = None,
    as_json: AsJson = False,
) -> None:
    """Find leakage, label conflicts and other faults in data.

    Lists duplicates and patients in several parts, conflicting labels, shortcuts and more, and changes nothing. Lists
    unreadable files and folders, with exit code 1, and files that are left out, with the reason.
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
        print(_text(found))
    if report is not None:
        found.write_html(report)
        sys.stdout.flush()
        print_message(f"report: {report}")
    report_unreadable(found.dataset.errors)


def _text(found: Audit) -> str:
    from gadolin.files.folder_walk import describe
    from gadolin.records import NOTICE

    lines = [found.verdict, ""]
    tested = [one for one in found.parts if one.duplicate is not None]
    if tested:
        head = ["test part", "slices", "duplicate", "known patient", "new slice", "new patient"]
        rows = [
            [
                class_name(one.label) if one.label else "all classes",
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
        lines += [f"{one.severity}: {one.kind}: {one.message}", f"  remedy: {one.remedy}"]
    lines += [f"not checked: {name}: {reason}" for name, reason in found.skipped.items()]
    lines += describe("cannot be read", found.dataset.errors)
    lines += describe("left out", found.dataset.left_out)
    return "\n".join([*lines, "", NOTICE])
