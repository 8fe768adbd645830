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
from gadolin.phantoms.patient import CLASSES, SMALLEST_SIZE, draw_patient, require_at_least
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
    patient in each split. ``faults`` are the faults to plant, any of FAULTS.

    Raises RequestError for a value out of range or an unknown fault.
    """

    patients: int = 32
    slices: int = 4
    size: int = 256
    seed: int = 0
    test_fraction: float = 0.25
    faults: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class _Task:
    label: str
    number: int
    split: str


def write_phantoms(folder: Path, plan: PhantomPlan, *, progress: Progress | None = None) -> Path:
    """Write the slices of ``plan`` below ``folder``, which must be new or empty; return its manifest.

    Slices go to ``Training/<class>/`` and ``Testing/<class>/``, split by patient, outlines (0 and 255) to
    ``outlines/``; planted faults are listed in ``faults.json``. ``manifest.csv`` is written last, so that a
    folder with a manifest is complete. The same plan gives the same bytes. ``progress`` is called in the
    calling thread with the number of slices written and their total.

    Raises DataError if the folder is not empty, OutputError if it cannot be written.
    """
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
    for number, phantom in enumerate(drawn):
        name = f"{phantom.patient}-{number:02d}.png"
        path, outline = f"{part}/{task.label}/{name}", ""
        content = _png(phantom.pixels)
        write_bytes(folder / path, content)
        if phantom.mask.any():
            outline = f"outlines/{name}"
            write_bytes(folder / outline, _png(phantom.mask.astype(np.uint8) * np.uint8(255)))
        digest = hashlib.sha256(content).hexdigest()
        rows.append(Row(path, task.label, phantom.patient, split=task.split, outline=outline, digest=digest))
    return rows


def _png(pixels: NDArray[np.uint8]) -> bytes:
    _, content = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])
    return content.tobytes()


def _table(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in sorted(rows, key=lambda row: row.path))
    return text.getvalue()
