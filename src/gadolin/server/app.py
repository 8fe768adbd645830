"""The FastAPI application: the routes of the service and their handlers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from inspect import signature
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from gadolin._version import __version__
from gadolin.explanations.trust import hit_rates, trust
from gadolin.models.predictor import Predictor
from gadolin.phantoms import CLASSES
from gadolin.readers import PLANES
from gadolin.records import JSON_FORMAT, NOTICE
from gadolin.server.accept import prefers_png
from gadolin.server.batcher import Batcher
from gadolin.server.decoder_pool import Decoders
from gadolin.server.decoding import DecodeRequest
from gadolin.server.dicom import DicomWorkers, add_dicom
from gadolin.server.engine import Engine, PredictRequest
from gadolin.server.explain import (
    CancelledError,
    ExplainRequest,
    explain,
    explain_as_png,
    explain_request,
    method_list,
)
from gadolin.server.handlers import add_handlers
from gadolin.server.jobs import Job, Jobs
from gadolin.server.middleware import Guard
from gadolin.server.monitoring import METRICS_TYPE, Metrics, Monitor
from gadolin.server.openapi import (
    DELETE_JOB,
    EXPLAIN,
    GET_JOB,
    HEALTH,
    JOBS,
    METRICS,
    MODEL,
    PHANTOM,
    PREDICT,
    READY,
)
from gadolin.server.pages import add_page
from gadolin.server.phantoms import PhantomLabel, PhantomSeed, PhantomSeries, phantom_picture
from gadolin.server.problems import ProblemError, invalid_field
from gadolin.server.reference import add_reference
from gadolin.server.schemas import Explanations, Health, Model, Predictions, Ready
from gadolin.server.schemas import Job as JobModel
from gadolin.server.settings import Settings
from gadolin.server.uploads import Form, form_of

__all__ = ["create_app"]

JobId = Annotated[str, Path(description="The `id` of the job.")]

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
        app.state.jobs, app.state.dicom = Jobs(settings.limits.max_jobs), DicomWorkers(settings)
        app.state.metrics.watch_queue(
            {"prediction": batcher.predictions_waiting, "explanation": batcher.samples_waiting}
        )
        yield
        app.state.jobs.close()
        await asyncio.to_thread(app.state.dicom.close)
        await asyncio.to_thread(batcher.close)
        await asyncio.to_thread(explainers.shutdown, cancel_futures=True)
        decoders.close()

    app = FastAPI(
        title="Gadolin",
        version=__version__,
        description=NOTICE,
        lifespan=lifespan,
        openapi_url=None,  # add_reference adds it
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        **_without_telemetry(),
    )
    metrics = app.state.metrics = Metrics()
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Monitor, settings=settings, metrics=metrics)  # the outermost
    add_handlers(app)
    add_page(app)
    add_reference(app, settings)
    _add_state(app)
    _add_model(app, predictor, settings)
    _add_work(app)
    add_dicom(app)
    _add_jobs(app)
    return app


def _without_telemetry() -> dict[str, Any]:
    """Return arguments that switch off FastAPI's telemetry (from 0.142), which environment variables can switch on."""
    parts = ("tracing", "metrics", "logs", "operation_spans", "auto_configure")
    return {"telemetry": dict.fromkeys(parts, False)} if "telemetry" in signature(FastAPI).parameters else {}


def _add_state(app: FastAPI) -> None:
    @app.get(
        "/health",
        openapi_extra=HEALTH,
        response_model=Health,
        tags=["state"],
        summary="Whether the service is running",
    )
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get(
        "/ready",
        openapi_extra=READY,
        response_model=Ready,
        tags=["state"],
        summary="Whether the service is ready for requests",
    )
    async def ready(request: Request) -> JSONResponse:
        if getattr(request.app.state, "engine", None) is None:
            raise ProblemError(
                503,
                code="starting",
                rule="the service must be ready",
                got="it is still starting",
                remedy="retry in a moment",
                retry_seconds=1,
            )
        return JSONResponse({"status": "ready"})

    @app.get(
        "/metrics",
        openapi_extra=METRICS,
        response_class=PlainTextResponse,
        tags=["state"],
        summary="Requests, durations, predictions and queue lengths, for Prometheus",
    )
    async def metrics(request: Request) -> Response:
        return Response(request.app.state.metrics.as_text(), media_type=METRICS_TYPE)


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
        "scores": hit_rates(bundle),
        "phantoms": list(CLASSES),
        "limits": asdict(settings.limits),
    }

    @app.get(
        "/v1/model",
        openapi_extra=MODEL,
        response_model=Model,
        tags=["model"],
        summary="The model, its methods and the limits",
    )
    async def model() -> JSONResponse:
        return JSONResponse(facts)

    @app.get(
        "/v1/phantom",
        openapi_extra=PHANTOM,
        response_class=Response,
        tags=["model"],
        summary="A phantom, to try the service",
    )
    async def phantom(label: PhantomLabel = CLASSES[0], seed: PhantomSeed = 0, series: PhantomSeries = 0) -> Response:
        content, kind = await asyncio.to_thread(phantom_picture, label, seed, series)
        return Response(content, media_type=kind)


def _add_work(app: FastAPI) -> None:
    @app.post(
        "/v1/predict",
        openapi_extra=PREDICT,
        response_model=Predictions,
        tags=["predictions"],
        summary="Classify slices",
    )
    async def predict(request: Request) -> JSONResponse:
        form, state = await form_of(request), request.app.state
        return JSONResponse(await _predict(state.engine, form, state.metrics))

    @app.post(
        "/v1/explain",
        openapi_extra=EXPLAIN,
        name="explain",
        response_model=Explanations,
        tags=["predictions"],
        summary="Explain predictions as heat maps",
    )
    async def explain_slices(request: Request) -> Response:
        engine, form = request.app.state.engine, await form_of(request)
        job, options = Job("explain"), explain_request(form.fields, engine.predictor)
        png = prefers_png(request.headers.get("accept", ""))
        task = asyncio.create_task(
            _explain_as_png(engine, form, options, job) if png else _explain(engine, form, options, job)
        )
        try:
            while not (await asyncio.wait([task], timeout=_POLL_SECONDS))[0]:
                if await request.is_disconnected():
                    job.cancelled.set()
            vary = {"Vary": "Accept"}
            return Response(await task, 200, vary, "image/png") if png else JSONResponse(await task, 200, vary)
        except CancelledError as error:
            raise ClientDisconnect from error
        finally:
            job.cancelled.set()  # also if the request itself is cancelled


def _add_jobs(app: FastAPI) -> None:
    @app.post(
        "/v1/jobs",
        openapi_extra=JOBS,
        response_model=JobModel,
        status_code=202,
        tags=["jobs"],
        summary="Start a job",
    )
    async def start_job(request: Request) -> JSONResponse:
        engine, form = request.app.state.engine, await form_of(request)
        kind = form.fields.get("kind", "explain")
        work: Callable[[Job], Awaitable[dict[str, Any]]]
        if kind == "predict":
            _decode_request(engine, form, pictures=False)
            work = partial(_predict, engine, form, request.app.state.metrics)
        elif kind == "explain":
            work = partial(_explain, engine, form, explain_request(form.fields, engine.predictor))
        else:
            raise invalid_field(rule="kind must be predict or explain", got=kind)
        job = request.app.state.jobs.start(kind, work)
        return JSONResponse(job.as_json(), 202, job.headers | {"Location": f"jobs/{job.id}"})

    @app.get(
        "/v1/jobs/{name}",
        openapi_extra=GET_JOB,
        response_model=JobModel,
        tags=["jobs"],
        summary="State of a job, and its result",
    )
    async def get_job(name: JobId, request: Request) -> JSONResponse:
        job = request.app.state.jobs.get(name)
        return JSONResponse(job.as_json(), headers=job.headers)

    @app.delete("/v1/jobs/{name}", openapi_extra=DELETE_JOB, status_code=204, tags=["jobs"], summary="Cancel a job")
    async def cancel_job(name: JobId, request: Request) -> Response:
        request.app.state.jobs.cancel(name)
        return Response(status_code=204)


async def _predict(engine: Engine, form: Form, metrics: Metrics, job: Job | None = None) -> dict[str, Any]:
    include = frozenset(filter(None, form.fields.get("include", "").split(",")))
    if not include <= _INCLUDES:
        raise invalid_field(rule="include may hold picture and evidence", got=", ".join(sorted(include - _INCLUDES)))
    options = _decode_request(engine, form, pictures=bool(include))
    slices = await engine.slices(form.files, options, form.fields.get("only", ""))
    if job is not None:
        job.advance(0, len(slices), "predict")
    document = await engine.predict(slices, include)
    metrics.count_predictions(one["label"] for one in document["predictions"])
    return document


async def _explain(engine: Engine, form: Form, options: ExplainRequest, job: Job) -> dict[str, Any]:
    job.unit = options.unit
    predictor, slices = await _explained_slices(engine, form)
    work = partial(explain, predictor, slices, options, cancelled=job.cancelled, progress=job.advance)
    return await asyncio.get_running_loop().run_in_executor(engine.explainers, work)


async def _explain_as_png(engine: Engine, form: Form, options: ExplainRequest, job: Job) -> bytes:
    predictor, slices = await _explained_slices(engine, form)
    work = partial(explain_as_png, predictor, slices, options, cancelled=job.cancelled)
    return await asyncio.get_running_loop().run_in_executor(engine.explainers, work)


async def _explained_slices(engine: Engine, form: Form) -> tuple[Predictor, list[PredictRequest]]:
    """Return the slices of a form with their pictures, and a predictor that lets predictions go first."""
    decode = _decode_request(engine, form, pictures=True)
    slices = await engine.slices(form.files, decode, form.fields.get("only", ""))
    return Predictor(engine.predictor.bundle, engine.batcher.patiently), slices


def _decode_request(engine: Engine, form: Form, *, pictures: bool) -> DecodeRequest:
    """Return how to decode each file of a form; raises ProblemError (422) for invalid fields."""
    plane, frame = form.fields.get("plane", "acquired"), form.fields.get("frame")
    if plane not in PLANES:
        raise invalid_field(rule=f"plane must be one of {', '.join(PLANES)}", got=plane)
    if frame is not None and not (frame.isascii() and frame.isdecimal() and len(frame) < 9):
        raise invalid_field(rule="frame must be a whole number from 0", got=frame)
    limits, number = engine.limits, None if frame is None else int(frame)
    return DecodeRequest(plane, number, most=limits.max_slices, max_pixels=limits.max_pixels, pictures=pictures)
