"""Content of a NIfTI volume: its background, and whether it is an image or a map of labels, statistics or vectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.grey_levels import require_levels

__all__ = ["Background", "Voxels", "background_of", "no_picture", "require_grey", "require_numbers"]

_STEP: Final = 1 << 22  # voxels per step
_SAMPLE: Final = 50_000  # voxels in a sample
_GLANCE: Final = 2_000
_EDGE: Final = 20_000  # voxels of the faces
_THIN: Final = 16  # voxels: the faces of a thinner axis show the head
_CONSTANT: Final = 0.5  # of the faces: a constant background covers more
_DARK: Final = 0.02  # of the range inside: a background up to this far above the minimum is dark
_FEW: Final = 16  # values: most images have more
_FEWEST: Final = 4  # values: so few are labels, however noisy
_LABELS: Final = 3000  # most labels of an atlas
_ALIKE: Final = 0.8  # share of equal neighbours in an atlas; images of 9 grey levels or more have fewer
_PAIRS: Final = 200
_NO_DIFFERENCE: Final = 1e-6  # of the range of values
_LABEL_INTENTS: Final = (1002, 1004)
_STATISTICS: Final = range(2, 25)
_VECTORS: Final = range(1003, 1012)


class Background(NamedTuple):
    """The stored background value, NaN or bright, and the value to show instead.

    ``within`` is the tolerance.
    """

    stored: float
    shown: float
    within: float = 0.0

    def mask(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        """Return the mask of the background."""
        if np.isnan(self.stored):
            return np.asarray(np.isnan(stored))
        if self.within == 0:
            return np.asarray(stored == self.stored)
        return np.asarray(np.abs(stored - self.stored) <= self.within)


@dataclass(frozen=True, eq=False)
class Voxels:
    """The voxels ``stored`` in a file, (X, Y, Z, N), with cached statistics."""

    stored: NDArray[Any]

    @cached_property
    def sample(self) -> NDArray[Any]:
        """A sample of all voxels."""
        return _sample(self.stored, _SAMPLE)

    @cached_property
    def constant(self) -> float | None:
        """The value that covers most of the faces of the volume, or None."""
        sides = [
            _plane(self.stored, axis, end).ravel(order="K")
            for axis in range(3)
            if self.stored.shape[axis] >= _THIN
            for end in (0, -1)
        ]
        if not sides:
            return None
        edge = np.concatenate([side[:: max(1, sum(map(len, sides)) // _EDGE)] for side in sides])
        middle = np.partition(edge, edge.size // 2)[edge.size // 2]  # a value that covers more than half is the median
        if np.isnan(middle):  # if the partition holds NaN
            return None
        same = np.abs(edge - middle) <= _rounding(self.sample) if edge.dtype.kind == "f" else edge == middle
        return float(middle) if np.count_nonzero(same) > _CONSTANT * edge.size else None


def require_numbers(stored: NDArray[Any]) -> bool:
    """Return whether some voxels are NaN; raise ReadError if one is infinite or all are NaN."""
    if stored.dtype.kind != "f":
        return False
    flat = stored.reshape(-1, order="F")
    missing = 0
    for first in range(0, flat.size, _STEP):
        piece = flat[first : first + _STEP]
        if np.isfinite(piece).all():
            continue
        if np.isinf(piece).any():
            raise ReadError(
                code="pixels_not_finite",
                rule="voxels must be finite numbers, or NaN outside of the head",
                got="this volume holds infinity",
                remedy="export it again",
            )
        missing += int(np.isnan(piece).sum())
    if missing == flat.size:
        raise DamagedFileError(
            code="pixels_not_finite",
            rule="a volume must hold numbers",
            got="all voxels of this one are NaN",
            remedy="export it again",
        )
    return missing > 0


def background_of(voxels: Voxels, slope: float, intercept: float, *, holes: bool) -> list[Background]:
    """Return the values to show as black: NaN if there are ``holes``, and a constant bright background."""
    stored, constant = voxels.stored, voxels.constant
    inside = voxels.sample[~np.isnan(voxels.sample)] if holes else voxels.sample
    within = _rounding(inside)
    if constant is not None:
        inside = inside[np.abs(inside - constant) > within] if within else inside[inside != constant]
    if inside.size == 0:
        return [Background(np.nan, _darkest(stored, slope, intercept))] if holes else []
    low, high = np.percentile(inside.astype(np.float64) * slope + intercept, (0.5, 99.5))
    bright = constant is not None and constant * slope + intercept - low > _DARK * (high - low)
    if not bright and not holes:
        return []
    dark = max(_darkest(stored, slope, intercept), float(low - (high - low)))  # robust against one outlier
    found = [Background(constant, dark, within)] if constant is not None and bright else []
    return [*found, Background(np.nan, dark)] if holes else found


def require_grey(voxels: Voxels, slope: float, intercept: float) -> None:
    """Raise ReadError if the rescaled voxels are too close together for float32."""
    if voxels.stored.dtype.itemsize <= 2 and (slope, intercept) == (1.0, 0.0):
        return
    shown = voxels.sample.astype(np.float64) * slope + intercept
    if not np.isnan(shown).all():
        require_levels(float(np.nanmin(shown)), float(np.nanmax(shown)))


def no_picture(voxels: Voxels, intent: int) -> ReadError | None:
    """Return why a volume is not an image (labels, a statistic or a vector field), or None."""
    if intent in _STATISTICS:
        return ReadError(
            code="statistic_map",
            rule="a volume must be an image of the head",
            got=f"its header declares a statistic map (intent {intent})",
            remedy="leave it out",
        )
    if intent in _VECTORS and intent not in _LABEL_INTENTS:
        return ReadError(
            code="vector_field",
            rule="a volume must be an image of the head",
            got=f"its header declares a vector field (intent {intent})",
            remedy="leave it out",
        )
    if intent in _LABEL_INTENTS or _are_labels(voxels):
        return ReadError(
            code="label_map",
            rule="a volume must be an image of the head",
            got="this one holds labels",
            remedy="use it as an outline, or leave it out",
        )
    return None


def _are_labels(voxels: Voxels) -> bool:
    """Return whether a volume is a label map: few values beside the background, or whole numbers in flat regions."""
    stored = voxels.stored
    few = _values(_sample(stored, _GLANCE))
    if few.size > _FEW and stored.dtype.kind == "f" and (few != np.rint(few)).any():
        return False
    background = voxels.constant
    alike = _alike(stored, background or 0.0)
    if alike is None:  # the middle is empty, as for small lesions, which have few labels
        alike = 1.0 if few.size <= _FEW else 0.0
    if few.size > _FEWEST and alike < _ALIKE:
        return False
    sample = voxels.sample
    values = _values(sample)
    if background is None and not (values == 0).any() and values.size == np.unique(sample).size:
        return False  # no background: neither 0, NaN nor a constant
    if values.size == 1 and background == values[0]:  # the sample may miss a small lesion
        others = stored[stored != background]
        return others.size > 0 and _values(others[: 1 << 20]).size < _FEW
    if values.size == 1:
        return background is not None or values.size < np.unique(sample).size
    return values.size <= _FEW or (values.size <= _LABELS and bool((values == np.rint(values)).all()))


def _values(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct numbers, without NaN."""
    found: NDArray[Any] = np.unique(voxels)
    return found[~np.isnan(found)] if found.dtype.kind == "f" else found


def _alike(stored: NDArray[Any], background: float) -> float | None:
    """Return the share of equal neighbours in the middle slices, or None if they are nearly empty."""
    same = pairs = 0
    for axis in range(3):
        plane = _plane(stored, axis, stored.shape[axis] // 2)[..., 0]
        for one, other in ((plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])):
            inside = (one != background) & (other != background)
            pairs += int(np.count_nonzero(inside))
            same += int(np.count_nonzero(inside & (one == other)))
    return same / pairs if pairs >= _PAIRS else None


def _darkest(stored: NDArray[Any], slope: float, intercept: float) -> float:
    ends = [np.nanmin(stored), np.nanmax(stored)] if stored.dtype.kind == "f" else [stored.min(), stored.max()]
    return min(float(each) * slope + intercept for each in ends)


def _rounding(values: NDArray[Any]) -> float:
    """Return the tolerance of floating-point values; 0 for integers."""
    if values.dtype.kind != "f" or values.size == 0:
        return 0.0
    low, high = np.percentile(values.astype(np.float64), (0.5, 99.5))
    return _NO_DIFFERENCE * float(high - low)


def _sample(stored: NDArray[Any], count: int) -> NDArray[Any]:
    """Return a reproducible sample of voxels."""
    flat = stored.reshape(-1, order="F")
    if flat.size <= count:
        return flat
    return flat[np.random.default_rng(0).integers(0, flat.size, count)]


def _plane(stored: NDArray[Any], axis: int, place: int) -> NDArray[Any]:
    """Return the plane at an index of an axis, as a view."""
    return stored[(slice(None),) * axis + (place,)]
