"""Detect images that show a grid of several slices, such as screenshots, contact sheets and montages.

In a grid of heads, all tiles look alike, each tile has a bright centre and dark surroundings, and the seams between
tiles are dark. The halves and quarters of one head differ: they are mirror images of each other, their bright part is
at a corner, and brain covers the seams.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.records import Slice

__all__ = ["HEAD_COUNTER", "Grid", "count_heads", "find_grid"]

HEAD_COUNTER = "grid-1"
"""Name and version of the rule, part of a bundle and its digest; any change of its results needs a new version."""

_SIDE = 192  # pixels of the longer side: enough for the outline of a head in eight tiles
_ONE_TONE = 1e-4  # of the values: an image with a smaller range is uniform
_MOST = 8  # rows or columns of tiles
_TILE = 12  # pixels of a tile's side when tiles are compared
_LONGEST_TILE = 1.7  # longer side over shorter side
_FLAT = 8.0  # of 255: a tile of less contrast is empty
_FILLED = 0.5  # minimum share of tiles that are not empty
_LINE_TONE, _LINE_SPREAD = 50.0, 14.0  # of 255: a brighter line with less spread is a bright gap
_PAPER = 235.0  # of 255: a line with three quarters above is white paper
_SEAM = 0.07  # of a tile: tolerance for the position of a dark seam
_DARKEST, _PAIR_DARKEST = 0.95, 0.80  # brightest seam, as a share of the adjacent tiles
_WIDEST_BAR = 0.2  # of the side of the image
_LETTER = 0.004  # of the image: smaller objects are text
_MARGIN = 0.03  # of the longer side of the bright content
_ROUND = 0.2  # minimum correlation of the tiles with a bright disc
_ROUND_WEIGHT, _LONG_WEIGHT, _SEAM_WEIGHT = 0.55, 0.35, 0.8
_ENOUGH = 0.2


class Grid(NamedTuple):
    """A grid of ``rows`` x ``columns`` tiles, at least two; ``score`` is the margin above the threshold."""

    rows: int
    columns: int
    score: float


def count_heads(image: Slice) -> int:
    """Return how many slices an image shows: 1, or the number of tiles in its grid (2 to 64, including empty ones)."""
    grid = find_grid(image.pixels)
    return 1 if grid is None else grid.rows * grid.columns


def find_grid(pixels: NDArray[np.float32]) -> Grid | None:
    """Return the grid of heads in pixels (H, W) float32 of any range, or None for a single slice."""
    tones = _without_bright_lines(_tones(pixels))
    found = [*_grids(tones), *_grids(_content(tones))]
    return max(found, key=lambda grid: grid.score, default=None)


def _tones(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a small copy (h, w) float32 in 0 to 255; a square root reduces the contrast between tiles."""
    scale = _SIDE / max(pixels.shape)
    height, width = (max(1, round(scale * side)) for side in pixels.shape)
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    dark, bright = np.percentile(small, (10, 99)).tolist()
    span = max(bright - dark, _ONE_TONE * max(abs(dark), abs(bright)), 1e-12)
    return np.asarray(255 * np.sqrt(np.clip((small - dark) / span, 0, 1)), np.float32)


def _without_bright_lines(tones: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return tones (h, w) with bright uniform rows and columns, as between tiles, made black.

    White paper and bars along the sides may contain titles.
    """
    bare = tones.copy()
    for lines in (bare, bare.T):
        least, low, middle, high, most = np.sort(lines, axis=1)[:, _ranks(lines.shape[1])].T
        gaps = (least > _LINE_TONE) & (most - least < _LINE_SPREAD)
        bars = (middle > _LINE_TONE) & ((high - middle < _LINE_SPREAD) | (middle - low < _LINE_SPREAD))
        black = gaps | (low > _PAPER)
        black[: _bar(bars)] = True
        black[len(black) - _bar(bars[::-1]) :] = True
        if black.mean() < 0.5:
            lines[black] = 0
    return bare


def _bar(lines: NDArray[np.bool_]) -> int:
    """Return how many leading ``lines`` (n,) form a bar: most are uniform, including the last."""
    outer = lines[: round(_WIDEST_BAR * len(lines))]
    inside = outer & (2 * np.cumsum(outer) >= np.arange(1, len(outer) + 1))
    return int(inside.nonzero()[0][-1]) + 1 if inside.any() else 0


def _ranks(length: int) -> list[int]:
    return [round(share * (length - 1)) for share in (0.05, 0.25, 0.5, 0.75, 0.95)]


def _content(tones: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the part of tones (h, w) with all bright content except text, with a black margin."""
    grey = tones.astype(np.uint8)
    threshold, _ = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    objects = cv2.morphologyEx((grey > 0.8 * threshold).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(objects, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    large = [one for one in contours if cv2.contourArea(one) > _LETTER * grey.size]
    if not large:
        return tones
    left, top, width, height = cv2.boundingRect(np.concatenate(large))
    return np.pad(tones[top : top + height, left : left + width], round(_MARGIN * max(width, height)))


def _grids(tones: NDArray[np.float32]) -> Iterator[Grid]:
    """Yield the candidate grids in tones (h, w)."""
    height, width = tones.shape
    if min(height, width) < _TILE:
        return
    across, down = _seams(tones.mean(axis=1)), _seams(tones.mean(axis=0))
    for rows, columns in itertools.product(range(1, len(across) + 1), range(1, len(down) + 1)):
        pair = rows * columns == 2
        longer = abs(float(np.log((width / columns) / (height / rows))))
        seam = max(across[rows - 1], down[columns - 1])
        if rows * columns == 1 or longer > np.log(_LONGEST_TILE) or seam > (_PAIR_DARKEST if pair else _DARKEST):
            continue
        alike, likeness = _likeness(tones, rows, columns)
        score = alike + _ROUND_WEIGHT * likeness - _LONG_WEIGHT * longer - _SEAM_WEIGHT * seam
        above = score - _ENOUGH
        if likeness >= _ROUND and above >= 0:
            yield Grid(rows, columns, above)


def _seams(profile: NDArray[np.float32]) -> list[float]:
    """Return for 1 to 8 tiles along a profile (n,) the brightest seam relative to its dimmer adjacent tile."""
    length, values = len(profile), profile.tolist()  # min and max of short lists are faster in Python
    brightest = [0.0]
    for tiles in range(2, min(_MOST, length // _TILE) + 1):
        ends = [round(place * length / tiles) for place in range(tiles + 1)]
        peaks = [max(values[start:end]) for start, end in itertools.pairwise(ends)]
        reach = max(1, round(_SEAM * length / tiles))
        dark = [min(values[end - reach : end + reach]) for end in ends[1:-1]]
        beside = [min(pair) for pair in itertools.pairwise(peaks)]
        brightest.append(max(seam / (peak + 1) for seam, peak in zip(dark, beside, strict=True)))
    return brightest


def _likeness(tones: NDArray[np.float32], rows: int, columns: int) -> tuple[float, float]:
    """Return the mean correlation of each tile with the mean of the others, and with a disc."""
    small = cv2.resize(tones, (columns * _TILE, rows * _TILE), interpolation=cv2.INTER_AREA)
    tiles = small.reshape(rows, _TILE, columns, _TILE).swapaxes(1, 2).reshape(rows * columns, _TILE * _TILE)
    tiles = tiles - tiles.mean(axis=1, keepdims=True)
    spread = tiles.std(axis=1)
    filled = spread > _FLAT
    if filled.sum() < max(2, _FILLED * rows * columns):
        return -1.0, -1.0
    tiles = tiles[filled] / spread[filled, None]
    others = tiles.sum(axis=0) - tiles
    norms = _TILE * np.sqrt((others * others).sum(axis=1)) + 1e-9
    return float(((tiles * others).sum(axis=1) / norms).mean()), float((tiles @ _DISC).mean()) / _TILE**2


def _disc() -> NDArray[np.float32]:
    """Return a tile (144,) float32 with a bright central disc, of mean 0 and deviation 1."""
    from_middle = np.hypot(*(np.mgrid[:_TILE, :_TILE] - (_TILE - 1) / 2))
    disc = np.exp(-((from_middle / (0.35 * _TILE)) ** 4)).ravel()
    return np.asarray((disc - disc.mean()) / disc.std(), np.float32)


_DISC = _disc()
