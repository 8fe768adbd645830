"""PNG, JPEG, BMP, TIFF and WebP through Pillow."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from gadolin.errors import DamagedFileError, ReadError, TooLargeError, UnknownFormatError
from gadolin.readers.contents import MAX_PIXELS, Contents, check_size, require_finite, to_grey
from gadolin.readers.inflate import most_unpacked
from gadolin.records import Slice

__all__ = ["FORMATS", "decode", "open_raster"]

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
_DEEP_MODES = {"I;16", "I;16B", "I;16L", "I", "F"}


def open_raster(content: bytes, kind: str) -> Contents:
    """Return what the bytes of a picture hold: one slice."""
    return Contents(kind=kind, slices=1, decode=lambda _: decode(content))


def decode(content: bytes) -> Slice:
    """Decode one picture: 8 or 16 bits, palette, alpha over black, turned upright by its EXIF tag.

    A picture whose channels agree is grey; one that shows true colours is marked ``colour``.
    Raises ReadError where the bytes are no such picture, or one too small, too large, damaged or of many frames.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            check_size(image.width, image.height)
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                raise ReadError(
                    code="several_frames",
                    rule="a picture must hold one frame",
                    got=f"this one holds {frames}",
                    remedy="save them apart",
                )
            size = image.width * image.height * 4  # bytes of float32, the least that is taken
            if size > most_unpacked(len(content)):
                claimed = f"{image.width:,} x {image.height:,}"
                raise DamagedFileError(
                    code="file_not_whole",
                    rule="a picture must be in its file",
                    got=f"{len(content):,} bytes cannot hold {claimed}",
                    remedy="fetch it again",
                )
            ImageOps.exif_transpose(image, in_place=True)
            pixels, colour = _pixels(image)
            bits = 16 if image.mode in _DEEP_MODES else 8
    except ReadError:
        raise
    except UnidentifiedImageError as error:
        raise UnknownFormatError(
            code="unknown_format",
            rule=f"a picture must be one of {', '.join(FORMATS)}",
            got="this file is none of them",
            remedy="convert it",
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(
            code="too_many_pixels",
            rule=f"a picture may have at most {MAX_PIXELS:,} pixels",
            got="this one has far more",
            remedy="scale it down",
        ) from error
    except Exception as error:
        raise DamagedFileError(
            code="damaged_file",
            rule=f"the picture is damaged ({' '.join(str(error).split())[:300]})",
            remedy="fetch it again or remove it",
        ) from error
    return Slice(pixels=pixels if bits == 8 else require_finite(pixels), bits=bits, colour=colour)


def _pixels(image: Image.Image) -> tuple[NDArray[np.float32], bool]:
    """Return (H, W) float32 in the file's units, and whether the picture shows true colours."""
    if image.mode in _DEEP_MODES or (image.mode == "L" and not image.has_transparency_data):
        return np.asarray(image, np.float32), False
    if image.mode == "1":
        return np.asarray(image.convert("L"), np.float32), False
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        flat = Image.new("RGBA", layered.size, (0, 0, 0, 255))
        flat.alpha_composite(layered)
        image = flat
    return to_grey(image.convert("RGB"))
