"""A phantom series of which the packaged model names the tumour in most slices."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from gadolin.server.phantoms import EXAMPLES, phantom_picture

__all__ = ["write_answered_series"]


def write_answered_series(folder: Path, slices: int = 6) -> list[Path]:
    """Write the DICOM files of the series; return them in the order of their names."""
    content, _ = phantom_picture(EXAMPLES[0].label, EXAMPLES[0].seed, slices)
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        files.extractall(folder)
    return sorted(folder.iterdir())
