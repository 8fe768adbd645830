"""Files of a request, kept in memory: nothing is written to disk, and limits are checked while bytes arrive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from gadolin.server.content_disposition import disposition
from gadolin.server.problems import ProblemError, invalid_field, request_too_large
from gadolin.server.settings import Limits

__all__ = ["Form", "Upload", "form_of", "read_form"]

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it would log parts of uploads

_MAX_FIELD_BYTES = 4096
_MAX_FIELDS = 32
_MAX_NAME = 1024
_MAX_HEADER_BYTES = 8192
_GRACE = 20.0  # seconds, in addition to the time of the received bytes at the lowest rate
_LOWEST_RATE = 2**16  # bytes per second


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file; ``name`` is the client's name for it and is only returned to that client."""

    name: str = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """The files and fields of a request."""

    files: list[Upload]
    fields: dict[str, str]


class _Part:
    def __init__(self) -> None:
        self.header, self.value = bytearray(), bytearray()
        self.headers: dict[str, bytes] = {}
        self.content = bytearray()


class _Collector:
    """Collects the parts of a body from the callbacks of the parser."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.form = Form([], {})
        self.part = _Part()
        self.ended = False
        self.total = 0

    def on_part_begin(self) -> None:
        self.part = _Part()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.part.header += data[start:end]
        self._check_header()

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.part.value += data[start:end]
        self._check_header()

    def on_header_end(self) -> None:
        self.part.headers[self.part.header.decode("latin-1").lower()] = bytes(self.part.value)
        self.part.header.clear()
        self.part.value.clear()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.part.content += data[start:end]

    def on_part_end(self) -> None:
        parameters = disposition(self.part.headers.get("content-disposition", b""))
        name, filename = parameters.get("name", ""), parameters.get("filename")
        if filename is None and name == "files":
            raise ProblemError(
                422,
                code="no_files",
                rule="a file must be sent with a file name",
                got="this one has none",
                remedy="add one, as curl -F files=@slice.png does",
            )
        if filename is None:
            self._keep_field(name)
        elif name != "files":
            raise ProblemError(
                422,
                code="field_unknown",
                rule="files must be sent as the field 'files'",
                got=f"got {name[:40]!r}",
                remedy="rename it",
            )
        else:
            self._keep_file(filename)

    def on_end(self) -> None:
        self.ended = True

    def _check_header(self) -> None:
        if len(self.part.header) + len(self.part.value) > _MAX_HEADER_BYTES:
            raise ProblemError(
                413,
                code="form_too_large",
                rule=f"a header in a form may hold {_MAX_HEADER_BYTES} bytes",
                got="this one holds more",
                remedy="shorten it",
            )

    def _keep_field(self, name: str) -> None:
        if len(self.part.content) > _MAX_FIELD_BYTES or len(self.form.fields) >= _MAX_FIELDS:
            raise ProblemError(
                413,
                code="form_too_large",
                rule=f"a form may hold {_MAX_FIELDS} fields of {_MAX_FIELD_BYTES} bytes",
                got="this one holds more",
                remedy="shorten it",
            )
        if name in self.form.fields:
            raise invalid_field(rule="a field must be sent once", got=name)
        self.form.fields[name] = _text(bytes(self.part.content))

    def _keep_file(self, filename: str) -> None:
        if len(self.form.files) >= self.limits.max_files:
            raise ProblemError(
                413,
                code="too_many_files",
                rule=f"a request may hold {self.limits.max_files} files",
                got="this one holds more",
                remedy="use several requests",
            )
        self.form.files.append(Upload(filename[:_MAX_NAME] or "unnamed", bytes(self.part.content)))
        self.part = _Part()


async def form_of(request: Request) -> Form:
    """Read the form of a request within the limits of the service; raises ProblemError as ``read_form``."""
    limits = request.app.state.engine.limits
    return await read_form(request.headers.get("content-type", ""), request.stream(), limits)


async def read_form(content_type: str, body: AsyncIterator[bytes], limits: Limits) -> Form:
    """Read a multipart body; raises ProblemError: not multipart (415), damaged (422), too large (413), slow (408)."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ProblemError(
            415,
            code="not_a_form",
            rule="a request must be multipart/form-data with a boundary",
            got=f"got {_text(kind)[:60]!r}",
            remedy="send the files as a form",
        )
    collector = _Collector(limits)
    names = ("part_begin", "header_field", "header_value", "header_end", "part_data", "part_end", "end")
    parser = MultipartParser(boundary, {f"on_{name}": getattr(collector, f"on_{name}") for name in names})  # type: ignore[arg-type]  # a TypedDict
    try:
        async for chunk in _in_time(body):
            collector.total += len(chunk)
            if collector.total > limits.max_request_bytes:
                raise request_too_large(limits.max_request_bytes)
            parser.write(chunk)
        parser.finalize()
    except ValueError as error:
        raise ProblemError(
            422,
            code="form_damaged",
            rule="the form must be whole multipart/form-data",
            got=f"this one is damaged ({str(error)[:80]})",
            remedy="send it again",
        ) from error
    if not collector.ended:
        raise ProblemError(
            422,
            code="form_damaged",
            rule="the form must be whole multipart/form-data",
            got="this one is cut short",
            remedy="send it again",
        )
    return collector.form


async def _in_time(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces of a body; raises ProblemError (408) if they arrive too slowly, because other requests wait."""
    begun, total, pieces = asyncio.get_running_loop().time(), 0, aiter(body)
    while True:
        try:
            async with asyncio.timeout_at(begun + _GRACE + total / _LOWEST_RATE):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise ProblemError(
                408,
                code="request_too_slow",
                rule=f"a request must arrive at {_LOWEST_RATE:,} bytes per second or faster",
                got="this one is slower",
                remedy="send it again",
            ) from error
        total += len(piece)
        yield piece


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
