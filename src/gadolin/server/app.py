"""The FastAPI application: the routes of the service and their handlers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from inspect import signature
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from gadolin._version import __version__
from gadolin.errors import GadolinError
from gadolin.explanations.trust import trust
from gadolin.models.predictor import Predictor
from gadolin.phantoms import CLASSES
from gadolin.readers import PLANES
from gadolin.records import JSON_FORMAT, NOTICE
from gadolin.server.batcher import Batcher
from gadolin.server.decoder_pool import Decoders
from gadolin.server.decoding import DecodeRequest
from gadolin.server.engine import Engine
from gadolin.server.explain import CancelledError, ExplainRequest, explain, explain_request, method_list
from gadolin.server.jobs import Job, Jobs
from gadolin.server.middleware import Guard
from gadolin.server.openapi import DELETE_JOB, EXPLAIN, GET_JOB, JOBS, MODEL, PHANTOM, PREDICT
from gadolin.server.pages import add_page
from gadolin.server.phantoms import phantom_picture
from gadolin.server.problems import ProblemError, invalid_field, problem_of, problem_response
from gadolin.server.settings import Settings
from gadolin.server.uploads import Form, read_form

__all__ = ["create_app"]

_INCLUDES = frozenset({"picture", "evidence"})
_EXPLAINERS = 4  # threads; predictions do not use them
_POLL_SECONDS = 0.5


def create_app(predictor: Predictor, settings: Settings | None = None) -> FastAPI:
    """Return the service for one model as an ASGI application; its lifespan starts and stops the decoding processes."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        decoders, batcher = Decoders(settings, predictor.bundle.preparation), Batcher(predictor)
        trusted = {name: trust(predictor.bundle, "evidence", name) for name in predictor.bundle.classes}
        explainers = ThreadPoolExecutor(_EXPLAINERS, "explain")
        app.state.engine = Engine(predictor, decoders, batcher, explainers, settings.limits, trusted)
        app.state.jobs = Jobs(settings.limits.max_jobs)
        yield
        app.state.jobs.close()
        await asyncio.to_thread(batcher.close)
        await asyncio.to_thread(explainers.shutdown, cancel_futures=True)
        decoders.close()

    app = FastAPI(
        title="Gadolin",
        version=__version__,
        description=NOTICE,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        **_without_telemetry(),
    )
    app.add_middleware(Guard, settings=settings)
    app.add_exception_handler(GadolinError, _library)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    add_page(app)
    _add_state(app)
    _add_model(app, predictor, settings)
    _add_work(app)
    _add_jobs(app)
    return app


def _without_telemetry() -> dict[str, Any]:
    """Return arguments that switch off FastAPI's telemetry (from 0.142), which environment variables can switch on."""
    parts = ("tracing", "metrics", "logs", "operation_spans", "auto_configure")
    return {"telemetry": dict.fromkeys(parts, False)} if "telemetry" in signature(FastAPI).parameters else {}


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
        problem = ProblemError(error.status_code, code="http_error", rule=str(error.detail), remedy="see openapi.json")
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


def _add_state(app: FastAPI) -> None:
    @app.get("/health", tags=["state"], summary="Whether the service is running")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", tags=["state"], summary="Whether the service is ready for requests")
    async def ready(request: Request) -> dict[str, str]:
        if getattr(request.app.state, "engine", None) is None:
            raise ProblemError(
                503,
                code="starting",
                rule="the service must be ready",
                got="it is still starting",
                remedy="retry in a moment",
                retry_seconds=1,
            )
        return {"status": "ready"}


def _add_model(app: FastAPI, predictor: Predictor, settings: Settings) -> None:
    bundle = predictor.bundle
    methods = method_list()
    facts = {
        "format": JSON_FORMAT,
        "notice": NOTICE,
        "model": bundle.digest,
        "version": __version__,
        "classes": list(bundle.classes),
        "confidence_threshold": bundle.confidence_threshold,
        "ood_threshold": bundle.ood_threshold,
        "licence": bundle.licence,
        "metrics": bundle.metrics,
        "methods": methods,
        "trust": {one["name"]: {name: trust(bundle, one["name"], name) for name in bundle.classes} for one in methods},
        "phantoms": list(CLASSES),
        "limits": asdict(settings.limits),
    }

    @app.get("/v1/model", openapi_extra=MODEL, tags=["model"], summary="The model, its methods and the limits")
    async def model() -> dict[str, Any]:
        return facts

    @app.get("/v1/phantom", openapi_extra=PHANTOM, tags=["model"], summary="A phantom, to try the service")
    async def phantom(label: str = CLASSES[0], seed: int = 0, series: int = 0) -> Response:
        content, kind = await asyncio.to_thread(phantom_picture, label, seed, series)
        return Response(content, media_type=kind)


def _add_work(app: FastAPI) -> None:
    @app.post("/v1/predict", openapi_extra=PREDICT, tags=["predictions"], summary="Classify slices")
    async def predict(request: Request) -> JSONResponse:
        return JSONResponse(await _predict(request.app.state.engine, await _form(request)))

    @app.post("/v1/explain", openapi_extra=EXPLAIN, tags=["predictions"], summary="Explain predictions as heat maps")
    async def explain_slices(request: Request) -> JSONResponse:
        engine, form = request.app.state.engine, await _form(request)
        job = Job("explain")
        task = asyncio.create_task(_explain(engine, form, explain_request(form.fields, engine.predictor), job))
        try:
            while not (await asyncio.wait([task], timeout=_POLL_SECONDS))[0]:
                if await request.is_disconnected():
                    job.cancelled.set()
            return JSONResponse(await task)
        except CancelledError as error:
            raise ClientDisconnect from error
        finally:
            job.cancelled.set()  # also if the request itself is cancelled


def _add_jobs(app: FastAPI) -> None:
    @app.post("/v1/jobs", openapi_extra=JOBS, status_code=202, tags=["jobs"], summary="Start a job")
    async def begin(request: Request) -> JSONResponse:
        engine, form = request.app.state.engine, await _form(request)
        kind = form.fields.get("kind", "explain")
        work: Callable[[Job], Awaitable[dict[str, Any]]]
        if kind == "predict":
            _decode_request(engine, form, pictures=False)
            work = partial(_predict_job, engine, form)
        elif kind == "explain":
            work = partial(_explain, engine, form, explain_request(form.fields, engine.predictor))
        else:
            raise invalid_field(rule="kind must be predict or explain", got=kind)
        job = request.app.state.jobs.start(kind, work)
        return JSONResponse(job.as_json(), 202, {"Location": f"jobs/{job.id}"})

    @app.get("/v1/jobs/{name}", openapi_extra=GET_JOB, tags=["jobs"], summary="State of a job, and its result")
    async def state(name: str, request: Request) -> JSONResponse:
        return JSONResponse(request.app.state.jobs.get(name).as_json())

    @app.delete("/v1/jobs/{name}", openapi_extra=DELETE_JOB, status_code=204, tags=["jobs"], summary="Cancel a job")
    async def cancel(name: str, request: Request) -> Response:
        request.app.state.jobs.cancel(name)
        return Response(status_code=204)


async def _form(request: Request) -> Form:
    limits = request.app.state.engine.limits
    return await read_form(request.headers.get("content-type", ""), request.stream(), limits)


async def _predict(engine: Engine, form: Form) -> dict[str, Any]:
    include = frozenset(filter(None, form.fields.get("include", "").split(",")))
    if not include <= _INCLUDES:
        raise invalid_field(rule="include may hold picture and evidence", got=", ".join(sorted(include - _INCLUDES)))
    options = _decode_request(engine, form, pictures=bool(include))
    slices = await engine.slices(form.files, options, form.fields.get("only", ""))
    return await engine.predict(slices, include)


async def _predict_job(engine: Engine, form: Form, _: Job) -> dict[str, Any]:
    return await _predict(engine, form)


async def _explain(engine: Engine, form: Form, options: ExplainRequest, job: Job) -> dict[str, Any]:
    decode = _decode_request(engine, form, pictures=True)
    slices = await engine.slices(form.files, decode, form.fields.get("only", ""))
    predictor = Predictor(engine.predictor.bundle, engine.batcher.patiently)
    work = partial(explain, predictor, slices, options, cancelled=job.cancelled, progress=job.advance)
    return await asyncio.get_running_loop().run_in_executor(engine.explainers, work)


def _decode_request(engine: Engine, form: Form, *, pictures: bool) -> DecodeRequest:
    """Return how to decode each file of a form; raises ProblemError (422) for invalid fields."""
    plane, frame = form.fields.get("plane", "acquired"), form.fields.get("frame")
    if plane not in PLANES:
        raise invalid_field(rule=f"plane must be one of {', '.join(PLANES)}", got=plane)
    if frame is not None and not (frame.isascii() and frame.isdecimal() and len(frame) < 9):
        raise invalid_field(rule="frame must be a whole number from 0", got=frame)
    limits, number = engine.limits, None if frame is None else int(frame)
    return DecodeRequest(plane, number, most=limits.max_slices, max_pixels=limits.max_pixels, pictures=pictures)
