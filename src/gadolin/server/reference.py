"""The OpenAPI document of the service, and the same as a page without scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from gadolin.server.openapi import openapi_document
from gadolin.server.settings import Settings

__all__ = ["Operation", "OperationResponse", "Row", "add_reference", "schema_rows"]

_FOLDER = Path(__file__).with_name("reference_page")
_FORM = "multipart/form-data"
_PROBLEM = "application/problem+json"
_INNER = ("items", "additionalProperties")


@dataclass(frozen=True, slots=True)
class Row:
    """A field of a JSON object or a form; ``target`` is the schema that its type refers to, or empty."""

    name: str
    kind: str
    target: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class OperationResponse:
    """A response: its media types with the schema of each (none for problems), and its headers with their meaning."""

    status: str
    description: str
    kinds: list[tuple[str, str]]
    headers: dict[str, str]


def add_reference(app: FastAPI, settings: Settings) -> None:
    """Add /openapi.json, the page /docs and its style sheet; both documents are made at the first request."""

    @cache
    def document() -> dict[str, Any]:
        return openapi_document(app, settings)

    @cache
    def page() -> str:
        return _page(document())

    _add(app, "/openapi.json", lambda: JSONResponse(document()))
    _add(app, "/docs", lambda: Response(page(), media_type="text/html"))
    style = (_FOLDER / "docs.css").read_bytes()
    _add(app, "/docs.css", lambda: Response(style, media_type="text/css"))


def _add(app: FastAPI, path: str, answer: Callable[[], Response]) -> None:
    def respond() -> Response:  # not async: the first answer takes a while, so it must have a thread
        return answer()

    app.add_api_route(path, respond, include_in_schema=False)


def _page(document: dict[str, Any]) -> str:
    import jinja2  # deferred: only this page needs it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    operations = [
        Operation(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    components = document["components"]
    return environment.get_template("docs.html.jinja").render(
        info=document["info"],
        secured="securitySchemes" in components,
        tags=[(tag, [one for one in operations if tag["name"] in one.spec["tags"]]) for tag in document["tags"]],
        schemas={
            name: (
                one.get("description", ""),
                schema_rows(one),
                [json.dumps(each, indent=2) for each in one.get("examples", ())],
            )
            for name, one in components["schemas"].items()
        },
    )


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path; ``spec`` is its description in the OpenAPI document."""

    method: str
    path: str
    spec: dict[str, Any]

    @property
    def form(self) -> str:
        """The schema of the form that it takes, or empty."""
        content = self.spec.get("requestBody", {}).get("content", {})
        return _target(content[_FORM]["schema"]) if _FORM in content else ""

    @property
    def parameters(self) -> list[Row]:
        """The parameters in its path and query."""
        return [
            _row(
                one["name"],
                one["schema"] | {"description": f"{one.get('description', '')} In the {one['in']}.".lstrip()},
                required=one["required"],
            )
            for one in self.spec.get("parameters", ())
        ]

    @property
    def responses(self) -> list[OperationResponse]:
        """Its responses by status."""
        return [
            OperationResponse(
                status,
                one["description"],
                [
                    (kind, _target(content.get("schema", {})))
                    for kind, content in one.get("content", {}).items()
                    if kind != _PROBLEM
                ],
                {name: header["description"] for name, header in one.get("headers", {}).items()},
            )
            for status, one in sorted(self.spec["responses"].items())
        ]


def schema_rows(schema: dict[str, Any]) -> list[Row]:
    """Return the fields of a JSON schema of an object, in their order."""
    required = schema.get("required", ())
    return [_row(name, one, required=name in required) for name, one in schema.get("properties", {}).items()]


def _row(name: str, schema: dict[str, Any], *, required: bool) -> Row:
    return Row(name, _kind(schema), _target(schema), required, schema.get("description", ""))


def _target(schema: dict[str, Any]) -> str:
    """Return the first schema that a schema refers to, or an empty string."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    inner = [*schema.get("anyOf", ()), *(schema[key] for key in _INNER if isinstance(schema.get(key), dict))]
    return next((found for one in inner if (found := _target(one))), "")


def _kind(schema: dict[str, Any]) -> str:
    """Return the type of a value in words, such as "list of Prediction" or "integer, 2 to 20000; default 1000"."""
    if "$ref" in schema:
        return _target(schema)
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        words = "one of " + ", ".join(schema["enum"]) if "enum" in schema else json.dumps(schema["const"]).strip('"')
    elif schema.get("type") == "array":
        words = f"list of {_kind(schema.get('items', {}))}"
    elif isinstance(schema.get("additionalProperties"), dict):
        words = f"object of {_kind(schema['additionalProperties'])}"
    else:
        kinds = schema.get("type", "anything")
        words = (
            "file" if schema.get("format") == "binary" else " or ".join([kinds] if isinstance(kinds, str) else kinds)
        )
    if "minimum" in schema:
        words += f", {schema['minimum']:.10g}" + (
            f" to {schema['maximum']:.10g}" if "maximum" in schema else " or more"
        )
    if "exclusiveMinimum" in schema:
        words += f", above {schema['exclusiveMinimum']:.10g}"
    return words + (f"; default {_shown(schema['default'])}" if schema.get("default") not in (None, "", {}) else "")


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
