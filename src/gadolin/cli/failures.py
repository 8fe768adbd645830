"""Report of files without a result: errors and files that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from gadolin.cli.output import print_message

if TYPE_CHECKING:
    from gadolin.files.paths import Expanded
    from gadolin.records import Failure


def split_failures(
    failures: Sequence[Failure], expanded: Expanded, *, results: Sequence[object]
) -> tuple[list[Failure], list[Failure]]:
    """Return the errors among ``failures``, and the files that are left out.

    A file without a slice that was given by its own path is left out if other files have ``results``; else it is an
    error, because the command has no result.
    """
    from gadolin.records import Omitted

    errors = [each for each in failures if not (results and isinstance(each, Omitted))]
    omitted = [each for each in failures if results and isinstance(each, Omitted)]
    return errors, [*expanded.left_out, *omitted]


def report_unreadable(failures: Sequence[Failure]) -> None:
    """Print how many files and folders of a data set cannot be read; exit with 1 if there are any.

    Raises typer.Exit.
    """
    if failures:
        print_message(f"gadolin: {len(failures)} unreadable files or folders, the first {failures[0]}")
        raise typer.Exit(1)


def report_failures(failures: Sequence[Failure], left_out: Sequence[Failure], *, as_json: bool) -> None:
    """Print errors on standard error, and left-out files unless the JSON lists them; exit with 1 if there are errors.

    Raises typer.Exit.
    """
    from gadolin.files.folder_walk import count_by_code, describe

    for line in describe("left out", left_out) if not as_json else []:
        print_message(line)
    for failure in failures:
        print_message(f"gadolin: {failure}")
    if len(failures) > 1:
        counts = ", ".join(f"{code} {count}" for code, count in count_by_code(failures).items())
        print_message(f"gadolin: {len(failures)} errors: {counts}")
    if failures:
        raise typer.Exit(1)
