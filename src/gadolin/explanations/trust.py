"""How far an explanation can be trusted: what its method scored on slices with outlines, as the bundle keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gadolin.explanations.explanation import Explanation
from gadolin.models.bundle import Bundle

__all__ = ["SCORES_FILE", "nothing", "told", "trust"]

SCORES_FILE = "explanations.json"
FEW = 10
"""Slices below which a share says little; of a size of lesions it is then not told."""


def told(bundle: Bundle, one: Explanation) -> dict[str, Any]:
    """Return what JSON says of an explanation beside its heat; the hottest place is null where heat is 0 everywhere."""
    row, column = (int(place) for place in np.unravel_index(one.heat.argmax(), one.heat.shape))
    return {
        "method": one.method,
        "class": one.label,
        "probability": round(one.probability, 6),
        "samples": one.samples,
        "settings": one.settings,
        "hottest": [row, column] if one.heat.any() else None,
        "trust": trust(bundle, one.method, one.label) if one.heat.any() else nothing(one.method, one.label),
    }


def nothing(method: str, label: str) -> str:
    """Return what stands in place of :func:`trust` for a map that is 0 everywhere."""
    said = f"{method} shows nothing here: no place of this slice speaks for or against {label} by itself."
    return f"{said} Such a class is named where little speaks for the others." if method == "evidence" else said


def trust(bundle: Bundle, method: str, label: str) -> str:
    """Return one sentence on how often a method's hottest pixel lay in the lesion for slices named ``label``.

    Sizes of lesions are told apart where enough slices were scored; that of the lesion at hand nobody knows.
    """
    scores = _scores(bundle.folder)
    found = scores.get("methods", {}).get(method, {}).get(label)
    if not found:
        return (
            f"How often {method} points at the lesion of a slice named {label} was not measured for this model; "
            "gadolin score-explanations measures it."
        )
    prior = scores["methods"].get("centre", {}).get(label)
    few = " (too few to be sure)" if found["n"] < FEW else ""
    said = (
        f"On {found['n']} outlined slices named {label}{few}, the hottest pixel of {method} lay in the lesion in "
        f"{100 * found['pointing']:.0f} %{_by_size(found.get('sizes', {}))}"
    )
    if prior is None:
        return f"{said}."
    than = f"the middle of the head does in {100 * prior['pointing']:.0f} %"
    return f"{said}; {than}{': do not trust it' if found['pointing'] <= prior['pointing'] else ''}."


def _by_size(sizes: dict[str, dict[str, float]]) -> str:
    told = [f"{size} {100 * one['pointing']:.0f} %" for size, one in sizes.items() if one["n"] >= FEW]
    return f" ({', '.join(told)})" if len(told) > 1 else ""


def _scores(folder: Path) -> dict[str, Any]:
    path = folder / SCORES_FILE
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
