"""Pictures that lie in a folder whose manifest does not name them."""

from __future__ import annotations

from pathlib import Path

from gadolin.errors import ReadError
from gadolin.readers import one_of, open_file
from gadolin.readers.kinds import HEAD, is_other
from gadolin.records import Failure
from gadolin.sources import Scan

__all__ = ["beneath"]


def beneath(folder: Path, found: Scan) -> tuple[list[Path], list[Failure]]:
    """Return the pictures below ``folder`` that the manifest ``found`` does not name, and those that cannot be read.

    The latter with the reason. Hidden files and those that are no slice, like tables and texts, are passed over.
    """
    named = {record.path.resolve() for record in found.records}
    named |= {Path(record.outline).resolve() for record in found.records if record.outlined}
    pictures: list[Path] = []
    failed: list[Failure] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or not path.is_file() or path.resolve() in named or _is_other(path):
            continue
        try:
            contents = open_file(path)
            if contents.omit is None:
                one_of(contents, 0)
                pictures.append(path)
        except ReadError as error:
            failed.append(Failure(str(path), error))
    return pictures, failed


def _is_other(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_other(path.name, file.read(HEAD))
    except OSError:  # decoding tells what is wrong
        return False
