"""The OpenAPI document of the service: requests, responses and examples of each path."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gadolin.dicom_results.multipart import RELATED
from gadolin.phantoms import CLASSES
from gadolin.records import JSON_FORMAT, NOTICE
from gadolin.server.dicom_response import SUMMARY_HEADER
from gadolin.server.schemas import DicomForm, DicomResults, ExplainForm, JobForm, PredictForm, Problem
from gadolin.server.settings import Settings

__all__ = [
    "DELETE_JOB",
    "DICOM",
    "EXPLAIN",
    "GET_JOB",
    "HEALTH",
    "JOBS",
    "METRICS",
    "MODEL",
    "PHANTOM",
    "PREDICT",
    "READY",
    "openapi_document",
]

_REFERENCE = "#/components/schemas/{model}"
_CLASS = CLASSES[0]  # of the examples
_DIGEST = "0123456789abcdef"
_OPEN = ("/health", "/ready")
_DESCRIBED = (PredictForm, ExplainForm, JobForm, DicomForm, DicomResults, Problem)
_WHY = {
    "401": "The token is missing or wrong.",
    "403": "The request comes from a page of another site.",
    "404": "The path or the job does not exist.",
    "406": "The request accepts none of the media types of the response.",
    "408": "The request arrives more slowly than 64 KiB a second.",
    "413": "Too many bytes, files, slices or pixels.",
    "415": "The body is not a form, or no file has a known format.",
    "421": "The request is addressed to another host.",
    "422": "A field or a file cannot be used.",
    "501": "The service lacks a package that the request needs.",
    "429": "Too many requests wait; retry later.",
    "503": "A decoder died or timed out, or the service starts or stops; retry later.",
}
_TAGS = [
    {"name": "predictions", "description": "Classify slices, and explain predictions as heat maps."},
    {"name": "jobs", "description": "The same as work that is polled and can be cancelled."},
    {"name": "model", "description": "The model, and phantoms to try it."},
    {"name": "state", "description": "For monitors. /health and /ready need no token."},
]


def openapi_document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI document of the service, with the token in it if the service needs one."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=_TAGS,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
    )
    _, described = models_json_schema([(one, "validation") for one in _DESCRIBED], ref_template=_REFERENCE)
    document["externalDocs"] = {"description": "This API as a page.", "url": "docs"}  # relative to this document
    components = document["components"]
    schemas = components["schemas"] = dict(sorted((components["schemas"] | described["$defs"]).items()))
    for name, example in _EXAMPLES.items():
        schemas[name]["examples"] = [example]
    _drop_validation_errors(document)
    if settings.token:
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "The token that gadolin serve was given."}
        }
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["security"] = [] if path in _OPEN else [{"token": []}]
    return document


def _drop_validation_errors(document: dict[str, Any]) -> None:
    """Remove FastAPI's own response to invalid parameters: here it is a problem as any other."""
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if content.pop("application/json", None) and not content:
                del operation["responses"]["422"]  # the path takes any name


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _problems(*statuses: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _reference(Problem)}}
    return {status: {"description": _WHY[status], "content": content} for status in statuses}


def _answer(description: str, *statuses: str, success: str = "200") -> dict[str, Any]:
    """Return the description of the responses; the schema of the successful one is that of its route."""
    return {"responses": {success: {"description": description, "content": {}}, **_problems(*statuses)}}


def _form(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _reference(model)}}}}


def _binary(*kinds: str) -> dict[str, Any]:
    return {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}


def _header(description: str, kind: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


_VERDICT = {
    "path": "slice.png",
    "frame": None,
    "label": _CLASS,
    "abstained": False,
    "reason_code": None,
    "reason": None,
    "sequence": "T1c",
    "header_sequence": None,
    "p_tumour": 0.98,
    "validated": True,
}
_HEAD: dict[str, Any] = {"format": JSON_FORMAT, "notice": NOTICE, "model": _DIGEST}
_NO_FAILURES: dict[str, Any] = {"errors": [], "errors_by_code": {}, "left_out": [], "left_out_by_code": {}}
_PREDICTED = {
    **_HEAD,
    "predictions": [
        {
            **_VERDICT,
            "probabilities": dict(zip(CLASSES, (0.96, 0.03, 0.01, 0.0), strict=True)),
            "series": None,
            "orientation": None,
            "spacing_mm": None,
            "model": _DIGEST,
        }
    ],
    "errors": [{"path": "b.png", "frame": None, "code": "unknown_format", "error": "b.png: the format is unknown"}],
    "errors_by_code": {"unknown_format": 1},
    "left_out": [],
    "left_out_by_code": {},
}
_EXPLAINED = {
    **_HEAD,
    "explained": [
        {
            **_VERDICT,
            "explanations": [
                {
                    "method": "evidence",
                    "class": _CLASS,
                    "probability": 0.96,
                    "samples": 1,
                    "settings": {},
                    "hottest": [120, 88],
                    "heat": {"height": 256, "width": 256, "scale": 7.5, "data": "AAAA..."},
                    "trust": f"On 95 outlined slices predicted as {_CLASS}, the hottest pixel of evidence was in ...",
                }
            ],
        }
    ],
    **_NO_FAILURES,
}
_JOB = {
    "id": "Zk3...",
    "kind": "explain",
    "status": "running",
    "progress": {"done": 250, "total": 1000, "unit": "samples", "what": "lime"},
}
_REFUSAL = {
    "type": "about:blank",
    "title": "Unprocessable Content",
    "status": 422,
    "code": "no_files",
    "detail": "a request must hold one file or more in the field 'files', but this one holds none; send one",
}
_EXAMPLES = {"Predictions": _PREDICTED, "Explanations": _EXPLAINED, "Job": _JOB, "Problem": _REFUSAL}
"""An example of each larger response; set last, because FastAPI drops nulls from what it is given."""
_GUARD = ("401", "403", "421")
_REFUSED = ("408", "413", "415", "422", "429", "501", "503", *_GUARD)
_RETRY = {"Retry-After": _header("Seconds until the next poll, while the job is queued or running.", "integer")}
_PLACE = {
    "Location": _header(
        "URL of the job, relative to the URL of this request: from /v1/jobs, jobs/ID is /v1/jobs/ID.", "string"
    )
}

HEALTH = _answer("The service is running.")
READY = _answer("The service can predict.", "503")
METRICS = _answer("Metrics in the text format of Prometheus.", *_GUARD)
MODEL = _answer("The model and the limits.", *_GUARD)
PHANTOM = _answer("A PNG picture, or a ZIP archive of a series.", "422", *_GUARD)
PHANTOM["responses"]["200"]["content"] = _binary("image/png", "application/zip")
PREDICT = _form(PredictForm) | _answer("The document of gadolin predict --json.", *_REFUSED)
EXPLAIN = _form(ExplainForm) | _answer(
    "Heat maps; with Accept: image/png, a figure of one slice: two panels, slice and overlay, with a colour bar.",
    *_REFUSED,
)
EXPLAIN["responses"]["200"]["content"] = _binary("image/png")
DICOM = _form(DicomForm) | _answer(
    "The objects and results.json (DicomResults) in a ZIP archive; with Accept: multipart/related; "
    'type="application/dicom", the objects as DICOMweb sends them.',
    "406",
    *_REFUSED,
)
DICOM["responses"]["200"]["content"] = _binary("application/zip", RELATED)
DICOM["responses"]["200"]["headers"] = {
    SUMMARY_HEADER: _header(
        "With multipart/related: DicomResults as JSON, without the lists objects, errors and left_out.", "string"
    )
}
JOBS = _form(JobForm) | _answer("The job.", *_REFUSED, success="202")
JOBS["responses"]["202"]["headers"] = _PLACE | _RETRY
GET_JOB = _answer("The job; once it has ended, with its result or its problem.", "404", *_GUARD)
GET_JOB["responses"]["200"]["headers"] = _RETRY
DELETE_JOB = {"responses": {"204": {"description": "The job is cancelled."}, **_problems("404", *_GUARD)}}
