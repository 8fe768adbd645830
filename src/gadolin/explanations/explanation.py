"""An explanation: a heat map on the pixels of a slice, for one class, by one method."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import MissingExtraError, RequestError
from gadolin.files.atomic import write_bytes
from gadolin.preprocessing.prepare import Frame
from gadolin.records import NOTICE, Slice

__all__ = ["Explanation"]


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The heat map of ``method`` for the probability of a class.

    ``heat`` (H, W) float32 is on the pixels of the slice: above 0 is evidence for ``label``, below 0 against it; units
    differ between methods. ``probability`` in [0, 1] is the model's for that class, ``samples`` the number of model
    evaluations. The same ``settings`` give the same map. ``image`` is the slice, ``frame`` the position of its head.
    ``outline`` (H, W) bool is the predicted lesion: where a model that learned from outlines has more evidence for
    ``label`` than for background. It is None for other models and methods, and for a class without lesions.
    """

    method: str
    label: str
    heat: NDArray[np.float32]
    probability: float
    samples: int
    settings: dict[str, object]
    image: Slice
    frame: Frame | None = None
    outline: NDArray[np.bool_] | None = None

    @property
    def hottest(self) -> tuple[int, int] | None:
        """Row and column of the hottest pixel of the slice, the first of ties; None if no heat is above 0."""
        row, column = np.unravel_index(self.heat.argmax(), self.heat.shape)
        return (int(row), int(column)) if self.heat[row, column] > 0 else None

    def save(self, path: Path | str, *, signed: bool = False) -> None:
        """Write the picture that ``gadolin explain`` writes, or the heat alone if ``path`` ends in .npy.

        The picture is a PNG: the slice, and the heat above 0 within the head over it, with a colour legend and the
        notice that it is for research only. ``signed`` draws all heat, also below 0 and outside the head.
        Raises RequestError for another extension, MissingExtraError if the extra ``explain`` is not installed,
        OutputError if the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() == ".npy":
            buffer = io.BytesIO()
            np.save(buffer, self.heat, allow_pickle=False)
            write_bytes(path, buffer.getvalue())
        elif path.suffix.lower() == ".png":
            write_bytes(path, self.as_png(signed=signed))
        else:
            raise RequestError(
                code="output_format_unknown",
                rule="an explanation must be saved as .png or .npy",
                got=f"got {path.name}",
                remedy="change the extension",
            )

    def as_png(self, *, signed: bool = False) -> bytes:
        """Return the picture that ``save`` writes; raises MissingExtraError if the extra is not installed."""
        try:
            from gadolin.explanations.overlays import overlay
        except ModuleNotFoundError as error:
            raise MissingExtraError(package="matplotlib", extra="explain") from error
        return overlay(self.image, self, signed=signed)

    def __repr__(self) -> str:
        """Return method, class, probability and the size of the heat."""
        height, width = self.heat.shape
        return f"Explanation({self.method} for {self.label}, p = {self.probability:.2f}, {height} x {width} pixels)"

    def _repr_html_(self) -> str:
        """Return the picture with its caption for notebooks."""
        picture = base64.b64encode(self.as_png()).decode("ascii")
        title = f"{escape(self.method)} for {escape(self.label)}, p = {self.probability:.2f}."
        shown = f'<img alt="Heat map: {title}" src="data:image/png;base64,{picture}">'
        return f"<figure>{shown}<figcaption>{title} {NOTICE}</figcaption></figure>"
