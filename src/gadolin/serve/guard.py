"""What stands before every request: who may ask, from where, how many at a time; and what every answer carries."""

from __future__ import annotations

import hmac
import ipaddress
import logging
from http.cookies import SimpleCookie
from pathlib import Path
from traceback import extract_tb
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gadolin.serve.problems import ProblemError, problem_response
from gadolin.serve.settings import Settings

__all__ = ["Guard"]

_LOG = logging.getLogger("gadolin")
_COOKIE = "gadolin_token"
_OPEN = ("/health", "/ready")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """An ASGI middleware around the whole service."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._working, self._bytes = 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is not None:
            await refused(scope, receive, _with_headers(send))
            return
        counted, size = scope["method"] == "POST", self._size(scope)
        self._working += counted
        self._bytes += size
        try:
            await self._answer(scope, receive, _with_headers(send))
        finally:
            self._working -= counted
            self._bytes -= size

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the service answer; of what it did not foresee only kind and place are logged, which tell of no file."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 -- whatever it is, the service goes on
            place = extract_tb(error.__traceback__)[-1]
            _LOG.error("a request failed: %s in %s:%s", type(error).__name__, Path(place.filename).name, place.lineno)
            if not begun:
                problem = ProblemError(
                    500,
                    code="internal_error",
                    rule="the service failed at this request",
                    remedy="please report what was sent",
                )
                await problem_response(problem)(scope, receive, sending)

    def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            self._check_origin(scope, headers)
            if scope["path"] not in _OPEN:
                enter = self._check_token(scope, headers)
                if enter is not None:
                    return enter
            self._check_size(scope, headers)
        except ProblemError as problem:
            return problem_response(problem)
        return None

    def _check_host(self, headers: Headers) -> None:
        name = _host(headers.get("host", ""))
        if name not in self._settings.allowed_hosts and (self._settings.local or not _is_address(name)):
            raise ProblemError(
                421,
                code="host_not_allowed",
                rule="a request must be addressed to this service's own name",
                got="this one is not",
                remedy="pass --allow-host for others",
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Let no page of another site ask in a visitor's name."""
        if scope["method"] in ("GET", "HEAD"):
            return
        site, origin = headers.get("sec-fetch-site", "same-origin"), headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
        if foreign or site not in ("same-origin", "none"):
            raise ProblemError(
                403,
                code="foreign_origin",
                rule="a page of another site may not ask this service",
                remedy="open the service's own page",
            )

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Refuse a request without the token; a link to the page that has it gets a cookie in its place."""
        token = self._settings.token
        if not token:
            return None
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        if _same(bearer, token) or (cookie is not None and _same(cookie.value, token)):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and _same(given, token):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(_COOKIE, token, httponly=True, samesite="strict")
            return answer
        raise ProblemError(
            401,
            code="token_missing",
            rule="this service answers those who have its token",
            remedy="send it as Authorization: Bearer, or open /?token=...",
        )

    def _check_size(self, scope: Scope, headers: Headers) -> None:
        limits = self._settings.limits
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limits.max_request_bytes:
            raise ProblemError(
                413,
                code="request_too_large",
                rule=f"a request may hold {limits.max_request_bytes:,} bytes",
                got="this one holds more",
                remedy="send fewer files",
            )
        if scope["method"] == "POST" and self._working >= limits.max_queue:
            raise ProblemError(
                429,
                code="too_many_requests",
                rule=f"at most {limits.max_queue} requests are worked on or wait",
                got="as many do",
                remedy="ask again in a moment",
                retry_seconds=1,
            )
        if self._bytes and self._bytes + self._size(scope) > limits.max_waiting_bytes:
            raise ProblemError(
                429,
                code="too_many_bytes_waiting",
                rule=f"at most {limits.max_waiting_bytes:,} bytes are worked on or wait",
                got="and do",
                remedy="ask again in a moment",
                retry_seconds=1,
            )

    def _size(self, scope: Scope) -> int:
        """Return how many bytes a request may turn out to hold."""
        if scope["method"] != "POST":
            return 0
        return int(Headers(scope=scope).get("content-length", self._settings.limits.max_request_bytes))


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending


def _host(header: str) -> str:
    """Return the name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.rpartition(":")[0].lower() if ":" in header else header.lower()


def _is_address(name: str) -> bool:
    """Return whether a host is told as a number: another site can lend its visitors a name, but no number."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(one: str, other: str) -> bool:
    return bool(one) and hmac.compare_digest(one.encode(), other.encode())
