"""The title of each check, for readers."""

from __future__ import annotations

__all__ = ["TITLES", "title_of"]

TITLES = {
    "shared_slices": "Leakage: slices in two parts",
    "shared_patients": "Leakage: patients in two parts",
    "label_conflicts": "Copies with more than one label",
    "vanishing_class": "Missing class",
    "too_few": "Too few slices",
    "near_copies": "Copies of slices",
    "pixel_identical": "Pixel-identical files",
    "byte_identical": "Byte-identical files",
    "giant_group": "Very large group of copies",
    "patient_labels": "Patients with more than one label",
    "patient_conflicts": "Copies with more than one patient",
    "half_patients": "Missing patients",
    "mixed": "Mixed data sets",
    "sources": "Source or size predicts the class",
    "balance": "Class imbalance",
    "unlisted": "Pictures missing from the manifest",
    "unreadable": "Unreadable files",
    "blank": "Blank pictures",
    "clipped": "Clipped pictures",
    "inverted": "Bright backgrounds",
    "coloured": "Colour images",
    "tiny": "Tiny pictures",
    "bad_outlines": "Unusable outlines",
    "release": "Known public release",
    "shortcuts": "Shortcut learning",
    "plane": "Imaging planes differ between classes",
    "label_errors": "Likely label errors",
    "drift": "Drift from the training data",
}


def title_of(kind: str) -> str:
    """Return the title of a check; that of a plug-in is its name in words."""
    return TITLES.get(kind, kind.replace("_", " ").capitalize())
