"""Write a folder of synthetic slices in the layout of a public data set, with outlines and a manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError, suggestion
from gadolin.files.atomic import require_fresh, write_bytes, write_json, write_text
from gadolin.phantoms.faults import FAULTS, Row, plant
from gadolin.phantoms.patient import CLASSES, SMALLEST_SIZE, Phantom, draw_patient, require_at_least
from gadolin.pool import thread_pool
from gadolin.progress import Progress

__all__ = ["PhantomPlan", "write_phantoms"]

_MOST_WORKERS: Final = 4
_PNG_LEVEL: Final = 2


@dataclass(frozen=True, slots=True)
class PhantomPlan:
    """Parameters of a synthetic data set.

    ``patients`` is the number per class (2 or more), ``slices`` the number per patient (1 or more); ``size``
    is the side of a slice in pixels (64 or more); ``seed`` selects the population (0 or more).
    ``test_fraction``, between 0 and 1, is the share of patients of each class in Testing, with at least one
    patient in each split. ``faults`` are the faults to plant, any of FAULTS. With ``dicom``, which excludes
    faults, each patient is a DICOM series instead of PNG files.

    Raises RequestError for a value out of range, an unknown fault, or faults in DICOM series.
    """

    patients: int = 32
    slices: int = 4
    size: int = 256
    seed: int = 0
    test_fraction: float = 0.25
    faults: tuple[str, ...] = ()
    dicom: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        least = {"patients": 2, "slices": 1, "size": SMALLEST_SIZE, "seed": 0}
        for name, bound in least.items():
            require_at_least(name, getattr(self, name), bound)
        if not 0 < self.test_fraction < 1:
            raise RequestError(
                code="share_out_of_range",
                rule="test_fraction must lie between 0 and 1",
                got=f"got {self.test_fraction}",
                remedy="0.25 is usual",
            )
        for fault in self.faults:
            if fault not in FAULTS:
                known = ", ".join(FAULTS)
                raise RequestError(
                    code="fault_unknown",
                    rule=f"a fault must be one of {known}",
                    got=f"got {fault!r}{suggestion(fault, FAULTS)}",
                )
        if self.dicom and self.faults:
            raise RequestError(
                code="options_exclude_each_other",
                rule="faults are planted in PNG files only",
                got="got faults and DICOM series",
                remedy="leave out one of them",
            )


@dataclass(frozen=True, slots=True)
class _Task:
    label: str
    number: int
    split: str


def write_phantoms(folder: Path | str, plan: PhantomPlan, *, progress: Progress | None = None) -> Path:
    """Write the slices of ``plan`` below ``folder``, which must be new or empty; return its manifest.

    Slices go to ``Training/<class>/`` and ``Testing/<class>/``, split by patient, outlines (0 and 255) to
    ``outlines/``; a DICOM series has its own folder in that of its class. Planted faults are listed in
    ``faults.json``. ``manifest.csv`` is written last, so that a folder with a manifest is complete. The same plan
    gives the same bytes. ``progress`` is called in the calling thread with the number of slices written and their
    total.

    Raises DataError if the folder is not empty, OutputError if it cannot be written.
    """
    folder = Path(folder)
    require_fresh(folder)
    tasks = _tasks(plan)
    total = len(tasks) * plan.slices
    rows: list[Row] = []
    with thread_pool(_MOST_WORKERS) as pool:
        for written in pool.map(partial(_write_patient, folder, plan), tasks):
            rows += written
            if progress is not None:
                progress(len(rows), total, "drawing")
    if plan.faults:
        rows, planted = plant(folder, rows, plan.faults, seed=plan.seed)
        write_json(folder / "faults.json", planted)
    manifest = folder / "manifest.csv"
    write_text(manifest, _table(rows))
    return manifest


def _tasks(plan: PhantomPlan) -> list[_Task]:
    """Return one task per patient; patient numbers are unique across the classes."""
    held_out = min(max(math.floor(plan.patients * plan.test_fraction + 0.5), 1), plan.patients - 1)
    return [
        _Task(label, index * len(CLASSES) + order, "test" if index >= plan.patients - held_out else "train")
        for index in range(plan.patients)
        for order, label in enumerate(CLASSES)
    ]


def _write_patient(folder: Path, plan: PhantomPlan, task: _Task) -> list[Row]:
    rows = []
    part = "Testing" if task.split == "test" else "Training"
    drawn = draw_patient(task.label, task.number, seed=plan.seed, slices=plan.slices, size=plan.size)
    contents = _dicom(drawn) if plan.dicom else [_png(phantom.pixels) for phantom in drawn]
    for number, (phantom, content) in enumerate(zip(drawn, contents, strict=True)):
        name = f"{phantom.patient}-{number:02d}.png"
        path, outline = f"{part}/{task.label}/{name}", ""
        if plan.dicom:
            path = f"{part}/{task.label}/{phantom.patient}/{number:02d}.dcm"
        write_bytes(folder / path, content)
        if phantom.mask.any():
            outline = f"outlines/{name}"
            write_bytes(folder / outline, _png(phantom.mask.astype(np.uint8) * np.uint8(255)))
        digest = hashlib.sha256(content).hexdigest()
        rows.append(Row(path, task.label, phantom.patient, split=task.split, outline=outline, digest=digest))
    return rows


def _dicom(drawn: Sequence[Phantom]) -> list[bytes]:
    """Return the DICOM files of a patient's only series, in a study and frame of reference of its own."""
    from pydicom.uid import generate_uid

    from gadolin.phantoms.encode import DicomFacts, dicom_series  # its codecs are slow to import

    patient, label = drawn[0].patient, drawn[0].label
    study, series, frame = (
        str(generate_uid(entropy_srcs=[patient, label, what])) for what in ("study", "series", "frame")
    )
    more = {"StudyInstanceUID": study, "FrameOfReferenceUID": frame, "SeriesDescription": f"Phantom, {label}"}
    return dicom_series(drawn, DicomFacts(series=series, patient_id=patient, more=more))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    _, content = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])
    return content.tobytes()


def _table(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in sorted(rows, key=lambda row: row.path))
    return text.getvalue()
