"""The web page, its files, read once from the package, and the phantoms that it offers first."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gadolin.server.phantoms import EXAMPLES

__all__ = ["add_page"]

_FOLDER = Path(__file__).with_name("page")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


def add_page(app: FastAPI) -> None:
    """Add routes for the page and the files beside it; ``static/examples.json`` lists the first phantoms."""
    files = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _KINDS}
    files["examples.json"] = json.dumps([asdict(one) for one in EXAMPLES]).encode()

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return _answer(request, "index.html", files)

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str, request: Request) -> Response:
        return _answer(request, name, files)


def _answer(request: Request, name: str, files: dict[str, bytes]) -> Response:
    if name not in files:
        raise HTTPException(404)
    tag = f'"{hashlib.sha256(files[name]).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if _has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(files[name], media_type=_KINDS[Path(name).suffix], headers=headers)


def _has(header: str, tag: str) -> bool:
    """Return whether an If-None-Match header lists a tag, also as the weak tag of a compressing reverse proxy."""
    known = {each.strip().removeprefix("W/") for each in header.split(",")}
    return tag in known or "*" in known
