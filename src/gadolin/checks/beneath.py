"""Pictures that lie in a folder whose manifest does not name them."""

from __future__ import annotations

from pathlib import Path

from gadolin.datasets import Scan
from gadolin.errors import ReadError
from gadolin.readers import one_of, open_file
from gadolin.records import Failure

__all__ = ["beneath"]


def beneath(found: Scan) -> tuple[list[Path], list[Failure]]:
    """Return the pictures that lie in the scanned folder beside its manifest, and those that cannot be read."""
    pictures: list[Path] = []
    failed: list[Failure] = []
    for one in found.left_out:
        if one.code != "not_in_manifest":
            continue
        try:
            contents = open_file(one.path)
            if contents.omit is None:
                one_of(contents, 0)
                pictures.append(Path(one.path))
        except ReadError as error:
            failed.append(Failure(one.path, error))
    return pictures, failed
