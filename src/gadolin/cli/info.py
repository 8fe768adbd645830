"""``gadolin info``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.options import AsJson
from gadolin.cli.output import class_name, print_json, wrapped

if TYPE_CHECKING:
    from gadolin.models.bundle import TumourScale, Validation

_LONG = "statistics"  # a fact of the bundle with hundreds of numbers
_NAMES = {"weights": "training started from", "finetuned_from": "fine-tuned from weights"}
_MEASURED = {
    "new_patients": "class, on new patients",
    "other_hospitals": "tumour or no tumour, on other hospitals",
}


def info(
    model: Annotated[
        Path | None, typer.Argument(help="A run folder or a bundle; by default the packaged model.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show classes, calibration and origin of a model.

    Verifies the digests of the bundle. The image statistics of the training slices are only in --json.
    """
    from gadolin.models.bundle import read_bundle, require_weights
    from gadolin.records import NOTICE

    bundle = read_bundle(model)
    if bundle.weights.is_file():
        require_weights(bundle)
    if as_json:
        print_json(bundle.as_json())
        return
    facts = {key: value for key, value in bundle.facts.items() if key != _LONG}
    shown = {
        "model": bundle.digest,
        "classes": ", ".join(bundle.classes),
        "preparation": ", ".join(f"{key} {value}" for key, value in bundle.preparation.as_json().items()),
        **({"MRI sequences recognised": ", ".join(bundle.sequence)} if bundle.sequence else {}),
        **({"validated for": _validated(bundle.validated)} if bundle.validated is not None else {}),
        "temperature": f"{bundle.temperature:.3f}",
        **({"tumour thresholds": _thresholds(bundle.p_tumour)} if bundle.p_tumour else {}),
        "confidence threshold": f"{bundle.confidence_threshold:.4g}" if bundle.confidence_threshold else "none",
        "detects several slices by": bundle.head_counter or "none",
        "out-of-distribution threshold": f"{bundle.ood_threshold:.2f}" if bundle.ood_threshold else "none",
        **({"licence and origin": bundle.licence} if bundle.licence else {}),
        **{_NAMES.get(key, key.replace("_", " ")): _text(value) for key, value in facts.items()},
        **{_MEASURED.get(key, f"{key} part"): _text(value) for key, value in bundle.metrics.items()},
    }
    width = max(map(len, shown))
    for key, value in shown.items():
        print(wrapped(f"{key.ljust(width)}  {value}", sys.stdout, indent=width + 2))
    print(f"\n{NOTICE}")


def _thresholds(scales: Sequence[TumourScale]) -> str:
    """Return the probability thresholds for stating tumour or no tumour, as in "0.8; T1c 0.75"."""
    return "; ".join(f"{one.sequence} {one.threshold:.4g}".strip() for one in scales)


def _validated(rows: Sequence[Validation]) -> str:
    """Return the validated classes, as in "T1c: glioma 95.1 % of 226 slices of 31 patients; FLAIR: ..."."""
    parts: dict[str, list[str]] = {}
    for one in rows:
        share = f"{100 * one.right / one.slices:.1f} % of {one.slices} slices of {one.patients} patients"
        parts.setdefault(one.sequence, []).append(f"{class_name(one.label)} {share}")
    return "; ".join(f"{sequence}: {', '.join(each)}" for sequence, each in parts.items()) or "nothing"


def _text(value: object) -> str:
    """Return a JSON value as text, as in "train: glioma 12, notumor 9; test: ..."."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if not isinstance(value, dict):
        return str(value)
    nested = any(isinstance(inner, dict) for inner in value.values())
    return ("; " if nested else ", ").join(
        f"{key}{':' if nested else ''} {_text(inner)}" for key, inner in value.items()
    )
