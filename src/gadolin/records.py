"""The values that travel through Gadolin; each is frozen and knows nothing of how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import GadolinError, printable

__all__ = [
    "JSON_FORMAT",
    "NOTICE",
    "NO_LESION",
    "SEQUENCES",
    "Failure",
    "Finding",
    "Prediction",
    "Record",
    "Slice",
    "slice_name",
]

NOTICE = "For research only. Not a medical device; not for diagnosis."
JSON_FORMAT = 2
"""Of all JSON answers; format 1 had no number, and other names for what was not taken and for subsets."""
NO_LESION = "none"
"""In place of an outline: the slice is known to show no lesion."""
SEQUENCES = ("T1", "T1c", "T2", "FLAIR", "PD")
"""MRI sequences; T1c is T1-weighted with contrast agent."""


@dataclass(frozen=True, slots=True)
class Record:
    """One picture of a data set: a row of the manifest.

    ``path`` is absolute or relative to the working folder. ``patient`` is set only where it is known;
    ``group`` joins pictures that must stay on one side of a split (copies of one slice, mirrored or not).
    ``split`` is one of "train", "validation", "test", or empty; ``digest`` is the SHA-256 of the file;
    ``outline`` the path of a mask of the slice's size, lesion where it is not zero, or of the slice's own file where
    that holds one, or ``NO_LESION``. ``frame`` numbers the slice within a file of several, from 0.
    ``sequence`` is one of ``SEQUENCES`` and ``institution`` where it was scanned; both are empty where unknown.
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
    frame: int | None = None
    sequence: str = ""
    institution: str = ""

    @property
    def outlined(self) -> bool:
        """Whether there is a mask of a lesion."""
        return self.outline not in ("", NO_LESION)

    @property
    def key(self) -> str:
        """The digest, with "#" and the frame where the file holds several slices: what the slice is known by."""
        return slice_name(self.digest, self.frame) if self.digest else ""

    @property
    def name(self) -> str:
        """The path, with "#" and the frame where the file holds several slices."""
        return slice_name(self.path.as_posix(), self.frame)


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One picture as a file holds it.

    ``pixels`` has shape (H, W), float32, in the file's own intensity units, not windowed.
    ``bits`` is the depth that the file declares (8 or 16): it names the scaling rule, the pixels never do.
    ``colour`` is true where the file shows true colours, which no MRI slice does. ``spacing_mm`` is the distance of
    rows and of columns, ``window`` the centre and width that the file asks to be shown with, in units of the pixels.
    ``sequence`` is the one of ``SEQUENCES`` that the file's header tells of, or empty.
    """

    pixels: NDArray[np.float32]
    bits: int = 8
    colour: bool = False
    spacing_mm: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    sequence: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one slice.

    ``probabilities`` maps each class, in the order of the bundle, to a calibrated float in [0, 1]; they sum to 1.
    ``label`` is the class that is named, or None where the model abstains; ``reason`` then says why and ``reason_code``
    names it: "colour_image", "several_slices", "out_of_distribution" or "low_confidence". Of a model that answers apart
    whether there is a tumour and of which kind, also "tumour_uncertain", "sequence_not_validated" (no tumour seen),
    "kind_uncertain" and "kind_not_validated" (of both, a tumour is suspected): ``p_tumour`` says how likely it is.
    ``model`` is the digest of the bundle that answered; ``frame`` numbers the slice in a file of several.
    ``p_tumour`` is the calibrated probability in [0, 1] that the slice shows a tumour of any kind, ``sequence`` the MRI
    sequence that the model recognises, one of ``SEQUENCES``, and ``validated`` whether the model was validated for this
    answer on that sequence. All three are None where the model does not give them. ``header_sequence`` is the sequence
    by the header of the file, or None; where the two differ, ``validated`` holds for both.
    """

    path: str
    probabilities: dict[str, float]
    label: str | None
    abstained: bool
    reason: str | None
    reason_code: str | None
    model: str
    frame: int | None = None
    sequence: str | None = None
    p_tumour: float | None = None
    validated: bool | None = None
    header_sequence: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the prediction as the documented JSON object (``docs/prediction.md``)."""
        return {
            "path": self.path,
            "frame": self.frame,
            "probabilities": self.probabilities,
            **self.verdict_json(),
            "model": self.model,
        }

    @property
    def remark(self) -> str:
        """Why no class is named, and that the file's header names another sequence, in words; empty where neither."""
        told = [self.reason] if self.reason else []
        if self.header_sequence and self.sequence and self.header_sequence != self.sequence:
            told.append(f"the picture looks like {self.sequence}, its header says {self.header_sequence}")
        return "; ".join(told)

    def _repr_html_(self) -> str:
        """Return the classes with their probabilities as a table, for notebooks."""
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{p:.3f}</td></tr>" for name, p in self.probabilities.items())
        answer = escape(self.label or f"no answer: {self.reason}")
        return f"<p><b>{answer}</b> {escape(self.path)}</p><table><tbody>{rows}</tbody></table><p>{NOTICE}</p>"

    def verdict_json(self) -> dict[str, object]:
        """Return the class that is named, or why none is, as it stands in JSON."""
        return {
            "label": self.label,
            "abstained": self.abstained,
            "reason_code": self.reason_code,
            "reason": self.reason,
            "sequence": self.sequence,
            "header_sequence": self.header_sequence,
            "p_tumour": self.p_tumour,
            "validated": self.validated,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """A file, or one slice of it, in whose place stands what is wrong with it.

    ``path`` is the name that was asked for, ``frame`` the slice in a file of several, ``error`` what went wrong.
    """

    path: str
    error: GadolinError
    frame: int | None = None

    @property
    def code(self) -> str:
        """The stable name of what went wrong."""
        return self.error.code

    @property
    def reason(self) -> str:
        """What went wrong, without the path."""
        return self.error.reason

    def __str__(self) -> str:
        """Return the path and what went wrong."""
        return f"{printable(self.path)}: {self.reason}"

    def as_json(self) -> dict[str, object]:
        """Return the failure as the documented JSON object (``docs/prediction.md``)."""
        return {"path": self.path, "frame": self.frame, "code": self.code, "error": str(self)}


def slice_name(path: str, frame: int | None) -> str:
    """Return what a slice is called in tables: its file, with "#" and its frame where the file holds several."""
    return path if frame is None else f"{path}#{frame}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a data set, or worth knowing of it.

    ``kind`` names the check; ``severity`` is "serious" (a figure measured on the data would mislead), "warning" or
    "note". ``message`` is one sentence of what was found, ``rule`` how it was found, ``remedy`` what to do.
    ``members`` are groups of slice names that belong together, such as the copies of one slice; ``score`` is what was
    measured, in the unit that the rule names, or None.
    """

    kind: str
    severity: str
    message: str
    rule: str
    remedy: str
    members: tuple[tuple[str, ...], ...] = ()
    score: float | None = None

    def as_json(self) -> dict[str, object]:
        """Return the finding as the documented JSON object (``docs/audit.md``)."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "rule": self.rule,
            "remedy": self.remedy,
            "members": [list(group) for group in self.members],
            "score": self.score,
        }
