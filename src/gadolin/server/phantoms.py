"""Phantoms on request, to try the service without data."""

from __future__ import annotations

import io
import zipfile

import cv2

from gadolin.errors import suggestion
from gadolin.phantoms import CLASSES, Phantom, draw_patient
from gadolin.server.problems import ProblemError, invalid_field

__all__ = ["phantom_picture"]

_MAX_SERIES = 40
_SIDE = 256


def phantom_picture(label: str, seed: int, series: int) -> tuple[bytes, str]:
    """Return content and media type: a phantom as PNG, or a ZIP of ``series`` slices of one synthetic patient.

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
    if not 0 <= series <= _MAX_SERIES or not 0 <= seed < 2**31:
        raise invalid_field(
            rule=f"series must lie in 0 to {_MAX_SERIES} and seed in 0 to {2**31 - 1}", got=f"{series} and {seed}"
        )
    stack = draw_patient(label, seed, slices=max(series, 1), size=_SIDE)
    if not series:
        return _png(stack[len(stack) // 2]), "image/png"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, one in enumerate(stack):
            archive.writestr(f"phantom-{label}-{number:02d}.png", _png(one))
    return out.getvalue(), "application/zip"


def _png(phantom: Phantom) -> bytes:
    return bytes(cv2.imencode(".png", phantom.pixels)[1])
