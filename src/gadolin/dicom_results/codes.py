"""The coded concepts of results: from PS3.16 where it has one, else from the private coding scheme of Gadolin."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from gadolin.datasets.labels import class_name, is_known, is_without_lesion
from gadolin.models.decision import TUMOUR_SUSPECTED
from gadolin.records import Prediction

__all__ = [
    "DECLINED_BECAUSE",
    "NEOPLASM",
    "PREDICTED_CLASS",
    "P_TUMOUR",
    "REPORT",
    "SEQUENCE",
    "class_code",
    "class_probability",
    "coding_scheme",
    "neoplasm_presence",
    "private",
    "reason_code",
]

SCHEME: Final = "99GADOLIN"
_MEANING: Final = 64  # characters of a code meaning (VR LO)

NEOPLASM: Final = codes.SCT.Neoplasm


def private(value: str, meaning: str) -> CodedConcept:
    """Return a concept of the private coding scheme."""
    return CodedConcept(value=value, scheme_designator=SCHEME, meaning=meaning[:_MEANING])


REPORT: Final = private("report", "Predictions of a model, for research only")
P_TUMOUR: Final = private("p_tumour", "Probability of any tumour")
PREDICTED_CLASS: Final = private("class", "Predicted class")
DECLINED_BECAUSE: Final = private("declined-because", "Reason for declining the slice")
SEQUENCE: Final = private("sequence", "MRI sequence that the model recognises")
_DETECTED: Final = private("detected", "Detected")
_NOT_DETECTED: Final = private("not-detected", "Not detected")


def coding_scheme() -> CodingSchemeIdentificationItem:
    """Return the declaration of the private coding scheme (PS3.3, C.12.1)."""
    return CodingSchemeIdentificationItem(
        designator=SCHEME, name="Gadolin private codes", responsible_organization="Gadolin"
    )


def class_code(label: str) -> CodedConcept:
    """Return the code of a class; PS3.16 has none for glioma, meningioma and pituitary tumour."""
    return private(_word(label), class_name(label))


def class_probability(label: str) -> CodedConcept:
    """Return the name of the measurement that holds the probability of a class."""
    return private(f"p-{_word(label)}", f"Probability of {class_name(label)}")


def reason_code(code: str) -> CodedConcept:
    """Return the code of a reason to decline a slice, such as "out_of_distribution"."""
    return private(code.replace("_", "-"), code.replace("_", " ").capitalize())


def neoplasm_presence(prediction: Prediction) -> CodedConcept:
    """Return detected, not detected, suspected (if only the kind is declined) or indeterminate.

    A class that Gadolin does not know, such as "sclerosis", is indeterminate: it may be no tumour.
    """
    if prediction.label is not None and is_known(prediction.label):
        return _NOT_DETECTED if is_without_lesion(prediction.label) else _DETECTED
    if prediction.reason_code in TUMOUR_SUSPECTED:
        return _concept(codes.SCT.Suspected)
    return _concept(codes.SCT.Indeterminate)


def _concept(code: Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme_designator, code.meaning)


def _word(text: str) -> str:
    """Return a code value for a name; other names have other ones, also those in other scripts."""
    word = re.sub(r"[^A-Za-z0-9.]+", "-", text)
    return word if word == text else f"{word}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
