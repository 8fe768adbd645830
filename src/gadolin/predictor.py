"""Slices in, predictions out; the same code behind the command line, Python and the service. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.bundle import Bundle, read_bundle
from gadolin.montage import count_heads
from gadolin.prepare import Frame, find_frame, prepare
from gadolin.records import Prediction, Slice
from gadolin.runtime import Answer, Runtime, open_runtime

__all__ = ["Predict", "Predictor", "probabilities"]

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_BATCH = 16
_REASONS = {
    "colour_image": "the picture shows true colours, which no MRI slice does",
    "several_slices": "the picture shows several slices; a prediction is for one",
    "out_of_distribution": "the picture looks like nothing that the model was trained on",
    "low_confidence": "no class reaches a probability of {:.4g}",
}


class Predictor:
    """Answers with one bundle; immutable, safe to share between threads."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.bundle = bundle
        self._runtime = runtime

    @classmethod
    def load(cls, model: Path | str | None = None, *, runtime: str = "onnxruntime", threads: int = 0) -> Predictor:
        """Load a bundle, or the bundle of a run folder; None or "shipped" is the one that comes with the package.

        Raises BundleError where it is missing or damaged.
        """
        bundle = read_bundle(model)
        return cls(bundle, open_runtime(bundle.graph, runtime, threads=threads))

    def predict(self, slices: Sequence[Slice], paths: Sequence[str] | None = None) -> list[Prediction]:
        """Return one prediction for each slice; ``paths`` are names to answer with."""
        if not slices:
            return []
        names = paths or [""] * len(slices)
        said = self.ask(np.stack([prepare(image, self.bundle.preparation) for image in slices]))
        return self.verdicts(said, [self._looked_at(image) for image in slices], names)

    def declines(self, *, colour: bool, several: bool) -> str | None:
        """Return the reason code for which a picture is declined whatever the network says of it, or None.

        ``colour``: it shows true colours; ``several``: ``count_heads`` sees several slices, which is heeded where the
        bundle has a head counter.
        """
        if colour:
            return "colour_image"
        return "several_slices" if self.bundle.head_counter and several else None

    def verdicts(self, said: Answer, declined: Sequence[str | None], names: Sequence[str]) -> list[Prediction]:
        """Return one prediction for each slice from what the graph said of it, and what ``declines`` did."""
        likely = probabilities(said.logits, self.bundle.temperature)
        facts = zip(likely, declined, self.strange(said).tolist(), names, strict=True)
        return [
            self._verdict(row, name, code or ("out_of_distribution" if odd else None)) for row, code, odd, name in facts
        ]

    def ask(self, prepared: NDArray[np.uint8]) -> Answer:
        """Return everything that the graph says of prepared slices (N, H, H) uint8, N at least 1."""
        parts = [self._runtime(prepared[start : start + _BATCH]) for start in range(0, len(prepared), _BATCH)]
        logits, features, evidence = (np.concatenate([part[place] for part in parts]) for place in range(3))
        odd = [part.strangeness for part in parts if part.strangeness is not None]
        return Answer(logits, features, evidence, np.concatenate(odd) if odd else None)

    def strange(self, said: Answer) -> NDArray[np.bool_]:
        """Return (N,): which slices are stranger than the bundle's bound; none where it has no bound."""
        if said.strangeness is None or not self.bundle.strange_above:
            return np.zeros(len(said.logits), np.bool_)
        return np.asarray(~(said.strangeness <= self.bundle.strange_above))

    def probabilities(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return calibrated probabilities (N, K) float32 of prepared slices (N, H, H) uint8."""
        return probabilities(self.logits(prepared), self.bundle.temperature)

    def logits(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits (N, K) float32 of prepared slices (N, H, H) uint8, before temperature."""
        return self.ask(prepared).logits

    def evidence(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the evidence for each class at each place (N, K, h, w) float32 of prepared slices (N, H, H) uint8."""
        return self.ask(prepared).evidence

    def at(self, image: Slice) -> Predict:
        """Return a function from pixels (N, H, W) float32 to probabilities (N, K), for variants of one slice.

        The head is found once, on ``image`` as it is, so that no perturbation can move the crop.
        """
        frame = find_frame(image, self.bundle.preparation)
        return lambda pixels: self.probabilities(np.stack([self._prepared(image, one, frame) for one in pixels]))

    def _prepared(self, image: Slice, pixels: NDArray[np.float32], frame: Frame) -> NDArray[np.uint8]:
        changed = Slice(pixels=np.asarray(pixels, np.float32), bits=image.bits)
        return prepare(changed, self.bundle.preparation, frame)

    def _looked_at(self, image: Slice) -> str | None:
        several = bool(self.bundle.head_counter) and count_heads(image) > 1
        return self.declines(colour=image.colour, several=several)

    def _verdict(self, likely: NDArray[np.float32], name: str, code: str | None) -> Prediction:
        best = int(likely.argmax())
        if code is None and likely[best] < self.bundle.abstain_below:
            code = "low_confidence"
        reason = code and _REASONS[code].format(self.bundle.abstain_below)
        classes = self.bundle.classes
        return Prediction(
            path=name,
            probabilities={label: round(float(p), 6) for label, p in zip(classes, likely, strict=True)},
            label=None if code else classes[best],
            abstained=code is not None,
            reason=reason,
            reason_code=code,
            model=self.bundle.digest,
        )


def probabilities(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Return the softmax (N, K) float32 of logits (N, K) over ``temperature``."""
    scaled = logits.astype(np.float64) / temperature
    exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True), np.float32)
