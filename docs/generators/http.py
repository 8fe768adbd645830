"""docs/reference/http.md: the endpoints of the service and their JSON, from its OpenAPI document."""

from __future__ import annotations

import http
from collections import defaultdict
from pathlib import Path
from typing import Any

from gadolin.server.reference import Operation, OperationResponse
from generators.codes import codes
from generators.marks import fill, table
from generators.schema_tables import fields_table, kind_cell, marked, slug

__all__ = ["openapi", "operations", "write_http"]

OTHERWISE = {
    "405": "The path does not have this method.",
    "500": "An unexpected error; the log of the service names its place in the source.",
}
"""Meaning of the statuses that the OpenAPI document does not list, because any path may have them."""


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of a service without a token, with the packaged model."""
    from fastapi.routing import APIRoute

    from gadolin.models.predictor import Predictor
    from gadolin.server.app import create_app
    from gadolin.server.openapi import openapi_document
    from gadolin.server.settings import Settings

    app = create_app(Predictor.load("shipped"), Settings())
    assert any(isinstance(one, APIRoute) for one in app.routes)
    return openapi_document(app, Settings())


def operations(document: dict[str, Any]) -> list[Operation]:
    """Return every operation, in the order of the document."""
    return [
        Operation(method.upper(), path, spec)
        for path, methods in document["paths"].items()
        for method, spec in methods.items()
    ]


def write_http(path: Path) -> None:
    """Write the endpoints, the codes of each status, and the objects."""
    document = openapi()
    every = operations(document)
    head = ["endpoint", "what it does"]
    rows = [[f"[`{name(one)}`](#{slug(name(one))})", sentence(one.spec["summary"])] for one in every]
    fill(path, "endpoints", table(head, rows))
    fill(path, "operations", "\n\n".join(operation_text(one, document) for one in every))
    fill(path, "statuses", statuses(every))
    schemas = document["components"]["schemas"]
    forms = {one.form for one in every}
    objects = [
        f"### {key}\n\n{marked(one.get('description', ''))}\n\n{fields_table(one)}"
        for key, one in schemas.items()
        if key not in forms
    ]
    fill(path, "objects", "\n\n".join(objects))


def name(operation: Operation) -> str:
    """Return the method and path of an operation."""
    return f"{operation.method} {operation.path}"


def sentence(text: str) -> str:
    """Return a text with a full stop."""
    return text if text.endswith(".") else f"{text}."


def operation_text(operation: Operation, document: dict[str, Any]) -> str:
    """Return the section of an operation: description, parameters or form, responses."""
    parts = [f"### {name(operation)}", sentence(operation.spec.get("description") or operation.spec["summary"])]
    if operation.parameters:
        rows = [[f"`{row.name}`", kind_cell(row), marked(row.description)] for row in operation.parameters]
        parts.append(table(["parameter", "type", "meaning"], rows))
    if operation.form:
        form = document["components"]["schemas"][operation.form]
        parts.append(f"The body is a form (`multipart/form-data`):\n\n{fields_table(form)}")
    refused = [one.status for one in operation.responses if int(one.status) >= http.HTTPStatus.BAD_REQUEST]
    answered = [response_row(one) for one in operation.responses if one.status not in refused]
    parts.append(table(["status", "media type", "response"], answered))
    if refused:
        parts.append(f"[Problems](#statuses-and-codes): {', '.join(refused)}.")
    return "\n\n".join(parts)


def response_row(response: OperationResponse) -> list[str]:
    """Return the row of a response that is no problem."""
    kinds = [f"`{kind}`" + (f": [{target}](#{slug(target)})" if target else "") for kind, target in response.kinds]
    headers = [f"Header `{key}`: {meaning}" for key, meaning in response.headers.items()]
    return [response.status, ", ".join(kinds), marked(" ".join([response.description, *headers]))]


def statuses(every: list[Operation]) -> str:
    """Return the table of the statuses of problems: meaning, and the codes that have the status."""
    meanings = OTHERWISE | {
        one.status: one.description
        for operation in every
        for one in operation.responses
        if int(one.status) >= http.HTTPStatus.BAD_REQUEST
    }
    found = defaultdict(set)
    for one in codes():
        if one.status is not None:
            found[str(one.status)].add(one.code)
    rows = [
        [status, meanings[status], ", ".join(f"`{one}`" for one in sorted(found[status]))]
        for status in sorted(meanings)
    ]
    return table(["status", "when", "codes of the service"], rows)
