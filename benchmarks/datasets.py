"""Manifests and tables of the public collections that the benchmarks use.

Figshare is a folder with ``images/N.jpg`` and ``annotations.csv`` (number,label,patient,person,fold,border); the Kaggle
set has the folders ``Training`` and ``Testing``; TCGA-LGG, Br35H and the external hospitals have a ``slices.csv``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.results import ROOT
from gadolin.datasets import scan
from gadolin.datasets.manifest import file_digest, read_manifest, write_manifest
from gadolin.duplicates import find_copies
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation
from gadolin.records import NO_LESION, Record
from gadolin.splits import assign_folds, join_copies, transfer_patients

FOLDS = 5
NOTUMOR_BY_EYE = ROOT / "docs" / "notumor-by-eye.csv"


def figshare_manifest(figshare: Path, work: Path, fold: int, unread: Sequence[int] = ()) -> Path:
    """Write the manifest of Figshare and the outlines as masks; return the path of the manifest.

    Fold ``fold`` is the test part, the folds ``unread`` are left out.
    """
    csv.field_size_limit(10_000_000)
    with (figshare / "annotations.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["fold"]) not in unread]
    records = []
    (work / "outlines").mkdir(parents=True, exist_ok=True)
    for row in rows:
        picture = figshare / "images" / f"{row['number']}.jpg"
        mask = np.zeros((512, 512), np.uint8)
        cv2.fillPoly(mask, [np.rint(np.array(json.loads(row["border"]))).astype(np.int32)], 255)
        outline = work / "outlines" / f"{row['number']}.png"
        cv2.imwrite(str(outline), mask)
        records.append(
            Record(
                path=picture,
                label=row["label"],
                patient=row["person"],
                source="figshare-1512427",
                split="test" if int(row["fold"]) == fold else "train",
                fold=int(row["fold"]),
                outline=str(outline),
                digest=file_digest(picture),
            )
        )
    write_manifest(work / "manifest.csv", records)
    return work / "manifest.csv"


def four_class_manifest(figshare: Path, kaggle: Path, work: Path) -> None:
    """Write Figshare's records with their folds, and the first notumor slice of each group of duplicates in Kaggle.

    The notumor slices are assigned to the same folds; duplicates stay in one fold.
    """
    tumours = [replace(one, split="") for one in read_manifest(figshare_manifest(figshare, work, fold=0))]
    without = [replace(one, split="", source="kaggle") for one in scan(kaggle).records if one.label == "notumor"]
    slices = prepared_slices([*tumours, *without], Preparation()).slices
    copies = find_copies(slices)
    first = np.unique(copies.groups, return_index=True)[1].tolist()
    joined = join_copies([*tumours, *without], copies.joined)
    kept = [joined[row] for row in sorted({*range(len(tumours)), *first})]
    folded = [
        replace(one, outline=NO_LESION) if one.label == "notumor" else one for one in assign_folds(kept, FOLDS, seed=0)
    ]
    write_manifest(work / "manifest.csv", folded)


def kaggle_manifest(kaggle: Path, figshare: Path, manifest: Path) -> None:
    """Write the manifest of the Kaggle set; slices that Figshare has too take over its patients."""
    records, known = scan(kaggle).records, scan(figshare).records
    copies = find_copies(*(prepared_slices(each, Preparation()).slices for each in (records, known)))
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_manifest(manifest, transfer_patients(records, known, copies))


def slice_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a collection's ``slices.csv``."""
    with (folder / "slices.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def notumor_by_eye() -> list[dict[str, str]]:
    """Return the notumor slices that are CT or show another lesion, judged by eye: picture, digest, seen."""
    with NOTUMOR_BY_EYE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
