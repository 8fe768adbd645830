"""Map the label spellings of public data sets to canonical class names."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["canonical", "class_name", "is_any_tumour", "is_known", "is_without_lesion", "lesion_classes"]

_WITHOUT_LESION = "notumor"
_ANY_TUMOUR = "tumor"
_ALIASES = {
    "notumor": ("no", "none", "healthy", "normal", "notumour", "nontumor", "nontumour", "notumors"),
    "glioma": ("gliomatumor", "gliomatumour", "gliomas"),
    "meningioma": ("meningiomatumor", "meningiomatumour", "meningiomas"),
    "pituitary": ("pituitarytumor", "pituitarytumour", "pituitaryadenoma", "pituitarytumors"),
    "tumor": ("yes", "tumour"),
}
_NAMES = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}


def canonical(label: str) -> str:
    """Return the canonical class name of a label ("no_tumor" -> "notumor"); an unknown label is returned unchanged."""
    return _NAMES.get(_plain(label), label)


def is_known(label: str) -> bool:
    """Return whether ``label`` is a spelling of a known class."""
    return _plain(label) in _NAMES


def is_without_lesion(label: str) -> bool:
    """Return whether ``label`` names the class without lesion, in any spelling."""
    return canonical(label) == _WITHOUT_LESION


def class_name(label: str) -> str:
    """Return the name of a class for readers: "no tumour" for the class without lesion, else the label."""
    return "no tumour" if is_without_lesion(label) else label


def lesion_classes(classes: Sequence[str]) -> tuple[int, ...]:
    """Return the indices of the tumour classes: all but the class without lesion."""
    return tuple(number for number, label in enumerate(classes) if not is_without_lesion(label))


def is_any_tumour(label: str) -> bool:
    """Return whether ``label`` names the class "tumor", a tumour of unspecified kind, in any spelling."""
    return canonical(label) == _ANY_TUMOUR


def _plain(label: str) -> str:
    return re.sub(r"[\s_-]", "", label.lower())
