"""Errors as RFC 9457 problem details: rule, finding, remedy."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from traceback import extract_tb
from typing import Any

from starlette.responses import Response

from gadolin.errors import (
    DecoderError,
    GadolinError,
    MissingExtraError,
    RequestError,
    TooLargeError,
    UnknownFormatError,
)

__all__ = [
    "ProblemError",
    "internal_error",
    "invalid_field",
    "problem_json",
    "problem_of",
    "problem_response",
    "request_too_large",
    "status_of",
    "status_of_type",
]

_LOG = logging.getLogger("gadolin")
_STATUS = (
    (DecoderError, 503),
    (TooLargeError, 413),
    (UnknownFormatError, 415),
    (MissingExtraError, 501),
    (RequestError, 422),
)


class ProblemError(GadolinError):
    """A request that fails, with the HTTP ``status`` of the response."""

    def __init__(
        self,
        status: int,
        *,
        code: str,
        rule: str,
        got: str = "",
        remedy: str = "",
        retry_seconds: int = 0,
    ) -> None:
        super().__init__(code=code, rule=rule, got=got, remedy=remedy)
        self.status = status
        self.retry_seconds = retry_seconds


def status_of(error: GadolinError) -> int:
    """Return the HTTP status of an error."""
    return error.status if isinstance(error, ProblemError) else status_of_type(type(error))


def status_of_type(kind: type[GadolinError]) -> int:
    """Return the HTTP status of errors of a type; 500 if the client cannot correct them."""
    return next((status for base, status in _STATUS if issubclass(kind, base)), 500)


def problem_of(error: GadolinError) -> ProblemError:
    """Return an error of the library as the problem of a response."""
    if isinstance(error, ProblemError):
        return error
    wait = 1 if isinstance(error, DecoderError) else 0  # a new process replaces it
    return ProblemError(
        status_of(error), code=error.code, rule=error.rule, got=error.got, remedy=error.remedy, retry_seconds=wait
    )


def request_too_large(most: int) -> ProblemError:
    """Return the problem (413) of a request of more than ``most`` bytes."""
    return ProblemError(
        413,
        code="request_too_large",
        rule=f"a request may hold {most:,} bytes",
        got="this one holds more",
        remedy="send fewer files",
    )


def invalid_field(*, rule: str, got: str) -> ProblemError:
    """Return the problem (422) of a field whose value ``rule`` does not allow."""
    return ProblemError(422, code="field_invalid", rule=rule, got=f"got {got[:60]!r}", remedy="correct it")


def internal_error(error: Exception) -> ProblemError:
    """Return the problem (500) of an unexpected exception; logs only its type and source line, no file content."""
    place = extract_tb(error.__traceback__)[-1]
    _LOG.error("a request failed: %s in %s:%s", type(error).__name__, Path(place.filename).name, place.lineno)
    return ProblemError(
        500,
        code="internal_error",
        rule="the service must respond",
        got="this request caused an internal error",
        remedy="report the line in the log of the service",
    )


def problem_json(problem: ProblemError) -> dict[str, Any]:
    """Return a problem as the JSON object of RFC 9457."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": str(problem),
    }


def problem_response(problem: ProblemError, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response (application/problem+json) of a problem; logs only its status and code."""
    _LOG.info("refused: %s %s", problem.status, problem.code)
    sent = dict(headers or {})
    if problem.retry_seconds:
        sent["Retry-After"] = str(problem.retry_seconds)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        sent["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(problem_json(problem)), problem.status, sent, "application/problem+json")
