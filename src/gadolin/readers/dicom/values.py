"""Tolerant access to DICOM header elements: wrong type, decimal comma, truncated or meaningless content.

No function raises for the content of an element: unreadable content counts as absent, and the caller reports it if
needed.
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

tag_of = cache(Tag)  # looking up a name costs pydicom as much as converting a value

_KINDS: Final = {"US": "u2", "SS": "i2", "US or SS": "u2", "UL": "u4", "SL": "i4", "FL": "f4", "FD": "f8",
                 "UV": "u8", "SV": "i8"}  # fmt: skip
_UNKNOWN_VR: Final = ("UN", "OB", "OW", None)


def numbers(dataset: Dataset, name: str | tuple[int, int]) -> list[float]:
    """Return the leading finite numbers of an element of any type; may be empty."""
    element = dataset.get_item(tag_of(name))
    if element is None:
        return []
    if isinstance(element, RawDataElement):
        return _numbers_of_bytes(element)
    value = element.value
    if isinstance(value, str | bytes):
        return _numbers_of_text(_text(value))
    values = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    return _numbers_of_text("\\".join("" if each is None else str(each) for each in values))


def first_number(dataset: Dataset, name: str | tuple[int, int]) -> float | None:
    """Return the first number of an element, or None."""
    return next(iter(numbers(dataset, name)), None)


def whole_number(dataset: Dataset, name: str | tuple[int, int]) -> int | None:
    """Return the first number of an element if it is whole, else None."""
    found = first_number(dataset, name)
    return int(found) if found is not None and found == int(found) else None


def texts(dataset: Dataset, name: str | tuple[int, int]) -> list[str]:
    """Return the values of an element as stripped text; may be empty."""
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
    """Return the items of a sequence; empty if it is missing or unreadable."""
    tag = tag_of(name)
    if tag not in dataset:
        return []
    try:
        value: Any = dataset[tag].value
    except Exception:  # noqa: BLE001  # pydicom raises any exception
        return []
    return [each for each in value if isinstance(each, Dataset)] if hasattr(value, "append") else []


def one_line(text: str) -> str:
    """Return text on one line without unprintable characters, at most 400 characters."""
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
    """Return the VR of an element, or of the dictionary if the element has none."""
    if raw.VR not in _UNKNOWN_VR:
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
    """Return a number with decimal point or comma, or None."""
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and "_" not in text else None


def _finite(values: list[float]) -> list[float]:
    return values if all(map(isfinite, values)) else []
