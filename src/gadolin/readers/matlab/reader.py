"""MATLAB files as Figshare article 1512427 publishes them: a struct ``cjdata`` with a slice, its label and its mask.

``hdf5`` reads MATLAB 7.3 files, ``mat5`` older ones, since h5py and scipy crash on damaged files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.contents import Contents, background_for_nan, check_size
from gadolin.readers.matlab.hdf5 import read_group
from gadolin.readers.matlab.mat5 import read_struct
from gadolin.records import Slice

__all__ = ["LABELS", "open_mat"]

_FIELDS = ("image", "tumorMask", "label", "PID")
LABELS = {1: "meningioma", 2: "glioma", 3: "pituitary"}
_SPACING_MM = 0.49  # Cheng et al. 2015: every slice of this data set


@dataclass(frozen=True, slots=True, eq=False)
class _Figshare:
    """The content of ``cjdata``, oriented as displayed: image (H, W), mask (H, W) bool, label and patient."""

    image: NDArray[Any]
    mask: NDArray[np.bool_] | None
    label: str
    patient: str


def open_mat(content: bytes) -> Contents:
    """Return the slice of a Figshare file with label, published patient id and mask.

    Raises ReadError if ``cjdata`` or its image is missing or damaged.
    """
    try:
        found = _figshare(content)
    except ReadError:
        raise
    except Exception as error:
        raise DamagedFileError(
            code="damaged_file",
            rule="a .mat file must be intact",
            got=f"this one is damaged ({' '.join(str(error).split())[:300]})",
            remedy="fetch it again",
        ) from error
    if found.image.ndim != 2 or found.image.dtype.kind not in "iuf":
        raise DamagedFileError(
            code="mat_image_invalid",
            rule="cjdata.image must be a matrix of numbers",
            got=f"got {found.image.shape} {found.image.dtype}",
            remedy="fetch it again",
        )
    check_size(found.image.shape[1], found.image.shape[0])
    bits = 8 if found.image.dtype == np.uint8 else 16
    with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused
        pixels = background_for_nan(np.ascontiguousarray(found.image, np.float32))
    mask = found.mask

    def outline(_number: int) -> NDArray[np.bool_]:
        if mask is None or mask.shape != pixels.shape:
            raise DamagedFileError(
                code="outline_size_differs",
                rule="cjdata.tumorMask must have the size of the image",
                got=f"got {() if mask is None else mask.shape} and {pixels.shape}",
                remedy="fetch it again",
            )
        return mask

    return Contents(
        kind="Figshare .mat",
        slices=1,
        decode=lambda _: Slice(pixels, bits=bits, spacing_mm=(_SPACING_MM, _SPACING_MM)),
        label=found.label,
        outline=None if mask is None else outline,
        patient_id=found.patient,
    )


def _figshare(content: bytes) -> _Figshare:
    """Read ``cjdata`` of either file version; HDF5 stores matrices transposed and text as character codes."""
    old = content.startswith(b"MATLAB 5.0")
    fields, names = (read_struct if old else read_group)(content, "cjdata", _FIELDS)
    if fields is None or "image" not in fields:
        raise _no_slice(names)
    image, mask = fields["image"], fields.get("tumorMask")
    return _Figshare(
        image=image if old else image.T,
        mask=None if mask is None else (mask if old else mask.T) > 0,
        label=_label(fields["label"]) if "label" in fields else "",
        patient=_patient(fields["PID"].ravel()[:64]) if "PID" in fields else "",
    )


def _label(value: NDArray[Any]) -> str:
    """Return the class of a number, or "" for an unknown one, since the slice is still readable."""
    numbers = value.ravel()[:1]
    return LABELS.get(numbers[0], "") if numbers.size and numbers.dtype.kind in "iuf" else ""


def _patient(value: NDArray[Any]) -> str:
    """Return a patient id stored as text, character codes or one number, or ""."""
    if value.dtype.kind == "U":
        return "".join(map(str, value))
    if not value.size or not np.isfinite(value).all():
        return ""
    letters = value.dtype.kind in "iu" and value.min() >= 32 and value.max() < 127
    return "".join(chr(int(each)) for each in value) if letters else str(int(value[0])) if value.size == 1 else ""


def _no_slice(names: list[str]) -> ReadError:
    held = " ".join(", ".join(names[:5]).split())[:300] or "nothing"
    return ReadError(
        code="mat_without_slice",
        rule="a .mat file must hold cjdata with an image",
        got=f"this one holds {held}",
        remedy="leave it out",
    )
