"""A web server on 127.0.0.1 for tests: it serves bytes, and can break off, send false lengths and refuse ranges."""

from __future__ import annotations

import contextlib
import http.server
import re
import ssl
import threading
from dataclasses import dataclass, field

__all__ = ["Answer", "StubServer", "serving"]


@dataclass
class Answer:
    """The response for one path.

    ``break_after`` lists, per request, after how many bytes of the body the connection is cut (None: never); the last
    entry applies to all later requests. ``told`` replaces the Content-Length, ``status`` the 200; ``ranges`` switches
    support for Range on or off, and ``range_shift`` shifts the bytes of a range. A response waits for ``hold``.
    """

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)
    break_after: list[int | None] = field(default_factory=lambda: [None])
    told: int | None = None
    status: list[int] = field(default_factory=lambda: [200])
    ranges: bool = True
    range_shift: int = 0
    asked: list[str] = field(default_factory=list)
    hold: threading.Event | None = None


@dataclass
class StubServer:
    """The running server: its address, the responses by path, and every request as "METHOD path".

    ``headers`` and ``bodies`` are those of the requests, in the same order.
    """

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


def _next(steps):
    return steps.pop(0) if len(steps) > 1 else steps[0]


class _Handler(http.server.BaseHTTPRequestHandler):
    stub: StubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(body=True)

    def do_HEAD(self):
        self._answer(body=False)

    def do_POST(self):
        self._answer(body=True, content=self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, *words):
        pass

    def _answer(self, body, content=b""):
        path = self.path.partition("?")[0]
        self.stub.requests.append(f"{self.command} {self.path}")
        self.stub.headers.append(dict(self.headers))
        self.stub.bodies.append(content)
        answer = self.stub.answers.get(path)
        self.close_connection = True
        if answer is not None and answer.hold is not None:
            answer.hold.wait(60)
        if answer is None:
            self._send(404, {}, b"nothing here", 12, body)
            return
        status = _next(answer.status)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "") if answer.ranges else "")
        content, headers = answer.content, {"Accept-Ranges": "bytes"} | answer.headers
        if body:
            answer.asked.append(self.headers.get("Range", ""))
        if status == 200 and wanted:
            start = int(wanted[1]) + answer.range_shift
            end = int(wanted[2]) + 1 if wanted[2] else len(content)
            if start >= len(content):
                self._send(416, {"Content-Range": f"bytes */{len(content)}"}, b"", 0, body)
                return
            headers["Content-Range"] = f"bytes {start}-{min(end, len(content)) - 1}/{len(content)}"
            status, content = 206, content[start:end]
        told = len(content) if answer.told is None else answer.told
        cut = _next(answer.break_after) if body else None
        self._send(status, headers, content if cut is None else content[:cut], told, body)

    def _send(self, status, headers, content, told, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if told >= 0:
            self.send_header("Content-Length", str(told))
        self.send_header("Connection", "close")
        self.end_headers()
        if body:
            with contextlib.suppress(OSError):
                self.wfile.write(content)


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None):
    """Run a server during the block and yield its StubServer; ``tls`` makes it one of https."""
    handler = type("Handler", (_Handler,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.stub = StubServer(f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}")
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield handler.stub
        finally:
            server.shutdown()
            thread.join()
