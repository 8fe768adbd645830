"""What goes wrong, as RFC 9457 problem details: the rule, what was got, what to do."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response

__all__ = ["ProblemError", "problem_response"]


class ProblemError(Exception):
    """A request that is not answered: an HTTP ``status``, and a ``detail`` in one sentence."""

    def __init__(self, status: int, detail: str, *, retry_seconds: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_seconds = retry_seconds


def problem_response(problem: ProblemError) -> Response:
    """Return the answer (application/problem+json) of a problem."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    headers = {"Retry-After": str(problem.retry_seconds)} if problem.retry_seconds else {}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(content), problem.status, headers, "application/problem+json")
