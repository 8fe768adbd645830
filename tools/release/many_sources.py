"""Manifest of several sources: Figshare, Kaggle's notumor, TCGA-LGG in four sequences, Br35H's tumours.

    python -m benchmarks run many_sources DATA --work FOLDER [--fold 4] [--institution CS] [--without lgg br35h]

DATA holds the folders figshare, kaggle, lgg and br35h. Figshare's folds are kept, and notumor slices are assigned to
them; fold ``--fold`` is the test part. The institution ``--institution`` of TCGA-LGG is held out for ``institutions``.
Left out are notumor slices that are CT or show another lesion (docs/notumor-by-eye.csv), and Br35H slices that are
duplicates of Kaggle images (so that results on Kaggle stay valid), are CT or show no tumour. The sequences of notumor
and Br35H were judged by eye, not by a radiologist (docs/tables/sequences-by-eye.csv). T2 is synthesised from T1 and
FLAIR.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2

from benchmarks.datasets import FOLDS, four_class_manifest, notumor_by_eye, slice_rows
from benchmarks.publish import ROOT
from gadolin.datasets.manifest import file_digest, read_manifest, write_manifest
from gadolin.duplicates import find_copies
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation
from gadolin.readers import read
from gadolin.records import NO_LESION, Record
from gadolin.splits import assign_folds, join_copies
from tools.release.made_t2 import made_t2

SEQUENCES_BY_EYE = ROOT / "docs" / "tables" / "sequences-by-eye.csv"
EXCLUDED = ("CT", "no tumour seen")  # among Br35H's tumours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/travel"))
    parser.add_argument("--fold", type=int, default=4)
    parser.add_argument("--institution", default="", help="institution of TCGA-LGG to hold out")
    parser.add_argument(
        "--without", nargs="*", default=[], choices=("lgg", "made-t2", "br35h"), help="sources to leave out"
    )
    arguments = parser.parse_args()
    path, held_out = sources_manifest(
        arguments.data,
        arguments.work,
        fold=arguments.fold,
        institution=arguments.institution,
        without=arguments.without,
    )
    counts = Counter((one.source, one.sequence, one.label, one.split) for one in read_manifest(path, verify=False))
    for key, count in sorted(counts.items()):
        print(count, *key)
    print(path, len(held_out), "held out")


def sources_manifest(
    data: Path, work: Path, *, fold: int, institution: str = "", without: Sequence[str] = ()
) -> tuple[Path, list[Record]]:
    """Write the manifest for one network; return its path and the records held out beside the test part."""
    records = [one for one in all_sources(data, work) if one.source not in without]
    held_out = [one for one in records if is_left_out(one, fold, institution)]
    kept = [replace(one, split=part_of(one, fold)) for one in records if not is_left_out(one, fold, institution)]
    name = "-".join(
        ["sources", f"fold{fold}", *([f"no-{institution}"] if institution else []), *(f"no-{one}" for one in without)]
    )
    path = work / f"{name}.csv"
    write_manifest(path, kept)
    return path, held_out


def is_left_out(record: Record, fold: int, institution: str) -> bool:
    """Return whether a record is held out: of the institution, or of the fold with an unknown kind of tumour."""
    return record.institution == (institution or None) or (record.label == "tumor" and record.fold == fold)


def part_of(record: Record, fold: int) -> str:
    """Return the split of a record: the fold is the test part; tumours of unknown kind are for training."""
    if record.fold == fold:
        return "test"
    return "train" if record.label == "tumor" else ""


def all_sources(data: Path, work: Path) -> list[Record]:
    """Return the records of all sources; their manifest is written once."""
    manifest = work / "every-source.csv"
    if not manifest.is_file():
        work.mkdir(parents=True, exist_ok=True)
        write_manifest(manifest, [*folded(data, work), *lgg(data), *made(data, work), *br35h(data)])
    with SEQUENCES_BY_EYE.open(newline="", encoding="utf-8") as file:
        seen = {row["digest"]: row["seen"] for row in csv.DictReader(file)}
    return [
        replace(one, sequence=one.sequence or seen.get(one.digest, ""))
        for one in read_manifest(manifest, verify=False)
        if seen.get(one.digest) not in EXCLUDED
    ]


def folded(data: Path, work: Path) -> list[Record]:
    """Return Figshare's slices and one notumor slice of each group of duplicates, with folds."""
    if not (work / "manifest.csv").is_file():
        four_class_manifest(data / "figshare", data / "kaggle", work)
    others = {row["digest"] for row in notumor_by_eye()}
    records = [one for one in read_manifest(work / "manifest.csv") if one.digest not in others]
    return [
        one if one.label == "notumor" else replace(one, source="figshare", sequence="T1c", institution="")
        for one in records
    ]


def lgg(data: Path) -> list[Record]:
    """Return the slices of TCGA-LGG."""
    return [
        Record(
            path=data / row["path"],
            label=row["label"],
            patient=row["patient"],
            source="lgg",
            outline=NO_LESION if row["outline"] == NO_LESION else str(data / row["outline"]),
            digest=file_digest(data / row["path"]),
            sequence=row["sequence"],
            institution=row["institution"],
        )
        for row in slice_rows(data / "lgg")
    ]


def made(data: Path, work: Path) -> list[Record]:
    """Write synthetic T2 for every slice of TCGA-LGG with T1 and FLAIR; return the records."""
    folder = work / "made-t2"
    folder.mkdir(exist_ok=True)
    slices: dict[str, dict[str, Record]] = defaultdict(dict)
    for record in lgg(data):
        slices[record.path.stem.rsplit("-", 1)[0]][record.sequence] = record
    records = []
    for name, found in slices.items():
        if {"T1", "FLAIR"} <= found.keys():
            path = folder / f"{name}-T2.png"
            cv2.imwrite(str(path), made_t2(*(read(found[one].path).pixels for one in ("T1", "FLAIR"))))
            source = found["FLAIR"]
            records.append(replace(source, path=path, source="made-t2", sequence="T2", digest=file_digest(path)))
    return records


def br35h(data: Path) -> list[Record]:
    """Return the tumours of Br35H that are no duplicates of Kaggle images, with folds; their kind is unknown."""
    records = [
        Record(
            path=data / row["path"],
            label="tumor",
            source="br35h",
            outline=str(data / row["outline"]) if row["outline"] else "",
            digest=file_digest(data / row["path"]),
        )
        for row in slice_rows(data / "br35h")
        if not row["kaggle_match"]
    ]
    copies = find_copies(prepared_slices(records, Preparation()).slices)
    return assign_folds(join_copies(records, copies.joined), FOLDS, seed=0)
