"""TCGA-LGG as prepared by Buda et al.: one folder per patient, TIFF with three sequences as channels, and a mask.

``TCGA_CS_4941_19960909/TCGA_CS_4941_19960909_11.tif`` holds T1, FLAIR and T1 with contrast agent of slice 11, and
``..._11_mask.tif`` the FLAIR abnormality. The channel of a missing sequence repeats FLAIR (Buda, Saha and
Mazurowski, "Association of genomic subtypes of lower-grade gliomas with shape features", 2019).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from gadolin.datasets.manifest import file_digest
from gadolin.datasets.scan_result import Scan
from gadolin.errors import DataError, ReadError
from gadolin.files.folder_walk import Walker
from gadolin.progress import Progress
from gadolin.readers import naming, one_of, open_file, read
from gadolin.records import NO_LESION, Failure, Record

__all__ = ["is_lgg", "mask_of", "scan_lgg"]

_CHANNELS = ("T1", "FLAIR", "T1c")
_FLAIR = _CHANNELS.index("FLAIR")
_PATIENT = re.compile(r"(?P<patient>TCGA_(?P<institution>[A-Z0-9]{2})_[A-Z0-9]{4})_\d{8}")
_SLICE = re.compile(r"(?P<stem>.+)_(?P<number>\d+)\.tif")
_APART = 2  # minimum distance, in slices, of a slice without a tumour from one with a tumour

_NEAR_A_TUMOUR = DataError(
    code="near_a_lesion",
    rule=f"a slice without an outline counts as tumour-free if it is {_APART} or more slices from an outlined one",
    got="this one is nearer",
)


def is_lgg(root: Path) -> bool:
    """Return whether ``root`` holds patient folders with TCGA names, with masks beside the slices."""
    first = next((one for one in Walker().listing(root).folders if _PATIENT.fullmatch(one.name)), None)
    return first is not None and any(one.name.endswith("_mask.tif") for one in Walker().listing(first).files)


def scan_lgg(root: Path, *, progress: Progress | None = None) -> Scan:
    """Scan such a folder: each sequence of each slice is a record, glioma if its mask is not empty.

    A slice with an empty mask counts as tumour-free if it is two or more slices from one with a tumour; nearer ones are
    skipped. A missing mask or an unreadable slice is an error.
    """
    folders = [one for one in Walker().listing(root).folders if _PATIENT.fullmatch(one.name)]
    records: list[Record] = []
    errors: list[Failure] = []
    left_out: list[Failure] = []
    for done, folder in enumerate(folders, start=1):
        slices = _slices(folder)
        marked = {}
        for number, path in slices.items():
            try:
                marked[number] = bool((read(mask_of(path)).pixels > 0).any())
            except ReadError as error:
                errors.append(Failure(str(path), error))
        for number, tumour in sorted(marked.items()):
            near = any(marked.get(number + step) for step in range(1 - _APART, _APART))
            if near and not tumour:
                left_out.append(Failure(str(slices[number]), _NEAR_A_TUMOUR))
                continue
            try:
                records += _sequences(slices[number], tumour=tumour)
            except ReadError as error:
                errors.append(Failure(str(slices[number]), error))
        if progress is not None:
            progress(done, len(folders), "scanning")
    if not records:
        raise DataError(
            code="no_readable_slice",
            rule="a data set must hold readable images",
            got=f"{root} holds none",
            remedy=str(errors[0]) if errors else "fetch it again",
        )
    return Scan(root, "channels", tuple(records), {}, tuple(errors), tuple(left_out))


def _slices(folder: Path) -> dict[int, Path]:
    """Return the slices of a patient by number."""
    found = {path: _SLICE.fullmatch(path.name) for path in Walker().listing(folder).files}
    return {int(name["number"]): path for path, name in found.items() if name}


def mask_of(path: Path) -> Path:
    """Return the path of the mask of a slice."""
    return path.with_name(f"{path.stem}_mask.tif")


def _sequences(path: Path, *, tumour: bool) -> Iterator[Record]:
    """Yield a record for each available sequence of a slice."""
    patient = _PATIENT.fullmatch(path.parent.name)
    assert patient, "only patient folders are scanned"
    whole = Record(
        path=path,
        label="glioma" if tumour else "notumor",
        patient=patient["patient"],
        source="lgg",
        outline=str(mask_of(path)) if tumour else NO_LESION,
        digest=file_digest(path),
        institution=patient["institution"],
    )
    contents = open_file(path)
    with naming(path):
        pixels = [one_of(contents, frame).pixels for frame in range(len(_CHANNELS))]
    for frame, sequence in enumerate(_CHANNELS):
        if frame == _FLAIR or not np.array_equal(pixels[frame], pixels[_FLAIR]):
            yield replace(whole, frame=frame, sequence=sequence)
