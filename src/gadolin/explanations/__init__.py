"""Why a model says what it says: heat on the pixels of a slice, by one of several methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from gadolin.explanations.explanation import Explanation
from gadolin.explanations.methods import METHODS, Method
from gadolin.explanations.methods import method as _method
from gadolin.explanations.options import Options
from gadolin.explanations.subject import Subject, onto_slice, subject
from gadolin.predictor import Predict, Predictor
from gadolin.records import Slice

__all__ = ["METHODS", "Explanation", "Method", "Options", "Subject", "explain", "onto_slice"]


def explain(
    model: Predictor | Predict,
    image: Slice,
    *,
    method: str = "evidence",
    label: str | None = None,
    options: Options | None = None,
    classes: Sequence[str] = (),
) -> Explanation:
    """Return what speaks for ``label`` in a slice, by default for the class that the model names.

    ``model`` is a Predictor, or for "lime" and "shap" any callable from pixels (N, H, W) float32 to probabilities
    (N, K), whose columns ``classes`` names. The same arguments give the same map. Raises RequestError for an unknown
    method or class, a slice without a head, or too few samples; MissingExtraError where a package is not installed.
    """
    explaining = _method(method).load()
    options = options or Options()
    asked = subject(model, image, label, classes=classes)
    heat, samples = explaining(asked, options)
    return Explanation(method, asked.label, heat, asked.probability, samples, asdict(options))
