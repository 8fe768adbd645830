"""Explanations over HTTP: as the command line makes them, with progress, and to be cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from gadolin.errors import GadolinError, MissingExtraError, RequestError
from gadolin.explanations import explain as explain_slice
from gadolin.explanations.explained_slice import class_index, reuse_output, watched
from gadolin.explanations.options import Options
from gadolin.explanations.registry import METHODS, method
from gadolin.explanations.trust import told
from gadolin.models.predictor import Predictor
from gadolin.models.runtime import NetworkOutput
from gadolin.progress import Progress
from gadolin.records import JSON_FORMAT, NOTICE
from gadolin.server.decoding import Damaged, Found
from gadolin.server.engine import PredictRequest, failures_of, heat_json, verdict
from gadolin.server.problems import problem_of

__all__ = ["CancelledError", "ExplainRequest", "explain", "methods_told", "question"]

_MOST_SAMPLES = 20_000
_MOST_PIECES = 1000
_AT_ONCE = 16


class CancelledError(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """By which method a slice is explained, for which class (None: the one that is named), with which options."""

    method: str
    label: str | None
    options: Options


def methods_told() -> list[dict[str, Any]]:
    """Return each method, whether this service has it, and why not."""
    why = "needs the network's gradients: gadolin explain, with gadolin[train] and a run folder"
    return [
        {"name": name, "available": not one.torch} | ({"reason": why} if one.torch else {})
        for name, one in METHODS.items()
    ]


def question(fields: dict[str, str], predictor: Predictor) -> ExplainRequest:
    """Return what the fields of a form ask; raises ProblemError (422) for what cannot be asked."""
    name = fields.get("method", "evidence")
    try:
        if method(name).torch:
            usable = ", ".join(key for key, one in METHODS.items() if not one.torch)
            raise RequestError(
                code="method_unknown",
                rule=f"the service explains by {usable}",
                got=f"got {name!r}",
                remedy="use gadolin explain for the others",
            )
        label = fields.get("class") or None
        if label is not None:
            class_index(label, predictor.bundle.classes)
        numbers = {key: _whole(fields, key) for key in ("samples", "seed", "pieces", "grids") if key in fields}
        options = Options(**numbers, **({"fill": fields["fill"]} if "fill" in fields else {}))  # type: ignore[arg-type]
        if options.samples > _MOST_SAMPLES or options.pieces > _MOST_PIECES:
            raise RequestError(
                code="samples_out_of_range",
                rule=f"samples must be at most {_MOST_SAMPLES} and pieces {_MOST_PIECES}",
                got="got more",
                remedy="ask for fewer",
            )
    except GadolinError as error:
        raise problem_of(error) from error
    return ExplainRequest(name, label, options)


def _whole(fields: dict[str, str], key: str) -> int:
    try:
        return int(fields[key])
    except ValueError as error:
        raise RequestError(
            code="field_not_a_number",
            rule=f"{key} must be a whole number",
            got=f"got {fields[key][:40]!r}",
            remedy="correct it",
        ) from error


def explain(
    predictor: Predictor,
    asked: Sequence[PredictRequest],
    wanted: ExplainRequest,
    *,
    cancelled: Event | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the document of an explanation of each slice; raises CancelledError soon after ``cancelled`` is set.

    ``predictor`` is called from this thread; in a service its runtime is the batcher.
    """
    explained: list[dict[str, Any]] = []
    failed: list[PredictRequest] = [one for one in asked if one.failure is not None]
    asked = [one for one in asked if not one.left_out]
    answers = iter(_answers(predictor, [one.found for one in asked if isinstance(one.found, Found)], cancelled))
    expected = wanted.options.samples if METHODS[wanted.method].often else 1
    for number, one in enumerate(asked):
        if one.failure is not None:
            continue
        assert isinstance(one.found, Found), "there is a slice where there is no failure"
        assert one.found.picture is not None, "an explanation wants pictures"

        def advance(done: int, number: int = number) -> None:
            if cancelled is not None and cancelled.is_set():
                raise CancelledError
            if progress is not None:
                share = min(1.0, done / expected)
                progress(round(1000 * (number + share)), 1000 * len(asked), wanted.method)

        said = next(answers)
        try:
            reusing = watched(reuse_output(predictor, one.found.prepared, said), advance)
            found = explain_slice(
                reusing, one.found.picture, method=wanted.method, label=wanted.label, options=wanted.options
            )
        except RequestError as error:
            failed.append(PredictRequest(one.path, Damaged(one.found.frame, error)))
            continue
        except MissingExtraError as error:
            raise problem_of(error) from error
        shown = {**told(predictor.bundle, found), "heat": heat_json(found.heat)}
        named = verdict(predictor, said, one.found, one.path)
        explained.append({"path": one.path, "frame": named.frame, **named.verdict_json(), "explanations": [shown]})
    answered = {"format": JSON_FORMAT, "notice": NOTICE, "model": predictor.bundle.digest, "explained": explained}
    return answered | failures_of(failed)


def _answers(predictor: Predictor, slices: Sequence[Found], cancelled: Event | None) -> list[NetworkOutput]:
    """Return the network's output for each slice, computed in batches."""
    said: list[NetworkOutput] = []
    for start in range(0, len(slices), _AT_ONCE):
        if cancelled is not None and cancelled.is_set():
            raise CancelledError
        said += predictor.run_network(np.stack([one.prepared for one in slices[start : start + _AT_ONCE]])).rows()
    return said
