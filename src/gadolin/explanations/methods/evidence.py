"""The evidence map of the model: an output of its graph, from which the logits are pooled."""

from __future__ import annotations

from gadolin.errors import RequestError
from gadolin.explanations.explained_slice import ExplainedSlice, Heat, onto_slice
from gadolin.explanations.options import Options
from gadolin.preprocessing.prepare import prepare

__all__ = ["evidence"]


def evidence(subject: ExplainedSlice, _: Options) -> tuple[Heat, int]:
    """Return the evidence for the class at each pixel of the slice, from one model evaluation.

    Raises RequestError if the model is only a callable.
    """
    if subject.predictor is None:
        raise RequestError(
            code="method_needs_predictor",
            rule="evidence is an output of a Gadolin model",
            got="got a callable",
            remedy="give a Predictor, or use lime or shap",
        )
    prepared = prepare(subject.image, subject.predictor.bundle.preparation, subject.frame)
    found = subject.predictor.evidence(prepared[None])[0, subject.target]
    return onto_slice(found, subject.frame.box, subject.image.pixels.shape), 1
