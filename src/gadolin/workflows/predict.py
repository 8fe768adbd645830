"""``predict``: classify slices with a model, by default the packaged one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import overload

from gadolin.models.predictor import Predictor
from gadolin.readers.inputs import One, Several
from gadolin.records import Prediction

__all__ = ["load_model", "predict"]


def load_model(model: Path | str = "shipped", *, runtime: str = "onnxruntime", threads: int = 0) -> Predictor:
    """Load a model: "shipped" for the packaged one, a run folder, or a bundle.

    ``runtime`` is "onnxruntime" or "openvino"; it uses ``threads`` threads, or one per core if this is 0. Raises
    BundleError if the model is missing or damaged.
    """
    return Predictor.load(model, runtime=runtime, threads=threads)


@overload
def predict(  # type: ignore[overload-overlap]  # a string is a path, although it is also a sequence of strings
    slices: One, *, model: Predictor | Path | str = "shipped"
) -> Prediction: ...


@overload
def predict(slices: Several, *, model: Predictor | Path | str = "shipped") -> list[Prediction]: ...


def predict(slices: One | Several, *, model: Predictor | Path | str = "shipped") -> Prediction | list[Prediction]:
    """Return the prediction for a slice, or a list of predictions for several slices.

    A slice is a path, a Slice or an array (H, W). ``model`` is the result or the argument of ``load_model``; the
    packaged model is loaded once. Raises RequestError for other types, ReadError for an unreadable file, BundleError
    for an unreadable model.
    """
    if not isinstance(model, Predictor):
        model = _packaged() if str(model) == "shipped" else Predictor.load(model)
    return model.predict(slices)


@cache
def _packaged() -> Predictor:
    return Predictor.load()
