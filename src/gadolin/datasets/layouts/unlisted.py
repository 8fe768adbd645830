"""The files of a data set's folder that its table, or its layout, does not name."""

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

__all__ = ["with_unused"]


def with_unused(found: Scan, folder: Path, used: Iterable[Path], why: GadolinError) -> Scan:
    """Return a scan that also tells what lies below ``folder`` and is neither one of its records nor ``used``.

    What cannot be entered, followed or opened is skipped; slices are omitted for the reason ``why``, other files
    because they are of no format that is read.
    """
    real = cache(os.path.realpath)

    def key(path: str) -> tuple[str, str]:
        parent, name = os.path.split(path)
        return str(real(parent)), name

    named = {str(record.path) for record in found.records}
    named |= {record.outline for record in found.records if record.outlined}
    named |= {*map(str, used)} | {one.path for one in found.errors}
    keys: set[tuple[str, str]] = set()

    def is_named(path: str) -> bool:
        if path in named:
            return True
        if not keys:  # the same file may stand in a table by another way to it
            keys.update(map(key, named))
        return key(path) in keys

    seen = walk(folder)
    failed, aside = sort_out((path for path in seen.files if not is_named(str(path))), why)
    failed += [one for one in seen.failures if not is_named(one.path)]
    aside += [one for one in seen.left_out if not is_named(one.path)]
    return replace(
        found,
        errors=(*found.errors, *in_order_of_path(failed)),
        left_out=(*found.left_out, *in_order_of_path(aside)),
    )
