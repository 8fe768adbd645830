"""Formats and sizes of the files of a data set, for its datasheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gadolin.errors import ReadError
from gadolin.readers.file_types import HEAD, file_kind
from gadolin.readers.read_records import each_slice
from gadolin.records import Record, Slice

__all__ = ["FileCounts", "count_files"]

_RASTER = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")  # whose headers have the size
_DECODED = 100  # slices of other formats that are decoded for their size


@dataclass(frozen=True, slots=True)
class FileCounts:
    """Numbers of files by format, and of slices by (width, height) in pixels; ``megabytes`` are 10^6 bytes.

    ``measured`` slices have a known size: all in picture files, and a sample of those in other formats.
    """

    formats: dict[str, int]
    sizes: dict[tuple[int, int], int]
    measured: int
    megabytes: float


def count_files(records: Sequence[Record]) -> FileCounts:
    """Return the formats and sizes of the files that are still there; unreadable ones are left out."""
    formats, sizes, size_bytes = Counter[str](), Counter[tuple[int, int]](), 0
    others: list[Record] = []
    kinds: dict[Path, str | None] = {}
    for record in records:
        if record.path not in kinds:
            kinds[record.path] = kind = _kind(record.path)
            if kind is not None:
                formats[kind] += 1
                size_bytes += record.path.stat().st_size
        kind = kinds[record.path]
        if kind in _RASTER and record.frame is None:
            with suppress(OSError, ValueError, Image.DecompressionBombError), Image.open(record.path) as picture:
                sizes[picture.size] += 1
        elif kind is not None:
            others.append(record)
    sizes.update(_decoded_sizes(others[:: max(1, -(-len(others) // _DECODED))]))
    return FileCounts(dict(formats.most_common()), dict(sizes.most_common()), sizes.total(), size_bytes / 1e6)


def _kind(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file_kind(file.read(HEAD))
    except OSError:
        return None


def _decoded_sizes(records: Sequence[Record]) -> list[tuple[int, int]]:
    def size(_index: int, image: Slice, _kind: str) -> tuple[int, int]:
        height, width = image.pixels.shape
        return width, height

    errors: dict[int, ReadError] = {}
    return list(each_slice(records, size, errors)) if records else []
