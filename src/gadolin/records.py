"""The values that travel through Gadolin; each is frozen and knows nothing of how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOTICE", "Failure", "Prediction", "Record", "Slice"]

NOTICE = "For research only. Not a medical device; not for diagnosis."


@dataclass(frozen=True, slots=True)
class Record:
    """One picture of a data set: a row of the manifest.

    ``path`` is absolute or relative to the working folder. ``patient`` is set only where it is known;
    ``group`` joins pictures that must stay on one side of a split (copies of one slice, mirrored or not).
    ``split`` is one of "train", "validation", "test", or empty; ``digest`` is the SHA-256 of the file;
    ``outline`` the path of a mask of the slice's size, lesion where it is not zero.
    """

    path: Path
    label: str
    patient: str = ""
    group: str = ""
    source: str = ""
    split: str = ""
    fold: int | None = None
    outline: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One picture as a file holds it.

    ``pixels`` has shape (H, W), float32, in the file's own intensity units, not windowed.
    ``bits`` is the depth that the file declares (8 or 16): it names the scaling rule, the pixels never do.
    ``colour`` is true where the file shows true colours, which no MRI slice does.
    """

    pixels: NDArray[np.float32]
    bits: int = 8
    colour: bool = False
    spacing_mm: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    patient: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one slice.

    ``probabilities`` maps each class, in the order of the bundle, to a calibrated float in [0, 1]; they sum to 1.
    ``label`` is the most probable class, or None where the model abstains; ``reason`` then says why.
    ``model`` is the digest of the bundle that answered.
    """

    path: str
    probabilities: dict[str, float]
    label: str | None
    abstained: bool
    reason: str | None
    model: str

    def as_json(self) -> dict[str, object]:
        """Return the prediction as the documented JSON object (``docs/prediction.md``)."""
        return {
            "path": self.path,
            "probabilities": self.probabilities,
            "label": self.label,
            "abstained": self.abstained,
            "reason": self.reason,
            "model": self.model,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be answered for; ``error`` says why and what to do."""

    path: str
    error: str

    def as_json(self) -> dict[str, str]:
        """Return the failure as the documented JSON object (``docs/prediction.md``)."""
        return {"path": self.path, "error": self.error}
