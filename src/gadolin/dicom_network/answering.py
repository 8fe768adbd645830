"""The answering half of a DICOM node: predicts series in a process that cannot write files.

The process reads the images of a series and returns the results over a pipe. If a damaged image kills it, or takes too
long, only that series fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gadolin.dicom_network.config import NodeConfig
from gadolin.dicom_network.spool import SpooledSeries
from gadolin.dicom_results.objects import KeptResults, make_results
from gadolin.dicom_results.series import answer_series, read_series
from gadolin.dicom_results.series_answers import MOST_SLICES, too_many_slices
from gadolin.dicom_results.slices import SeriesResult
from gadolin.dicom_results.source import Source
from gadolin.errors import GadolinError
from gadolin.models.bundle import read_bundle
from gadolin.models.predictor import Predictor
from gadolin.readers import open_file
from gadolin.readers.sandbox.child import Handle
from gadolin.readers.sandbox.messages import Message
from gadolin.readers.sandbox.sandbox import Bounds, Sandbox
from gadolin.records import Failure

__all__ = ["ANSWERED", "Answer", "Answerer", "answering"]

ANSWERED = "answered"
"""The outcome of a series with results; any other is an error code."""
_NOT_WANTED = "sequence_not_wanted"
_SERIES_EACH = 200  # of a process, since libraries leak memory on damaged files


class Answer(NamedTuple):
    """The results for a series: DICOM objects by file name, and the outcome.

    ``slices`` counts the slices by outcome: "answered", "declined", or the code of an error.
    """

    objects: dict[str, bytes]
    outcome: str
    slices: dict[str, int]


class Answerer:
    """Answers series of a spool, one at a time.

    Raises BundleError if there is no such model.
    """

    def __init__(self, config: NodeConfig, model: Path | str | None, runtime: str) -> None:
        self._sequences, self._overlays = list(config.series.sequences), config.series.overlays
        limits = config.limits
        read_bundle(model)  # an error of the model is one of the node, not of a series
        settings = {"model": None if model is None else str(model), "runtime": runtime}
        bounds = Bounds(limits.answer_memory_bytes, limits.answer_seconds, _SERIES_EACH)
        self._sandbox = Sandbox(f"{__name__}:answering", settings, bounds)
        self._sandbox.start()

    def answer(self, series: SpooledSeries, images: Iterable[str]) -> Answer:
        """Return the results for some images of a series; raises ReadError if the process fails."""
        facts = {
            "images": list(map(str, series.paths(images))),
            "sets": [str(one.folder) for one in series.sets],
            "sequences": self._sequences,
            "overlays": self._overlays,
        }
        reply = self._sandbox.run(facts, b"")
        objects = {name: one.tobytes() for name, one in zip(reply.facts["names"], reply.arrays, strict=True)}
        return Answer(objects, reply.facts["outcome"], reply.facts["slices"])

    def close(self) -> None:
        """Stop the process; a series in work fails."""
        self._sandbox.kill()
        self._sandbox.close()


def answering(settings: dict[str, Any]) -> Handle:
    """Load the model in the process, and return the function that answers one series."""
    predictor = Predictor.load(settings["model"], runtime=settings["runtime"])

    def handle(facts: dict[str, Any], _content: bytes) -> Message:
        try:
            answer = _answer(predictor, facts)
        except GadolinError as error:
            answer = Answer({}, error.code, {error.code: len(facts["images"])})
        arrays = tuple(np.frombuffer(one, np.uint8) for one in answer.objects.values())
        return Message({"names": list(answer.objects), "outcome": answer.outcome, "slices": answer.slices}, arrays)

    return handle


def _answer(predictor: Predictor, facts: dict[str, Any]) -> Answer:
    if len(facts["images"]) > MOST_SLICES:
        raise too_many_slices()
    sources, unread = read_series(facts["images"])
    if _is_unwanted(_header_sequence(sources), facts["sequences"]):
        return Answer({}, _NOT_WANTED, {_NOT_WANTED: len(sources)})
    answered, unanswered = answer_series(predictor, sources, overlays=facts["overlays"])
    if _is_unwanted(_recognised_sequence(answered), facts["sequences"]):
        return Answer({}, _NOT_WANTED, {_NOT_WANTED: len(answered.slices)})
    made = make_results(answered, KeptResults.read(*map(Path, facts["sets"])))
    objects = {one.name: one.content for one in made.objects}
    return Answer(objects, ANSWERED, _slices(made.result, [*unread, *unanswered, *made.failures]))


def _slices(found: SeriesResult, failures: Sequence[Failure]) -> dict[str, int]:
    counts = {ANSWERED: found.answered, "declined": len(found.slices) - found.answered}
    return counts | Counter(one.error.code for one in failures)


def _is_unwanted(sequence: str, wanted: Sequence[str]) -> bool:
    """Return whether a known sequence is not among those to answer."""
    return bool(wanted and sequence and sequence not in wanted)


def _header_sequence(sources: Sequence[Source]) -> str:
    """Return the sequence in the header of the first readable image, or ""."""
    for one in sources:
        try:
            return open_file(one.path).sequence(0)
        except GadolinError:
            continue
    return ""


def _recognised_sequence(found: SeriesResult) -> str:
    """Return the sequence that the model recognises in most slices whose header has none, or ""."""
    recognised = Counter(one.prediction.sequence for one in found.slices if not one.prediction.header_sequence)
    return (recognised.most_common(1)[0][0] or "") if recognised else ""
