"""What is explained: one slice, the class that is asked about, and who answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError, suggestion
from gadolin.models.predictor import Predict, Predictor
from gadolin.models.runtime import NetworkOutput
from gadolin.preprocessing.prepare import Box, Frame, Preparation, find_frame
from gadolin.records import Slice

__all__ = ["ExplainedSlice", "class_index", "onto_slice", "reuse_output", "subject", "watched"]

Heat = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedSlice:
    """One question: how ``predict`` comes to the probability of class ``target`` for ``image``.

    ``predict`` takes pixels (N, H, W) float32 of the slice's grid and returns probabilities (N, K). ``frame`` is where
    the head is; it was found on the untouched slice. ``predictor`` is None where only a callable is known, and so is
    ``predict_prepared``, which is ``predict`` for slices that are prepared already, (N, size, size) uint8. Whoever
    watches or counts the questions wraps both.
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
    """Return the question of what speaks for ``label`` in ``image``; without a label, for the most probable class.

    A callable takes pixels (N, H, W) float32 and returns probabilities (N, K); ``classes`` names its columns, "0", "1"
    and so on where it is left out. Raises RequestError where the slice shows no head, where the class is unknown, or
    where the callable does not return what it should.
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
    likely = _asked(predict, image)  # type: ignore[arg-type]  # a Predictor is no Predict, and was replaced
    names = predictor.bundle.classes if predictor else tuple(classes) or tuple(map(str, range(len(likely))))
    if len(names) != len(likely):
        raise RequestError(
            code="shape_mismatch",
            rule=f"classes must name each of the {len(likely)} probabilities",
            got=f"got {len(names)} names",
            remedy="name all",
        )
    target = int(likely.argmax()) if label is None else class_index(label, names)
    prepared = predictor.probabilities if predictor else None
    return ExplainedSlice(image, predict, target, names[target], float(likely[target]), frame, predictor, prepared)  # type: ignore[arg-type]


def reuse_output(predictor: Predictor, known: NDArray[np.uint8], output: NetworkOutput) -> Predictor:
    """Return a predictor that does not run the network again on one prepared slice (H, H) whose output is known."""

    def runtime(prepared: NDArray[np.uint8]) -> NetworkOutput:
        return output if len(prepared) == 1 and np.array_equal(prepared[0], known) else predictor.run_network(prepared)

    return Predictor(predictor.bundle, runtime)


def watched(predictor: Predictor, watch: Callable[[int], None]) -> Predictor:
    """Return a predictor that calls ``watch`` with the number of slices so far before each run of the network.

    What ``watch`` raises ends the work: so an explanation is cancelled.
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
    """Return heat (h, w) of what lies in ``box`` on the pixels of a slice of ``shape``, 0 outside the box.

    The inverse of cropping and resizing: interpolated linearly, or each cell as it is without ``smooth``; what the box
    holds beyond the picture is dropped.
    """
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST_EXACT
    large = cv2.resize(np.asarray(heat, np.float32), (box.width, box.height), interpolation=how)
    out = np.zeros(shape, np.float32)
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.top + box.height, shape[0]), min(box.left + box.width, shape[1])
    out[top:bottom, left:right] = large[top - box.top : bottom - box.top, left - box.left : right - box.left]
    return out


def _asked(predict: Callable[[Heat], Heat], image: Slice) -> Heat:
    likely = np.asarray(predict(image.pixels[None]))
    if likely.ndim != 2 or len(likely) != 1 or not np.isfinite(likely).all() or abs(float(likely.sum()) - 1) > 1e-3:
        raise RequestError(
            code="not_probabilities",
            rule="a model to explain must return probabilities (N, K) that sum to 1 for pixels (N, H, W)",
            got=f"got {likely.shape} with the sum {float(likely.sum()):.3f} for one slice",
            remedy="wrap it",
        )
    return np.asarray(likely[0], np.float32)


def class_index(label: str, names: Sequence[str]) -> int:
    """Return the place of a class among those of a model; raises RequestError with a suggestion where it has none."""
    if label not in names:
        raise RequestError(
            code="class_unknown",
            rule=f"the class must be one of {', '.join(names)}",
            got=f"got {label!r}{suggestion(label, names)}",
        )
    return list(names).index(label)
