"""How reliable an explanation is: the scores of its method on slices with outlines, as stored in the bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gadolin.datasets.labels import class_name
from gadolin.explanations.explanation import Explanation
from gadolin.models.bundle import Bundle

__all__ = ["SCORES_FILE", "explanation_json", "hit_rates", "is_reliable", "no_evidence_note", "trust"]

SCORES_FILE = "explanations.json"
FEW = 10
"""Number of slices below which a rate is uncertain; for a lesion size it is then omitted."""
ENOUGH = 20
"""Number of outlined slices from which a hit rate can show that outlines of a class are reliable."""


def explanation_json(bundle: Bundle, one: Explanation) -> dict[str, Any]:
    """Return the JSON fields of an explanation without its heat; ``hottest`` is null if no heat is above 0."""
    return {
        "method": one.method,
        "class": one.label,
        "probability": round(one.probability, 6),
        "samples": one.samples,
        "settings": one.settings,
        "hottest": list(one.hottest) if one.hottest else None,
        "trust": trust(bundle, one.method, one.label) if one.heat.any() else no_evidence_note(one.method, one.label),
    }


def no_evidence_note(method: str, label: str) -> str:
    """Return the sentence that replaces :func:`trust` for a map that is 0 everywhere."""
    name = class_name(label)
    text = f"The {method} map is zero everywhere: no region of this slice is evidence for or against {name}."
    return (
        f"{text} This class is predicted if there is little evidence for the others." if method == "evidence" else text
    )


def trust(bundle: Bundle, method: str, label: str) -> str:
    """Return one sentence on how often a method's hottest pixel was in the lesion, on slices predicted as ``label``.

    Rates by lesion size are added if enough slices were scored; the size of the lesion in the given slice is unknown.
    """
    name = class_name(label)
    scores = _scores(bundle.folder)
    found = scores.get("methods", {}).get(method, {}).get(label)
    if not found:
        return (
            f"The reliability of {method} on slices predicted as {name} was not measured for this model; "
            "gadolin score-explanations measures it."
        )
    prior = scores["methods"].get("centre", {}).get(label)
    few = " (too few to be sure)" if found["n"] < FEW else ""
    text = (
        f"On {found['n']} outlined slices predicted as {name}{few}, the hottest pixel of {method} was in the lesion "
        f"in {100 * found['pointing']:.0f} %{_by_size(found.get('sizes', {}))}"
    )
    if prior is None:
        return f"{text}."
    baseline = f"the centre of the head was in {100 * prior['pointing']:.0f} %"
    return f"{text}; {baseline}{': do not trust it' if found['pointing'] <= prior['pointing'] else ''}."


def hit_rates(bundle: Bundle) -> dict[str, dict[str, dict[str, float]]]:
    """Return by method and class how many outlined slices were scored (``n``) and the hit rate (``pointing``).

    The rate lies in [0, 1]. The method "centre" guesses the centre of the head. Empty if nothing was measured.
    """
    methods = _scores(bundle.folder).get("methods", {})
    return {
        name: {label: {key: one[key] for key in ("n", "pointing")} for label, one in by_class.items()}
        for name, by_class in methods.items()
    }


def is_reliable(bundle: Bundle, method: str, label: str) -> bool:
    """Return whether maps for ``label`` were measured to be reliable: on ``ENOUGH`` outlined slices or more.

    The hottest pixel must have been in the lesion in at least half of them, and more often than the centre of the head.
    """
    rates = hit_rates(bundle)
    found, centre = (rates.get(name, {}).get(label) for name in (method, "centre"))
    if found is None or found["n"] < ENOUGH:
        return False
    return found["pointing"] >= 0.5 and (centre is None or found["pointing"] > centre["pointing"])


def _by_size(sizes: dict[str, dict[str, float]]) -> str:
    parts = [f"{size} {100 * one['pointing']:.0f} %" for size, one in sizes.items() if one["n"] >= FEW]
    return f" ({', '.join(parts)})" if len(parts) > 1 else ""


def _scores(folder: Path) -> dict[str, Any]:
    path = folder / SCORES_FILE
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
