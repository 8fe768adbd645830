"""One answered or declined slice, and what it takes to describe a whole series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin._version import __version__
from gadolin.dicom_results.identifiers import derived_uid
from gadolin.dicom_results.source import Moment, Source, moment_of
from gadolin.records import Prediction

__all__ = ["MANUFACTURER", "SeriesResult", "SliceResult"]

MANUFACTURER = "Gadolin"


@dataclass(frozen=True, slots=True, eq=False)
class SliceResult:
    """The prediction for one slice of a DICOM image.

    ``frame`` is the number of the slice in a multi-frame image as stored, from 1, else None. ``outline`` (H, W) bool is
    the predicted lesion, or None where none is predicted or such outlines were not measured to be reliable. ``overlay``
    (H, W, 3) uint8 is the picture of the evidence, or None.
    """

    source: Source
    frame: int | None
    prediction: Prediction
    outline: NDArray[np.bool_] | None = None
    overlay: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeriesResult:
    """The predictions for the slices of one series by the model with the digest ``model``.

    ``settings`` is what else determines the objects, as text.
    """

    slices: tuple[SliceResult, ...]
    model: str
    settings: str = ""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Each image once, in the order of the slices."""
        return tuple({one.source.instance: one.source for one in self.slices}.values())

    @property
    def answered(self) -> int:
        """The number of slices for which a class is predicted."""
        return sum(one.prediction.label is not None for one in self.slices)

    @property
    def moment(self) -> Moment:
        """Date and time of the latest image."""
        return moment_of(self.sources)

    def uid(self, *parts: str) -> str:
        """Return a UID of this result: of the images, the model, its version, the settings and ``parts``."""
        images = sorted(one.instance for one in self.sources)
        return str(derived_uid(*parts, *images, self.model, __version__, self.settings))
