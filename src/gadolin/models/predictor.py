"""Slices in, predictions out; shared by the command line, the Python interface and the service. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError
from gadolin.models.bundle import SHIPPED, Bundle, read_bundle, require_digest
from gadolin.models.decision import SEQUENCE_KNOWN, class_probabilities, decide
from gadolin.models.runtime import NetworkOutput, Opened, Runtime, open_runtime
from gadolin.preprocessing.montage import count_heads
from gadolin.preprocessing.prepare import Frame, find_frame, prepare
from gadolin.readers.inputs import One, Several, slices_from
from gadolin.records import Header, Prediction, Slice

__all__ = ["Inspected", "Predict", "Predictor"]

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_BATCH = 4  # more is no faster on a CPU and takes more memory
_REASONS = {
    "colour_image": "colour image; MRI slices are greyscale",
    "several_slices": "several slices in one image; a prediction is for one slice",
    "out_of_distribution": "out of distribution: unlike the training data",
    "low_confidence": "low confidence: no class reaches a probability of {threshold:.4g}",
    "tumour_uncertain": "uncertain: neither tumour nor no tumour reaches a probability of {threshold:.4g}",
    "kind_uncertain": "tumour suspected (probability {p_tumour:.2f}); no kind reaches a probability of {threshold:.4g}",
    "kind_not_validated": "tumour suspected (probability {p_tumour:.2f}); its kind was not validated on {sequence}",
    "sequence_not_validated": "no tumour predicted, but the model was not validated on {sequence}",
}
_REASONS_WITHOUT_SEQUENCE = _REASONS | {
    "kind_not_validated": "tumour suspected (probability {p_tumour:.2f}); its kind needs a recognised MRI sequence",
    "sequence_not_validated": "no tumour predicted, but the MRI sequence was not recognised",
}


class Inspected(NamedTuple):
    """A prepared slice (H, H) uint8, the code of a reason to decline its picture, or None, and what its file says.

    ``frame`` is the position of its head, or None where the slice itself was not at hand.
    """

    prepared: NDArray[np.uint8]
    declined: str | None
    header: Header = Header()
    frame: Frame | None = None


class Predictor:
    """Predicts with one bundle; immutable and thread-safe.

    It can be sent to other processes, forked or spawned, as the path and digest of its bundle. The other process opens
    the bundle again and raises BundleError if it has changed.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.bundle = bundle
        self._runtime = runtime

    @classmethod
    def load(cls, model: Path | str | None = None, *, runtime: str = "onnxruntime", threads: int = 0) -> Predictor:
        """Load a bundle, or the bundle of a run folder; None or "shipped" is the packaged model.

        Raises BundleError if it is missing or damaged.
        """
        if model is not None and not isinstance(model, str | Path):
            raise RequestError(
                code="input_unfit",
                rule="a model must be a run folder, a bundle or shipped",
                got=f"got a {type(model).__name__}",
                remedy="give its path",
            )
        bundle = read_bundle(model)
        return cls(bundle, open_runtime(bundle.graph, runtime, threads=threads, digest=bundle.graph_digest))

    def __repr__(self) -> str:
        """Return digest, classes and folder of the model."""
        return f"Predictor({self.bundle.digest}: {', '.join(self.bundle.classes)}; {self.bundle.folder})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as the path and digest of the bundle; raises RequestError with a custom runtime."""
        if not isinstance(self._runtime, Opened):
            raise RequestError(
                code="predictor_cannot_travel",
                rule="a predictor that is sent to another process must come from Predictor.load",
                got=f"this one uses a {type(self._runtime).__name__}",
                remedy="load it in that process",
            )
        place = None if self.bundle.folder == SHIPPED else str(self.bundle.folder.absolute())
        return _loaded, (place, self.bundle.digest, self._runtime.name, self._runtime.threads)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a string is a path, though a sequence of strings too
        self, slices: One, paths: Sequence[str] | str | None = None
    ) -> Prediction: ...

    @overload
    def predict(self, slices: Several, paths: Sequence[str] | None = None) -> list[Prediction]: ...

    def predict(self, slices: One | Several, paths: Sequence[str] | str | None = None) -> Prediction | list[Prediction]:
        """Return the prediction for a slice, or a list with one for each of several.

        A slice is given as the path of a file that holds one, as a Slice, or as an array (H, W): uint8 from 0 to 255,
        or another integer or floating type of any range. ``paths`` are the names in the predictions; a file keeps its
        own. For files that hold several slices or may be damaged, use ``gadolin.predict_files``.

        Raises RequestError for any other input, ReadError for an unreadable file or pixels that are not finite.
        """
        given = slices_from(slices, paths)
        if not given.slices:
            return []
        predictions = self.predict_inspected([self.inspect(image) for image in given.slices], given.names)
        return predictions[0] if given.alone else predictions

    def inspect(self, image: Slice) -> Inspected:
        """Prepare a slice for prediction and check for reasons to decline it; thread-safe."""
        several = bool(self.bundle.head_counter) and count_heads(image) > 1
        declined = self.decline_reason(colour=image.colour, several=several)
        frame = find_frame(image, self.bundle.preparation)
        return Inspected(prepare(image, self.bundle.preparation, frame), declined, image.header, frame)

    def predict_inspected(self, inspected: Sequence[Inspected], names: Sequence[str]) -> list[Prediction]:
        """Return one prediction for each inspected slice, one or more, with its name."""
        output = self.run_network(np.stack([one.prepared for one in inspected]))
        return self.decide(output, inspected, names)

    def decline_reason(self, *, colour: bool, several: bool) -> str | None:
        """Return the code of a reason to decline a picture regardless of the network's output, or None.

        ``colour``: it is a colour picture; ``several``: ``count_heads`` found several slices, which counts only if the
        bundle has a head counter.
        """
        if colour:
            return "colour_image"
        return "several_slices" if self.bundle.head_counter and several else None

    def decide(self, output: NetworkOutput, inspected: Sequence[Inspected], names: Sequence[str]) -> list[Prediction]:
        """Return one prediction for each slice from the graph's output and the inspected slices."""
        sequences = self.sequences(output)
        probabilities = class_probabilities(output.logits, self.bundle, sequences)
        unlike = self.is_out_of_distribution(output).tolist()
        return [
            self._prediction(
                row, sequence, name, one._replace(declined=one.declined or ("out_of_distribution" if is_ood else None))
            )
            for row, sequence, one, is_ood, name in zip(probabilities, sequences, inspected, unlike, names, strict=True)
        ]

    def sequences(self, output: NetworkOutput) -> list[str | None]:
        """Return the MRI sequence that the graph recognises in each slice, or None."""
        if output.sequence is None or self.bundle.sequence is None:
            return [None] * len(output.logits)
        best = output.sequence.argmax(axis=1).tolist()
        sure = output.sequence.max(axis=1) >= SEQUENCE_KNOWN
        return [self.bundle.sequence[place] if known else None for place, known in zip(best, sure, strict=True)]

    def run_network(self, prepared: NDArray[np.uint8]) -> NetworkOutput:
        """Return all outputs of the graph for prepared slices (N, H, H) uint8, N at least 1."""
        starts = range(0, len(prepared), _BATCH)
        return NetworkOutput.joined([self._runtime(prepared[start : start + _BATCH]) for start in starts])

    def is_out_of_distribution(self, output: NetworkOutput) -> NDArray[np.bool_]:
        """Return (N,) bool: which slices have an OOD score above the bundle's threshold, if it has one."""
        if output.ood_score is None or not self.bundle.ood_threshold:
            return np.zeros(len(output.logits), np.bool_)
        return np.asarray(~(output.ood_score <= self.bundle.ood_threshold))

    def probabilities(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return calibrated probabilities (N, K) float32 of prepared slices (N, H, H) uint8."""
        output = self.run_network(prepared)
        return class_probabilities(output.logits, self.bundle, self.sequences(output))

    def logits(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits (N, K) float32 of prepared slices (N, H, H) uint8, before temperature."""
        return self.run_network(prepared).logits

    def evidence(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the evidence map of each class (N, K, h, w) float32 for prepared slices (N, H, H) uint8."""
        return self.run_network(prepared).evidence

    def predict_fn(self, image: Slice) -> Predict:
        """Return a function from pixels (N, H, W) float32 to probabilities (N, K), for perturbed versions of one slice.

        The head is located once, on the unperturbed ``image``, so that no perturbation moves the crop.
        """
        frame = find_frame(image, self.bundle.preparation)
        return lambda pixels: self.probabilities(np.stack([self._prepared(image, one, frame) for one in pixels]))

    def _prepared(self, image: Slice, pixels: NDArray[np.float32], frame: Frame) -> NDArray[np.uint8]:
        changed = Slice(pixels=np.asarray(pixels, np.float32), bits=image.bits)
        return prepare(changed, self.bundle.preparation, frame)

    def _prediction(
        self, probabilities: NDArray[np.float32], sequence: str | None, name: str, inspected: Inspected
    ) -> Prediction:
        bundle = self.bundle
        verdict = decide(probabilities, bundle, sequence, header=inspected.header.sequence, declined=inspected.declined)
        return Prediction(
            path=name,
            probabilities={label: round(float(p), 6) for label, p in zip(bundle.classes, probabilities, strict=True)},
            label=verdict.label,
            abstained=verdict.label is None,
            reason=verdict.code and self._reason(verdict.code, sequence, verdict.p_tumour),
            reason_code=verdict.code,
            model=bundle.digest,
            sequence=sequence,
            p_tumour=None if verdict.p_tumour is None else round(verdict.p_tumour, 6),
            validated=verdict.validated,
            header_sequence=inspected.header.sequence or None,
            series=inspected.header.series,
            orientation=inspected.header.orientation or None,
            spacing_mm=inspected.header.spacing_mm,
        )

    def _reason(self, code: str, sequence: str | None, p_tumour: float | None) -> str:
        threshold = self.bundle.confidence_threshold
        scale = self.bundle.tumour_scale(sequence)
        if code == "tumour_uncertain" and scale is not None:
            threshold = scale.threshold
        reasons = _REASONS if sequence else _REASONS_WITHOUT_SEQUENCE
        return reasons[code].format(threshold=threshold, sequence=sequence, p_tumour=p_tumour)


def _loaded(place: str | None, digest: str, runtime: str, threads: int) -> Predictor:
    """Open a predictor sent by another process."""
    predictor = Predictor.load(place, runtime=runtime, threads=threads)
    require_digest(predictor.bundle, digest)
    return predictor
