"""One answered or declined slice, and what it takes to describe a whole series."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import highdicom
import numpy as np
from numpy.typing import NDArray

from gadolin._version import __version__
from gadolin.dicom_results.geometry import has_geometry
from gadolin.dicom_results.identifiers import derived_uid
from gadolin.dicom_results.source import Moment, Source, moment_of
from gadolin.records import Prediction

__all__ = ["MANUFACTURER", "SeriesResult", "SliceResult"]

MANUFACTURER = "Gadolin"
_CONTENT: Final = "2"  # of the objects; to be raised when they hold something else for the same predictions


class _PackedMask:
    """A field of a data class: a mask (H, W) bool or None, kept as bits, in an eighth of the memory."""

    def __set_name__(self, owner: type, name: str) -> None:
        """Choose where the bits are kept."""
        self._name = f"_{name}"

    def __get__(self, one: SliceResult | None, owner: type | None = None) -> NDArray[np.bool_] | None:
        """Return the mask; for the class, the default of the field."""
        kept = None if one is None else one.__dict__[self._name]
        if kept is None:
            return None
        bits, shape = kept
        return np.unpackbits(bits, count=math.prod(shape)).view(np.bool_).reshape(shape)

    def __set__(self, one: SliceResult, mask: NDArray[np.bool_] | None) -> None:
        """Keep the bits of the mask."""
        one.__dict__[self._name] = None if mask is None else (np.packbits(mask), mask.shape)


@dataclass(frozen=True, eq=False)
class SliceResult:
    """The prediction for one slice of a DICOM image.

    ``frame`` is the number of the slice in a multi-frame image as stored, from 1, else None. ``outline`` (H, W) bool is
    the predicted lesion, or None where none is predicted or such outlines were not measured to be reliable. ``overlay``
    is the picture of the evidence as PNG, or None.
    """

    source: Source
    frame: int | None
    prediction: Prediction
    outline: _PackedMask = _PackedMask()  # a descriptor, which holds no state
    overlay: bytes | None = None

    @property
    def is_outlined(self) -> bool:
        """Whether there is an outline that is not empty."""
        outline = self.outline
        return outline is not None and bool(outline.any())


@dataclass(frozen=True, eq=False)
class SeriesResult:
    """The predictions for the slices of one series by the model with the digest ``model``.

    ``after`` holds the UIDs of the notes that rejected the same results before: results that were taken back are made
    again as other objects.
    """

    slices: tuple[SliceResult, ...]
    model: str
    after: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Each image once, in the order of the slices."""
        return tuple({one.source.instance: one.source for one in self.slices}.values())

    @property
    def answered(self) -> int:
        """The number of slices for which a class is predicted."""
        return sum(one.prediction.label is not None for one in self.slices)

    @cached_property
    def placed(self) -> frozenset[str]:
        """The SOP Instance UIDs of the images with a complete geometry."""
        return frozenset(one.instance for one in self.sources if has_geometry(one))

    @property
    def lesions_without_geometry(self) -> int:
        """The number of outlined slices that cannot be in a segmentation."""
        return sum(one.is_outlined and one.source.instance not in self.placed for one in self.slices)

    @cached_property
    def moment(self) -> Moment:
        """Date and time of the latest image."""
        return moment_of(self.sources)

    def uid(self, *parts: str) -> str:
        """Return a UID of this result and ``parts``; it changes with all contents of the objects."""
        return str(derived_uid(*parts, self._digest))

    @cached_property
    def _digest(self) -> str:
        found = hashlib.sha256(
            "\0".join([_CONTENT, self.model, __version__, highdicom.__version__, *self.after]).encode()
        )
        for one in self.slices:
            prediction = {**one.prediction.as_json(), "path": None}
            found.update(json.dumps([one.source.instance, one.frame, one.source.patient, prediction]).encode())
            outline = one.outline
            found.update(b"" if outline is None else np.packbits(outline).tobytes())
        return found.hexdigest()
