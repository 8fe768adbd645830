"""What goes wrong, as RFC 9457 problem details: the rule, what was got, what to do."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response

from gadolin.errors import GadolinError, TooLargeError, UnknownFormatError

__all__ = ["ProblemError", "problem_of", "problem_response", "status_of"]


class ProblemError(GadolinError):
    """A request that is not answered, with the HTTP ``status`` that says so."""

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
    """Return the HTTP status of an error, which follows from its type."""
    if isinstance(error, ProblemError):
        return error.status
    if isinstance(error, TooLargeError):
        return 413
    return 415 if isinstance(error, UnknownFormatError) else 422


def problem_of(error: GadolinError) -> ProblemError:
    """Return the problem that an error of the library is for the one who asks."""
    if isinstance(error, ProblemError):
        return error
    return ProblemError(status_of(error), code=error.code, rule=error.rule, got=error.got, remedy=error.remedy)


def problem_response(problem: ProblemError) -> Response:
    """Return the answer (application/problem+json) of a problem."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": str(problem),
    }
    headers = {"Retry-After": str(problem.retry_seconds)} if problem.retry_seconds else {}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(content), problem.status, headers, "application/problem+json")
