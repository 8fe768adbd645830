"""Montages of several slices as in screenshots and contact sheets: tiles in a grid, in many styles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]


def tiled(tiles: Sequence[Grey], layout: tuple[int, int], random: np.random.Generator, **how: int) -> Grey:
    """Return tiles in a grid.

    Options: ``gap`` between tiles and ``outer`` around them in pixels, their grey level ``tone``, ``title`` pixels of
    text above each tile, ``label`` 1 for text in each tile, ``border`` pixels of a bright frame around each tile.
    """
    side = tile_side(layout, random) if "side" not in how else how["side"]
    high, wide = side, how.get("wide", side)
    gap, title, outer = how.get("gap", 0), how.get("title", 0), how.get("outer", 0)
    rows, columns = layout
    page = np.full(
        (rows * (high + title + gap) - gap + 2 * outer, columns * (wide + gap) - gap + 2 * outer),
        how.get("tone", 0),
        np.uint8,
    )
    letterbox = bool(random.random() < 0.4)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = outer + row * (high + title + gap) + title, outer + column * (wide + gap)
        small = fitted(tile, high, wide, letterbox=letterbox)
        if how.get("label"):
            write(small, random)
        if how.get("border"):
            cv2.rectangle(small, (0, 0), (wide - 1, high - 1), int(random.integers(150, 256)), how["border"])
        page[top : top + high, left : left + wide] = small
        if title:
            place = (left + wide // 5, top - title // 3)
            cv2.putText(page, f"slice {number}", place, cv2.FONT_HERSHEY_SIMPLEX, title / 40, 0, 1)
    return as_jpeg(page, random) if random.random() < 1 / 3 else page


def tile_side(layout: tuple[int, int], random: np.random.Generator) -> int:
    most = max(layout)
    return int(random.integers(max(64, 384 // most), max(100, 1024 // most) + 1))


def fitted(tile: Grey, high: int, wide: int, *, letterbox: bool) -> Grey:
    scale = min(high / tile.shape[0], wide / tile.shape[1])
    size = (round(tile.shape[1] * scale), round(tile.shape[0] * scale)) if letterbox else (wide, high)
    small = cv2.resize(tile, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    above, left = (high - small.shape[0]) // 2, (wide - small.shape[1]) // 2
    around = (above, high - small.shape[0] - above, left, wide - small.shape[1] - left)
    return np.asarray(cv2.copyMakeBorder(small, *around, cv2.BORDER_CONSTANT, value=0))


def write(tile: Grey, random: np.random.Generator) -> None:
    """Draw text into the corner and at the side of a tile, like a viewer."""
    side, scale = min(tile.shape), min(tile.shape) / 400 * random.uniform(0.8, 1.6)
    text = ("A", "Im: 12/36", "R", "T1 +C")[random.integers(4)]
    for what, place in ((text, (0.03 * side, 0.03 * side + 22 * scale)), ("L", (0.9 * side, 0.55 * side))):
        where = (int(place[0]), int(place[1]))
        cv2.putText(tile, what, where, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, round(2 * scale)))


def as_jpeg(page: Grey, random: np.random.Generator) -> Grey:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(60, 96))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", page, quality)[1], cv2.IMREAD_GRAYSCALE), np.uint8)


def with_gaps(
    tones: Sequence[int], **how: int
) -> Callable[[Sequence[Grey], tuple[int, int], np.random.Generator], Grey]:
    """Return a function that makes montages with gaps of 1 to 12 % of a tile, in one of the grey levels."""

    def make(tiles: Sequence[Grey], layout: tuple[int, int], random: np.random.Generator) -> Grey:
        side = tile_side(layout, random)
        gap = int(np.ceil(side * random.uniform(0.01, 0.12)))
        sizes = {"outer": gap, "title": int(side * random.uniform(0.1, 0.2))} if how.get("title") else {}
        tone = int(tones[random.integers(len(tones))])
        return tiled(tiles, layout, random, side=side, gap=gap, tone=tone, **(how | sizes))

    return make


def oblong(tiles: Sequence[Grey], layout: tuple[int, int], random: np.random.Generator) -> Grey:
    """Return tiles without gaps whose sides differ by up to a third."""
    side = tile_side(layout, random)
    return tiled(tiles, layout, random, side=side, wide=round(side * float(np.exp(random.uniform(-0.3, 0.3)))))


def incomplete(tiles: Sequence[Grey], layout: tuple[int, int], random: np.random.Generator) -> Grey:
    """Return a grid whose last row is incomplete, if it has several rows and columns."""
    rows, columns = layout
    left_out = int(random.integers(1, columns)) if rows > 1 and columns > 1 else 0
    return tiled(tiles[: len(tiles) - left_out], layout, random)


def barred(tiles: Sequence[Grey], layout: tuple[int, int], random: np.random.Generator) -> Grey:
    """Return a grid with a bar of text above or below, like a screenshot."""
    page = tiled(tiles, layout, random)
    high = int(page.shape[0] * random.uniform(0.04, 0.12))
    tone, ink = ((0, 255), (60, 255), (200, 0), (255, 0))[random.integers(4)]
    bar = np.full((high, page.shape[1]), tone, np.uint8)
    where = (5, int(0.7 * high))
    cv2.putText(bar, "HEAD MR 2020-01-01 W 400 L 40", where, cv2.FONT_HERSHEY_SIMPLEX, high / 50, ink, 1)
    return np.vstack([bar, page] if random.random() < 0.5 else [page, bar])


KINDS: dict[str, Callable[[Sequence[Grey], tuple[int, int], np.random.Generator], Grey]] = {
    "no gaps": tiled,
    "dark gaps": with_gaps((0,)),
    "grey gaps": with_gaps((60, 100, 160)),
    "white gaps": with_gaps((255,)),
    "labels": lambda tiles, layout, random: tiled(tiles, layout, random, label=1),
    "borders": lambda tiles, layout, random: tiled(tiles, layout, random, border=int(random.integers(1, 4))),
    "gaps, labels, borders": lambda *given: with_gaps((0, 60, 255), label=1, border=int(given[2].integers(1, 3)))(
        *given
    ),
    "white page with titles": with_gaps((255,), title=1),
    "oblong tiles": oblong,
    "last row not full": incomplete,
    "a bar of text": barred,
}
