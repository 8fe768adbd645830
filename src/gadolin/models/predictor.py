"""Slices in, predictions out; the same code behind the command line, Python and the service. No torch."""

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
from gadolin.records import Prediction, Slice

__all__ = ["Inspected", "Predict", "Predictor"]

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_BATCH = 4  # more is no faster on a CPU and takes more memory
_REASONS = {
    "colour_image": "the picture shows true colours, which no MRI slice does",
    "several_slices": "the picture shows several slices; a prediction is for one",
    "out_of_distribution": "the picture looks like nothing that the model was trained on",
    "low_confidence": "no class reaches a probability of {threshold:.4g}",
    "tumour_uncertain": "neither a tumour nor its absence reaches a probability of {threshold:.4g}",
    "kind_uncertain": "tumour suspected (probability {p_tumour:.2f}); no kind reaches {threshold:.4g}",
    "kind_not_validated": "tumour suspected on {sequence} (probability {p_tumour:.2f}); kind not determined",
    "sequence_not_validated": "no tumour seen, but the model was not validated on {sequence}",
}
_UNKNOWN_SEQUENCE = "a sequence that the model does not recognise"


class Inspected(NamedTuple):
    """A prepared slice (H, H) uint8, the reason code for which its picture is declined, or None, and its sequence.

    ``header`` is the MRI sequence by the file's header, or empty.
    """

    prepared: NDArray[np.uint8]
    declined: str | None
    header: str = ""


class Predictor:
    """Answers with one bundle; immutable, safe to share between threads.

    It travels to other processes, forked or spawned: where the model lies and its digest are sent, and it is opened
    again there. A model that has changed since is a BundleError.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.bundle = bundle
        self._runtime = runtime

    @classmethod
    def load(cls, model: Path | str | None = None, *, runtime: str = "onnxruntime", threads: int = 0) -> Predictor:
        """Load a bundle, or the bundle of a run folder; None or "shipped" is the one that comes with the package.

        Raises BundleError where it is missing or damaged.
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
        """Travel as the place and the digest of the bundle; raises RequestError with a runtime of one's own."""
        if not isinstance(self._runtime, Opened):
            raise RequestError(
                code="predictor_cannot_travel",
                rule="a predictor that is sent to other processes must be loaded by Predictor.load",
                got=f"this one answers by a {type(self._runtime).__name__}",
                remedy="load it there",
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
        or another integer or floating type of any range. ``paths`` are names to answer with; a file has its own.
        Of files that hold several slices, and where some may be damaged, ``gadolin.predict_files`` answers for all.

        Raises RequestError for anything else, ReadError for a file that cannot be read and pixels that are not finite.
        """
        given = slices_from(slices, paths)
        if not given.slices:
            return []
        answers = self.predict_inspected([self.inspect(image) for image in given.slices], given.names)
        return answers[0] if given.alone else answers

    def inspect(self, image: Slice) -> Inspected:
        """Return what is needed of a slice to answer for it; may be called from several threads."""
        several = bool(self.bundle.head_counter) and count_heads(image) > 1
        declined = self.decline_reason(colour=image.colour, several=several)
        return Inspected(prepare(image, self.bundle.preparation), declined, image.sequence)

    def predict_inspected(self, inspected: Sequence[Inspected], names: Sequence[str]) -> list[Prediction]:
        """Return one prediction for each slice that was inspected at, one or more, with its name."""
        output = self.run_network(np.stack([one.prepared for one in inspected]))
        return self.decide(output, inspected, names)

    def decline_reason(self, *, colour: bool, several: bool) -> str | None:
        """Return the reason code for which a picture is declined whatever the network says of it, or None.

        ``colour``: it shows true colours; ``several``: ``count_heads`` sees several slices, which is heeded where the
        bundle has a head counter.
        """
        if colour:
            return "colour_image"
        return "several_slices" if self.bundle.head_counter and several else None

    def decide(self, output: NetworkOutput, inspected: Sequence[Inspected], names: Sequence[str]) -> list[Prediction]:
        """Return one prediction for each slice from what the graph output of it, and what was seen of its picture."""
        sequences = self.sequences(output)
        likely = class_probabilities(output.logits, self.bundle, sequences)
        facts = zip(likely, sequences, inspected, self.is_out_of_distribution(output).tolist(), names, strict=True)
        return [
            self._prediction(
                row, sequence, name, one._replace(declined=one.declined or ("out_of_distribution" if odd else None))
            )
            for row, sequence, one, odd, name in facts
        ]

    def sequences(self, output: NetworkOutput) -> list[str | None]:
        """Return the MRI sequence of each slice as the graph recognises it, None where it does not."""
        if output.sequence is None or self.bundle.sequence is None:
            return [None] * len(output.logits)
        best = output.sequence.argmax(axis=1).tolist()
        sure = output.sequence.max(axis=1) >= SEQUENCE_KNOWN
        return [self.bundle.sequence[place] if known else None for place, known in zip(best, sure, strict=True)]

    def run_network(self, prepared: NDArray[np.uint8]) -> NetworkOutput:
        """Return everything that the graph says of prepared slices (N, H, H) uint8, N at least 1."""
        starts = range(0, len(prepared), _BATCH)
        return NetworkOutput.joined([self._runtime(prepared[start : start + _BATCH]) for start in starts])

    def is_out_of_distribution(self, output: NetworkOutput) -> NDArray[np.bool_]:
        """Return (N,): which slices are stranger than the bundle's bound; none where it has no bound."""
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
        """Return the evidence for each class at each place (N, K, h, w) float32 of prepared slices (N, H, H) uint8."""
        return self.run_network(prepared).evidence

    def predict_fn(self, image: Slice) -> Predict:
        """Return a function from pixels (N, H, W) float32 to probabilities (N, K), for variants of one slice.

        The head is found once, on ``image`` as it is, so that no perturbation can move the crop.
        """
        frame = find_frame(image, self.bundle.preparation)
        return lambda pixels: self.probabilities(np.stack([self._prepared(image, one, frame) for one in pixels]))

    def _prepared(self, image: Slice, pixels: NDArray[np.float32], frame: Frame) -> NDArray[np.uint8]:
        changed = Slice(pixels=np.asarray(pixels, np.float32), bits=image.bits)
        return prepare(changed, self.bundle.preparation, frame)

    def _prediction(
        self, likely: NDArray[np.float32], sequence: str | None, name: str, inspected: Inspected
    ) -> Prediction:
        bundle = self.bundle
        verdict = decide(likely, bundle, sequence, header=inspected.header, declined=inspected.declined)
        return Prediction(
            path=name,
            probabilities={label: round(float(p), 6) for label, p in zip(bundle.classes, likely, strict=True)},
            label=verdict.label,
            abstained=verdict.label is None,
            reason=verdict.code and self._reason(verdict.code, sequence, verdict.p_tumour),
            reason_code=verdict.code,
            model=bundle.digest,
            sequence=sequence,
            p_tumour=None if verdict.p_tumour is None else round(verdict.p_tumour, 6),
            validated=verdict.validated,
            header_sequence=inspected.header or None,
        )

    def _reason(self, code: str, sequence: str | None, p_tumour: float | None) -> str:
        threshold = self.bundle.confidence_threshold
        scale = self.bundle.tumour_scale(sequence)
        if code == "tumour_uncertain" and scale is not None:
            threshold = scale.threshold
        return _REASONS[code].format(threshold=threshold, sequence=sequence or _UNKNOWN_SEQUENCE, p_tumour=p_tumour)


def _loaded(place: str | None, digest: str, runtime: str, threads: int) -> Predictor:
    """Open a predictor that was sent from another process."""
    predictor = Predictor.load(place, runtime=runtime, threads=threads)
    require_digest(predictor.bundle, digest)
    return predictor
