"""The files that paths and glob patterns refer to."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gadolin.errors import RequestError
from gadolin.files.folder_walk import count_by_code
from gadolin.records import Failure

__all__ = ["NOTHING", "Expanded", "matching", "not_empty", "nothing_found"]

NOTHING = "path_names_nothing"
"""Code of the error for a path without a file."""

_FOLDER = RequestError(
    code="folder_matches_pattern",
    rule="a pattern must match files",
    got="this is a folder",
    remedy="give the folder itself, or search recursively with **",
)


@dataclass(frozen=True, slots=True)
class Expanded:
    """The files that paths refer to.

    ``files`` are in the order of the paths, with a Failure for each unreadable folder, broken link and path without a
    match. ``left_out`` are the files that are skipped in folders on purpose.
    """

    files: tuple[str | Failure, ...]
    left_out: tuple[Failure, ...]


def matching(pattern: str) -> Expanded:
    """Return the files that match a pattern; matching folders are reported as skipped, except with ``**``."""
    try:
        matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    except (OSError, ValueError, re.error):
        matches = []
    folders = [each for each in matches if os.path.isdir(each)]  # noqa: PTH112
    files = [each for each in matches if not os.path.isdir(each)]  # noqa: PTH112
    left_out = [] if "**" in pattern else [Failure(each, _FOLDER) for each in folders]
    return not_empty(files, pattern, left_out)


def not_empty(files: Sequence[str | Failure], path: str, left_out: Sequence[Failure]) -> Expanded:
    """Return the files of a path, or a Failure if there are none."""
    return Expanded(tuple(files) or (Failure(path, nothing_found(path, left_out)),), tuple(left_out))


def nothing_found(path: str, left_out: Sequence[Failure] = ()) -> RequestError:
    """Return the error for a path without a file, perhaps except for skipped ones."""
    counts = ", ".join(f"{count} {code}" for code, count in count_by_code(left_out).items())
    return RequestError(
        code=NOTHING,
        rule="a path must match one file or more",
        got=f"{path} matches none" + (f" except skipped ones ({counts})" if counts else ""),
        remedy="check the path",
    )
