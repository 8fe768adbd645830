"""Folders named by class, with or without folders for the parts above them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from gadolin.errors import DataError
from gadolin.records import Record
from gadolin.sources.found import Scan
from gadolin.sources.labels import canonical

__all__ = ["PART_NAMES", "picture_kind", "scan_folder"]

PART_NAMES = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test",
    "val": "validation", "valid": "validation", "validation": "validation",
}  # fmt: skip

_MAGIC = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "BMP": (b"BM",),
    "TIFF": (b"II*\x00", b"MM\x00*"),
}
_PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def picture_kind(head: bytes) -> str | None:
    """Return the format that the first bytes of a file announce, or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for kind, starts in _MAGIC.items() if head.startswith(starts)), None)


def scan_folder(
    root: Path, *, patient_from: str | None = None, progress: Callable[[int, int], None] | None = None
) -> Scan:
    """Scan ``root``; its folders are parts (Training, Testing, ...) holding classes, or the classes themselves.

    Raises DataError where there is no class folder or no picture.
    """
    parts = _parts(root)
    files = [(part, folder.name, path) for part, base in parts for folder in _folders(base) for path in _files(folder)]
    renamed = {name: canonical(name) for _, name, _ in files if canonical(name) != name}
    records: list[Record] = []
    skipped: list[tuple[Path, str]] = []
    for done, (part, name, path) in enumerate(files, start=1):
        content = _content(path)
        if picture_kind(content[:16]) is not None:
            patient = _patient(path.relative_to(root), name, patient_from)
            digest = hashlib.sha256(content).hexdigest()
            label = renamed.get(name, name)
            records.append(Record(path=path, label=label, patient=patient, split=part, digest=digest))
        elif not content:
            skipped.append((path, "a picture must hold bytes, this file is empty"))
        elif path.suffix.lower() in _PICTURE_SUFFIXES:
            skipped.append((path, "the file is named like a picture and is none of PNG, JPEG, BMP, TIFF, WebP"))
        if progress is not None:
            progress(done, len(files))
    if not records:
        msg = (
            f"a data folder must hold one folder of pictures per class, or Training/ and Testing/ with such folders; "
            f"no picture was found in {root}; see the README on how to lay it out"
        )
        raise DataError(msg)
    return Scan(root, "classes" if parts[0][0] == "" else "parts", tuple(records), renamed, tuple(skipped))


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


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: cannot be opened ({error.strerror or error}); check its permissions"
        raise DataError(msg) from error


def _patient(path: Path, class_folder: str, patient_from: str | None) -> str:
    if patient_from is None:
        return ""
    if patient_from == "parent":
        if path.parent.name == class_folder:
            msg = f"--patient-from parent needs a folder per patient inside {class_folder}/, {path} lies directly in it"
            raise DataError(msg)
        return path.parent.name
    try:
        pattern = re.compile(patient_from)
    except re.error as error:
        msg = f"--patient-from must be 'parent' or a regular expression, got {patient_from!r} ({error})"
        raise DataError(msg) from error
    found = pattern.search(path.as_posix())
    if found is None or pattern.groups != 1 or not found.group(1):
        msg = f"--patient-from must match every path with one group, {patient_from!r} finds no patient in {path}"
        raise DataError(msg)
    return found.group(1)
