"""Why a model says what it says: heat on the pixels of a slice, by one of several methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from gadolin.errors import RequestError
from gadolin.explanations.explanation import Explanation
from gadolin.explanations.methods import METHODS, Method
from gadolin.explanations.methods import method as _method
from gadolin.explanations.options import Options
from gadolin.explanations.subject import Subject, onto_slice, subject
from gadolin.inputs import One, slices_from
from gadolin.predictor import Predict, Predictor

__all__ = ["METHODS", "Explanation", "Method", "Options", "Subject", "explain", "onto_slice"]


def explain(
    model: Predictor | Predict,
    image: One,
    *,
    method: str = "evidence",
    label: str | None = None,
    options: Options | None = None,
    classes: Sequence[str] = (),
) -> Explanation:
    """Return the evidence for ``label`` in a slice, by default for the predicted class.

    ``model`` is a Predictor, or for "lime" and "shap" any callable from pixels (N, H, W) float32 to probabilities
    (N, K) of ``classes``. ``image`` is a path, a Slice or an array (H, W). The same arguments give the same map.
    Raises RequestError for an unknown method or class, a slice without a head, or too few samples; ReadError for a file
    that cannot be read; MissingExtraError where a package is not installed.
    """
    given = slices_from(image)
    if not given.alone:
        raise RequestError(
            code="input_unfit", rule="an explanation is of one slice", got="got several", remedy="explain one at a time"
        )
    image = given.slices[0]
    explaining = _method(method).load()
    options = options or Options()
    asked = subject(model, image, label, classes=classes)
    heat, samples = explaining(asked, options)
    return Explanation(method, asked.label, heat, asked.probability, samples, asdict(options), image)
