"""What holds for the answers of any DICOM series, from files or from uploads; imports neither pydicom nor highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gadolin.errors import GadolinError, ReadError, RequestError
from gadolin.explanations import Explanation, explain
from gadolin.explanations.trust import is_reliable
from gadolin.models.bundle import Bundle
from gadolin.models.predictor import Predictor
from gadolin.records import Failure, Prediction, Slice

__all__ = [
    "MOST_SLICES",
    "duplicate_instance",
    "nothing_to_answer",
    "outlined_classes",
    "predicted_lesion",
    "too_many_slices",
]

MOST_SLICES: Final = 2000
"""Slices of one series that are answered; a report of more is too large for viewers."""


def outlined_classes(bundle: Bundle) -> frozenset[str]:
    """Return the classes whose predicted lesions are outlined: those for which that was measured to be reliable."""
    return frozenset(label for label in bundle.classes if is_reliable(bundle, "evidence", label))


def predicted_lesion(predictor: Predictor, image: Slice, prediction: Prediction) -> Explanation | None:
    """Return the evidence for the predicted class, with an outline.

    It is None if there is no such class or no head, if the model has no outlines for the class, or if they were not
    measured to be reliable.
    """
    if prediction.label is None or not is_reliable(predictor.bundle, "evidence", prediction.label):
        return None
    try:
        found = explain(predictor, image, method="evidence", label=prediction.label)
    except RequestError:  # no head in the slice
        return None
    return None if found.outline is None else found


def duplicate_instance() -> ReadError:
    """Return the error of a file with the SOP Instance UID of an earlier one."""
    return ReadError(
        code="duplicate_instance",
        rule="each image counts once",
        got="an earlier file holds the same SOP Instance UID",
        remedy="remove one of the two",
    )


def too_many_slices() -> RequestError:
    """Return the error of a series with more than ``MOST_SLICES``."""
    return RequestError(
        code="too_many_slices_in_series",
        rule=f"results are made of at most {MOST_SLICES:,} slices of one series",
        got="got more",
        remedy="give a part of the series",
    )


def nothing_to_answer(failures: Sequence[Failure]) -> GadolinError:
    """Return the first error of the files, or that there are none."""
    if failures:
        return failures[0].error
    return RequestError(
        code="no_slice_to_answer",
        rule="results need one readable slice or more",
        got="got none",
        remedy="give the files of a DICOM series",
    )
