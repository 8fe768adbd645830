"""``gadolin info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.output import print_json

_LONG = "statistics"  # of the bundle's facts: hundreds of numbers
_NAMES = {"weights": "training started from", "finetuned_from": "fine-tuned from weights"}


def info(
    model: Annotated[
        Path | None, typer.Argument(help="A run folder or a bundle; by default the model that comes with the package.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show what a model is: classes, preparation, calibration, and where it comes from. Its digests are verified.

    What the training slices were like in numbers, which the audit compares with, is told with --json alone.
    """
    from gadolin.bundle import read_bundle, require_weights
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
        "temperature": f"{bundle.temperature:.3f}",
        "confidence threshold": f"{bundle.confidence_threshold:.4g}" if bundle.confidence_threshold else "none",
        "declines several slices by": bundle.head_counter or "no rule",
        "out-of-distribution threshold": f"{bundle.ood_threshold:.2f}" if bundle.ood_threshold else "none",
        **({"licence and origin": bundle.licence} if bundle.licence else {}),
        **{_NAMES.get(key, key.replace("_", " ")): _words(value) for key, value in facts.items()},
        **{f"{part} part": _words(value) for part, value in bundle.metrics.items()},
    }
    width = max(map(len, shown))
    print("\n".join(f"{key.ljust(width)}  {value}" for key, value in shown.items()))
    print(f"\n{NOTICE}")


def _words(value: object) -> str:
    """Return a value of JSON in words: "train: glioma 12, notumor 9; test: ..."."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if not isinstance(value, dict):
        return str(value)
    nested = any(isinstance(inner, dict) for inner in value.values())
    return ("; " if nested else ", ").join(
        f"{key}{':' if nested else ''} {_words(inner)}" for key, inner in value.items()
    )
