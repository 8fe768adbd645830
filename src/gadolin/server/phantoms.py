"""Phantoms on request, to try the service without data."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
from fastapi import Query

from gadolin.errors import suggestion
from gadolin.phantoms import CLASSES, Phantom, draw_patient
from gadolin.server.problems import ProblemError, invalid_field

__all__ = ["EXAMPLES", "Example", "PhantomLabel", "PhantomSeed", "PhantomSeries", "phantom_picture"]

_MAX_SERIES = 40
_MAX_SEED = 2**31 - 1
_SIDE = 256
_SERIES_UID = "1.2.826.0.1.3680043.8.498"

# The bounds are only described here: phantom_picture checks them, with an error that names the remedy.
PhantomLabel = Annotated[
    str, Query(description="The class that the phantom is drawn with.", json_schema_extra={"enum": list(CLASSES)})
]
PhantomSeed = Annotated[
    int,
    Query(
        description="Number of the patient; the same seed gives the same phantom.",
        json_schema_extra={"minimum": 0, "maximum": _MAX_SEED},
    ),
]
PhantomSeries = Annotated[
    int,
    Query(
        description="Number of slices in a ZIP archive of a DICOM series; 0 for one slice as PNG.",
        json_schema_extra={"minimum": 0, "maximum": _MAX_SERIES},
    ),
]


@dataclass(frozen=True, slots=True)
class Example:
    """A phantom that the page offers first: its class and seed, the packaged model's answer, and why it is shown.

    ``declined`` is whether the packaged model declines it.
    """

    label: str
    seed: int
    declined: bool
    why: str


EXAMPLES = (
    Example("meningioma", 103, declined=False, why="The model names the class that this phantom was drawn with."),
    Example(
        "meningioma",
        12,
        declined=True,
        why="This phantom is declined on purpose: its contrast is unlike that of the scans that the model was trained "
        "on, so even a high probability would mean nothing.",
    ),
)


def phantom_picture(label: str, seed: int, series: int) -> tuple[bytes, str]:
    """Return content and media type: a phantom as PNG, or a ZIP of a DICOM series of ``series`` slices of one patient.

    Raises ProblemError (422) for an unknown class or too many slices.
    """
    if label not in CLASSES:
        raise ProblemError(
            422,
            code="field_invalid",
            rule=f"label must be one of {', '.join(CLASSES)}",
            got=f"got {label[:40]!r}{suggestion(label[:40], CLASSES)}",
            remedy="correct it",
        )
    if not 0 <= series <= _MAX_SERIES or not 0 <= seed <= _MAX_SEED:
        raise invalid_field(
            rule=f"series must lie in 0 to {_MAX_SERIES} and seed in 0 to {_MAX_SEED}", got=f"{series} and {seed}"
        )
    stack = draw_patient(label, seed, slices=max(series, 1), size=_SIDE)
    if not series:
        return bytes(cv2.imencode(".png", stack[len(stack) // 2].pixels)[1]), "image/png"
    return _archive(stack, seed), "application/zip"


def _archive(stack: Sequence[Phantom], seed: int) -> bytes:
    """Return a ZIP of a DICOM series, with the geometry of the plane that was drawn."""
    from gadolin.phantoms.encode import DicomFacts, dicom_series  # its codecs are slow to import

    label = stack[0].label
    facts = DicomFacts(
        series=f"{_SERIES_UID}.{CLASSES.index(label) + 1}.{seed + 1}",
        more={"SeriesNumber": seed, "SeriesDescription": f"Phantom, {label}"},
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, content in enumerate(dicom_series(stack, facts), 1):
            archive.writestr(f"phantom-{label}-{number:02d}.dcm", content)
    return out.getvalue()
