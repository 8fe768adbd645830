"""NIfTI-1 and NIfTI-2 volumes, plain or gzipped; nibabel reads the header, and slices are views of the volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from numpy.typing import NDArray

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.contents import Contents, check_size, left_out, require_finite, require_frame
from gadolin.readers.decompress import inflate
from gadolin.readers.nifti.header import orientation_of, read_header, scale_of, stored_of
from gadolin.readers.nifti.values import Background, Voxels, background_of, no_picture, require_grey, require_numbers
from gadolin.records import Slice

__all__ = ["open_nifti"]

_PLANES: Final = {"sagittal": 0, "coronal": 1, "axial": 2}  # the axis perpendicular to the plane
_EDGES: Final = ("APSI", "RLSI", "RLAP")  # of a slice across each axis: left, right, top and bottom
_GZIP = b"\x1f\x8b"
_THICK = 1.5  # ratio of slice spacing to pixel spacing in a stack of slices


def open_nifti(content: bytes, plane: str = "acquired") -> Contents:
    """Return the slices of a volume, in canonical (RAS+) order along an axis, in radiological view.

    ``plane`` is axial, coronal, sagittal, or acquired: perpendicular to the axis whose voxels are over 1.5 times
    longer than the others, else axial. Axial slices go from foot to head, coronal ones from back to front, sagittal
    ones from left to right. With four or more dimensions, the slices of one volume follow those of another. NaN and a
    constant bright background become black. Folder reading skips label and statistic maps. Raises ReadError for
    damaged, truncated, non-numeric or infinite content.
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
            rule="a NIfTI file must be intact",
            got=f"this one is damaged ({' '.join(str(error).split())[:300]})",
            remedy="export it again or remove it",
        ) from error


@dataclass(frozen=True, eq=False)
class _Volume:
    """A volume: ``voxels`` as stored, ``values`` (X, Y, Z, N) in canonical order, both not rescaled.

    ``spacing_mm`` is along X, Y and Z, or None; ``holes`` is true if some voxels are NaN, ``oriented`` if the header
    declares the orientation.
    """

    voxels: Voxels
    values: NDArray[Any]
    slope: float
    intercept: float
    spacing_mm: tuple[float, float, float] | None
    holes: bool
    oriented: bool
    omit: ReadError | None

    @cached_property
    def backgrounds(self) -> list[Background]:
        return background_of(self.voxels, self.slope, self.intercept, holes=self.holes)

    @cached_property
    def thick_axis(self) -> int:
        single = [axis for axis in range(3) if self.values.shape[axis] == 1]
        if len(single) == 1:
            return single[0]
        spacing = self.spacing_mm or (1.0, 1.0, 1.0)
        order = np.argsort(spacing)
        thickest, next_one = spacing[order[2]], spacing[order[1]]
        return int(order[2]) if thickest > _THICK * next_one else _PLANES["axial"]


def _volume(content: bytes) -> _Volume:
    header = read_header(content)
    stored = stored_of(content, header)
    holes = require_numbers(stored)
    slope, intercept = scale_of(header)
    voxels = Voxels(stored)
    omit = no_picture(voxels, int(header["intent_code"]))
    if omit is None:
        require_grey(voxels, slope, intercept)
    orientation = orientation_of(header)
    turn = io_orientation(orientation.affine)
    spacing = [0.0] * 3
    for axis, (target, _) in enumerate(turn):
        spacing[int(target)] = orientation.steps_mm[axis] if orientation.steps_mm else 0.0
    return _Volume(
        voxels=voxels,
        values=apply_orientation(stored, turn),
        slope=slope,
        intercept=intercept,
        spacing_mm=(spacing[0], spacing[1], spacing[2]) if orientation.steps_mm else None,
        holes=holes,
        oriented=orientation.declared,
        omit=omit,
    )


def _contents(volume: _Volume, axis: int) -> Contents:
    across, down = (1, 2) if axis == 0 else (0, 2) if axis == 1 else (0, 1)
    shape = volume.values.shape
    check_size(shape[across], shape[down])
    spacing = volume.spacing_mm
    plain = (volume.slope, volume.intercept) == (1.0, 0.0)
    eight = volume.values.dtype == np.uint8 and plain

    def cut(number: int) -> NDArray[Any]:
        place = (slice(None),) * axis + (number % shape[axis], ..., number // shape[axis])
        return volume.values[place].T[::-1, ::-1]  # head or front up; the patient's right on the left

    def decode(number: int) -> Slice:
        flipped = cut(number)
        with np.errstate(all="ignore"):  # overflow becomes infinite, which is refused
            scaled = flipped if plain else flipped * volume.slope + volume.intercept
            pixels = np.ascontiguousarray(scaled, np.float32)
        for each in volume.backgrounds:
            pixels = np.where(each.mask(flipped), np.float32(each.shown), pixels)
        return Slice(
            pixels=pixels if plain and flipped.dtype.kind in "iu" else require_finite(pixels),
            bits=8 if eight else 16,
            spacing_mm=(spacing[down], spacing[across]) if spacing else None,
            orientation=_EDGES[axis] if volume.oriented else "",
        )

    slices = shape[axis] * shape[3]

    def outline(number: int) -> NDArray[np.bool_]:
        require_frame(number, slices, "NIfTI")
        labels = cut(number)
        return np.asarray((labels != 0) & (labels == labels))  # NaN is not a label

    if volume.omit is None:
        return Contents("NIfTI", slices, decode)
    nothing = left_out("NIfTI", volume.omit)
    return replace(nothing, outline=outline) if volume.omit.code == "label_map" else nothing
