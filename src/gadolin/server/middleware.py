"""Checks before every request (host, origin, token, size, load) and headers of every response."""

from __future__ import annotations

import hmac
import re
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gadolin.server.addresses import host_name, is_address, is_loopback
from gadolin.server.problems import ProblemError, internal_error, problem_response, request_too_large
from gadolin.server.settings import Settings

__all__ = ["Guard"]

_COOKIE = "gadolin_token"
_OPEN = ("/health", "/ready")  # they reveal nothing
_READING = ("GET", "HEAD")
_BEARER = re.compile(r"bearer +(?P<token>\S+) *", re.IGNORECASE)
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
        """Respond, or pass the request on; HEAD is handled as GET, without the body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope, sending = {**scope, "root_path": self._settings.root_path}, _with_headers(send)
        if scope["method"] == "HEAD":
            scope["method"], sending = "GET", _without_body(sending)
        answer = self._early_response(scope)
        if answer is not None:
            await answer(scope, receive, sending)
            return
        counted, size = scope["method"] == "POST", self._size(scope)
        self._working += counted
        self._bytes += size
        try:
            await self._answer(scope, receive, sending)
        finally:
            self._working -= counted
            self._bytes -= size

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the service respond; an unexpected exception becomes a problem (500)."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 -- any error becomes a response
            problem = internal_error(error)
            if not begun:
                await problem_response(problem)(scope, receive, sending)

    def _early_response(self, scope: Scope) -> Response | None:
        """Return a response that the guard gives itself: a problem or a redirect to the page; else None."""
        headers, path = Headers(scope=scope), self._path(scope)
        try:
            if path not in _OPEN:
                self._check_host(headers)
                self._check_origin(scope, headers)
                enter = self._check_token(scope, headers, path)
                if enter is not None:
                    return enter
            self._check_size(scope, headers)
        except ProblemError as problem:
            return problem_response(problem)
        if not path and scope["method"] in _READING:
            return RedirectResponse(f"{self._settings.root_path}/", 307)
        return None

    def _path(self, scope: Scope) -> str:
        """Return the path within the service, whether or not a reverse proxy removed the root path."""
        path, root = str(scope["path"]), self._settings.root_path
        return path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path

    def _check_host(self, headers: Headers) -> None:
        name = host_name(headers.get("host", ""))
        if name not in self._settings.allowed_hosts and (self._settings.local or not is_address(name)):
            raise ProblemError(
                421,
                code="host_not_allowed",
                rule="a request must be addressed to a host name of this service",
                got=f"this one is for {name[:80]!r}",
                remedy="start the service with --allow-host and that name, or change the Host that the proxy sends",
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Refuse requests that a page of another site sends on behalf of a visitor (CSRF).

        A reverse proxy may have replaced the Host header of the browser. So an origin also belongs to the service if
        its host is an allowed host, or if it is an IP address and the browser reports a same-origin request.
        """
        if scope["method"] in _READING:
            return
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site in (None, "same-origin", "none") and (origin is None or self._is_own(origin, headers)):
            return
        other = origin or f"a {site} one"
        raise ProblemError(
            403,
            code="foreign_origin",
            rule="pages of other sites must not send requests to this service",
            got=f"this request is from {other[:80]!r}",
            remedy="open the page of the service; if it is that page, start the service with --allow-host HOST",
        )

    def _is_own(self, origin: str, headers: Headers) -> bool:
        try:
            netloc = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        name, host = host_name(netloc), headers.get("host", "").lower()
        number = is_address(name) or is_loopback(name)
        same = number and headers.get("sec-fetch-site") == "same-origin"
        return bool(netloc) and (netloc == host or name in self._settings.hosts or same)

    def _check_token(self, scope: Scope, headers: Headers, path: str) -> Response | None:
        """Refuse a request without the token; a link to the page with ?token= is redirected and sets a cookie.

        The path of the cookie and the redirect are relative, so that they are valid below any root path.
        """
        token = self._settings.token
        if not token:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if path in ("", "/") and scope["method"] in _READING and _same(given, token):
            answer = RedirectResponse("./" if path else f"{self._settings.root_path}/", 303)
            safe = headers.get("x-forwarded-proto", "").lower() == "https"  # a forged header affects only its sender
            answer.set_cookie(_COOKIE, token, path=None, httponly=True, samesite="strict", secure=safe)
            return answer
        bearer = _BEARER.fullmatch(headers.get("authorization", ""))
        cookie = cookie_parser(headers.get("cookie", "")).get(_COOKIE, "")
        if (bearer is not None and _same(bearer["token"], token)) or _same(cookie, token):
            return None
        raise ProblemError(
            401,
            code="token_missing",
            rule="a request must have the token of this service",
            got="this one has none or a wrong one",
            remedy="send it as Authorization: Bearer TOKEN, or open the page with ?token=TOKEN",
        )

    def _check_size(self, scope: Scope, headers: Headers) -> None:
        limits = self._settings.limits
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limits.max_request_bytes:
            raise request_too_large(limits.max_request_bytes)
        if scope["method"] == "POST" and self._working >= limits.max_queue:
            raise ProblemError(
                429,
                code="too_many_requests",
                rule=f"at most {limits.max_queue} requests may run or wait",
                got="the limit is reached",
                remedy="retry in a moment",
                retry_seconds=1,
            )
        if self._bytes and self._bytes + self._size(scope) > limits.max_waiting_bytes:
            raise ProblemError(
                429,
                code="too_many_bytes_waiting",
                rule=f"running and waiting requests may hold at most {limits.max_waiting_bytes:,} bytes",
                got="this request exceeds the limit",
                remedy="retry in a moment",
                retry_seconds=1,
            )

    def _size(self, scope: Scope) -> int:
        """Return the largest possible number of bytes of a request."""
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


def _without_body(send: Send) -> Send:
    """Send a response without its body."""

    async def sending(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return sending


def _same(one: str, other: str) -> bool:
    return bool(one) and hmac.compare_digest(one.encode(), other.encode())
