from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gadolin.checks import Dataset, FileFacts
from gadolin.datasets import Scan
from gadolin.duplicates import Copies, Copy
from gadolin.duplicates.registration import Overlay
from gadolin.records import Record
from gadolin.workflows.audit import audit

CLASSES = ("glioma", "notumor")


def facts(**given):
    """Return the facts of an ordinary image file; keywords replace fields."""
    usual = {
        "width": 256,
        "height": 256,
        "bits": 8,
        "mode": "L",
        "format": "PNG",
        "quality": None,
        "size_bytes": 20_000,
        "mean": 0.2,
        "border": 0.0,
        "deviation": 0.2,
        "black": 0.4,
        "white": 0.0,
        "used": 1.0,
        "colour": False,
        "inverted": False,
        "pixels": "",
    }
    return FileFacts(**(usual | given))


@pytest.fixture
def dataset():
    """Make a dataset of records given as mappings, without image files.

    "copy" is the duplicate group of a slice, "facts" are the facts of its file; "other" puts it in the other data set.
    """

    def make(*rows, pairs=(), unreadable=(), release=None):
        rows = sorted(rows, key=lambda row: "other" in row)
        own = sum("other" not in row for row in rows)
        records = [
            Record(
                path=Path(row.get("path", f"{number}.png")),
                label=row.get("label", CLASSES[number % 2]),
                patient=row.get("patient", ""),
                source=row.get("source", ""),
                split=row.get("split", ""),
                fold=row.get("fold"),
                outline=row.get("outline", ""),
                digest=row.get("digest", f"digest-{number}"),
            )
            for number, row in enumerate(rows)
        ]
        first = {}
        groups = [first.setdefault(row.get("copy", f"own-{number}"), number) for number, row in enumerate(rows)]
        told = [
            Copy(one, other, Overlay(0.99, mirrored, degrees, scale)) for one, other, mirrored, degrees, scale in pairs
        ]
        numbers = np.array(groups, np.int64)
        return Dataset(
            all_records=tuple(records),
            n_records=own,
            facts=tuple(facts(**{"pixels": str(number), **row.get("facts", {})}) for number, row in enumerate(rows)),
            slices=np.zeros((len(rows), 256, 256), np.uint8),
            copies=Copies(tuple(told), numbers, numbers),
            scan=Scan(Path("data"), "manifest", tuple(records[:own]), release=release),
            against=Scan(Path("other"), "manifest", tuple(records[own:])) if own < len(rows) else None,
            errors=tuple(unreadable),
        )

    return make


@pytest.fixture
def lay_out(small_phantoms, tmp_path):
    """Write phantoms to class folders, ``count`` of each class; more images may be added."""

    def make(folder="data", count=3, more=(), part="Training"):
        root = tmp_path / folder
        for label in CLASSES:
            (root / label).mkdir(parents=True)
            for path in sorted((small_phantoms / part / label).iterdir())[:count]:
                shutil.copy(path, root / label)
        for name, content in dict(more).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                Image.fromarray(np.asarray(content, np.uint8)).save(path)
        return root

    return make


@pytest.fixture
def kinds():
    """Audit a data set and return its findings by kind."""

    def run(data, against=None, **options):
        found = {}
        for finding in audit(data, against, **options).findings:
            found.setdefault(finding.kind, []).append(finding)
        return found

    return run


@pytest.fixture(scope="session")
def heads():
    """Draw grey ellipses with blotches on black, (count, 256, 256) uint8, that do not depend on a class."""

    def draw(count, seed=0, grey=120):
        random = np.random.default_rng(seed)
        drawn = np.zeros((count, 256, 256), np.uint8)
        for picture in drawn:
            middle, axes = (128, 128 + int(random.integers(-4, 5))), (int(random.integers(84, 95)), 112)
            cv2.ellipse(picture, middle, axes, 0, 0, 360, int(grey + random.integers(-15, 16)), -1)
            for _ in range(6):
                place = tuple(int(one) for one in random.integers(80, 176, 2))
                cv2.circle(picture, place, int(random.integers(6, 14)), int(grey + random.integers(-40, 41)), -1)
            picture += random.integers(0, 6, picture.shape, dtype=np.uint8)
        return drawn

    return draw
