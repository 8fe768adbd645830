"""``gadolin audit``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.failures import report_unreadable
from gadolin.cli.options import AsJson, Cache, Data, PatientFrom, completer
from gadolin.cli.output import class_name, print_json, print_message, progress_bar, table, wrapped

if TYPE_CHECKING:
    from gadolin.records import Finding
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
    from gadolin.workflows.audit import audit as audit_data

    if report is not None:
        _require_report(report)
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
    if as_json:
        report_unreadable(found.dataset.errors)
    elif found.dataset.errors:
        raise typer.Exit(1)


def _require_report(path: Path) -> None:
    """Raise GadolinError if the page could not be written to ``path``, before any work."""
    from gadolin.files.atomic import require_file
    from gadolin.reports.drawings import load

    load("jinja2")
    require_file(path)


def _text(found: Audit) -> str:
    from gadolin.checks.titles import title_of
    from gadolin.files.folder_walk import describe
    from gadolin.records import NOTICE

    unreadable = {one.path for one in found.dataset.errors}
    lines = [found.verdict, "", *_part_table(found)]
    for one in found.findings:
        lines += [f"{title_of(one.kind)} ({one.severity}; {one.kind})", *(f"  {part}" for part in _parts(one, found))]
    if not any(one.kind == "unreadable" for one in found.findings):
        lines += describe("cannot be read", found.dataset.errors)
    lines += [f"not checked: {title_of(name)} ({name}): {reason}" for name, reason in found.skipped.items()]
    lines += describe("left out", [one for one in found.dataset.left_out if one.path not in unreadable])
    text = [wrapped("\n".join(lines), sys.stdout)]
    text += ["", f"to mend this: {found.command}"] if found.command else []  # not wrapped, so that it can be copied
    return "\n".join([*text, "", NOTICE])


def _parts(finding: Finding, found: Audit) -> list[str]:
    """Return what a finding adds to the verdict and the table: its message, the files it is about, and the remedy."""
    from gadolin.files.folder_walk import describe

    if finding.kind == "unreadable":
        return [*describe("cannot be read", found.dataset.errors), f"remedy: {finding.remedy}"]
    claim = finding.message.partition(": ")[0].rstrip(".")  # what follows in leakage is in the table too
    leakage = finding.kind in ("shared_slices", "shared_patients")
    repeated = (leakage and found.verdict.startswith(claim)) or found.verdict == finding.message
    return [*([] if repeated else [finding.message]), f"remedy: {finding.remedy}"]


def _part_table(found: Audit) -> list[str]:
    """Return the table of what the test part shares with the training data, and an empty line; empty without one."""
    tested = [one for one in found.parts if one.duplicate is not None]
    if not tested:
        return []
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
    return [table(head, rows), ""]
