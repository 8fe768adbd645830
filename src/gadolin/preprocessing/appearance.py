"""Image statistics of slices; the bundle keeps those of the training data so that an audit can measure drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import BundleError
from gadolin.preprocessing.views import SIDE, head_mask, shrunk

__all__ = ["APPEARANCE", "DECIMALS", "QUANTILES", "appearance", "asymmetry", "head_aspect", "read_summary", "summary"]

APPEARANCE: Final = ("mean", "contrast", "sharpness", "head_share", "asymmetry", "dark", "middle", "bright")
"""Mean tone of the slice; contrast, sharpness and the 10, 50 and 90 % quantiles of the head; shape of the head."""

QUANTILES: Final = tuple(round(step / 20, 2) for step in range(21))
DECIMALS: Final = 5
"""Of stored quantiles; compared values are rounded alike, since tones are discrete."""

_SHARED: Final = 256  # pixels a side, so that sharpness is comparable between preparations


def appearance(slices: NDArray[np.uint8], rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
    """Return (n, 8) float32, the columns of ``APPEARANCE``, of the prepared slices (N, H, H) uint8 of ``rows``.

    Tones are in [0, 1]. ``sharpness`` is the mean size of the Laplacian at 256 pixels a side, over the contrast;
    ``head_share`` the area of the head over that of the slice; ``asymmetry`` the mean difference to the mirror image,
    over the contrast.
    """
    small = shrunk(slices, rows)
    values = np.zeros((len(rows), len(APPEARANCE)), np.float32)
    for place, row in enumerate(rows):
        head = head_mask(small[place])
        if not head.any():
            head = np.ones((SIDE, SIDE), np.bool_)
        inside = small[place][head].astype(np.float32) / 255
        contrast = max(float(inside.std()), 1e-3)
        whole = slices[row]
        if whole.shape[0] != _SHARED:
            whole = cv2.resize(whole, (_SHARED, _SHARED), interpolation=cv2.INTER_AREA)
        edges = float(np.abs(cv2.Laplacian(whole, cv2.CV_32F)).mean()) / 255
        dark, middle, bright = np.quantile(inside, (0.1, 0.5, 0.9))
        shape = (head.mean(), asymmetry(small[place]) / contrast)
        values[place] = (small[place].mean() / 255, contrast, edges / contrast, *shape, dark, middle, bright)
    return values


def asymmetry(small: NDArray[np.uint8]) -> float:
    """Return the mean difference, in [0, 1], between a slice (64, 64) uint8 and its left-right mirror image."""
    return float(cv2.absdiff(small, small[:, ::-1]).mean()) / 255


def head_aspect(head: NDArray[np.bool_]) -> float:
    """Return height over width of the head in a mask (64, 64); 1.0 if it is empty."""
    rows, columns = np.flatnonzero(head.any(axis=1)), np.flatnonzero(head.any(axis=0))
    return float((rows[-1] - rows[0] + 1) / (columns[-1] - columns[0] + 1)) if rows.size else 1.0


def summary(values: NDArray[np.float32], labels: Sequence[str], groups: Sequence[str]) -> dict[str, Any]:
    """Return the JSON summary of (N, 8) values for a bundle: counts, and quantiles of all slices and of each class.

    ``labels`` are the classes of the rows, ``groups`` their groups (same patient or duplicates).
    """

    def table(rows: NDArray[np.bool_]) -> dict[str, Any]:
        quantiles = np.round(np.quantile(values[rows].astype(np.float64), QUANTILES, axis=0), DECIMALS)
        columns = {name: quantiles[:, place].tolist() for place, name in enumerate(APPEARANCE)}
        return {"slices": int(rows.sum()), "groups": len(set(held[rows].tolist())), "quantiles": columns}

    names, held = (np.asarray(column, object).astype(str) for column in (labels, groups))
    return {
        "levels": list(QUANTILES),
        "groups": len(set(groups)),
        "overall": table(np.ones(len(values), np.bool_)),
        "classes": {name: table(names == name) for name in sorted(set(labels))},
    }


def read_summary(content: object) -> tuple[dict[str, float], dict[str, dict[str, NDArray[np.float64]]]]:
    """Return for "" (all slices) and each class the number of groups, and the quantiles (21,) of each statistic.

    Old bundles store only the total number of groups, which is then divided in proportion to slices.
    Raises BundleError if ``content`` is not a result of ``summary``.
    """
    try:
        if not isinstance(content, dict) or tuple(content["levels"]) != QUANTILES:
            name = "levels"
            raise ValueError(name)
        tables = {"": content["overall"], **content["classes"]}
        read = {
            label: {name: np.asarray(table["quantiles"][name], np.float64) for name in APPEARANCE}
            for label, table in tables.items()
        }
        for columns in read.values():
            for name, values in columns.items():
                if values.shape != (len(QUANTILES),) or not (np.diff(values) >= 0).all():
                    raise ValueError(name)
        slices = content["overall"]["slices"]
        groups = {
            label: float(table.get("groups", content["groups"] * table["slices"] / slices))
            for label, table in tables.items()
        }
        return groups, read
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            code="bundle_statistics_invalid",
            rule="a bundle's statistics must be quantiles as training writes them",
            got=f"these are not ({error})",
            remedy="fetch it again",
        ) from error
