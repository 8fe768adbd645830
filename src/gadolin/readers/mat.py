"""MATLAB files as Figshare article 1512427 publishes them: a struct ``cjdata`` with a slice, its label and its mask.

MATLAB 7.3 files are HDF5 and read through h5py, older ones by ``mat5``: scipy crashes on damaged ones.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import MissingExtraError, ReadError
from gadolin.readers.contents import MAX_PIXELS, Contents, check_size, require_finite
from gadolin.readers.inflate import most_unpacked
from gadolin.readers.mat5 import read_struct
from gadolin.records import Slice

__all__ = ["LABELS", "open_mat"]

LABELS = {1: "meningioma", 2: "glioma", 3: "pituitary"}
_SPACING_MM = 0.49  # Cheng et al. 2015: every slice of this data set


@dataclass(frozen=True, slots=True, eq=False)
class _Figshare:
    """What ``cjdata`` holds, as a picture is seen: (H, W) of numbers, (H, W) bool, and the facts beside them."""

    image: NDArray[Any]
    mask: NDArray[np.bool_] | None
    label: str
    patient: str


def open_mat(content: bytes) -> Contents:
    """Return the slice of a Figshare file with label, patient id as published, and mask.

    Raises ReadError where there is no ``cjdata`` with an image, MissingExtraError without h5py.
    """
    try:
        found = _from_v5(content) if content.startswith(b"MATLAB 5.0") else _from_hdf5(content)
    except (ReadError, MissingExtraError):
        raise
    except Exception as error:
        msg = f"the .mat file is damaged ({' '.join(str(error).split())[:300]}); fetch it again or remove it"
        raise ReadError(msg) from error
    if found.image.ndim != 2 or found.image.dtype.kind not in "iuf":
        msg = f"cjdata.image must be a matrix of numbers, got {found.image.shape} {found.image.dtype}; fetch it again"
        raise ReadError(msg)
    check_size(found.image.shape[1], found.image.shape[0])
    bits = 8 if found.image.dtype == np.uint8 else 16
    pixels = require_finite(np.ascontiguousarray(found.image, np.float32))
    mask = found.mask
    if mask is not None and mask.shape != pixels.shape:
        msg = f"cjdata.tumorMask must have the size of the image, got {mask.shape} and {pixels.shape}; fetch it again"
        raise ReadError(msg)
    return Contents(
        kind="Figshare .mat",
        slices=1,
        decode=lambda _: Slice(pixels, bits=bits, spacing_mm=(_SPACING_MM, _SPACING_MM)),
        label=found.label,
        outline=None if mask is None else lambda _: mask,
        patient_id=found.patient,
    )


def _from_hdf5(content: bytes) -> _Figshare:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(package="h5py", extra="mat") from error
    with h5py.File(io.BytesIO(content), "r") as file:
        group = file.get("cjdata")
        if not isinstance(group, h5py.Group) or "image" not in group:
            raise _no_slice(sorted(file.keys()))
        mask = group.get("tumorMask")
        return _Figshare(
            image=_matrix(group["image"]).T,
            mask=None if mask is None else _matrix(mask).T > 0,
            label=_label(_matrix(group["label"])) if "label" in group else "",
            patient="".join(chr(int(code)) for code in _matrix(group["PID"]).ravel()[:64]) if "PID" in group else "",
        )


def _matrix(found: Any) -> NDArray[Any]:
    """Return a data set's values; its size is compared with what the file holds of it before they are read."""
    size, stored = found.size * found.dtype.itemsize, 0 if found.external else found.id.get_storage_size()
    if found.dtype.kind not in "iufb" or found.size > MAX_PIXELS or not stored or size > most_unpacked(stored):
        msg = (
            f"a field of cjdata must hold at most {MAX_PIXELS:,} numbers, all in this file, got {found.size:,} of type "
            f"{found.dtype} in {stored:,} bytes; fetch it again"
        )
        raise ReadError(msg)
    return np.asarray(found[()])


def _from_v5(content: bytes) -> _Figshare:
    fields, names = read_struct(content, "cjdata")
    if fields is None or "image" not in fields:
        raise _no_slice(names)
    mask = fields.get("tumorMask")
    return _Figshare(
        image=fields["image"],
        mask=None if mask is None else mask > 0,
        label=_label(fields["label"]) if "label" in fields else "",
        patient="".join(str(each) for each in fields["PID"].ravel()[:64]) if "PID" in fields else "",
    )


def _label(value: NDArray[Any]) -> str:
    number = int(value.ravel()[0])
    if number not in LABELS:
        msg = f"cjdata.label must be one of {LABELS}, got {number}; fetch the file again"
        raise ReadError(msg)
    return LABELS[number]


def _no_slice(names: list[str]) -> ReadError:
    held = ", ".join(names[:5]) or "nothing"
    return ReadError(f"a .mat file must hold cjdata with an image, this one holds {held}; leave it out")
