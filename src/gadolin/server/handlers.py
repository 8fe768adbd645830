"""The responses to exceptions of the application: each is a problem document."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from gadolin.errors import GadolinError
from gadolin.server.problems import ProblemError, invalid_field, problem_of, problem_response

__all__ = ["add_handlers"]


def add_handlers(app: FastAPI) -> None:
    """Let the application respond to errors of Gadolin, of the framework and of parameters with problems."""
    app.add_exception_handler(GadolinError, _library)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _library(_: Request, error: Exception) -> Response:
    assert isinstance(error, GadolinError), "the handler is registered for this type"
    return problem_response(problem_of(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "the handler is registered for this type"
    if error.status_code == 405:
        return _method_not_allowed(request)
    if error.status_code == 404:
        problem = ProblemError(
            404, code="not_found", rule="the path must exist in this service", remedy="see openapi.json"
        )
    else:
        problem = ProblemError(
            error.status_code,
            code="http_error",
            rule="the request must follow HTTP and the API",
            got=str(error.detail),
            remedy="see openapi.json",
        )
    return problem_response(problem)


def _method_not_allowed(request: Request) -> Response:
    """Return the methods that a path allows: as the response to OPTIONS, else as a problem."""
    methods = {
        method
        for route in request.app.router.routes
        if route.matches(dict(request.scope))[0] is not Match.NONE
        for method in getattr(route, "methods", None) or ()
    }
    allow = {"Allow": ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    problem = ProblemError(
        405,
        code="method_not_allowed",
        rule=f"this path allows only {allow['Allow']}",
        got=f"got {request.method[:20]!r}",
        remedy="see openapi.json",
    )
    return problem_response(problem, allow)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError), "the handler is registered for this type"
    first = error.errors()[0]
    return problem_response(
        invalid_field(rule=f"{first['loc'][-1]} must have the documented type", got=str(first["input"]))
    )
