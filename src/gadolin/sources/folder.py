"""Folders named by class, with or without folders for the parts above them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from gadolin.errors import DataError, ReadError
from gadolin.readers import MAX_BYTES, open_bytes, require_utf8
from gadolin.readers.contents import Contents, left_out
from gadolin.readers.kinds import HEAD, foreign, is_other
from gadolin.records import Failure, Record
from gadolin.sources.found import Scan
from gadolin.sources.labels import canonical
from gadolin.sources.patient_rule import PatientRule

__all__ = ["PART_NAMES", "scan_folder"]

PART_NAMES = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test",
    "val": "validation", "valid": "validation", "validation": "validation",
}  # fmt: skip


_LOG = logging.getLogger("gadolin")


def scan_folder(
    root: Path, *, patient_from: str | None = None, progress: Callable[[int, int], None] | None = None
) -> Scan:
    """Scan ``root``; its folders are parts (Training, Testing, ...) holding classes, or the classes themselves.

    Raises DataError where there is no class folder or no picture.
    """
    parts = _parts(root)
    files = [(part, folder.name, path) for part, base in parts for folder in _folders(base) for path in _files(folder)]
    renamed = {name: canonical(name) for _, name, _ in files if canonical(name) != name}
    patients = PatientRule(root, patient_from)
    records: list[Record] = []
    skipped: list[Failure] = []
    loose = [
        Failure(str(path), _in_no_class())
        for base in dict.fromkeys((root, *(base for _, base in parts)))
        for path in _loose(base)
    ]
    omitted = [*loose]
    for done, (part, name, path) in enumerate(files, start=1):
        try:
            contents, digest = _opened(path)
        except ReadError as error:
            skipped.append(Failure(str(path), error))
        else:
            if contents.omit is not None:
                omitted.append(Failure(str(path), contents.omit))
            else:
                record = Record(
                    path=path,
                    label=renamed.get(name, name),
                    patient=patients.of(path, name, contents),
                    group=_group(contents, digest),
                    split=part,
                    digest=digest,
                )
                records += _each_frame(record, contents)
        if progress is not None:
            progress(done, len(files))
    if not records:
        left = [*skipped, *omitted]
        found = f"no picture was found in {root}"
        if left:
            found = f"none of {len(left)} could be used in {root}, not {Path(left[0].path).name}: {left[0].reason}"
        raise DataError(
            code="layout_unknown",
            rule="a data folder must hold one folder of pictures per class",
            got=f"or Training/ and Testing/ with such folders; {found}",
            remedy="see the README on how to lay it out",
        )
    if loose:
        _LOG.warning("left out what lies in no class folder: %d, such as %s", len(loose), loose[0].path)
    kind = "classes" if parts[0][0] == "" else "parts"
    return Scan(root, kind, tuple(records), renamed, tuple(skipped), tuple(omitted))


def _in_no_class() -> DataError:
    return DataError(
        code="in_no_class_folder", rule="a slice must lie in the folder of its class", got="this one lies in none"
    )


def _parts(root: Path) -> list[tuple[str, Path]]:
    parts = [
        (PART_NAMES[folder.name.lower()], folder) for folder in _folders(root) if folder.name.lower() in PART_NAMES
    ]
    return parts or [("", root)]


def _folders(base: Path) -> list[Path]:
    return sorted(path for path in base.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(folder: Path) -> Iterator[Path]:
    inside = sorted(path for path in folder.rglob("*") if path.is_file())
    return (path for path in inside if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _loose(base: Path) -> Iterator[Path]:
    """Return the files that lie where folders of classes should and are slices by their name or their first bytes."""
    for path in sorted(base.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            head = _head(path)
            if head and not is_other(path.name, head):
                yield path


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _opened(path: Path) -> tuple[Contents, str]:
    """Return what a file holds and its digest; one that neither holds a slice nor passes for one is left out unread.

    Raises ReadError for a file that should be one and is not.
    """
    require_utf8(path)
    try:
        with path.open("rb") as file:
            content = file.read(HEAD)
            if is_other(path.name, content):
                return left_out("other", foreign()), ""
            content += file.read(MAX_BYTES + 1 - len(content))
    except OSError as error:
        raise DataError(
            code="cannot_open",
            rule=f"cannot be opened ({error.strerror or error})",
            remedy="check its permissions",
            path=path,
        ) from error
    return open_bytes(content), hashlib.sha256(content).hexdigest()


def _group(contents: Contents, digest: str) -> str:
    """Return what keeps the slices of one volume or series on one side of every split; empty for a picture."""
    if contents.place is not None and contents.place.series:
        return f"series-{contents.place.series}"
    return f"volume-{digest[:16]}" if contents.slices > 1 else ""


def _each_frame(record: Record, contents: Contents) -> list[Record]:
    if contents.slices == 1:
        return [record]
    return [replace(record, frame=frame) for frame in range(contents.slices)]
