"""The Kaggle data set of 7,023 slices, its later release of 7,200, and the download of pinned versions."""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from gadolin.datasets.layouts.folders import scan_folder
from gadolin.datasets.manifest import write_manifest
from gadolin.datasets.releases.release import Release
from gadolin.datasets.releases.unfinished import begin, finish
from gadolin.datasets.scan_result import Scan
from gadolin.errors import DownloadError, MissingExtraError, OutputError
from gadolin.files.atomic import write_json
from gadolin.progress import Progress

__all__ = ["RELEASE_7023", "RELEASE_7200", "fetch_7023", "fetch_7200", "fetch_pinned"]

_CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
_SLUG = "masoudnickparvar/brain-tumor-mri-dataset"
_URL = f"https://www.kaggle.com/datasets/{_SLUG}"
_PARTS = ("Training", "Testing")

RELEASE_7023 = Release(
    name="kaggle-7023",
    title="Brain Tumor MRI Dataset, version 1 (7,023 slices)",
    licence="CC0 1.0 (public domain)",
    citation="Msoud Nickparvar. Brain Tumor MRI Dataset. Kaggle, 2021. doi:10.34740/KAGGLE/DSV/2645886",
    url=_URL,
    pinned=f"{_SLUG}/versions/1",
    counts=dict(zip(product(("train",), _CLASSES), (1321, 1339, 1595, 1457), strict=True))
    | dict(zip(product(("test",), _CLASSES), (300, 306, 405, 300), strict=True)),
)
RELEASE_7200 = Release(
    name="kaggle-7200",
    title="Brain Tumor MRI Dataset, version 2 (7,200 slices)",
    licence="CC0 1.0 (public domain)",
    citation="Msoud Nickparvar. Brain Tumor MRI Dataset, version 2. Kaggle, 2026",
    url=_URL,
    pinned=f"{_SLUG}/versions/2",
    counts={(part, name): 1400 if part == "train" else 400 for part, name in product(("train", "test"), _CLASSES)},
)


def fetch_7023(out: Path, *, progress: Progress | None = None) -> Scan:
    """Fetch version 1 into ``out``; see ``fetch_pinned``."""
    return fetch_pinned("kaggle", RELEASE_7023, out, _PARTS, progress=progress)


def fetch_7200(out: Path, *, progress: Progress | None = None) -> Scan:
    """Fetch version 2 into ``out``; see ``fetch_pinned``."""
    return fetch_pinned("kaggle-7200", RELEASE_7200, out, _PARTS, progress=progress)


def fetch_pinned(
    source: str, release: Release, out: Path, folders: Sequence[str], *, progress: Progress | None = None
) -> Scan:
    """Fetch a release's pinned version through kagglehub and copy its ``folders`` into ``out``.

    kagglehub has its own cache, in which an interrupted download resumes. The copy is checked against the counts of the
    release; ``out/manifest.csv`` is written last. Raises MissingExtraError without kagglehub, DataError if ``out`` is
    in use, DownloadError if Kaggle cannot be reached or sends another data set, OutputError for a full disk.
    """
    download = _kagglehub()
    work = begin(out, source)
    cached = _inside(_downloaded(download, release), folders, release)
    fresh = work / "copy"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        for number, name in enumerate(folders):
            shutil.copytree(cached / name, fresh / name)
            if progress is not None:
                progress(number + 1, len(folders), f"copying {name}")
    except OSError as error:
        raise _unwritable(out, error) from error
    seen = scan_folder(fresh, progress=progress)
    if not release.holds(seen.records):
        raise DownloadError(
            code="release_differs",
            rule=f"{release.pinned} must hold the {release.slices:,} slices of {release.name}",
            got=f"the download has {release.difference(seen.records)}",
            remedy=f"clear kagglehub's cache at {cached} and fetch it again",
        )
    try:
        for name in folders:
            shutil.rmtree(out / name, ignore_errors=True)
            (fresh / name).rename(out / name)
    except OSError as error:
        raise _unwritable(out, error) from error
    records = tuple(
        replace(each, path=out / each.path.relative_to(fresh), source=release.name) for each in seen.records
    )
    write_json(out / "source.json", release.as_json())
    write_manifest(out / "manifest.csv", records)
    finish(out)
    return Scan(out, "manifest", records, seen.renamed, seen.errors, release=release)


def _kagglehub() -> Callable[[str], str]:
    """Return the download function of kagglehub, with its standard output redirected to standard error."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            import kagglehub
    except ModuleNotFoundError as error:
        if error.name != "kagglehub":
            raise
        raise MissingExtraError(package="kagglehub", extra="fetch") from error
    download: Callable[[str], str] = kagglehub.dataset_download
    return download


def _downloaded(download: Callable[[str], str], release: Release) -> Path:
    log = logging.getLogger("kagglehub")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return Path(download(release.pinned))
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            where = error.filename or "kagglehub's cache"
            raise _unwritable(Path(where), error) from error
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise DownloadError(
            code="download_incomplete",
            rule=f"{release.pinned} must be downloaded from Kaggle",
            got=f"the download failed ({why})",
            remedy=f"run the same command again to resume, or check {release.url}",
        ) from error
    finally:
        log.setLevel(level)


def _inside(cached: Path, folders: Sequence[str], release: Release) -> Path:
    """Return the folder that contains ``folders``: ``cached`` or one of its subfolders."""
    for base in (cached, *(sorted(each for each in cached.iterdir() if each.is_dir()))):
        if all((base / name).is_dir() for name in folders):
            return base
    raise DownloadError(
        code="release_differs",
        rule=f"{release.pinned} must hold the folders {', '.join(folders)}",
        got="the download does not",
        remedy=f"clear kagglehub's cache at {cached} and fetch it again",
    )


def _unwritable(path: Path, error: OSError) -> OutputError:
    first = error.args[0][0] if isinstance(error, shutil.Error) else ("", "", error.strerror or error)  # of all copies
    return OutputError(
        code="unwritable", rule=f"cannot write {path}: {first[2]}", remedy="free space, then run the same command again"
    )
