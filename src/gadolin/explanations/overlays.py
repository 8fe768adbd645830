"""Overlays of heat maps on their slice, with colour bars, as PNG; several methods side by side in a panel."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from gadolin.explanations.explanation import Explanation
from gadolin.records import NOTICE, Slice

__all__ = ["overlay", "panel"]

_COLOURS = "RdBu_r"
_OPACITY = 0.65  # of the strongest heat
_COLUMNS = 4
_INCHES = 3.6  # a picture's side
_DPI = 140


def overlay(image: Slice, explanation: Explanation, *, declined: str | None = None) -> bytes:
    """Draw one explanation over its slice; red is evidence for the class, blue against it; see :func:`panel`."""
    return panel(image, [explanation], declined=declined)


def panel(image: Slice, explanations: Sequence[Explanation], *, declined: str | None = None) -> bytes:
    """Draw the slice and each explanation of it side by side, each with a colour bar.

    ``declined`` is the reason why the model abstains, if it does; it is the title of the panel.
    """
    count = len(explanations) + 1
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(_INCHES * columns, (_INCHES + 0.5) * rows + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    axes: list[Axes] = list(np.asarray(figure.subplots(rows, columns, squeeze=False)).ravel())
    grey = _grey(image)
    axes[0].imshow(grey, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("the slice", fontsize=10)
    for place, one in zip(axes[1:], explanations, strict=False):
        _draw(place, grey, one)
        figure.colorbar(_scale(one), ax=place, shrink=0.75, label=f"for (+) or against (-) {one.label}")
    for place in axes:
        place.set_axis_off()
    if declined:
        figure.suptitle(f"the model abstains: {declined}", fontsize=9)
    figure.text(0.5, 0.0, NOTICE, ha="center", va="bottom", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _draw(axes: Axes, grey: np.ndarray[Any, Any], one: Explanation) -> None:
    strength = np.abs(one.heat) / max(float(np.abs(one.heat).max()), 1e-12)
    colours = _scale(one).to_rgba(one.heat)
    share = (_OPACITY * np.sqrt(strength))[..., None]
    axes.imshow(grey[..., None] * (1 - share) + colours[..., :3] * share)
    zero = "" if one.heat.any() else ", zero everywhere"
    axes.set_title(f"{one.method}: {one.label}, p = {one.probability:.2f}{zero}", fontsize=9)


def _scale(one: Explanation) -> ScalarMappable:
    most = float(np.abs(one.heat).max()) or 1.0
    return ScalarMappable(Normalize(-most, most), colormaps[_COLOURS])


def _grey(image: Slice) -> np.ndarray[Any, Any]:
    """Return the slice in [0, 1], in its display window if it has one."""
    if image.window:
        centre, width = image.window
        low, high = centre - width / 2, centre + width / 2
    elif image.bits <= 8:
        low, high = 0.0, 255.0
    else:
        low, high = (float(each) for each in np.percentile(image.pixels, (0.5, 99.9)))
    return np.asarray(np.clip((image.pixels - low) / max(high - low, 1e-12), 0, 1))
