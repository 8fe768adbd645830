"""Decode one frame of a DICOM file to pixels in scanner units."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.contents import deep_to_grey, require_finite, to_grey
from gadolin.readers.dicom import codecs
from gadolin.readers.dicom.functional_groups import fact
from gadolin.readers.dicom.header import Layout, padding_of, pixels_of
from gadolin.readers.dicom.stored_bits import Values, stored_values
from gadolin.readers.dicom.values import items, numbers, one_line, tag_of, texts, whole_number
from gadolin.readers.grey_levels import require_levels
from gadolin.records import Slice

__all__ = ["decode_slice"]

_OVERLAYS = range(0x6000, 0x6020, 2)  # the groups of overlays
_OVERLAY_BIT, _OVERLAY_DATA = 0x0102, 0x3000
_HUGE = 1e20  # larger slopes and intercepts are implausible


class _Stored(NamedTuple):
    """The stored values of a frame, and whether they are colours (H, W, 3)."""

    values: Values
    coloured: bool


def decode_slice(
    dataset: Dataset, layout: Layout, frame: int, facts: list[Dataset], *, spacing_mm: tuple[float, float] | None
) -> Slice:
    """Decode a frame: decompressed, rescaled by slope and intercept or table, not windowed, white brighter than black.

    ``facts`` are the data sets of the frame. MONOCHROME1 and inverse presentation (PS3.3, C.11.6) are inverted; both
    together invert once. Padding becomes the minimum of the other pixels. The window (centre, width) of the file, or
    the range of its table, is returned with the pixels. Raises ReadError if the pixels are damaged or not supported.
    """
    try:
        with np.errstate(all="ignore"):  # overflow becomes infinite, which is refused
            stored = _stored(dataset, layout, frame)
            if stored.coloured:
                return _coloured(stored.values, spacing_mm)
            return _grey(dataset, layout, facts, stored.values, spacing_mm)
    except ReadError:
        raise
    except Exception as error:
        why = one_line(f"{type(error).__name__}: {error}")[:300]
        raise DamagedFileError(
            code="pixels_undecodable",
            rule=f"the pixels of the DICOM file cannot be decoded ({why})",
            remedy="export it uncompressed or remove it",
        ) from error


def _stored(dataset: Dataset, layout: Layout, frame: int) -> _Stored:
    """Return the decompressed values of a frame, without unrelated bits."""
    if layout.syntax not in codecs.DECODER_DEPENDENCIES:
        return _valid(dataset, layout, _plain(dataset, layout, frame), layout.stored, layout.high)
    size = (layout.rows, layout.columns, layout.samples)
    pixels, bits, signed = codecs.decode_stream(
        _stream(dataset, layout, frame), layout.syntax, size, layout.photometric
    )
    if signed:
        return _Stored(Values(pixels, bits, True), layout.samples == 3)
    if bits != layout.allocated:  # the code stream is more reliable
        return _valid(dataset, layout, pixels, bits, bits - 1)
    return _valid(dataset, layout, pixels, layout.stored, layout.high)


def _valid(dataset: Dataset, layout: Layout, pixels: NDArray[Any], stored: int, high: int) -> _Stored:
    """Return the values of whole words, of which ``stored`` bits up to bit ``high`` are valid."""
    if pixels.dtype.kind == "f":
        return _Stored(Values(pixels, 8 * pixels.dtype.itemsize, True), False)
    if layout.samples == 3:
        words = pixels.view(f"u{pixels.dtype.itemsize}")
        if stored < 8 * words.dtype.itemsize:
            words = (words >> (high + 1 - stored)) & ((1 << stored) - 1)
        return _Stored(Values(words, stored, False), True)
    values = stored_values(pixels, stored, high, signed=layout.signed, overlaid=_is_overlaid(dataset))
    if layout.photometric == "PALETTE COLOR":
        return _Stored(_looked_up(values.pixels, dataset), True)
    return _Stored(values, False)


def _stream(dataset: Dataset, layout: Layout, frame: int) -> bytes:
    names = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
    tables = [dataset.get_item(tag_of(name)) for name in names]
    offsets = tuple(each.value for each in tables if each is not None and isinstance(each.value, bytes))
    return bytes(
        get_frame(
            pixels_of(dataset, layout.element),
            frame,
            number_of_frames=layout.frames,
            extended_offsets=(offsets[0], offsets[1])
            if len(offsets) == 2 and len(offsets[0]) == len(offsets[1])
            else None,
        )
    )


def _plain(dataset: Dataset, layout: Layout, frame: int) -> NDArray[Any]:
    """Return the words of an uncompressed or RLE frame: (H, W), or (H, W, 3) as RGB."""
    little = bool(layout.syntax.is_little_endian)
    if layout.samples == 1 and not layout.syntax.is_encapsulated and (little or layout.allocated > 8):
        count, size = layout.rows * layout.columns, layout.allocated // 8
        kind = f"{'<' if little else '>'}{'u' if layout.element == 'PixelData' else 'f'}{size}"
        words = np.frombuffer(pixels_of(dataset, layout.element), kind, count, frame * count * size)
        return words.reshape(layout.rows, layout.columns).astype(words.dtype.newbyteorder("="), copy=False)
    return _by_pydicom(dataset, layout, frame)


def _by_pydicom(dataset: Dataset, layout: Layout, frame: int) -> NDArray[Any]:
    clean = Dataset()
    clean.file_meta = dataset.file_meta
    clean.Rows, clean.Columns, clean.NumberOfFrames = layout.rows, layout.columns, layout.frames
    clean.SamplesPerPixel, clean.PhotometricInterpretation = layout.samples, layout.photometric
    clean.BitsAllocated, clean.BitsStored, clean.HighBit = layout.allocated, layout.stored, layout.high
    clean.PixelRepresentation = int(layout.signed)
    if layout.samples == 3:
        clean.PlanarConfiguration = layout.planar
    raw = dataset.get_item(tag_of(layout.element))
    clean.add_new(tag_of(layout.element), "OB" if raw.VR == "OB" else "OW", pixels_of(dataset, layout.element))
    if layout.element != "PixelData":
        clean[layout.element].VR = "OF" if layout.element == "FloatPixelData" else "OD"
    options: Any = {"correct_unused_bits": False}
    pixels, facts = get_decoder(layout.syntax).as_array(clean, index=frame, **options)
    if layout.samples == 3 and str(facts["photometric_interpretation"]) != "RGB":
        raise ReadError(
            code="photometric_unfit",
            rule="uncompressed colours must be RGB, YBR_FULL or YBR_FULL_422",
            got=f"this file's are {layout.photometric}",
            remedy="export it again in grey",
        )
    return np.asarray(pixels, pixels.dtype.newbyteorder("="))


def _is_overlaid(dataset: Dataset) -> bool:
    """Return whether an overlay uses the bits beside the stored ones (retired, but still found)."""
    for group in _OVERLAYS:
        place = (group, _OVERLAY_BIT)
        if place in dataset and (group, _OVERLAY_DATA) not in dataset:
            bit = whole_number(dataset, place)
            if bit is not None and bit > 0:
                return True
    return False


def _looked_up(pixels: NDArray[Any], dataset: Dataset) -> Values:
    """Return the palette colours; 16-bit entries that hold 8 bits (low, high or repeated) become 8 bits."""
    colours = apply_color_lut(pixels, dataset)[..., :3]
    if colours.dtype.itemsize == 1 or int(colours.max()) <= 255:
        return Values(colours.astype(np.uint8), 8, False)
    high, low = colours >> 8, colours & 255
    if not low.any() or np.array_equal(high, low):
        return Values(high.astype(np.uint8), 8, False)
    return Values(colours, 16, False)


def _coloured(values: Values, spacing_mm: tuple[float, float] | None) -> Slice:
    """Return the luma of colours: at full depth if the channels agree, else in 8 bits.

    Colour images are screenshots and rendered maps; deeper ones get the brightness of 8-bit ones.
    """
    words, colour = values.pixels, False
    if values.bits > 8:
        deep, colour = deep_to_grey(words)
        if not colour:
            return Slice(deep, bits=16, spacing_mm=spacing_mm)
        words = words >> (values.bits - 8)
    grey, visible = to_grey(Image.fromarray(words.astype(np.uint8)))
    if colour and not visible:  # the high 8 bits are too dark
        scaled = np.rint(values.pixels * (255 / float(values.pixels.max())))
        grey, _ = to_grey(Image.fromarray(scaled.astype(np.uint8)))
    return Slice(grey, bits=8, colour=colour or visible, spacing_mm=spacing_mm)


def _grey(
    dataset: Dataset, layout: Layout, facts: list[Dataset], values: Values, spacing_mm: tuple[float, float] | None
) -> Slice:
    pixels = values.pixels
    outside = _padding(dataset, values)
    rescaled, plain = _rescaled(pixels, dataset, facts)
    window = _window(dataset, facts)
    if layout.photometric == "MONOCHROME1" or "INVERSE" in texts(dataset, "PresentationLUTShape"):
        ends = np.array([[pixels.min(), pixels.max()]])
        if pixels.dtype.kind != "f":
            ends = np.array([[-(2 ** (values.bits - 1)) * values.signed, 2 ** (values.bits - values.signed) - 1]])
        mirror = np.float32(_rescaled(ends, dataset, facts)[0].sum())
        rescaled = mirror - rescaled
        window = window and (float(mirror) - window[0], window[1])
    if outside is not None:
        rescaled = np.where(outside, rescaled[~outside].min(), rescaled)
    eight = plain and not values.signed and values.bits <= 8 and pixels.dtype.kind == "u"
    whole = plain and pixels.dtype.kind in "iu"  # hence finite
    shown = rescaled if whole else require_finite(rescaled)
    return Slice(shown, bits=8 if eight else 16, spacing_mm=spacing_mm, window=window)


def _padding(dataset: Dataset, values: Values) -> NDArray[np.bool_] | None:
    """Return the mask of padding and NaN, or None if there is neither."""
    pixels = values.pixels
    outside = np.isnan(pixels) if pixels.dtype.kind == "f" else None
    padding = padding_of(dataset)
    if padding is not None:
        low, high = sorted(_as_stored(each, values) for each in padding) if pixels.dtype.kind != "f" else padding
        padded = (pixels >= low) & (pixels <= high)
        outside = padded if outside is None else outside | padded
    return outside if outside is not None and outside.any() and not outside.all() else None


def _as_stored(value: float, values: Values) -> float:
    """Return a padding value, which may be written with the wrong sign, in the representation of the pixels."""
    span = 2.0**values.bits
    least = -(span // 2) if values.signed else 0
    if least <= value < least + span:
        return value
    words = 2.0 ** (8 * values.pixels.dtype.itemsize)  # the sign bit may have been spread over the whole word
    turned = (value - least) % words + least
    return turned if turned < least + span else (value - least) % span + least


def _rescaled(pixels: NDArray[Any], dataset: Dataset, facts: list[Dataset]) -> tuple[NDArray[np.float32], bool]:
    """Return the pixels in file units, float32, and whether they equal the stored values.

    An invalid slope (0 or not a number) counts as 1.
    """
    if items(dataset, "ModalityLUTSequence"):
        return _by_table(pixels, dataset), False
    slope, intercept = fact(facts, "RescaleSlope", 1), fact(facts, "RescaleIntercept", 1)
    factor = slope[0] if slope and 1 / _HUGE < abs(slope[0]) < _HUGE else 1.0
    shift = intercept[0] if intercept and abs(intercept[0]) < _HUGE else 0.0
    plain = (factor, shift) == (1.0, 0.0)
    if plain and pixels.dtype.itemsize <= 2:  # exact in float32
        return pixels.astype(np.float32), True
    wide = pixels.astype(np.float64) * factor + shift
    require_levels(float(np.nanmin(wide)), float(np.nanmax(wide)))
    return wide.astype(np.float32), plain


def _by_table(pixels: NDArray[Any], dataset: Dataset) -> NDArray[np.float32]:
    try:
        return np.asarray(apply_modality_lut(pixels, dataset), np.float32)
    except Exception as error:
        raise DamagedFileError(
            code="modality_table_damaged",
            rule="a modality table must map every stored value",
            got=one_line(f"this file's cannot be read ({type(error).__name__}: {error})")[:300],
            remedy="export it again",
        ) from error


def _window(dataset: Dataset, facts: list[Dataset]) -> tuple[float, float] | None:
    """Return (centre, width) of the first window, or of the range that the first VOI table covers (PS3.3, C.11.2)."""
    for table in items(dataset, "VOILUTSequence"):
        entries, first, *_ = *numbers(table, "LUTDescriptor"), 0.0, 0.0
        return first + (entries or 65536) / 2, float(entries or 65536)
    centre, width = fact(facts, "WindowCenter", 1), fact(facts, "WindowWidth", 1)
    return (centre[0], width[0]) if centre and width and width[0] > 0 else None
