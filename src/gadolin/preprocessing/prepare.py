"""Preparation: crop a slice to the head and scale it to 256 x 256 bytes, the input of every network.

Training, evaluation, prediction, explanation and serving call ``prepare`` with the same ``Preparation``, which the
bundle stores. The result is uint8, so that cache, training and runtime agree byte for byte.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError, suggestion
from gadolin.preprocessing.head_crop import Box, crop, crop_resize, find_head_box, grown, squared
from gadolin.preprocessing.intensity import intensity_range, to_uint8
from gadolin.records import Slice

__all__ = ["Frame", "Preparation", "find_frame", "prepare"]


def _explained(default: float, explained: str, limits: tuple[float, float] | None = None) -> Any:
    """Return a field with a line of help and, for a number, its lowest and highest value."""
    low_high = {} if limits is None else {"low": limits[0], "high": limits[1]}
    return field(default=default, metadata={"help": explained, **low_high})


@dataclass(frozen=True, slots=True)
class Preparation:
    """Parameters of the preparation, stored in the bundle.

    A prepared slice is (size, size) uint8, with ``size`` in [16, 2048] pixels. With ``crop`` it is cropped to the head,
    with a ``margin`` in [0, 0.5] of the longer side of the head; with ``square`` it keeps its aspect ratio and is
    padded with black, else it is stretched. ``low_percentile`` and ``high_percentile``, 0 <= low < high <= 100, become
    black and white inside the head for files deeper than 8 bits; 8-bit files use the range 0 to 255.

    Raises RequestError for a value out of range.
    """

    size: int = _explained(256, "side in pixels of a prepared slice", (16, 2048))
    crop: bool = _explained(True, "crop to the head first")
    margin: float = _explained(0.02, "margin kept around the head, as a fraction of its longer side", (0, 0.5))
    square: bool = _explained(True, "keep the aspect ratio by padding with black; false stretches")
    low_percentile: float = _explained(
        0.5, "percentile inside the head that becomes black, for files deeper than 8 bits", (0, 100)
    )
    high_percentile: float = _explained(
        99.9, "percentile inside the head that becomes white, for files deeper than 8 bits", (0, 100)
    )

    def __post_init__(self) -> None:
        """Check the range of every value."""
        for one in fields(self):
            low, high = one.metadata.get("low"), one.metadata.get("high")
            if low is not None and high is not None and not low <= getattr(self, one.name) <= high:
                raise RequestError(
                    code="preparation_out_of_range",
                    rule=f"preparation.{one.name} must be between {low} and {high}",
                    got=f"got {getattr(self, one.name)}",
                    remedy=f"{one.default} is the usual choice",
                )
        if not self.low_percentile < self.high_percentile:
            raise RequestError(
                code="preparation_out_of_range",
                rule="preparation's percentiles must satisfy 0 <= low < high <= 100",
                got=f"got {self.low_percentile} and {self.high_percentile}",
                remedy="0.5 and 99.9 are the usual choice",
            )

    def as_json(self) -> dict[str, object]:
        """Return the fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, object]) -> Preparation:
        """Return the preparation from the result of ``as_json``; unknown keys raise RequestError."""
        known = [field.name for field in fields(cls)]
        for key in content:
            if key not in known:
                raise RequestError(
                    code="preparation_key_unknown",
                    rule=f"unknown preparation key {key!r}{suggestion(key, known)}",
                    remedy=f"known are {', '.join(known)}",
                )
        return cls(**content)  # type: ignore[arg-type]  # the values are checked in __post_init__


@dataclass(frozen=True, slots=True)
class Frame:
    """Head box and black and white intensities, determined once on an unmodified slice.

    ``found`` is false if no plausible head was detected and the whole slice is used instead.
    """

    box: Box
    black: float
    white: float
    found: bool


def find_frame(image: Slice, preparation: Preparation) -> Frame:
    """Find the head in a slice and its intensity range.

    Explainers compute it once and pass it to ``prepare`` for every perturbation, so that masks cannot move the crop.
    """
    height, width = image.pixels.shape
    head = find_head_box(image) if preparation.crop else None
    box = Box(0, 0, height, width) if head is None else grown(head, preparation.margin, image.pixels.shape)
    percentiles = (preparation.low_percentile, preparation.high_percentile)
    black, white = intensity_range(crop(image.pixels, box, 0.0), image.bits, percentiles)
    return Frame(squared(box, image.spacing_mm) if preparation.square else box, black, white, head is not None)


def prepare(image: Slice, preparation: Preparation, frame: Frame | None = None) -> NDArray[np.uint8]:
    """Return the slice as (size, size) uint8: cropped to the head, resized, intensities scaled.

    Shrinking averages areas, enlarging interpolates linearly. Without ``frame``, it is determined on this slice.
    """
    frame = frame or find_frame(image, preparation)
    return to_uint8(crop_resize(image.pixels, frame.box, preparation.size, frame.black), frame.black, frame.white)
