"""Convert the samples of a TIFF file to an image: polarity, colours, alpha, colour maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import UnknownFormatError
from gadolin.readers.contents import background_for_nan, variant_not_read
from gadolin.readers.greyscale import flattened, turned
from gadolin.readers.tiff.directories import PALETTE, RGB, SEPARATED, WHITE_IS_ZERO, Layout
from gadolin.readers.tiff.samples import COMPRESSIONS, FORMS, samples_of
from gadolin.records import Slice

__all__ = ["can_unpack", "decode_tiff", "is_deep_grey", "is_plain", "not_read", "turned_over"]

_ALPHA_MULTIPLIED, _ALPHA = 1, 2
_BY_PILLOW = COMPRESSIONS | {2, 3, 4, 6, 7}  # plus fax and JPEG
_DEEP_GREY = {(16, 1), (16, 2), (32, 1), (32, 2), (32, 3)}  # bits and form that Pillow preserves


def is_plain(layout: Layout) -> bool:
    """Return whether Pillow correctly reads a layout that ``can_unpack`` rejects: up to 8 bits."""
    small = set(layout.bits) <= ({1, 2, 4, 8} if len(layout.bits) == 1 else {8})
    old_map = layout.shown == PALETTE and max(layout.table, default=0) < 256
    known = layout.compression in _BY_PILLOW
    return known and small and layout.form == 1 and not (layout.colours == 1 and 0 in layout.extra) and not old_map


def is_deep_grey(layout: Layout) -> bool:
    """Return whether Pillow preserves every bit of a deep layout: one sample, higher is brighter."""
    known = (layout.bits[0], layout.form) in _DEEP_GREY and len(layout.bits) == 1 and layout.compression in _BY_PILLOW
    return (
        known and layout.shown not in (WHITE_IS_ZERO, PALETTE) and layout.predictor in (1, 3 if layout.form == 3 else 2)
    )


def can_unpack(layout: Layout) -> bool:
    """Return whether ``decode_tiff`` reads a layout."""
    shown = layout.shown in (0, 1, RGB, SEPARATED) or (layout.shown == PALETTE and max(layout.bits) <= 16)
    samples = len(set(layout.bits)) == 1 and layout.form in FORMS and layout.compression in COMPRESSIONS
    floats = layout.form != 3 or layout.bits[0] in (16, 32, 64)
    whole_bytes = layout.bits[0] in (8, 16, 32, 64)
    predicted = layout.predictor == 1 or (whole_bytes and layout.predictor == (3 if layout.form == 3 else 2))
    return shown and samples and floats and predicted and (layout.form == 1 or layout.shown not in (PALETTE, SEPARATED))


def decode_tiff(content: bytes, layout: Layout) -> Slice:
    """Return the slice of a layout accepted by ``can_unpack``; raises ReadError or OSError if samples are damaged."""
    samples = samples_of(content, layout)
    top = float(2 ** layout.bits[0] - 1) if layout.form == 1 else 2.0 ** (layout.bits[0] - 1) - 1
    if layout.form == 3:
        top = 1.0
    colours, beside = samples[..., : layout.colours], samples[..., layout.colours :]
    bits = 8 if layout.form == 1 and layout.bits[0] in (1, 2, 4, 8) else 16
    if layout.shown == PALETTE:
        colours, bits, top = _looked_up(colours[..., 0], layout), 8, 255.0
    elif layout.shown == SEPARATED:
        colours = _printed(colours, top)
    elif bits == 8:
        colours = colours * np.uint8(255 // top)
        top = 255.0
    alpha = next((place for place, kind in enumerate(layout.extra) if kind in (_ALPHA_MULTIPLIED, _ALPHA)), None)
    if layout.colours == 1 and any(_varies(beside[..., place]) for place, kind in enumerate(layout.extra) if kind == 0):
        raise UnknownFormatError(
            code="several_channels",
            rule="an image must be grey or in colour",
            got=f"this one holds {len(layout.bits)} channels",
            remedy="save only the intended channel",
        )
    if layout.shown == WHITE_IS_ZERO:
        colours = turned_over(colours, layout)
    pixels, colour = flattened(
        colours,
        None if alpha is None or layout.shown == SEPARATED else beside[..., alpha],
        top=top if bits == 16 else float(2 ** layout.bits[0] - 1),
        multiplied=alpha is not None and layout.extra[alpha] == _ALPHA_MULTIPLIED,
    )
    return Slice(background_for_nan(turned(pixels, layout.turned)), bits=bits, colour=colour)


def turned_over(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Return ``values`` inverted, so that higher is brighter: within their type, or within their range if wide."""
    if layout.form == 3 or (layout.form == 1 and layout.bits[0] > 24):  # float32 is too coarse that far from 0
        finite = values[np.isfinite(values)].astype(np.float64)
        ends = finite.min() + finite.max() if finite.size else 0.0
        return np.asarray(ends - values, np.float64)
    if layout.form == 2:
        return np.asarray(-1 - values)
    top = 255 if layout.bits[0] <= 4 else 2 ** layout.bits[0] - 1
    return np.asarray(values.dtype.type(top) - values)


def not_read(layout: Layout) -> UnknownFormatError:
    """Return the error for a layout that neither Pillow nor ``decode_tiff`` decodes correctly."""
    bits = " + ".join(map(str, layout.bits))
    form = {1: "", 2: "signed ", 3: "floating-point "}.get(layout.form, "undefined ")
    return variant_not_read(
        "TIFF",
        f"{form}samples of {bits} bits, photometric interpretation {layout.shown}, "
        f"compression {layout.compression}, predictor {layout.predictor}",
    )


def _looked_up(index: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    """Return the colours (H, W, 3) of a colour map; some writers store 8-bit numbers in it."""
    entries = 2 ** layout.bits[0]
    if len(layout.table) != 3 * entries:
        msg = f"a colour map must have {3 * entries} entries, this one has {len(layout.table)}"
        raise ValueError(msg)
    table = np.array(layout.table, np.uint16).reshape(3, entries).T
    shades = np.asarray(table if table.max() < 256 else table >> 8, np.uint8)
    return np.asarray(shades[index])


def _printed(inks: NDArray[Any], top: float) -> NDArray[Any]:
    """Return the RGB image (H, W, 3) of cyan, magenta, yellow and black inks (H, W, 4)."""
    left = top - inks.astype(np.float64)
    return np.rint(left[..., :3] * left[..., 3:] / top).astype(inks.dtype)


def _varies(plane: NDArray[Any]) -> bool:
    return bool((plane != plane[:1, :1]).any())
