"""Storage and orientation of a NIfTI volume."""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from numpy.typing import NDArray

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.contents import MAX_VOLUME_BYTES

__all__ = ["Orientation", "orientation_of", "read_header", "scale_of", "stored_of"]

_QUIET: Final = logging.getLogger("gadolin.nibabel")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False
_CODES: Final = ("sform_code", "qform_code")
_UNITS_MM: Final = {1: 1000.0, 3: 0.001}  # metres and micrometres; any other code means millimetres
_SPACING_MM: Final = (0.01, 100.0)
_LONGEST_VOXEL: Final = 20.0  # largest ratio of its sides
_FLAT: Final = 0.01  # of the volume of an orthogonal voxel: below it the axes are degenerate


@dataclass(frozen=True, slots=True, eq=False)
class Orientation:
    """The affine (4, 4) from voxels to the body, ``declared`` or assumed, and the voxel size in mm, or None."""

    affine: NDArray[np.float64]
    steps_mm: tuple[float, float, float] | None
    declared: bool


def read_header(content: bytes) -> Any:
    """Return the header of a NIfTI file; raise ReadError for a header without voxels."""
    second = content[4:7] in (b"n+2", b"ni2")
    if content[344:347] == b"ni1" or content[4:7] == b"ni2":
        raise ReadError(
            code="nifti_header_alone",
            rule="a NIfTI volume must be one file",
            got="this is a header without voxels",
            remedy="convert the pair to .nii.gz",
        )
    kind: Any = Nifti2Header if second else Nifti1Header
    header = kind(_with_offset(content, second=second), check=False)  # the extensions after it are not needed
    codes = {name: int(header[name]) for name in _CODES}
    header.check_fix(logger=_QUIET)
    for name, code in codes.items():  # an unknown code still declares a transform
        header[name] = min(abs(code), 1)
    return header


def stored_of(content: bytes, header: Any) -> NDArray[Any]:
    """Return the stored voxels, (X, Y, Z, N), as a view of the file; raise ReadError if it is incomplete."""
    shape, kind = header.get_data_shape(), header.get_data_dtype()
    if not 2 <= len(shape) <= 7 or min(shape) < 1:
        raise DamagedFileError(
            code="nifti_shape_invalid",
            rule="a NIfTI volume must have 2 to 7 dimensions of 1 or more",
            got=f"this one has {shape}",
            remedy="export it again",
        )
    if kind.kind not in "iuf":
        raise ReadError(
            code="nifti_type_unfit",
            rule="a NIfTI volume must hold real numbers",
            got=f"this one holds {kind}",
            remedy="export it as grey values",
        )
    count = int(np.prod([int(side) for side in shape], dtype=object))
    start = int(header["vox_offset"])
    if start == 352 and len(content) == 348 + count * kind.itemsize:
        start = 348  # as old programs write it, without the extension flags
    present = len(content) - start
    if count * kind.itemsize > min(present, MAX_VOLUME_BYTES) or start < 348:
        raise DamagedFileError(
            code="file_not_whole",
            rule=f"a volume must be complete and at most {MAX_VOLUME_BYTES:,} bytes",
            got=f"the header declares {count * kind.itemsize:,} and the file holds {max(present, 0):,}",
            remedy="fetch it again or crop it",
        )
    stored = np.frombuffer(content, kind, count, start).reshape(shape, order="F")
    while stored.ndim < 3:
        stored = stored[..., np.newaxis]
    return stored.reshape((*stored.shape[:3], -1), order="F")


def scale_of(header: Any) -> tuple[float, float]:
    """Return slope and intercept; (1, 0) if the slope is 0 or not finite."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0:
        return 1.0, 0.0
    return slope, intercept if np.isfinite(intercept) else 0.0


def orientation_of(header: Any) -> Orientation:
    """Return the orientation of a volume from its sform, else from its qform, else from its voxel size alone.

    Raises ReadError if it declares transforms but none is valid.
    """
    found = None
    if int(header["sform_code"]) > 0:
        found = _valid(header.get_sform())
    if found is None and int(header["qform_code"]) > 0:
        found = _qform(header)
    if found is None and int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0:
        steps = np.abs(np.array(header.get_zooms()[:3], np.float64))
        given = steps.size == 3 and bool(np.isfinite(steps).all()) and float(steps.min()) > 0
        return Orientation(np.diag([-1.0, 1.0, 1.0, 1.0]), _steps_mm(steps, header) if given else None, declared=False)
    if found is None:
        raise DamagedFileError(
            code="nifti_affine_invalid",
            rule="a NIfTI volume must declare its orientation",
            got="neither sform nor qform of this one is valid",
            remedy="export it again",
        )
    return Orientation(found, _steps_mm(np.linalg.norm(found[:3, :3], axis=0), header), declared=True)


def _qform(header: Any) -> NDArray[np.float64] | None:
    try:
        return _valid(header.get_qform())
    except Exception:  # noqa: BLE001  # nibabel raises any exception
        return None


def _valid(affine: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return an affine with three independent axes, or None."""
    axes = np.asarray(affine, np.float64)[:3, :3]
    if not np.isfinite(affine).all():
        return None
    steps = np.linalg.norm(axes, axis=0)
    if not np.isfinite(steps).all() or float(steps.min()) <= 0:
        return None
    return np.asarray(affine, np.float64) if abs(np.linalg.det(axes / steps)) > _FLAT else None


def _steps_mm(steps: NDArray[np.float64], header: Any) -> tuple[float, float, float] | None:
    x, y, z = (float(step) * _UNITS_MM.get(int(header["xyzt_units"]) & 7, 1.0) for step in steps)
    plausible = all(_SPACING_MM[0] <= step <= _SPACING_MM[1] for step in (x, y, z))
    return (x, y, z) if plausible and max(x, y, z) <= _LONGEST_VOXEL * min(x, y, z) else None


def _with_offset(content: bytes, *, second: bool) -> bytes:
    """Return the header bytes, with the minimum voxel offset of a single file if none is declared."""
    size, place, form, least = (540, 168, "q", 544) if second else (348, 108, "f", 352)
    little = content[:4] in (struct.pack("<i", 348), struct.pack("<i", 540))
    order = "<" if little else ">"
    head = content[:size]
    declared = struct.unpack_from(order + form, head, place)[0] if len(head) == size else least
    if declared in (0, size) or declared != declared:
        return head[:place] + struct.pack(order + form, least) + head[place + struct.calcsize(form) :]
    return head
