"""Report the files of a data folder that its table or layout does not list."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from gadolin.datasets.layouts.folders import sort_out
from gadolin.datasets.scan_result import Scan, in_order_of_path
from gadolin.errors import GadolinError
from gadolin.files.folder_walk import walk

__all__ = ["with_unlisted"]


def with_unlisted(found: Scan, folder: Path, used: Iterable[Path], why: GadolinError) -> Scan:
    """Return the scan with the other files below ``folder``, which are neither records nor ``used``.

    Inaccessible entries become errors; slices are skipped with the reason ``why``, other files for their unsupported
    format.
    """
    real = cache(os.path.realpath)

    def key(path: str) -> tuple[str, str]:
        parent, name = os.path.split(path)
        return str(real(parent)), name

    listed = {str(record.path) for record in found.records}
    listed |= {record.outline for record in found.records if record.outlined}
    listed |= {*map(str, used)} | {one.path for one in found.errors}
    keys: set[tuple[str, str]] = set()

    def is_listed(path: str) -> bool:
        if path in listed:
            return True
        if not keys:  # a table may list the same file by another path
            keys.update(map(key, listed))
        return key(path) in keys

    seen = walk(folder)
    failed, aside = sort_out((path for path in seen.files if not is_listed(str(path))), why)
    failed += [one for one in seen.failures if not is_listed(one.path)]
    aside += [one for one in seen.left_out if not is_listed(one.path)]
    return replace(
        found,
        errors=(*found.errors, *in_order_of_path(failed)),
        left_out=(*found.left_out, *in_order_of_path(aside)),
    )
