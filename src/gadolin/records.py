"""The frozen data classes that all packages of Gadolin exchange."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
    "Header",
    "Omitted",
    "Prediction",
    "Record",
    "Series",
    "Slice",
    "slice_name",
]

NOTICE = "For research only. Not a medical device; not for diagnosis."
JSON_FORMAT = 2
"""Version of every JSON output; version 1 had no number and used other keys for skipped files and subsets."""
NO_LESION = "none"
"""Value of ``Record.outline`` for a slice without a lesion."""
SEQUENCES = ("T1", "T1c", "T2", "FLAIR", "PD")
"""MRI sequences; T1c is T1-weighted with contrast agent."""


@dataclass(frozen=True, slots=True)
class Record:
    """One slice of a data set: a row of the manifest.

    ``path`` is absolute or relative to the working folder. ``patient`` is empty if unknown. ``group`` joins slices that
    must stay in one split (duplicates, mirrored or not). ``split`` is "train", "validation", "test" or empty.
    ``digest`` is the SHA-256 of the file. ``outline`` is the path of a mask with the size of the slice (lesion where
    not zero), the path of the slice's file if that holds the mask, or ``NO_LESION``. ``frame`` is the index of the
    slice in a multi-slice file, from 0. ``sequence`` is one of ``SEQUENCES``, ``institution`` the site of the scan;
    both are empty if unknown.
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
        """Identifier of the slice: the digest, with "#" and the frame in a multi-slice file."""
        return slice_name(self.digest, self.frame) if self.digest else ""

    @property
    def name(self) -> str:
        """The path, with "#" and the frame in a multi-slice file."""
        return slice_name(self.path.as_posix(), self.frame)


@dataclass(frozen=True, slots=True)
class Series:
    """The scanner's series that a DICOM slice belongs to, and its position there.

    ``key`` identifies the series (a digest of its UID). ``number`` and ``description`` are those of the header, None
    and empty if missing. ``position_mm`` increases towards the patient's head, front or right, along the normal of the
    slices, and is None if the header has no geometry; ``instance`` is the instance number.
    """

    key: str
    number: int | None = None
    description: str = ""
    position_mm: float | None = None
    instance: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about a slice: see ``Slice`` for each field."""

    sequence: str = ""
    series: Series | None = None
    orientation: str = ""
    spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One decoded slice.

    ``pixels`` has shape (H, W), float32, in the file's intensity units, not windowed.
    ``bits`` is the depth that the file declares (8 or 16); it selects the scaling rule, not the pixel range.
    ``colour`` is true for a colour image; MRI slices are greyscale. ``spacing_mm`` is the distance between rows and
    between columns, ``window`` the display window of the file (centre, width) in units of the pixels.
    ``sequence`` is the MRI sequence from the header, one of ``SEQUENCES``, or empty. ``series`` is the DICOM series, if
    any. ``orientation`` names what lies at the left, right, top and bottom edge, such as "RLAP" (R, L, A, P, S, I:
    right, left, anterior, posterior, superior, inferior), or is empty if unknown.
    """

    pixels: NDArray[np.float32]
    bits: int = 8
    colour: bool = False
    spacing_mm: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    sequence: str = ""
    series: Series | None = None
    orientation: str = ""

    @property
    def header(self) -> Header:
        """The facts about the slice that the file gives: sequence, series, orientation and spacing."""
        return Header(self.sequence, self.series, self.orientation, self.spacing_mm)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one slice.

    ``probabilities`` maps each class, in the order of the bundle, to a calibrated float in [0, 1]; they sum to 1.
    ``label`` is the predicted class, or None if the model abstains; ``reason`` then gives the cause and ``reason_code``
    its code: "colour_image", "several_slices", "out_of_distribution" or "low_confidence". A model that predicts tumour
    and kind of tumour separately also has "tumour_uncertain", "sequence_not_validated" (no tumour predicted),
    "kind_uncertain" and "kind_not_validated" (tumour suspected in both, see ``p_tumour``).
    ``model`` is the digest of the bundle; ``frame`` is the index of the slice in a multi-slice file.
    ``p_tumour`` is the calibrated probability in [0, 1] that the slice shows a tumour of any kind, ``sequence`` the MRI
    sequence that the model recognises, one of ``SEQUENCES``, and ``validated`` whether the model was validated for this
    prediction on that sequence. All three are None if the model does not provide them. ``header_sequence`` is the
    sequence from the header of the file, or None; if the two differ, ``validated`` holds for both. ``series``,
    ``orientation`` and ``spacing_mm`` are those of the ``Slice``, None if the file does not give them.
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
    series: Series | None = None
    orientation: str | None = None
    spacing_mm: tuple[float, float] | None = None

    def as_json(self) -> dict[str, object]:
        """Return the prediction as the documented JSON object (``docs/reference/json.md``)."""
        return {
            "path": self.path,
            "frame": self.frame,
            "probabilities": self.probabilities,
            **self.verdict_json(),
            "series": None if self.series is None else asdict(self.series),
            "orientation": self.orientation,
            "spacing_mm": None if self.spacing_mm is None else list(self.spacing_mm),
            "model": self.model,
        }

    @property
    def remark(self) -> str:
        """The reason to abstain, and any conflict between recognised and header sequence, as text; may be empty."""
        parts = [self.reason] if self.reason else []
        if self.header_sequence and self.sequence and self.header_sequence != self.sequence:
            parts.append(f"recognised as {self.sequence}, but the header gives {self.header_sequence}")
        return "; ".join(parts)

    def _repr_html_(self) -> str:
        """Return the classes with their probabilities as a table, for notebooks."""
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{p:.3f}</td></tr>" for name, p in self.probabilities.items())
        answer = escape(self.label or f"abstained: {self.reason}")
        return f"<p><b>{answer}</b> {escape(self.path)}</p><table><tbody>{rows}</tbody></table><p>{NOTICE}</p>"

    def verdict_json(self) -> dict[str, object]:
        """Return the JSON fields for the predicted class or the reason to abstain."""
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
    """The error for a file, or for one slice of it.

    ``path`` is the requested path, ``frame`` the index of the slice in a multi-slice file, ``error`` the cause.
    """

    path: str
    error: GadolinError
    frame: int | None = None

    @property
    def code(self) -> str:
        """The error code."""
        return self.error.code

    @property
    def reason(self) -> str:
        """The error text without the path."""
        return self.error.reason

    def __str__(self) -> str:
        """Return the path and the error text."""
        return f"{printable(self.path)}: {self.reason}"

    def as_json(self) -> dict[str, object]:
        """Return the failure as the documented JSON object (``docs/reference/json.md``)."""
        return {"path": self.path, "frame": self.frame, "code": self.code, "error": str(self)}


@dataclass(frozen=True, slots=True, eq=False)
class Omitted(Failure):
    """A file without a slice to classify, which is not an error: a localiser or an object that accompanies a series."""


def slice_name(path: str, frame: int | None) -> str:
    """Return the display name of a slice: its file, with "#" and the frame in a multi-slice file."""
    return path if frame is None else f"{path}#{frame}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of an audit.

    ``kind`` is the name of the check; ``severity`` is "serious" (metrics on the data would mislead), "warning" or
    "note". ``message`` describes the finding in one sentence, ``rule`` the method, ``remedy`` the fix.
    ``members`` are groups of slice names, such as the duplicates of one slice; ``score`` is the measured value in the
    unit that the rule gives, or None.
    """

    kind: str
    severity: str
    message: str
    rule: str
    remedy: str
    members: tuple[tuple[str, ...], ...] = ()
    score: float | None = None

    def as_json(self) -> dict[str, object]:
        """Return the finding as the documented JSON object (``docs/reference/json.md``)."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "rule": self.rule,
            "remedy": self.remedy,
            "members": [list(group) for group in self.members],
            "score": self.score,
        }
