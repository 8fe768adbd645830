"""Pixel layout of a DICOM file, read from its header and checked against limits before memory is allocated."""

from __future__ import annotations

import io
from typing import Final, NamedTuple

from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, parse_basic_offsets

from gadolin.errors import DamagedFileError, ReadError, TooLargeError
from gadolin.readers.contents import MAX_VOLUME_BYTES, check_size
from gadolin.readers.dicom.codecs import DECODER_DEPENDENCIES
from gadolin.readers.dicom.values import numbers, one_line, tag_of, texts, whole_number

__all__ = ["PIXELS", "Layout", "layout_of", "padding_of", "pixels_of"]

MAX_FRAMES: Final = 20_000
PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_MAX_EXPANSION: Final = 4  # largest ratio of encapsulated to plain length; also bounds run lengths
_READ: Final = frozenset((
    uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless, *DECODER_DEPENDENCIES,
))  # fmt: skip
_GREY: Final = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
_STARTS: Final = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP")  # of a code stream
_ITEM: Final = b"\xfe\xff\x00\xe0"  # start of compressed pixels
_EXCESS: Final = 0.25  # of a frame: trailing bytes below this share do not contradict the header


class Layout(NamedTuple):
    """Pixel layout (PS3.3, C.7.6.3), with unusable values corrected.

    ``stored`` bits end at the bit ``high`` of the ``allocated`` ones. ``element`` is the keyword of the pixels.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    allocated: int
    stored: int
    high: int
    signed: bool
    planar: int
    photometric: str
    syntax: uid.UID
    element: str


def layout_of(dataset: Dataset) -> Layout:
    """Return the pixel layout.

    Raises ReadError if required attributes are missing or contradict the pixels, or if the pixels exceed a limit.
    """
    rows, columns = _needed(dataset, "Rows"), _needed(dataset, "Columns")
    check_size(columns, rows)
    element = next(name for name in PIXELS if tag_of(name) in dataset)
    allocated = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(element) or _needed(dataset, "BitsAllocated")
    samples = _samples(dataset)
    syntax = uid.UID(dataset.file_meta.TransferSyntaxUID)
    if syntax not in _READ:
        raise ReadError(
            code="transfer_syntax_unknown",
            rule="the pixels of a DICOM file must be uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000",
            got=f"this file's are {one_line(syntax.name)[:80]}",
            remedy="export it uncompressed",
        )
    frames = _frames(dataset, rows * columns * samples * allocated // 8, syntax)
    total = rows * columns * frames * samples * allocated // 8
    if not 1 <= frames <= MAX_FRAMES or samples not in (1, 3) or total > MAX_VOLUME_BYTES:
        raise TooLargeError(
            code="unpacks_too_large",
            rule=f"a DICOM file may unpack to {MAX_VOLUME_BYTES:,} bytes in {MAX_FRAMES:,} frames of 1 or 3 samples",
            got=f"this one declares {total:,} bytes in {frames:,} frames of {samples}",
            remedy="split it, or fetch it again if it is damaged",
        )
    if allocated not in (8, 16, 32, 64):
        raise ReadError(
            code="bits_allocated_unfit",
            rule="a DICOM slice must have 8, 16, 32 or 64 bits per sample",
            got=f"this one has {allocated}",
            remedy="export it with 16",
        )
    if syntax.is_encapsulated and samples == 1 and _is_bare(dataset, element, total):
        syntax = uid.ExplicitVRLittleEndian
    stored, high = _bits(dataset, allocated)
    layout = Layout(
        rows=rows,
        columns=columns,
        frames=frames,
        samples=samples,
        allocated=allocated,
        stored=stored,
        high=high,
        signed=whole_number(dataset, "PixelRepresentation") == 1,
        planar=_planar(dataset, samples, syntax),
        photometric=_photometric(dataset, samples),
        syntax=syntax,
        element=element,
    )
    _check_length(dataset, layout, total)
    return layout


def pixels_of(dataset: Dataset, element: str) -> bytes:
    """Return the bytes of the element that holds the pixels."""
    content = dataset.get_item(tag_of(element)).value
    return content if isinstance(content, bytes) else bytes(content or b"")


def _needed(dataset: Dataset, name: str) -> int:
    found = whole_number(dataset, name)
    if found is None:
        raise DamagedFileError(
            code="pixel_header_missing",
            rule="a DICOM file must declare its pixel layout",
            got=f"this one's {name} is missing or not a whole number",
            remedy="export it again",
        )
    return found


def _samples(dataset: Dataset) -> int:
    """Return the samples per pixel; raise ReadError if the image is neither grey nor of three colours."""
    samples = whole_number(dataset, "SamplesPerPixel")
    if samples in (2, 4):
        raise ReadError(
            code="photometric_unfit",
            rule="the pixels of a DICOM file must have 1 or 3 samples",
            got=f"this file's have {samples}",
            remedy="export it again in grey",
        )
    return 1 if samples is None else samples


def _is_bare(dataset: Dataset, element: str, total: int) -> bool:
    """Return whether pixels are uncompressed despite a compressed syntax, as some unpacking programs leave it."""
    content = pixels_of(dataset, element)
    return total <= len(content) <= total + total % 2 and not content.startswith(_ITEM)


def _frames(dataset: Dataset, frame_bytes: int, syntax: uid.UID) -> int:
    """Return the number of frames; 1 if it cannot be read and the pixels fill only one."""
    if tag_of("NumberOfFrames") not in dataset:
        return 1
    found = whole_number(dataset, "NumberOfFrames")
    if found not in (None, 0):
        return int(found or 1)
    present = sum(len(dataset[tag_of(name)].value or b"") for name in PIXELS if tag_of(name) in dataset)
    if not syntax.is_encapsulated and present >= 2 * frame_bytes:
        raise DamagedFileError(
            code="pixel_header_missing",
            rule="a DICOM file of several frames must declare their number",
            got="this one's NumberOfFrames is not a number",
            remedy="export it again",
        )
    return 1


def _bits(dataset: Dataset, allocated: int) -> tuple[int, int]:
    """Return bits stored and high bit; impossible values count as missing."""
    stored = whole_number(dataset, "BitsStored")
    if stored is None or not 1 <= stored <= allocated:
        stored = allocated
    high = whole_number(dataset, "HighBit")
    return stored, high if high is not None and stored - 1 <= high < allocated else stored - 1


def _planar(dataset: Dataset, samples: int, syntax: uid.UID) -> int:
    found = whole_number(dataset, "PlanarConfiguration")
    if samples == 1 or syntax.is_encapsulated:
        return found or 0
    if found not in (0, 1):
        raise DamagedFileError(
            code="pixel_header_missing",
            rule="colours must be stored by pixel or by plane",
            got="this file's PlanarConfiguration is neither",
            remedy="export it again",
        )
    return found


def _photometric(dataset: Dataset, samples: int) -> str:
    """Return the photometric interpretation; raise ReadError if it is missing or not supported."""
    found = one_line(" ".join(texts(dataset, "PhotometricInterpretation"))).upper()
    found = {"MONOCHROME 1": "MONOCHROME1", "MONOCHROME 2": "MONOCHROME2", "PALETTE_COLOR": "PALETTE COLOR"}.get(
        found, found
    )
    known = _GREY if samples == 1 else _COLOUR
    if found not in known:
        raise ReadError(
            code="photometric_unfit",
            rule=f"pixels of {samples} sample{'s' * (samples > 1)} must be one of {', '.join(known)}",
            got=f"this file's are {found[:40] or 'missing'}",
            remedy="export it again in grey",
        )
    return found


def _check_length(dataset: Dataset, layout: Layout, total: int) -> None:
    """Raise ReadError unless the pixel data has the expected length."""
    content = pixels_of(dataset, layout.element)
    present = len(content)
    if layout.syntax.is_encapsulated:
        if present > _MAX_EXPANSION * total + 65536:
            raise DamagedFileError(
                code="compressed_too_long",
                rule="compressed pixels must be shorter than plain ones",
                got=f"got {present:,} for {total:,} bytes",
                remedy="export it again",
            )
        if layout.frames * 8 > present:
            raise DamagedFileError(
                code="file_not_whole",
                rule="every frame must be in the file",
                got=f"{present:,} bytes cannot hold {layout.frames:,}",
                remedy="export it again",
            )
        _check_streams(content, layout)
        return
    if layout.photometric == "YBR_FULL_422":
        total = total * 2 // 3
    if present < total:
        raise DamagedFileError(
            code="file_not_whole",
            rule="the pixels must be complete",
            got=f"the file holds {present:,} of {total:,} bytes",
            remedy="fetch it again",
        )
    if present - total > 1024 and present - total >= _EXCESS * total / layout.frames:
        raise DamagedFileError(
            code="pixels_contradict_header",
            rule="a DICOM file must hold as many pixels as its header declares",
            got=f"it declares {total:,} bytes and the file holds {present:,}",
            remedy="correct its rows, columns, frames, samples or bits",
        )


def _check_streams(content: bytes, layout: Layout) -> None:
    """Raise ReadError if there are more code streams than frames, since the surplus would be lost."""
    try:
        items = io.BytesIO(content)
        parse_basic_offsets(items)  # the fragments begin after it
        begun = sum(
            layout.syntax == uid.RLELossless or fragment.startswith(_STARTS) for fragment in generate_fragments(items)
        )
    except Exception:  # noqa: BLE001  # decoding reports the damage
        return
    if begun > layout.frames:
        raise DamagedFileError(
            code="pixels_contradict_header",
            rule="a DICOM file must hold as many frames as its header declares",
            got=f"it declares {layout.frames:,} and the file holds {begun:,}",
            remedy="correct its NumberOfFrames",
        )


def padding_of(dataset: Dataset) -> tuple[float, float] | None:
    """Return the range of stored values that mean padding (PS3.3, C.7.5.1.1.2), or None."""
    for name, limit in (
        ("PixelPaddingValue", "PixelPaddingRangeLimit"),
        ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
        ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
    ):
        found = numbers(dataset, name)
        if found:
            other = (numbers(dataset, limit) or found)[0]
            return min(found[0], other), max(found[0], other)
    return None
