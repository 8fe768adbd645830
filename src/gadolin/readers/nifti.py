"""NIfTI-1 and NIfTI-2 volumes, plain or gzipped: nibabel reads the header, the slices are views of the volume."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.orientations import apply_orientation, io_orientation
from numpy.typing import NDArray

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.contents import MAX_VOLUME_BYTES, Contents, check_size, require_finite
from gadolin.readers.inflate import inflate
from gadolin.records import Slice

__all__ = ["open_nifti"]

_PLANES: Final = {"sagittal": 0, "coronal": 1, "axial": 2}  # the axis that a slice of the plane is cut across
_GZIP = b"\x1f\x8b"
_STEP = 1 << 22  # voxels looked at in one go
_THICK = 1.5  # how much coarser than the others the axis of a stack of slices is


def open_nifti(content: bytes, plane: str = "acquired") -> Contents:
    """Return the slices of a volume, in canonical (RAS+) order along an axis, seen as radiologists see them.

    ``plane`` is axial, coronal, sagittal, or acquired: across the axis whose steps are 1.5 times coarser than the
    others, else axial. Axial slices go from foot to head, coronal ones from back to front, sagittal ones from left to
    right. Of a volume of four dimensions or more, all slices of the first volume come first, then those of the second.
    Raises ReadError for what is damaged, larger than its file, no numbers, or NaN.
    """
    try:
        volume = _volume(inflate(content, wbits=31) if content[:2] == _GZIP else content)
        axis = volume.thick_axis if plane == "acquired" else _PLANES[plane]
        return _contents(volume, axis)
    except ReadError:
        raise
    except Exception as error:
        raise DamagedFileError(
            code="damaged_file",
            rule=f"the NIfTI file is damaged ({' '.join(str(error).split())[:300]})",
            remedy="export it again or remove it",
        ) from error


@dataclass(frozen=True, eq=False)
class _Volume:
    """A volume in canonical order: ``values`` (X, Y, Z, N) as stored, ``spacing_mm`` along X, Y and Z."""

    values: NDArray[Any]
    slope: float
    intercept: float
    spacing_mm: tuple[float, float, float]

    @cached_property
    def thick_axis(self) -> int:
        order = np.argsort(self.spacing_mm)
        thickest, next_one = self.spacing_mm[order[2]], self.spacing_mm[order[1]]
        return int(order[2]) if thickest > _THICK * next_one else _PLANES["axial"]


def _volume(content: bytes) -> _Volume:
    header = _header(content)
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
            rule="a NIfTI volume must hold plain numbers",
            got=f"this one holds {kind}",
            remedy="export it as grey values",
        )
    count = int(np.prod([int(side) for side in shape], dtype=object))
    start = int(header["vox_offset"])
    there = len(content) - start
    if count * kind.itemsize > min(there, MAX_VOLUME_BYTES) or start < 348:
        raise DamagedFileError(
            code="file_not_whole",
            rule=f"a volume must be whole and at most {MAX_VOLUME_BYTES:,} bytes",
            got=(f"the header tells of {count * kind.itemsize:,} and the file holds {max(there, 0):,}"),
            remedy="fetch it again or cut it down",
        )
    stored = np.frombuffer(content, kind, count, start)
    if kind.kind == "f" and not all(
        np.isfinite(stored[first : first + _STEP]).all() for first in range(0, count, _STEP)
    ):
        raise ReadError(
            code="pixels_not_finite",
            rule="voxels must be finite numbers",
            got="this volume holds NaN or infinity",
            remedy="export it again",
        )
    stored = stored.reshape(shape, order="F")
    while stored.ndim < 3:
        stored = stored[..., np.newaxis]
    stored = stored.reshape((*stored.shape[:3], -1), order="F")
    slope, intercept = header.get_slope_inter()
    affine = header.get_best_affine()
    if not np.isfinite(affine).all():
        raise DamagedFileError(
            code="nifti_affine_invalid",
            rule="a NIfTI volume must say how it lies",
            got="this one's affine is not finite",
            remedy="export it again",
        )
    turn = io_orientation(affine)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    spacing = [0.0] * 3
    for axis, (target, _) in enumerate(turn):
        spacing[int(target)] = float(steps[axis])
    values = apply_orientation(stored, turn)
    scale = (1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept))
    return _Volume(values, *scale, (spacing[0], spacing[1], spacing[2]))


def _header(content: bytes) -> Any:
    kind = Nifti2Header if content[4:7] in (b"n+2", b"ni2") else Nifti1Header
    if content[344:347] == b"ni1" or content[4:7] == b"ni2":
        raise ReadError(
            code="nifti_header_alone",
            rule="a NIfTI volume must be one file",
            got="this is a header without its voxels",
            remedy="convert the pair to .nii.gz",
        )
    return kind.from_fileobj(io.BytesIO(content))


def _contents(volume: _Volume, axis: int) -> Contents:
    across, down = (1, 2) if axis == 0 else (0, 2) if axis == 1 else (0, 1)
    shape = volume.values.shape
    check_size(shape[across], shape[down])
    spacing = volume.spacing_mm
    plain = (volume.slope, volume.intercept) == (1.0, 0.0)
    eight = volume.values.dtype == np.uint8 and plain

    def decode(number: int) -> Slice:
        place = (slice(None),) * axis + (number % shape[axis], ..., number // shape[axis])
        flipped = volume.values[place].T[::-1, ::-1]  # head or front up; the patient's right on the left
        with np.errstate(all="ignore"):  # what is too large becomes infinite, which is refused
            scaled = flipped if plain else flipped * volume.slope + volume.intercept
            pixels = np.ascontiguousarray(scaled, np.float32)
        return Slice(
            pixels=pixels if plain and flipped.dtype.kind in "iu" else require_finite(pixels),
            bits=8 if eight else 16,
            spacing_mm=(spacing[down], spacing[across]) if min(spacing) > 0 else None,
        )

    return Contents(kind="NIfTI", slices=shape[axis] * shape[3], decode=decode)
