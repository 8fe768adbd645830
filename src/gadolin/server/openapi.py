"""OpenAPI descriptions of each path: request, responses and examples."""

from __future__ import annotations

from typing import Any

from gadolin.explanations.registry import METHODS
from gadolin.phantoms import CLASSES
from gadolin.records import JSON_FORMAT, NOTICE

__all__ = ["DELETE_JOB", "EXPLAIN", "GET_JOB", "JOBS", "MODEL", "PHANTOM", "PREDICT"]

_CLASS = CLASSES[0]  # of the examples
_CODE = {"type": "string", "pattern": "^[a-z0-9_]+$", "description": "Stable name of the problem, for programs."}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": _CODE,
        "detail": {"type": "string", "description": "Description of the problem, for people; the wording may change."},
    },
}
_VERDICT = {
    "path": {"type": "string"},
    "frame": {"type": ["integer", "null"], "description": "Index of the slice in a file of several, from 0."},
    "label": {"type": ["string", "null"], "description": "The predicted class; null if the model abstains."},
    "abstained": {"type": "boolean"},
    "reason_code": {
        "type": ["string", "null"],
        "description": "Why the model abstains: colour_image, several_slices, out_of_distribution, low_confidence, "
        "tumour_uncertain, sequence_not_validated, kind_uncertain or kind_not_validated.",
    },
    "reason": {"type": ["string", "null"], "description": "The reason for people; the wording may change."},
    "sequence": {"type": ["string", "null"], "description": "The MRI sequence that the model recognises."},
    "header_sequence": {"type": ["string", "null"], "description": "The MRI sequence in the header of the file."},
    "p_tumour": {"type": ["number", "null"], "description": "Probability of a tumour of any kind, 0 to 1."},
    "validated": {
        "type": ["boolean", "null"],
        "description": "Whether this prediction was validated on this sequence.",
    },
}
_FAILURE = {
    "type": "object",
    "required": ["path", "frame", "code", "error"],
    "properties": {
        "path": _VERDICT["path"],
        "frame": _VERDICT["frame"],
        "code": _CODE,
        "error": {"type": "string", "description": "The path and the problem, for people."},
    },
}
_WHY = {
    "401": "The token is missing or wrong.",
    "403": "The request comes from a page of another site.",
    "404": "The job does not exist.",
    "408": "The request arrives too slowly.",
    "413": "Too many bytes, files, slices or pixels.",
    "415": "The body is not a form, or no file has a known format.",
    "421": "The request is addressed to another host.",
    "422": "A field or a file cannot be used.",
    "501": "The service lacks a package that the request needs.",
    "429": "Too many requests wait; retry later.",
    "503": "A decoder died or timed out; retry later.",
}


def _problems(*statuses: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _PROBLEM}}
    return {status: {"description": _WHY[status], "content": content} for status in (*statuses, "401", "403", "421")}


def _answer(
    description: str, example: dict[str, Any], *statuses: str, schema: dict[str, Any] | None = None
) -> dict[str, Any]:
    content = {"application/json": {"schema": schema or {"type": "object"}, "example": example}}
    return {"responses": {"200": {"description": description, "content": content}, **_problems(*statuses)}}


def _document(key: str, more: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a document with a result per slice under ``key``, and the errors."""
    slices = {"type": "object", "required": list(_VERDICT), "properties": _VERDICT | more}
    return {
        "type": "object",
        "required": ["notice", "model", key, "errors"],
        "properties": {
            "notice": {"type": "string"},
            "model": {"type": "string"},
            key: {"type": "array", "items": slices},
            "errors": {"type": "array", "items": _FAILURE},
        },
    }


def _form(fields: dict[str, Any], required: tuple[str, ...] = ("files",)) -> dict[str, Any]:
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "Files, or ZIP archives."}
    plane = {"type": "string", "enum": ["acquired", "axial", "coronal", "sagittal"], "default": "acquired"}
    frame = {"type": "integer", "minimum": 0, "description": "Only this slice of a file that holds several."}
    only = {"type": "string", "description": "Only the file of this name, such as one inside an archive."}
    schema = {
        "type": "object",
        "required": list(required),
        "properties": {"files": files, "plane": plane, "frame": frame, "only": only, **fields},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_INCLUDE = {
    "type": "string",
    "description": "picture, evidence, or both separated by a comma: returned with each prediction.",
    "example": "picture,evidence",
}
_EXPLAINING = {
    "method": {
        "type": "string",
        "enum": [name for name, one in METHODS.items() if not one.torch],
        "default": "evidence",
    },
    "class": {"type": "string", "description": "By default the predicted class."},
    "samples": {"type": "integer", "minimum": 2, "maximum": 20000, "default": 1000},
    "seed": {"type": "integer", "minimum": 0, "default": 0},
    "pieces": {"type": "integer", "minimum": 2, "maximum": 1000, "default": 60},
    "grids": {"type": "integer", "minimum": 1, "maximum": 64},
    "fill": {"type": "string", "enum": ["blur", "mean", "inpaint"], "default": "blur"},
}
_PREDICTION = {
    "path": "slice.png",
    "frame": None,
    "probabilities": dict(zip(CLASSES, (0.96, 0.03, 0.01, 0.0), strict=True)),
    "label": _CLASS,
    "abstained": False,
    "reason_code": None,
    "reason": None,
    "model": "0123456789abcdef",
}
_NO_FAILURES: dict[str, Any] = {"errors": [], "errors_by_code": {}, "left_out": [], "left_out_by_code": {}}
_PREDICTED = {
    "format": JSON_FORMAT,
    "notice": NOTICE,
    "model": "0123456789abcdef",
    "predictions": [_PREDICTION],
    **_NO_FAILURES,
}
_EXPLAINED = {
    "format": JSON_FORMAT,
    "notice": NOTICE,
    "model": "0123456789abcdef",
    "explained": [
        {
            "path": "slice.png",
            "frame": None,
            "label": _CLASS,
            "abstained": False,
            "reason_code": None,
            "reason": None,
            "explanations": [
                {
                    "method": "evidence",
                    "class": _CLASS,
                    "probability": 0.96,
                    "samples": 1,
                    "hottest": [120, 88],
                    "heat": {"height": 256, "width": 256, "scale": 7.5, "data": "AAAA..."},
                    "trust": f"On 95 outlined slices predicted as {_CLASS}, the hottest pixel of evidence lay in ...",
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
    "progress": {"done": 250, "total": 1000, "what": "lime"},
}
_KIND = {"kind": {"type": "string", "enum": ["predict", "explain"], "default": "explain"}, "include": _INCLUDE}

_REFUSED = ("408", "413", "415", "422", "429", "501", "503")
_AS_JOB = {"Location": {"description": "URL of the job, relative to this path.", "schema": {"type": "string"}}}

MODEL = _answer(
    "The model, its methods, and the limits of a request.",
    {"format": JSON_FORMAT, "notice": NOTICE, "classes": list(CLASSES)},
)
PHANTOM = {"responses": {"200": {"description": "A PNG picture, or a ZIP archive of a series."}, **_problems("422")}}
PREDICT = _form({"include": _INCLUDE}) | _answer(
    "The document of gadolin predict --json.",
    _PREDICTED,
    *_REFUSED,
    schema=_document("predictions", {"probabilities": {"type": "object", "additionalProperties": {"type": "number"}}}),
)
EXPLAIN = _form(_EXPLAINING) | _answer(
    "Heat maps per slice.", _EXPLAINED, *_REFUSED, schema=_document("explained", {"explanations": {"type": "array"}})
)
_BEGUN = {"description": "The job.", "headers": _AS_JOB, "content": {"application/json": {"example": _JOB}}}
JOBS = _form(_EXPLAINING | _KIND) | {"responses": {"202": _BEGUN, **_problems(*_REFUSED)}}
GET_JOB = _answer("The job; once it has ended, with its result or its problem.", _JOB, "404")
DELETE_JOB = {"responses": {"204": {"description": "The job is cancelled."}, **_problems("404")}}
