"""Data sets as pydicom encodes them: to copy one with other values, and to keep many in little memory.

A copy holds its elements as if they were read from a file. pydicom decodes an element when it is used, and writes it as
it is otherwise, so that what many data sets have in common is encoded once.
"""

from __future__ import annotations

import io
from typing import Final

from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

__all__ = ["CHARACTER_SET", "Template", "as_read", "mark_as_read"]

CHARACTER_SET: Final = "ISO_IR 192"
"""The character set of results: UTF-8."""
_ENCODINGS: Final = convert_encodings(CHARACTER_SET)


class Template:
    """A data set in explicit VR little endian, to be copied."""

    def __init__(self, dataset: Dataset) -> None:
        file = DicomBytesIO()
        file.is_little_endian, file.is_implicit_VR = True, False
        write_dataset(file, dataset, _ENCODINGS)
        self._content = file.getvalue()

    def copy(self) -> Dataset:
        """Return a copy; it shares nothing with the others."""
        return read_dataset(io.BytesIO(self._content), False, True, parent_encoding=_ENCODINGS)


def as_read(dataset: Dataset) -> Dataset:
    """Return a data set as if it were read from a file."""
    return Template(dataset).copy()


def mark_as_read(dataset: Dataset) -> None:
    """Let pydicom write a data set without decoding the elements of its items.

    The data set must be in the character set ``CHARACTER_SET`` and in explicit VR little endian.
    """
    dataset.set_original_encoding(False, True, _ENCODINGS)
