"""Metrics of the service for Prometheus, request ids, and the access log. None holds a name, a query or a pixel."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gadolin.server.settings import Settings

__all__ = ["ACCESS_LOG", "METRICS_TYPE", "Metrics", "Monitor"]

ACCESS_LOG = logging.getLogger("gadolin.access")
"""One line of level INFO for each request, if the settings ask for it."""
METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Media type of the metrics."""
_ID_HEADER = "X-Request-ID"
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NO_ROUTE = "none"
_NO_STATUS = 499  # the client disconnected before the response, as nginx logs it
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The metrics of one service, in a registry of their own; safe to use from several threads."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # no registry has a switch of its own
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "gadolin_requests", "Requests by route and status.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "gadolin_request_seconds", "Duration of requests.", ("route",), buckets=_SECONDS, registry=self._registry
        )
        self._running = Gauge("gadolin_requests_running", "Requests in work.", registry=self._registry)
        self._predictions = Counter(
            "gadolin_predictions",
            "Predicted slices by predicted class; the label is empty if the model abstains.",
            ("label", "abstained"),
            registry=self._registry,
        )
        self._queue = Gauge(
            "gadolin_queue_length", "Slices that wait for the network.", ("purpose",), registry=self._registry
        )

    def watch_queue(self, lengths: Mapping[str, Callable[[], float]]) -> None:
        """Report the length of each queue, called when the metrics are read; ``lengths`` maps its purpose to it."""
        for purpose, length in lengths.items():
            self._queue.labels(purpose).set_function(length)

    def count_predictions(self, labels: Iterable[str | None]) -> None:
        """Count predictions by label, None where the model abstained."""
        for label in labels:
            self._predictions.labels(label or "", str(label is None).lower()).inc()

    def begin(self) -> None:
        """Count a request as running."""
        self._running.inc()

    def end(self, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        self._running.dec()
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def as_text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


class Monitor:
    """An ASGI middleware around the whole service: it counts, times, numbers and logs requests.

    A request keeps its X-Request-ID if that is up to 64 letters, digits and ``_.-``; otherwise it gets a new one.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(_ID_HEADER, "")
        identity = given if _ID.fullmatch(given) else secrets.token_hex(8)
        status, begun = _NO_STATUS, time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_ID_HEADER] = identity
            await send(message)

        self._metrics.begin()
        try:
            await self._app(scope, receive, sending)
        finally:
            seconds, route = time.perf_counter() - begun, self._route(scope)
            self._metrics.end(route, status, seconds)
            if self._settings.access_log:
                method = scope["method"][:20]
                ACCESS_LOG.info("%s %s %s %.1f ms %s", method, route, status, 1000 * seconds, identity)

    def _route(self, scope: Scope) -> str:
        """Return the template of the path, such as /v1/jobs/{name}, also if the guard refused the request."""
        within = {"type": "http", "method": "GET", "root_path": self._settings.root_path, "path": scope["path"]}
        matching = (one for one in scope["app"].router.routes if one.matches(within)[0] is not Match.NONE)
        return str(getattr(next(matching, None), "path", _NO_ROUTE))
