"""Explaining one slice by one method: the one path that every caller takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from gadolin.explanations.explanation import Explanation
from gadolin.explanations.methods import method as method_of
from gadolin.explanations.options import Options
from gadolin.explanations.subject import Subject, subject
from gadolin.predictor import Predict, Predictor
from gadolin.records import Slice

__all__ = ["explain", "explain_subject"]


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
    method_of(method)
    return explain_subject(subject(model, image, label, classes=classes), method, options)


def explain_subject(about: Subject, method: str, options: Options | None = None) -> Explanation:
    """Return what speaks for the class of a subject, by ``method``; raises as ``explain`` does."""
    options = options or Options()
    heat, samples = method_of(method).load()(about, options)
    return Explanation(method, about.label, heat, about.probability, samples, asdict(options))
