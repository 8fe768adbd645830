"""Figshare article 1512427 (Cheng et al.): 3,064 slices with patients, outlines and folds, as MATLAB files."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path
from string import ascii_letters

from gadolin.datasets.download import Remote, download, fetch_json
from gadolin.datasets.manifest import file_digest, write_manifest
from gadolin.datasets.releases.release import Release
from gadolin.datasets.releases.unfinished import begin, finish
from gadolin.datasets.scan_result import Scan
from gadolin.datasets.unpack import unpack
from gadolin.errors import DataError, DownloadError, ReadError
from gadolin.files.atomic import write_bytes, write_json
from gadolin.files.folder_walk import Walker
from gadolin.progress import Progress
from gadolin.readers import open_file
from gadolin.readers.matlab.hdf5 import read_group
from gadolin.records import Failure, Record

__all__ = ["API", "FOLDS", "RELEASE", "fetch", "read_folds", "scan_mats", "slice_files"]

API = "https://api.figshare.com/v2"
RELEASE = Release(
    name="figshare-1512427",
    title="brain tumor dataset (3,064 T1-weighted contrast-enhanced slices of 233 patients)",
    licence="CC BY 4.0",
    citation="Jun Cheng. brain tumor dataset. figshare, 2017. doi:10.6084/m9.figshare.1512427; Jun Cheng et al. "
    "Enhanced Performance of Brain Tumor Classification via Tumor Region Augmentation and Partition. PLoS ONE "
    "10(10): e0140381, 2015",
    url="https://figshare.com/articles/dataset/brain_tumor_dataset/1512427",
    pinned="1512427",
    counts={("", "meningioma"): 708, ("", "glioma"): 1426, ("", "pituitary"): 930},
)
_ARCHIVES = tuple(f"brainTumorDataPublic_{span}.zip" for span in ("1-766", "767-1532", "1533-2298", "2299-3064"))
FOLDS = "cvind.mat"
_MOST_FOLDS = 1 << 20  # bytes of that file
_SLICE = re.compile(r"[1-9][0-9]{0,4}\.mat")
_MAX_BYTES = 1 << 30


def fetch(out: Path, *, progress: Progress | None = None, api: str = API, release: Release = RELEASE) -> Scan:
    """Fetch the four archives and the folds, unpack them to ``out/slices`` and write ``out/manifest.csv`` last.

    ``progress`` is called with (done, total, what), bytes in MB. ``api`` is the address of the Figshare API. Archives
    are deleted once unpacked; an interrupted fetch resumes where it stopped. Raises DataError if ``out`` is in use,
    DownloadError if Figshare cannot be reached or sends other data, OutputError if the files cannot be written.
    """
    work = begin(out, "figshare")
    for remote in _listing(f"{api}/articles/{release.pinned}/files"):
        if remote.name == FOLDS:
            download(remote, out / FOLDS, progress=_in_megabytes(progress))
            continue
        done = work / f"{remote.name}.done"
        if not done.exists():
            archive = work / remote.name
            download(remote, archive, progress=_in_megabytes(progress))
            unpack(archive, out / "slices", wanted=_SLICE, progress=progress)
            write_bytes(done, b"")
            archive.unlink()
    found = scan_mats(out, progress=progress)
    if found.errors or not release.holds(found.records):
        wrong = release.difference(found.records) or str(found.errors[0])
        raise DownloadError(
            code="release_differs",
            rule=f"{release.name} must hold {release.slices:,} slices",
            got=f"the unpacked data has {wrong}",
            remedy=f"check {release.url}, or empty {out} and fetch it again",
        )
    write_json(out / "source.json", release.as_json())
    write_manifest(out / "manifest.csv", found.records)
    finish(out)
    return replace(found, kind="manifest", release=release)


def slice_files(root: Path) -> list[Path]:
    """Return the slices N.mat in ``root``, in slices/ or in the folders of the unpacked archives, by number."""
    walker = Walker()
    top = walker.listing(root)
    inside = [each for each in top.all_folders if each.name.startswith(("slices", "brainTumorData"))]
    found = [*top.files, *(path for folder in inside for path in walker.listing(folder).files)]
    files = [path for path in found if _SLICE.fullmatch(path.name)]
    return sorted(files, key=lambda path: (int(path.stem), path.as_posix()))


def scan_mats(root: Path, *, progress: Progress | None = None) -> Scan:
    """Scan a folder of slices N.mat: label and patient from each file, the fold from ``cvind.mat`` if it exists.

    Raises DataError if there is no slice.
    """
    files = slice_files(root)
    folds = read_folds(root / FOLDS) if (root / FOLDS).is_file() else ()
    if folds and files and len(folds) < int(files[-1].stem):
        raise DataError(
            code="folds_incomplete",
            rule=f"{root / FOLDS} must hold the fold of every slice",
            got=f"it holds {len(folds)} and there is {files[-1].name}",
            remedy="fetch it again or remove it",
        )
    records: list[Record] = []
    skipped: list[Failure] = []
    for done, path in enumerate(files, start=1):
        number = int(path.stem)
        try:
            record = _record(path, folds[number - 1] if number <= len(folds) else None)
        except ReadError as error:
            skipped.append(Failure(str(path), error))
        else:
            records.append(record)
        if progress is not None:
            progress(done, len(files), "scanning")
    if not records:
        why = f"; the first: {skipped[0]}" if skipped else ""
        raise DataError(
            code="no_readable_slice",
            rule="a folder of slices must hold files such as 1.mat",
            got=f"{root} has none that can be read{why}",
            remedy="fetch it again",
        )
    return Scan(root, "mat", tuple(records), errors=tuple(skipped))


def read_folds(path: Path) -> tuple[int, ...]:
    """Return the fold of each slice, from 0, in the order of their numbers; raises DataError for anything else."""
    import numpy as np

    try:
        with path.open("rb") as file:
            fields, _ = read_group(file.read(_MOST_FOLDS), "", ["cvind"])
        table = (fields or {})["cvind"].ravel()
    except (OSError, LookupError, ValueError, struct.error) as error:
        raise DataError(
            code="folds_unreadable",
            rule=f"{path} must hold the folds as a table cvind",
            got=f"it does not ({error})",
            remedy="fetch it again or remove it",
        ) from error
    if not np.isin(table, range(1, 6)).all():
        raise DataError(
            code="folds_out_of_range",
            rule=f"{path} must hold folds from 1 to 5",
            got="it holds others",
            remedy="fetch it again or remove it",
        )
    return tuple(int(fold) - 1 for fold in table)


def _record(path: Path, fold: int | None) -> Record:
    """Return the record of a slice; ids that differ only by a final letter are visits of one person, a group."""
    opened = open_file(path)
    if not opened.label:
        raise ReadError(
            code="mat_label_missing",
            rule="a slice must store its class",
            got="this one does not",
            remedy="fetch it again",
            path=path,
        )
    return Record(
        path=path,
        label=opened.label,
        patient=opened.patient,
        group=f"person-{opened.patient.rstrip(ascii_letters)}" if opened.patient else "",
        source=RELEASE.name,
        fold=fold,
        outline=str(path) if opened.outlined else "",
        digest=file_digest(path),
    )


def _listing(url: str) -> list[Remote]:
    """Return the files to fetch, folds first; raises DownloadError unless each has address, size and checksum."""
    content = fetch_json(url)
    listed: dict[str, Remote] = {}
    for each in content if isinstance(content, list) else []:
        fields = each if isinstance(each, dict) else {}
        name, address, size = fields.get("name"), fields.get("download_url"), fields.get("size")
        md5 = str(fields.get("computed_md5") or fields.get("supplied_md5") or "").lower()
        if isinstance(address, str) and type(size) is int and 0 < size <= _MAX_BYTES and len(md5) == 32:
            listed[str(name)] = Remote(str(name), address, size, md5)
    missing = [name for name in (FOLDS, *_ARCHIVES) if name not in listed]
    if missing:
        raise DownloadError(
            code="listing_incomplete",
            rule=f"{url} must list {missing[0]} with its address, size and checksum",
            got="it does not",
            remedy=f"check {RELEASE.url}, the article may have changed",
        )
    return [listed[name] for name in (FOLDS, *_ARCHIVES)]


def _in_megabytes(progress: Progress | None) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total, what: progress(done // 1_000_000, total // 1_000_000, f"{what} (MB)")
