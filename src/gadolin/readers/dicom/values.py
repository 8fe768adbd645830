"""Elements of a DICOM header as they stand: of another type, with a decimal comma, cut off or of no sense at all.

Nothing here raises for what an element holds: what cannot be read is as good as absent, and whoever needs it says so.
"""

from __future__ import annotations

from functools import cache
from math import isfinite
from typing import Any, Final

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

__all__ = ["first_number", "items", "numbers", "one_line", "tag_of", "texts", "whole_number"]

tag_of = cache(Tag)  # to look for a name costs pydicom as much as to convert a value

_KINDS: Final = {"US": "u2", "SS": "i2", "US or SS": "u2", "UL": "u4", "SL": "i4", "FL": "f4", "FD": "f8",
                 "UV": "u8", "SV": "i8"}  # fmt: skip
_UNTOLD: Final = ("UN", "OB", "OW", None)


def numbers(dataset: Dataset, name: str | tuple[int, int]) -> list[float]:
    """Return the finite numbers that an element begins with, of whatever type it is; empty where there are none."""
    element = dataset.get_item(tag_of(name))
    if element is None:
        return []
    if isinstance(element, RawDataElement):
        return _numbers_of_bytes(element)
    value = element.value
    if isinstance(value, str | bytes):
        return _numbers_of_text(_text(value))
    there = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    return _numbers_of_text("\\".join("" if each is None else str(each) for each in there))


def first_number(dataset: Dataset, name: str | tuple[int, int]) -> float | None:
    """Return the first number of an element, or None."""
    return next(iter(numbers(dataset, name)), None)


def whole_number(dataset: Dataset, name: str | tuple[int, int]) -> int | None:
    """Return the first number of an element where it is a whole one, or None."""
    found = first_number(dataset, name)
    return int(found) if found is not None and found == int(found) else None


def texts(dataset: Dataset, name: str | tuple[int, int]) -> list[str]:
    """Return the values of an element as text without the blanks around them; empty where there is none."""
    element = dataset.get_item(tag_of(name))
    if element is None or element.value is None:
        return []
    value = element.value
    if isinstance(value, str | bytes):
        parts = _text(value).split("\\")
    elif isinstance(value, list | tuple) or hasattr(value, "append"):
        parts = ["" if isinstance(each, Dataset) else str(each) for each in value]
    else:
        parts = [str(value)]
    kept = [part.strip(" \0\r\n\t") for part in parts]
    return kept if any(kept) else []


def items(dataset: Dataset, name: str) -> list[Dataset]:
    """Return the items of a sequence; empty where it is none or cannot be taken apart."""
    tag = tag_of(name)
    if tag not in dataset:
        return []
    try:
        value: Any = dataset[tag].value
    except Exception:  # noqa: BLE001  # pydicom raises what it meets
        return []
    return [each for each in value if isinstance(each, Dataset)] if hasattr(value, "append") else []


def one_line(text: str) -> str:
    """Return a text without line breaks and other characters that cannot be seen, cut off where it is long."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:400]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _numbers_of_bytes(raw: RawDataElement) -> list[float]:
    content = raw.value or b""
    kind = _KINDS.get(_representation(raw) or "")
    if kind and content and len(content) % int(kind[1]) == 0:
        order = "<" if raw.is_little_endian else ">"
        return _finite(np.frombuffer(content[:256], order + kind).astype(np.float64).tolist())
    return _numbers_of_text(content.decode("latin-1"))


def _representation(raw: RawDataElement) -> str | None:
    """Return the type that an element names, or the one that the dictionary has where it names none."""
    if raw.VR not in _UNTOLD:
        return raw.VR
    try:
        return dictionary_VR(BaseTag(raw.tag))
    except KeyError:
        return None


def _numbers_of_text(text: str) -> list[float]:
    found: list[float] = []
    for part in text[:4096].split("\\"):
        number = _number(part.strip(" \0\r\n\t\"'"))
        if number is None:
            break
        found.append(number)
    return found


def _number(text: str) -> float | None:
    """Return a number that stands alone, with a decimal point or comma, or None."""
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and "_" not in text else None


def _finite(values: list[float]) -> list[float]:
    return values if all(map(isfinite, values)) else []
