"""One frame of a DICOM file: where it lies, and its pixels in the units of the scanner."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.tag import BaseTag, Tag

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers import codecs
from gadolin.readers.contents import require_finite, to_grey
from gadolin.records import Slice

__all__ = ["Geometry", "decode_slice", "geometry_of"]

_GROUPS = (Tag("PerFrameFunctionalGroupsSequence"), Tag("SharedFunctionalGroupsSequence"))
_MODALITY_TABLE, _VOI_TABLE = Tag("ModalityLUTSequence"), Tag("VOILUTSequence")
_tag = cache(Tag)  # to look for a name costs pydicom as much as to convert a value


class Geometry(NamedTuple):
    """Where a frame lies.

    ``position`` (mm) grows towards the patient's right, front or head, whichever the slices are stacked along;
    ``direction`` is the unit normal (x, y, z) in the patient's coordinates; ``spacing_mm`` is (rows, columns).
    """

    position: float | None
    direction: tuple[float, float, float]
    spacing_mm: tuple[float, float] | None


def geometry_of(dataset: Dataset, frame: int) -> Geometry:
    """Return the geometry of a frame (PS3.3, C.7.6.2); without position or orientation it is None."""
    facts = _facts(dataset, frame)
    spacing = _numbers(facts, "PixelSpacing", 2)
    spacing_mm = (spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None
    place, axes = _numbers(facts, "ImagePositionPatient", 3), _numbers(facts, "ImageOrientationPatient", 6)
    if place is None or axes is None:
        return Geometry(None, (0.0, 0.0, 0.0), spacing_mm)
    (a, b, c), (d, e, f) = axes[:3], axes[3:]
    x, y, z = b * f - c * e, c * d - a * f, a * e - b * d  # the normal, that of the vectors of rows and columns
    if max((-x, -y, z), key=abs) < 0:  # DICOM's x and y grow to the left and back
        x, y, z = -x, -y, -z
    return Geometry(x * place[0] + y * place[1] + z * place[2], (x, y, z), spacing_mm)


def decode_slice(dataset: Dataset, frame: int, geometry: Geometry) -> Slice:
    """Decode a frame: decompressed, rescaled by slope and intercept or table, MONOCHROME1 turned over, not windowed.

    The window (centre, width) of the file, or the range of its table, is kept beside it. Raises ReadError where the
    pixels are damaged or of a kind that cannot be decoded.
    """
    try:
        return _decode(dataset, frame, geometry)
    except ReadError:
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise DamagedFileError(
            code="pixels_undecodable",
            rule=f"the pixels of the DICOM file cannot be decoded ({why})",
            remedy="export it uncompressed or remove it",
        ) from error


def _decode(dataset: Dataset, frame: int, geometry: Geometry) -> Slice:
    pixels, kind = _stored(dataset, frame)
    spacing = geometry.spacing_mm
    if kind in ("RGB", "PALETTE COLOR"):
        depth = int(dataset.BitsStored) if kind == "RGB" else 8 * pixels.dtype.itemsize
        grey, colour = to_grey(Image.fromarray((pixels >> max(0, depth - 8)).astype(np.uint8)))
        return Slice(grey, bits=8, colour=colour, spacing_mm=spacing)
    if pixels.ndim != 2:
        raise ReadError(
            code="samples_per_pixel_unfit",
            rule="a grey picture must have one sample a pixel",
            got=f"this one has the shape {pixels.shape}",
            remedy="export it again",
        )
    facts = _facts(dataset, frame)
    stored = int(dataset.get("BitsStored", 16))
    signed = bool(dataset.get("PixelRepresentation", 0))
    rescaled, plain = _rescaled(pixels, dataset, facts)
    window = _window(dataset, facts)
    if kind == "MONOCHROME1":
        ends = _rescaled(np.array([[-(2 ** (stored - 1)) * signed, 2 ** (stored - signed) - 1]]), dataset, facts)[0]
        mirror = np.float32(ends.sum())
        rescaled = mirror - rescaled
        window = window and (float(mirror) - window[0], window[1])
    eight = plain and not signed and stored <= 8 and pixels.dtype.kind == "u"
    whole = plain and pixels.dtype.kind in "iu"  # and so finite
    shown = rescaled if whole else require_finite(rescaled)
    return Slice(shown, bits=8 if eight else 16, spacing_mm=spacing, window=window)


def _stored(dataset: Dataset, frame: int) -> tuple[NDArray[Any], str]:
    """Return the stored values of a frame, (H, W) or (H, W, 3), and their photometric interpretation."""
    codecs.register()
    syntax = dataset.file_meta.TransferSyntaxUID
    decoder = get_decoder(syntax)
    plugin = codecs.PLUGIN if codecs.is_available(syntax) else ""
    pixels, facts = decoder.as_array(dataset, index=frame, decoding_plugin=plugin)
    kind = str(facts["photometric_interpretation"])
    if kind == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
    return pixels, kind


def _rescaled(pixels: NDArray[Any], dataset: Dataset, facts: list[Dataset]) -> tuple[NDArray[np.float32], bool]:
    """Return pixels in the file's units, float32, and whether they are the stored values."""
    if _MODALITY_TABLE in dataset:
        return np.asarray(apply_modality_lut(pixels, dataset), np.float32), False
    slope, intercept = _numbers(facts, "RescaleSlope", 1), _numbers(facts, "RescaleIntercept", 1)
    if slope is None or intercept is None or (slope[0] == 1 and intercept[0] == 0):
        return pixels.astype(np.float32), True
    return np.asarray(pixels.astype(np.float64) * slope[0] + intercept[0], np.float32), False


def _window(dataset: Dataset, facts: list[Dataset]) -> tuple[float, float] | None:
    """Return (centre, width) of the first window, or of the range that the first VOI table covers (PS3.3, C.11.2)."""
    tables = dataset[_VOI_TABLE].value if _VOI_TABLE in dataset else None
    if tables:
        entries, first = (int(value) for value in list(tables[0].LUTDescriptor)[:2])
        return first + (entries or 65536) / 2, float(entries or 65536)
    centre, width = _numbers(facts, "WindowCenter", 1), _numbers(facts, "WindowWidth", 1)
    return (centre[0], width[0]) if centre and width and width[0] > 0 else None


def _facts(dataset: Dataset, frame: int) -> list[Dataset]:
    """Return the data sets that may describe a frame: its own groups, the shared ones, then the whole file's."""
    own, shared = (dataset[tag].value or [] if tag in dataset else [] for tag in _GROUPS)
    groups = [*own[frame : frame + 1], *shared[:1]]
    return [inner for group in groups for inner in _inside(group)] + [dataset]


def _inside(group: Dataset) -> Iterator[Dataset]:
    for element in group:
        if element.VR == "SQ" and element.value:
            yield element.value[0]


def _numbers(facts: list[Dataset], name: str, count: int) -> list[float] | None:
    """Return the first ``count`` finite numbers of the first data set that has the element, or None."""
    for each in facts:
        values = _numbers_of(each, _tag(name)) if _tag(name) in each else []
        if len(values) >= count and all(map(isfinite, values[:count])):
            return values[:count]
    return None


def _numbers_of(dataset: Dataset, tag: BaseTag) -> list[float]:
    """Return the numbers of an element; decimal strings are taken as they stand, pydicom's are made slowly."""
    raw = dataset.get_item(tag)
    if isinstance(raw, RawDataElement) and raw.VR == "DS" and raw.value:
        return [float(one.strip(b" \0")) for one in raw.value.split(b"\\")] if raw.value.strip(b" \0") else []
    value = dataset[tag].value
    if value is None or value == "":
        return []
    return [float(one) for one in (value if hasattr(value, "__len__") and not isinstance(value, str) else [value])]
