"""A DICOM node: receives series, answers each when it is complete, and sends the results.

The parts share only the spool: associations write to it, one thread answers what has come, and one thread for each
destination sends what is answered. Whatever ends, the next start continues from the spool.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from prometheus_client import start_http_server

from gadolin.dicom_network.answering import Answer, Answerer
from gadolin.dicom_network.config import Listen, NodeConfig
from gadolin.dicom_network.network_settings import address_in_use, configure, server_tls
from gadolin.dicom_network.node_metrics import NodeMetrics, Notices
from gadolin.dicom_network.receiving import Receiver
from gadolin.dicom_network.sending import Sender, SendError, sender_of
from gadolin.dicom_network.spool import ResultSet, Spool, SpooledSeries
from gadolin.errors import DecoderError, OutputError, ReadError
from gadolin.files.atomic import require_writable
from gadolin.models.bundle import read_bundle

__all__ = ["Node", "check_config"]

_LOG = logging.getLogger("gadolin")
_LOOK_SECONDS = 0.2  # between two looks at the spool
_LONGEST_STOP = 10.0  # seconds; a set that is being sent is sent again after the next start
_FIRST_RETRY, _LAST_RETRY = 1.0, 300.0  # seconds until the next attempt after a failure


class _Later:
    """When to try again what has failed: after one second, and twice as long after each further failure."""

    def __init__(self) -> None:
        self._delays: dict[Path | None, float] = {}
        self._moments: dict[Path | None, float] = {}

    def must_wait(self, what: Path | None) -> bool:
        """Return whether the next attempt is not due yet."""
        return time.monotonic() < self._moments.get(what, 0.0)

    def after_failure(self, what: Path | None) -> float:
        """Return the seconds until the next attempt."""
        delay = min(2 * self._delays.get(what, _FIRST_RETRY / 2), _LAST_RETRY)
        self._delays[what], self._moments[what] = delay, time.monotonic() + delay
        return delay

    def forget(self, what: Path | None) -> None:
        """Count something as done."""
        self._delays.pop(what, None)
        self._moments.pop(what, None)


class Node:
    """A node; as a context manager it runs until the end of the block.

    Raises GadolinError if the spool, the address, a TLS file or the model cannot be used.
    """

    def __init__(self, config: NodeConfig, model: Path | str | None = None, *, runtime: str = "onnxruntime") -> None:
        self._config, self.metrics = config, NodeMetrics()
        self._stopping, self._failed = threading.Event(), set[tuple[Path, frozenset[str]]]()
        self._notices = Notices()
        configure()
        senders = {one.name: sender_of(one, config) for one in config.destinations}
        with ExitStack() as opened:
            limits = config.limits
            self.spool = opened.enter_context(
                Spool(
                    config.spool,
                    instances_per_study=limits.instances_per_study,
                    bytes_per_study=limits.bytes_per_study,
                    free_bytes=limits.free_bytes,
                )
            )
            self._receiver = Receiver(config, self.spool, self.metrics)
            opened.callback(self._receiver.close)
            _serve_metrics(config.listen, self.metrics, opened)
            self._answerer = Answerer(config, model, runtime)
            opened.callback(self._answerer.close)
            self._opened = opened.pop_all()
        self._failure: Exception | None = None
        self._threads = [threading.Thread(target=self._guarded, args=(self._answer_all,), name="answer", daemon=True)]
        self._threads += [
            threading.Thread(
                target=self._guarded, args=(partial(self._send_all, name, sender),), name=f"send-{name}", daemon=True
            )
            for name, sender in senders.items()
        ]
        self.metrics.watch(
            {
                "series_kept": ("Series in the spool.", lambda: len(self.spool.series())),
                "series_waiting": ("Series that are not answered yet.", self._waiting),
                "sets_waiting": ("Sets of results that a destination has not got yet.", self._unsent),
            }
        )

    @property
    def port(self) -> int:
        """The port that the node listens on."""
        return self._receiver.port

    def __enter__(self) -> Self:
        """Start to receive, to answer and to send."""
        self._receiver.start()
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; a series in work is answered after the next start."""
        self._stopping.set()
        self._answerer.close()
        for one in self._threads:
            one.join(_LONGEST_STOP)
        self._opened.close()

    def wait(self) -> None:
        """Wait until an interruption; raises what ended a thread of the node."""
        while not self._stopping.wait(3600):
            pass
        if self._failure is not None:
            raise self._failure

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run a thread of the node; an unexpected exception stops the node, so that a supervisor restarts it."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  # raised again by ``wait``
            self._failure = error
            self._stopping.set()

    def _answer_all(self) -> None:
        """Answer series when they are due, and remove those that are done, until the node stops."""
        later = _Later()
        while not self._stopping.wait(_LOOK_SECONDS):
            for series in self.spool.series():
                if self._is_done(series):
                    self.spool.remove(series)
            for series in self.spool.series():
                if self._stopping.is_set() or not self._is_due(series) or later.must_wait(series.folder):
                    continue
                try:
                    self._answer(series)
                    later.forget(series.folder)
                except (OutputError, DecoderError) as error:
                    delay = later.after_failure(series.folder)
                    text = "series %s: results cannot be made, next attempt in %.0f s: %s"
                    _LOG.error(text, series.name, delay, error.statement)

    def _is_due(self, series: SpooledSeries) -> bool:
        """Return whether a series is complete, or has been waited for long enough."""
        now, when = time.monotonic(), self._config.series
        late = now - series.last >= when.wait_seconds or now - series.first >= when.longest_seconds
        return late and not series.is_answered

    def _is_done(self, series: SpooledSeries) -> bool:
        kept = time.monotonic() - series.changed >= self._config.series.keep_seconds
        return kept and series.is_answered and not any(self._unsent_of(series))

    def _unsent_of(self, series: SpooledSeries) -> list[ResultSet]:
        return [one for one in list(series.sets) for to in self._config.destinations if not one.is_sent(to.name)]

    def _answer(self, series: SpooledSeries) -> None:
        """Answer a series, and add the results to the spool.

        Raises OutputError or DecoderError if that has to wait.
        """
        images, begun = frozenset(series.images), time.monotonic()
        try:
            answer = self._answerer.answer(series, images)
        except ReadError as error:
            if self._stopping.is_set():
                return
            if error.code == "decoder_not_started":  # not because of the images
                raise
            attempt = (series.folder, images)
            if isinstance(error, DecoderError) and attempt not in self._failed:
                self._failed.add(attempt)
                _LOG.warning("series %s ended the answering process (%s), second attempt", series.name, error.code)
                return
            self._failed.discard(attempt)
            answer = Answer({}, error.code, {error.code: len(images)})
        seconds = time.monotonic() - begun
        self.spool.add_set(series, images, answer.objects, {"outcome": answer.outcome, "slices": answer.slices})
        self.metrics.series(answer.outcome, answer.slices, seconds)
        slices = ", ".join(f"{count} {name}" for name, count in answer.slices.items() if count)
        text = "series %s: %s, slices: %s; %d objects in %.1f s"
        _LOG.info(text, series.name, answer.outcome, slices, len(answer.objects), seconds)

    def _send_all(self, name: str, sender: Sender) -> None:
        """Send every set to one destination until the node stops; sets of one series in order."""
        later, reported = _Later(), set[str]()
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                for series in self.spool.series():
                    self._send_series(series, name, sender, later, reported)
                later.forget(None)
            except SendError as error:
                self._report(name, str(error), reported)
                self._stopping.wait(later.after_failure(None))

    def _send_series(self, series: SpooledSeries, name: str, sender: Sender, later: _Later, reported: set[str]) -> None:
        """Send the sets of a series that a destination has not got; raises SendError if it is away."""
        for one in list(series.sets):
            if self._stopping.is_set() or later.must_wait(series.folder):
                return
            if one.is_sent(name):
                continue
            try:
                refused = sender.send(one.objects)
            except (SendError, OSError) as error:
                if isinstance(error, SendError) and error.is_away:
                    raise
                later.after_failure(series.folder)
                self._report(name, str(error) if isinstance(error, SendError) else str(error.strerror), reported)
                return
            one.mark_sent(name)
            series.changed = time.monotonic()
            later.forget(series.folder)
            reported.clear()
            self.metrics.sent(name)
            if refused:
                self._notices.warn(f"destination {name} does not accept {', '.join(refused)}: these are not sent to it")

    def _report(self, name: str, text: str, reported: set[str]) -> None:
        """Count a failed attempt, and log it unless it failed in the same way since the last success."""
        self.metrics.failed(name)
        if text not in reported:
            _LOG.warning("destination %s %s; results are kept and sent again", name, text)
        reported.add(text)

    def _waiting(self) -> float:
        return sum(not one.is_answered for one in self.spool.series())

    def _unsent(self) -> float:
        return sum(len(self._unsent_of(one)) for one in self.spool.series())


def check_config(config: NodeConfig, model: Path | str | None = None) -> None:
    """Raise the error that a node would raise at its start, but for addresses in use; change nothing."""
    for one in config.destinations:
        sender_of(one, config)
    if config.listen.tls is not None:
        server_tls(config.listen.tls)
    require_writable(config.spool / "lock")
    read_bundle(model)


def _serve_metrics(listen: Listen, metrics: NodeMetrics, opened: ExitStack) -> None:
    """Serve the metrics over HTTP if the configuration has a port for them."""
    if listen.metrics_port is None:
        return
    try:
        server, _ = start_http_server(listen.metrics_port, str(listen.metrics_address), metrics.registry)
    except OSError as error:
        raise address_in_use(listen.metrics_address, listen.metrics_port, error) from error
    opened.callback(server.server_close)
    opened.callback(server.shutdown)
