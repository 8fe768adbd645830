"""What a DICOM node shows: metrics for Prometheus, and warnings of the log. Neither contains patient data."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

__all__ = ["NodeMetrics", "Notices"]

_LOG = logging.getLogger("gadolin")
_REPEAT_SECONDS = 60.0  # until the same warning is logged again
_SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900)


class NodeMetrics:
    """The metrics of one node, in a registry of their own; safe to use from several threads."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # no registry has a switch of its own
        self.registry = CollectorRegistry()
        self._associations = self._counter("associations", "Associations by outcome.", "outcome")
        self._refused = self._counter("connections_refused", "Connections that were closed, by reason.", "reason")
        self._instances = self._counter("instances", "Received instances by outcome.", "outcome")
        self._series = self._counter("series", "Answered series by outcome: answered, or an error code.", "outcome")
        self._slices = self._counter("slices", "Slices of answered series by outcome.", "outcome")
        self._sent = self._counter("sets_sent", "Sets of results that were sent, by destination.", "destination")
        self._failed = self._counter("sets_failed", "Failed attempts to send a set, by destination.", "destination")
        self._seconds = Histogram(
            "gadolin_node_answer_seconds", "Duration of answering a series.", buckets=_SECONDS, registry=self.registry
        )

    def watch(self, gauges: dict[str, tuple[str, Callable[[], float]]]) -> None:
        """Report values that are read when the metrics are: ``gauges`` maps a name to its help and function."""
        for name, (text, value) in gauges.items():
            Gauge(f"gadolin_node_{name}", text, registry=self.registry).set_function(value)

    def association(self, outcome: str) -> None:
        """Count an association."""
        self._associations.labels(outcome).inc()

    def connection_refused(self, reason: str) -> None:
        """Count a connection that was closed because of a limit."""
        self._refused.labels(reason).inc()

    def instance(self, outcome: str) -> None:
        """Count a received instance."""
        self._instances.labels(outcome).inc()

    def series(self, outcome: str, slices: dict[str, int], seconds: float) -> None:
        """Count an answered series and its slices by outcome."""
        self._series.labels(outcome).inc()
        for name, count in slices.items():
            self._slices.labels(name).inc(count)
        self._seconds.observe(seconds)

    def sent(self, destination: str) -> None:
        """Count a set of results that was sent."""
        self._sent.labels(destination).inc()

    def failed(self, destination: str) -> None:
        """Count a failed attempt to send a set of results."""
        self._failed.labels(destination).inc()

    def _counter(self, name: str, text: str, label: str) -> Counter:
        return Counter(f"gadolin_node_{name}", text, (label,), registry=self.registry)


class Notices:
    """Logs warnings, each text once a minute at most, since a peer can cause one many times a second."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}
        self._lock = threading.Lock()

    def warn(self, text: str) -> None:
        """Log a warning, unless the same text was logged in the last minute; ``text`` is one of few."""
        now = time.monotonic()
        with self._lock:
            if now - self._logged.get(text, float("-inf")) < _REPEAT_SECONDS:
                return
            self._logged[text] = now
        _LOG.warning("%s", text)
