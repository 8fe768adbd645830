"""PNG, JPEG, BMP, TIFF and WebP through Pillow, and directly where Pillow would decode other pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from gadolin.errors import DamagedFileError, ReadError, TooLargeError, UnknownFormatError
from gadolin.readers.contents import (
    CHANNELS,
    MAX_PIXELS,
    Contents,
    background_for_nan,
    check_size,
    require_one_frame,
    to_grey,
)
from gadolin.readers.decompress import most_unpacked
from gadolin.readers.file_types import HEAD, file_kind
from gadolin.readers.greyscale import flattened, hidden, turned
from gadolin.readers.jpeg import decode_unusual, exif_of, frame_of, is_usual, without_marks
from gadolin.readers.png import byte_planes, open_png
from gadolin.readers.tiff import picture as tiff_picture
from gadolin.readers.tiff.directories import RGB, at_page, layout_of
from gadolin.records import Slice

__all__ = ["FORMATS", "decode", "open_raster"]

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
_DEEP = ("I", "F")  # prefixes of Pillow modes with more than 8 bits
_ORIENTATION = 0x0112  # of EXIF


def open_raster(content: bytes, kind: str) -> Contents:
    """Return the contents of an image file: one slice."""
    channels = partial(decode, content) if kind == "TIFF" and _is_rgb(content) else None
    return Contents(kind=kind, slices=1, decode=lambda _: decode(content), channels=channels)


def _is_rgb(content: bytes) -> bool:
    """Return whether a TIFF has three 8-bit samples per pixel; false if its layout cannot be read."""
    with suppress(Exception):
        layout = layout_of(content)
        return layout.shown == RGB and tuple(layout.bits) == (8,) * CHANNELS
    return False


def _channel(content: bytes, number: int) -> Slice:
    """Return one channel of an RGB TIFF of 8 bits, turned upright by its tag."""
    layout = layout_of(content)
    check_size(layout.width, layout.height)
    with Image.open(io.BytesIO(content), formats=("TIFF",)) as image:
        pixels = np.asarray(image.convert("RGB"), np.float32)[..., number]
    return Slice(turned(pixels, layout.turned), bits=8)


def decode(content: bytes, channel: int | None = None) -> Slice:
    """Decode one image: any depth, sign and polarity, palette, alpha over black, turned upright by its EXIF tag.

    An image whose channels agree is grey; others are marked ``colour``. ``channel`` selects one channel of an RGB TIFF.
    Raises ReadError if the bytes are not such an image, or if it is too small, too large, damaged, has several frames
    or is of an unsupported variant.
    """
    kind = file_kind(content[:HEAD])
    try:
        if channel is not None:
            return _channel(content, channel)
        if kind == "PNG":
            return _decode_png(content)
        if kind == "JPEG":
            return _decode_jpeg(content)
        if kind == "TIFF":
            return _decode_tiff(content)
        return _by_pillow(content)
    except ReadError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(
            code="too_many_pixels",
            rule=f"an image may have at most {MAX_PIXELS:,} pixels",
            got="this one has far more",
            remedy="scale it down",
        ) from error
    except Exception as error:
        if isinstance(error, UnidentifiedImageError) and kind not in FORMATS:
            raise UnknownFormatError(
                code="unknown_format",
                rule=f"an image must be one of {', '.join(FORMATS)}",
                got="this file is none of them",
                remedy="convert it",
            ) from error
        why = "its header" if isinstance(error, UnidentifiedImageError) else " ".join(str(error).split())[:300]
        raise DamagedFileError(
            code="damaged_file",
            rule="an image must be intact",
            got=f"this one is damaged ({why})",
            remedy="fetch it again",
        ) from error


def _decode_png(content: bytes) -> Slice:
    png = open_png(content)
    check_size(png.width, png.height)
    require_one_frame(png.frames)
    if not png.flattened:
        image = _first_that_opens(png.file, lambda: png.bare)
        if not png.clear:
            return image
        scale = 255 // (2**png.depth - 1) if png.depth < 8 else 1
        return replace(image, pixels=np.where(image.pixels == png.clear[0] * scale, np.float32(0), image.pixels))
    high, low = (_channels(file) for file in byte_planes(png))
    samples = high.astype(np.uint16) << 8 | low
    colours = samples[..., : 1 if png.colour == 4 else 3]
    alpha = samples[..., -1] if png.colour in (4, 6) else None
    if len(png.clear) == 3:
        alpha = np.where((colours == np.array(png.clear, np.uint16)).all(axis=2), 0, 65_535)
    pixels, colour = flattened(colours, alpha, top=65_535)
    return Slice(turned(pixels, _orientation(png.file)), bits=16, colour=colour)


def _decode_jpeg(content: bytes) -> Slice:
    frame = frame_of(content)
    if frame is not None:
        check_size(frame.width, frame.height)
        if not is_usual(frame):
            orientation = Image.Exif()
            with suppress(Exception):
                orientation.load(exif_of(content))
            pixels = turned(decode_unusual(content, frame), orientation.get(_ORIENTATION, 1))
            return Slice(pixels, bits=8 if frame.bits <= 8 else 16)
    return _first_that_opens(content, lambda: without_marks(content), lambda: without_marks(content, exif=False))


def _decode_tiff(content: bytes) -> Slice:
    layout = layout_of(content)
    check_size(layout.width, layout.height)
    if tiff_picture.can_unpack(layout):
        with np.errstate(over="ignore", invalid="ignore"):  # overflow becomes infinite, which is refused
            return tiff_picture.decode_tiff(content, layout)
    if not tiff_picture.is_plain(layout) and not tiff_picture.is_deep_grey(layout):
        raise tiff_picture.not_read(layout)
    try:
        return _by_pillow(at_page(content, layout), several=True)
    except UnidentifiedImageError as error:
        raise tiff_picture.not_read(layout) from error


def _first_that_opens(content: bytes, *bare: Callable[[], bytes]) -> Slice:
    """Decode an image; on failure retry with each of ``bare``, versions with fewer metadata segments."""
    try:
        return _by_pillow(content)
    except ReadError:
        raise
    except Exception:
        if not bare:
            raise
        return _first_that_opens(bare[0](), *bare[1:])


def _by_pillow(content: bytes, *, several: bool = False) -> Slice:
    """Decode an image that Pillow reads correctly; ``several`` allows several frames and takes the first."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        check_size(image.width, image.height)
        if not several and image.format != "MPO":
            require_one_frame(getattr(image, "n_frames", 1))
        size = image.width * image.height * 4  # bytes of float32, the least memory needed
        if size > most_unpacked(len(content)):
            raise DamagedFileError(
                code="file_not_whole",
                rule="an image must be complete in its file",
                got=f"{len(content):,} bytes cannot hold {image.width:,} x {image.height:,}",
                remedy="fetch it again",
            )
        image.load()
        with suppress(Exception):  # a broken orientation tag is ignored
            ImageOps.exif_transpose(image, in_place=True)
        pixels, colour = _pixels(image)
        bits = 16 if image.mode.startswith(_DEEP) else 8
    return Slice(pixels if bits == 8 else background_for_nan(pixels), bits=bits, colour=colour)


def _pixels(image: Image.Image) -> tuple[NDArray[np.float32], bool]:
    """Return (H, W) float32 in the units of the file, and whether it is a colour image."""
    if image.mode.startswith(_DEEP) or (image.mode == "L" and not image.has_transparency_data):
        return np.asarray(image, np.float32), False
    if image.format == "PNG" and image.mode == "P" and image.palette is not None:
        _require_colours(image, len(image.palette.palette) // 3)
    if image.mode == "1":
        return np.asarray(image.convert("L"), np.float32), False
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        raise UnknownFormatError(
            code="variant_not_read",
            rule="a JPEG of four channels must declare its colour space",
            got="this one does not",
            remedy="save it in grey",
        )
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        *colours, alpha = (band.getextrema() for band in layered.split())
        if alpha == (0, 0) and any(ends[0] != ends[1] for ends in colours):
            if image.format != "BMP":  # whose fourth byte is usually padding
                raise hidden()
            layered.putalpha(255)
        flat = Image.new("RGBA", layered.size, (0, 0, 0, 255))
        flat.alpha_composite(layered)
        image = flat
    return to_grey(image.convert("RGB"))


def _channels(content: bytes) -> NDArray[np.uint8]:
    """Return the pixels (H, W, C) of an 8-bit PNG."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        return np.atleast_3d(np.asarray(image))


def _orientation(content: bytes) -> int:
    """Return the orientation of the image, 1 to 8; 1 if the tag is missing or damaged."""
    with suppress(Exception), Image.open(io.BytesIO(content), formats=FORMATS) as image:
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _require_colours(image: Image.Image, colours: int) -> None:
    """Raise DamagedFileError if an image uses an index beyond the ``colours`` of its palette."""
    highest = np.asarray(image).max()
    if highest >= colours:
        raise DamagedFileError(
            code="damaged_file",
            rule="a palette must hold every colour of its image",
            got=f"this one holds {colours} and the image uses index {highest}",
            remedy="export it again",
        )
