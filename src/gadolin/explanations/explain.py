"""Explain one slice by one method; the entry point of every caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets.labels import is_without_lesion
from gadolin.errors import RequestError
from gadolin.explanations.explained_slice import ExplainedSlice, Heat, class_index, onto_slice, subject
from gadolin.explanations.explanation import Explanation
from gadolin.explanations.options import Options
from gadolin.explanations.registry import method as method_of
from gadolin.models.predictor import Predict, Predictor
from gadolin.preprocessing.prepare import Frame
from gadolin.readers.inputs import One, slices_from

__all__ = ["explain", "explain_prepared", "predicted_outline"]


def explain(
    model: Predictor | Predict | Path | str,
    image: One,
    *,
    method: str = "evidence",
    label: str | None = None,
    options: Options | None = None,
    classes: Sequence[str] = (),
) -> Explanation:
    """Return an explanation of ``label`` for a slice, by default of the predicted class.

    ``model`` is a Predictor or the path of one, or for "lime" and "shap" any callable from pixels (N, H, W) float32 to
    probabilities (N, K) of ``classes``. ``image`` is a path, a Slice or an array (H, W). The same arguments give the
    same map. Raises RequestError for an unknown method or class, a slice without a head, or too few samples; ReadError
    for an unreadable file; MissingExtraError if a package is not installed.
    """
    method_of(method)
    given = slices_from(image)
    if not given.alone:
        raise RequestError(
            code="input_unfit",
            rule="an explanation is for one slice",
            got="got several",
            remedy="explain one at a time",
        )
    if not callable(model) and not isinstance(model, Predictor):
        model = Predictor.load(model)
    return explain_prepared(subject(model, given.slices[0], label, classes=classes), method, options)


def explain_prepared(explained: ExplainedSlice, method: str, options: Options | None = None) -> Explanation:
    """Return the explanation of a slice by ``method``; raises as ``explain`` does."""
    options = options or Options()
    heat, samples = method_of(method).load()(explained, options)
    return Explanation(
        method=method,
        label=explained.label,
        heat=heat,
        probability=explained.probability,
        samples=samples,
        settings=asdict(options),
        image=explained.image,
        frame=explained.frame,
        outline=_outline(explained, method, heat),
    )


def predicted_outline(
    predictor: Predictor, evidence: Heat, frame: Frame, label: str, shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """Return the outline of ``explain`` by evidence, (H, W) bool of ``shape``, from an output of the graph.

    ``evidence`` (K, h, w) is that of the slice, ``frame`` the position of its head. None if the model predicts no
    outlines for ``label``, or the slice has no head.
    """
    if not _has_outlines(predictor, label) or (predictor.bundle.preparation.crop and not frame.found):
        return None
    return onto_slice(evidence[class_index(label, predictor.bundle.classes)], frame.box, shape) > 0


def _outline(explained: ExplainedSlice, method: str, heat: Heat) -> NDArray[np.bool_] | None:
    """Return the lesion that the model predicts, (H, W) bool; None if it predicts none for this class and method."""
    if method != "evidence" or explained.predictor is None or not _has_outlines(explained.predictor, explained.label):
        return None
    return heat > 0


def _has_outlines(predictor: Predictor, label: str) -> bool:
    """Return whether the evidence of a model for a class outlines its lesions."""
    return predictor.bundle.facts.get("evidence") == "outlines" and not is_without_lesion(label)
