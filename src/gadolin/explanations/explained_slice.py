"""The input of an explanation: one slice, the class to explain, and the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError, suggestion
from gadolin.models.predictor import Predict, Predictor
from gadolin.models.runtime import NetworkOutput
from gadolin.preprocessing.head_crop import Box
from gadolin.preprocessing.prepare import Frame, Preparation, find_frame
from gadolin.records import Slice

__all__ = ["ExplainedSlice", "class_index", "onto_slice", "reuse_output", "subject", "watched"]

Heat = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedSlice:
    """A slice ``image`` and the class ``target`` whose probability under ``predict`` is explained.

    ``predict`` takes pixels (N, H, W) float32 on the grid of the slice and returns probabilities (N, K). ``frame`` is
    the position of the head, found on the unperturbed slice. ``predict_prepared`` is ``predict`` for prepared slices
    (N, size, size) uint8. It and ``predictor`` are None if the model is only a callable. To monitor or count model
    evaluations, wrap both functions.
    """

    image: Slice
    predict: Predict
    target: int
    label: str
    probability: float
    frame: Frame
    predictor: Predictor | None = None
    predict_prepared: Callable[[NDArray[np.uint8]], Heat] | None = None


def subject(
    model: Predictor | Predict, image: Slice, label: str | None = None, *, classes: Sequence[str] = ()
) -> ExplainedSlice:
    """Return the input to explain ``label`` in ``image``, by default the most probable class.

    A callable takes pixels (N, H, W) float32 and returns probabilities (N, K); ``classes`` names its columns, by
    default "0", "1" and so on. Raises RequestError if the slice has no head, the class is unknown, or the callable
    does not return probabilities.
    """
    predictor = model if isinstance(model, Predictor) else None
    preparation = predictor.bundle.preparation if predictor else Preparation()
    frame = find_frame(image, preparation)
    if preparation.crop and not frame.found:
        raise RequestError(
            code="no_head_found",
            rule="an explanation needs a slice with a head",
            got="none was found in this one",
            remedy="give another slice",
        )
    predict = predictor.predict_fn(image) if predictor else model
    probabilities = _probabilities(predict, image)  # type: ignore[arg-type]  # a Predictor was replaced
    names = predictor.bundle.classes if predictor else tuple(classes) or tuple(map(str, range(len(probabilities))))
    if len(names) != len(probabilities):
        raise RequestError(
            code="shape_mismatch",
            rule=f"classes must name each of the {len(probabilities)} probabilities",
            got=f"got {len(names)} names",
            remedy="name all",
        )
    target = int(probabilities.argmax()) if label is None else class_index(label, names)
    prepared = predictor.probabilities if predictor else None
    probability = float(probabilities[target])
    return ExplainedSlice(image, predict, target, names[target], probability, frame, predictor, prepared)  # type: ignore[arg-type]


def reuse_output(predictor: Predictor, known: NDArray[np.uint8], output: NetworkOutput) -> Predictor:
    """Return a predictor that reuses the ``output`` of one prepared slice (H, H) instead of running the network."""

    def runtime(prepared: NDArray[np.uint8]) -> NetworkOutput:
        return output if len(prepared) == 1 and np.array_equal(prepared[0], known) else predictor.run_network(prepared)

    return Predictor(predictor.bundle, runtime)


def watched(predictor: Predictor, watch: Callable[[int], None]) -> Predictor:
    """Return a predictor that calls ``watch`` with the number of slices done before each run of the network.

    An exception from ``watch`` cancels the explanation.
    """
    done = 0

    def runtime(prepared: NDArray[np.uint8]) -> NetworkOutput:
        nonlocal done
        watch(done)
        output = predictor.run_network(prepared)
        done += len(prepared)
        return output

    return Predictor(predictor.bundle, runtime)


def onto_slice(heat: Heat, box: Box, shape: tuple[int, int], *, smooth: bool = True) -> Heat:
    """Map heat (h, w) of the crop ``box`` to the pixels of a slice of ``shape``, 0 outside the box.

    The inverse of cropping and resizing, with linear interpolation if ``smooth``, else nearest neighbour; parts of the
    box outside the picture are dropped.
    """
    interpolation = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST_EXACT
    large = cv2.resize(np.asarray(heat, np.float32), (box.width, box.height), interpolation=interpolation)
    out = np.zeros(shape, np.float32)
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.top + box.height, shape[0]), min(box.left + box.width, shape[1])
    out[top:bottom, left:right] = large[top - box.top : bottom - box.top, left - box.left : right - box.left]
    return out


def _probabilities(predict: Callable[[Heat], Heat], image: Slice) -> Heat:
    """Return the probabilities (K,) float32 of a slice; raises RequestError if ``predict`` returns anything else."""
    rows = np.asarray(predict(image.pixels[None]))
    if rows.ndim != 2 or len(rows) != 1 or not np.isfinite(rows).all() or abs(float(rows.sum()) - 1) > 1e-3:
        raise RequestError(
            code="not_probabilities",
            rule="a model to explain must return probabilities (N, K) that sum to 1 for pixels (N, H, W)",
            got=f"got {rows.shape} with the sum {float(rows.sum()):.3f} for one slice",
            remedy="wrap the model",
        )
    return np.asarray(rows[0], np.float32)


def class_index(label: str, names: Sequence[str]) -> int:
    """Return the index of a class of a model; raises RequestError with a suggestion if it is unknown."""
    if label not in names:
        raise RequestError(
            code="class_unknown",
            rule=f"the class must be one of {', '.join(names)}",
            got=f"got {label!r}{suggestion(label, names)}",
        )
    return list(names).index(label)
