"""Type of a DICOM object: slice, localiser, computed map, mosaic of slices, or no image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydicom import uid
from pydicom.dataset import Dataset

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.dicom.frames import Geometry
from gadolin.readers.dicom.functional_groups import first_texts
from gadolin.readers.dicom.values import numbers, one_line, texts
from gadolin.readers.planes import are_three_planes

__all__ = ["accompanying", "is_localiser", "is_mr_class", "no_slice_of", "require_one_slice", "without_pixels"]

_DICOMDIR: Final = "1.2.840.10008.1.3.10"
_BESIDE: Final = (  # prefixes of SOP classes (PS3.6, A) without slices
    *(f"1.2.840.10008.5.1.4.1.1.{rest}" for rest in (
        "11.", "88.", "104.", "9.", "66", "67", "68.", "30", "4.2", "481.", "90.", "200.", "201.",
    )),
    *(f"1.2.840.10008.5.1.4.{rest}" for rest in ("34.", "38.", "39.", "43.", "44.", "45.")),
    "1.2.840.10008.3.1.", "1.2.840.10008.1.40", "1.2.840.10008.1.9",
)  # fmt: skip
_BESIDE_MODALITIES: Final = frozenset((
    "SR", "PR", "KO", "DOC", "SEG", "REG", "FID", "RTSTRUCT", "RTDOSE", "RTPLAN", "RTRECORD", "RTINTENT", "RTSEGANN",
    "RTRAD", "RWV", "PLAN", "M3D", "ECG", "HD", "RESP", "EPS", "AU", "ANN", "SMR", "TEXTUREMAP", "CFM", "ASMT",
))  # fmt: skip
_MR: Final = frozenset(f"1.2.840.10008.5.1.4.1.1.4{rest}" for rest in ("", ".1", ".3", ".4"))
_LOCALISERS: Final = frozenset({"LOCALIZER", "LOCALISER", "SCOUT", "SURVEY"})
_MOSAICS: Final = frozenset({"MOSAIC", "VFRAME", "MONTAGE"})
_COMPONENTS: Final = {
    "P": "phase", "PHASE": "phase", "PHASE MAP": "phase", "VELOCITY MAP": "phase", "VELOCITY": "phase",
    "I": "imaginary", "IMAGINARY": "imaginary", "R": "real", "REAL": "real",
}  # fmt: skip
_GE_COMPONENTS: Final = {1.0: "phase", 2.0: "real", 3.0: "imaginary"}
_MAPS: Final = frozenset((
    "ADC", "EADC", "ADC UNSPECIFIED", "FA", "FRACTIONAL ANISOTROPY", "RELATIVE ANISOTROPY", "VOLUME RATIO", "TENSOR",
    "COLFA", "RCBV", "RELCBV", "RRCBV", "CBV", "NRCBV", "RCBF", "RELCBF", "CBF", "MTT", "RELMTT", "TTP", "PBP",
    "KTRANS", "T1 MAP", "T2 MAP", "T2STAR MAP", "T2 STAR MAP", "T2* MAP", "R1 MAP", "R2 MAP", "R2STAR MAP",
    "R2 STAR MAP", "R2* MAP", "PROTON DENSITY MAP", "FIELD MAP", "B0 MAP", "B1 MAP", "PERFUSION MAP", "METABOLITE MAP",
))  # fmt: skip


def accompanying(dataset: Dataset) -> ReadError | None:
    """Return the reason to skip an object that accompanies a series and shows no slice, or None."""
    kind = _sop_class(dataset)
    if dataset.file_meta.get("MediaStorageSOPClassUID") == _DICOMDIR or kind == _DICOMDIR:
        return ReadError(
            code="dicomdir",
            rule="a DICOMDIR lists files and holds no slice",
            remedy="pass the files or their folder",
        )
    modality = next(iter(texts(dataset, "Modality")), "").upper()
    if kind.startswith(_BESIDE) or modality in _BESIDE_MODALITIES:
        return _beside(one_line(uid.UID(kind).name if kind else modality))
    return None


def without_pixels(dataset: Dataset) -> ReadError:
    """Return the reason to skip an object without pixels; raise ReadError for an image that lost them."""
    kind = _sop_class(dataset)
    name = one_line(uid.UID(kind).name) if kind else "unknown"
    if not kind or "Image Storage" in name:
        raise DamagedFileError(
            code="no_pixels",
            rule="a DICOM file must hold pixels",
            got=f"this one ({name}) holds none",
            remedy="leave it out",
        )
    return _beside(name)


def is_mr_class(dataset: Dataset) -> bool:
    """Return whether the SOP class of an object is only for MR images."""
    return _sop_class(dataset) in _MR


def require_one_slice(dataset: Dataset, facts: list[Dataset]) -> None:
    """Raise ReadError if one image shows several slices; ``facts`` are of the first frame."""
    if _kinds(dataset, facts) & _MOSAICS or _tiles(dataset) > 1:
        raise ReadError(
            code="several_slices",
            rule="an image must show one slice",
            got="this one is a mosaic of several",
            remedy="export the slices one by one",
        )


def is_localiser(dataset: Dataset, facts: list[Dataset], geometry: Sequence[Geometry]) -> bool:
    """Return whether a file is a localiser: by its image type, or by three orthogonal planes.

    ``facts`` are of the first frame, ``geometry`` of all.
    """
    if len(geometry) > 2 and are_three_planes(each.direction for each in geometry):
        return True
    return bool(_kinds(dataset, facts) & _LOCALISERS)


def no_slice_of(dataset: Dataset, facts: list[Dataset]) -> ReadError | None:
    """Return why the frame of ``facts`` is not a slice to classify, or None.

    Phase, real and imaginary parts of the signal and computed parameter maps are refused.
    """
    kinds = _kinds(dataset, facts)
    parts = {_COMPONENTS[each] for each in kinds if each in _COMPONENTS}
    components = first_texts(facts, "ComplexImageComponent")
    parts |= {_COMPONENTS[each] for each in map(str.upper, components) if each in _COMPONENTS}
    if texts(dataset, (0x0043, 0x0010)) == ["GEMS_PARM_01"]:
        parts |= {_GE_COMPONENTS[each] for each in numbers(dataset, (0x0043, 0x102F))[:1] if each in _GE_COMPONENTS}
    if parts and "MAGNITUDE" not in components:
        return ReadError(
            code="complex_component",
            rule="a slice must show the magnitude of the signal",
            got=f"this one shows its {' and '.join(sorted(parts))} part",
            remedy="leave it out",
        )
    maps = kinds & _MAPS
    if maps:
        return ReadError(
            code="derived_map",
            rule="a slice must be an image of the head",
            got=f"this is a computed parameter map ({', '.join(sorted(maps))})",
            remedy="leave it out",
        )
    return None


def _beside(name: str) -> ReadError:
    return ReadError(
        code="accompanying_object",
        rule="a DICOM file must show a slice",
        got=f"this one ({name}) accompanies a series and shows none",
        remedy="leave it out",
    )


def _sop_class(dataset: Dataset) -> str:
    found = next(iter(texts(dataset, "SOPClassUID")), "")
    return found or str(dataset.file_meta.get("MediaStorageSOPClassUID") or "").strip(" \0")


def _kinds(dataset: Dataset, facts: list[Dataset]) -> set[str]:
    """Return the values of image type and frame type, normalised."""
    values = [*texts(dataset, "ImageType"), *first_texts(facts, "FrameType")]
    return {each.upper().replace("_", " ") for each in values}


def _tiles(dataset: Dataset) -> float:
    """Return the number of slices in a Siemens mosaic from its private header, else 1."""
    creators = [texts(dataset, (0x0019, block)) for block in range(0x10, 0x12)]
    if ["SIEMENS MR HEADER"] not in creators:
        return 1
    block = 0x10 + creators.index(["SIEMENS MR HEADER"])
    return next(iter(numbers(dataset, (0x0019, block << 8 | 0x0A))), 1.0)
