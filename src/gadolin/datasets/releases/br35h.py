"""Br35H: 3,000 slices with and without a tumour, in folders named yes and no."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gadolin.datasets.releases.kaggle import fetch_pinned
from gadolin.datasets.releases.release import SEE_THE_PAGE, Release
from gadolin.datasets.scan_result import Scan, in_order_of_path
from gadolin.errors import DataError
from gadolin.progress import Progress
from gadolin.records import Failure

__all__ = ["RELEASE", "fetch", "without_extras"]

_FOLDERS = ("yes", "no")
_EXTRAS = {"pred", "Br35H-Mask-RCNN"}
_BESIDE = DataError(
    code="not_in_release", rule="a slice of this release must be in the folder yes or no", got="this one is beside them"
)

RELEASE = Release(
    name="br35h",
    title="Br35H :: Brain Tumor Detection 2020 (3,000 slices)",
    licence=SEE_THE_PAGE,
    citation="Ahmed Hamada. Br35H :: Brain Tumor Detection 2020. Kaggle, 2020",
    url="https://www.kaggle.com/datasets/ahmedhamada0/brain-tumor-detection",
    pinned="ahmedhamada0/brain-tumor-detection/versions/12",
    counts={("", "tumor"): 1500, ("", "notumor"): 1500},
)


def fetch(out: Path, *, progress: Progress | None = None) -> Scan:
    """Fetch the folders yes and no of the pinned version into ``out``; see ``kaggle.fetch_pinned``."""
    return fetch_pinned("br35h", RELEASE, out, _FOLDERS, progress=progress)


def without_extras(found: Scan, release: Release = RELEASE) -> Scan:
    """Drop the extra files of the release beside its two classes: unlabelled slices, and copies with boxes.

    The scan is unchanged unless the folders yes and no hold exactly the release.
    """
    if found.kind != "classes":
        return found
    base = found.base or found.root
    top = {record.path: record.path.relative_to(base).parts[0] for record in found.records}
    kept = tuple(record for record in found.records if top[record.path] in _FOLDERS)
    if not set(top.values()) - set(_FOLDERS) <= _EXTRAS or not release.holds(kept):
        return found
    renamed = {old: new for old, new in found.renamed.items() if old in _FOLDERS}
    skipped = tuple(each for each in found.errors if not _is_extra(Path(each.path), base))
    beside = [Failure(str(record.path), _BESIDE) for record in found.records if top[record.path] not in _FOLDERS]
    beside += [each for each in found.errors if each not in skipped]
    omitted = in_order_of_path([*found.left_out, *beside])
    return replace(found, records=kept, renamed=renamed, errors=skipped, left_out=omitted)


def _is_extra(path: Path, base: Path) -> bool:
    return path.is_relative_to(base) and path.relative_to(base).parts[:1] in [(name,) for name in _EXTRAS]
