"""Overlays of heat maps on their slice, with colour legends, as PNG; several methods side by side in a panel."""

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

from gadolin.datasets.labels import class_name
from gadolin.explanations.baselines import head_mask
from gadolin.explanations.explanation import Explanation
from gadolin.records import NOTICE, Slice

__all__ = ["overlay", "panel"]

_COLOURS, _SIGNED_COLOURS = "inferno", "RdBu_r"
_OPACITY = 0.65  # of the strongest heat
_COLUMNS = 4
_INCHES = 3.6  # a picture's side
_DPI = 140


def overlay(image: Slice, explanation: Explanation, *, declined: str | None = None, signed: bool = False) -> bytes:
    """Draw one explanation over its slice; see :func:`panel`."""
    return panel(image, [explanation], declined=declined, signed=signed)


def panel(
    image: Slice, explanations: Sequence[Explanation], *, declined: str | None = None, signed: bool = False
) -> bytes:
    """Draw a slice and its explanations side by side, each with a colour legend; return a PNG.

    Heat is drawn above 0 and within the head, because heat below 0 contradicts the class and heat outside the head is
    no anatomy. ``signed`` draws all heat: red for the class, blue against it. ``declined`` is the reason why the model
    abstains, if it does; it is the title of the panel.
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
        scale = _draw(place, grey, one, signed=signed)
        meaning = "for (+) or against (-)" if signed else "evidence for"
        figure.colorbar(scale, ax=place, shrink=0.75, label=f"{meaning} {class_name(one.label)}")
    for place in axes:
        place.set_axis_off()
    if declined:
        figure.suptitle(f"The model abstains. Reason: {declined}", fontsize=9)
    figure.text(0.5, 0.0, NOTICE, ha="center", va="bottom", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _draw(axes: Axes, grey: np.ndarray[Any, Any], one: Explanation, *, signed: bool) -> ScalarMappable:
    """Draw an explanation over the slice ``grey`` (H, W) in [0, 1]; return the scale of its colours."""
    heat = one.heat if signed else _shown(one)
    most = float(np.abs(heat).max()) or 1.0
    scale = ScalarMappable(Normalize(-most if signed else 0, most), colormaps[_SIGNED_COLOURS if signed else _COLOURS])
    share = (_OPACITY * np.sqrt(np.abs(heat) / most))[..., None]
    axes.imshow(grey[..., None] * (1 - share) + scale.to_rgba(heat)[..., :3] * share)
    nothing = "" if heat.any() else ", no evidence in the head" if one.heat.any() else ", zero everywhere"
    axes.set_title(f"{one.method}: {class_name(one.label)}, p = {one.probability:.2f}{nothing}", fontsize=9)
    return scale


def _shown(one: Explanation) -> np.ndarray[Any, Any]:
    """Return the heat (H, W) above 0 within the head, 0 outside; the whole slice counts if no head was found."""
    positive = np.maximum(one.heat, 0)
    return positive * head_mask(one.image, one.frame) if one.frame is not None and one.frame.found else positive


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
