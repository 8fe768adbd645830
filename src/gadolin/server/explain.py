"""Explanations over HTTP, as on the command line, with progress and cancellation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Literal

import numpy as np

from gadolin.errors import GadolinError, MissingExtraError, RequestError
from gadolin.explanations import explain as explain_slice
from gadolin.explanations.explained_slice import class_index, reuse_output, watched
from gadolin.explanations.explanation import Explanation
from gadolin.explanations.options import Options
from gadolin.explanations.registry import METHODS, method
from gadolin.explanations.trust import explanation_json
from gadolin.models.predictor import Predictor
from gadolin.models.runtime import NetworkOutput
from gadolin.progress import Progress
from gadolin.records import JSON_FORMAT, NOTICE
from gadolin.server.decoding import Damaged, Found
from gadolin.server.engine import PredictRequest, failures_of, heat_json, verdict
from gadolin.server.problems import ProblemError, problem_of

__all__ = ["CancelledError", "ExplainRequest", "explain", "explain_as_png", "explain_request", "method_list"]

_MAX_SAMPLES = 20_000
_MAX_PIECES = 1000
_BATCH = 16


class CancelledError(Exception):
    """The client has cancelled the explanation or disconnected."""


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """The method, the class (None for the predicted one) and the options of an explanation."""

    method: str
    label: str | None
    options: Options

    @property
    def unit(self) -> Literal["samples", "slices"]:
        """What the progress counts: samples if the method runs the model often, else slices."""
        return "samples" if METHODS[self.method].often else "slices"


def method_list() -> list[dict[str, Any]]:
    """Return each method, whether this service supports it, and the reason if not."""
    reason = "needs gradients of the network: use gadolin explain with gadolin[train] and a run folder"
    return [
        {"name": name, "available": not one.torch} | ({"reason": reason} if one.torch else {})
        for name, one in METHODS.items()
    ]


def explain_request(fields: dict[str, str], predictor: Predictor) -> ExplainRequest:
    """Return the request in the fields of a form; raises ProblemError (422) for invalid fields."""
    name = fields.get("method", "evidence")
    try:
        if method(name).torch:
            usable = ", ".join(key for key, one in METHODS.items() if not one.torch)
            raise RequestError(
                code="method_unknown",
                rule=f"the method of the service must be one of {usable}",
                got=f"got {name!r}",
                remedy="use gadolin explain for the others",
            )
        label = fields.get("class") or None
        if label is not None:
            class_index(label, predictor.bundle.classes)
        numbers = {key: _whole(fields, key) for key in ("samples", "seed", "pieces", "grids") if key in fields}
        options = Options(**numbers, **({"fill": fields["fill"]} if "fill" in fields else {}))  # type: ignore[arg-type]
        if options.samples > _MAX_SAMPLES or options.pieces > _MAX_PIECES:
            raise RequestError(
                code="samples_out_of_range",
                rule=f"samples must be at most {_MAX_SAMPLES} and pieces {_MAX_PIECES}",
                got="got more",
                remedy="request fewer",
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
    requests: Sequence[PredictRequest],
    config: ExplainRequest,
    *,
    cancelled: Event | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the document with an explanation per slice; raises CancelledError soon after ``cancelled`` is set.

    ``predictor`` is called from this thread; in a service, its runtime is the batcher.
    """
    explained: list[dict[str, Any]] = []
    failed: list[PredictRequest] = [one for one in requests if one.failure is not None]
    requests = [one for one in requests if not one.left_out]
    expected = config.options.samples if config.unit == "samples" else 1
    total = len(requests) * expected
    if progress is not None:
        progress(0, total, config.method)
    outputs = iter(_outputs(predictor, [one.found for one in requests if isinstance(one.found, Found)], cancelled))
    for number, one in enumerate(requests):
        if one.failure is not None:
            continue
        assert isinstance(one.found, Found), "a request without a failure has a slice"

        def advance(done: int, number: int = number) -> None:
            if cancelled is not None and cancelled.is_set():
                raise CancelledError
            if progress is not None:
                progress(number * expected + min(expected, done), total, config.method)

        output = next(outputs)
        try:
            found = _explanation(predictor, one.found, output, config, advance)
        except RequestError as error:
            failed.append(PredictRequest(one.path, Damaged(one.found.frame, error)))
            continue
        except MissingExtraError as error:
            raise problem_of(error) from error
        shown = {**explanation_json(predictor.bundle, found), "heat": heat_json(found.heat)}
        decided = verdict(predictor, output, one.found, one.path)
        explained.append({"path": one.path, "frame": decided.frame, **decided.verdict_json(), "explanations": [shown]})
    head = {"format": JSON_FORMAT, "notice": NOTICE, "model": predictor.bundle.digest}
    return head | {"explained": explained} | failures_of(failed)


def explain_as_png(
    predictor: Predictor, requests: Sequence[PredictRequest], config: ExplainRequest, *, cancelled: Event
) -> bytes:
    """Return the explanation of the only slice of a request over that slice, as PNG.

    Raises ProblemError for no slice or several, or if the slice cannot be explained; CancelledError soon after
    ``cancelled`` is set.
    """
    slices = [one for one in requests if not one.left_out]
    if len(slices) != 1:
        raise ProblemError(
            422,
            code="one_slice_needed",
            rule="a PNG shows the explanation of one slice",
            got=f"this request holds {len(slices)}",
            remedy="choose one with frame or only, or accept application/json",
        )
    (one,) = slices
    assert isinstance(one.found, Found), "if no slice can be read, the request was refused"

    def advance(_: int) -> None:
        if cancelled.is_set():
            raise CancelledError

    (output,) = _outputs(predictor, [one.found], cancelled)
    try:
        found = _explanation(predictor, one.found, output, config, advance)
        from gadolin.explanations.overlays import overlay  # imports matplotlib
    except GadolinError as error:
        raise problem_of(error) from error
    return overlay(found.image, found, declined=verdict(predictor, output, one.found, one.path).reason)


def _explanation(
    predictor: Predictor, found: Found, output: NetworkOutput, config: ExplainRequest, advance: Callable[[int], None]
) -> Explanation:
    """Return the explanation of a decoded slice; ``advance`` is called with the number of samples done."""
    assert found.picture is not None, "slices are decoded with pictures"
    watching = watched(reuse_output(predictor, found.prepared, output), advance)
    return explain_slice(watching, found.picture, method=config.method, label=config.label, options=config.options)


def _outputs(predictor: Predictor, slices: Sequence[Found], cancelled: Event | None) -> list[NetworkOutput]:
    """Return the network's output for each slice, computed in batches."""
    outputs: list[NetworkOutput] = []
    for start in range(0, len(slices), _BATCH):
        if cancelled is not None and cancelled.is_set():
            raise CancelledError
        outputs += predictor.run_network(np.stack([one.prepared for one in slices[start : start + _BATCH]])).rows()
    return outputs
