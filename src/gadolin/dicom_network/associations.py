"""Associations with limits: pynetdicom's server has none on connections, sizes, handshakes and slow peers.

A connection is closed if it comes from an unknown address, if too many are open, if a PDU or message is too long or too
slow, or if requests arrive before earlier ones are answered.
"""

from __future__ import annotations

import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv6Address, ip_address
from socket import SHUT_RDWR, socket
from typing import NoReturn

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from gadolin.dicom_network.config import Limits, NodeConfig

__all__ = ["BoundedServer", "Bounds", "message_done"]

_LONGEST_PDU = 2**20  # bytes; requests for associations have no negotiated limit
_MOST_UNANSWERED = 1  # messages of one association that wait while another is answered
_BLOCK = 2**18  # bytes of one read
_LONGEST_END = 10.0  # seconds, of all associations when the server stops
_SPARE = 8  # connections above the limit of associations, whose associations are rejected


@dataclass(eq=False)
class Bounds:
    """The limits of all associations together, and what they use of them."""

    limits: Limits
    refused: Callable[[str], None]
    receiving: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, size: int) -> bool:
        """Count bytes that are being received, and return whether there may be as many."""
        with self.lock:
            if self.receiving + size > self.limits.receiving_bytes:
                return False
            self.receiving += size
            return True

    def give(self, size: int) -> None:
        """Count bytes that were taken as received."""
        with self.lock:
            self.receiving -= size


class _BoundedSocket(AssociationSocket):
    """A socket of an association that reads no more, and no longer, than the limits allow."""

    def __init__(self, association: Association, connection: socket, bounds: Bounds) -> None:
        super().__init__(association, client_socket=connection)
        self._bounds, self._limits = bounds, bounds.limits
        self._held, self._begun = 0, 0.0

    def recv(self, nr_bytes: int) -> bytearray:
        """Return ``nr_bytes`` bytes, or fewer if the peer has closed; raises OSError if a limit is exceeded."""
        if nr_bytes > _LONGEST_PDU:
            self._refuse("pdu_too_long")
        if self._held + nr_bytes > self._limits.instance_bytes + _LONGEST_PDU:
            self._refuse("instance_too_large")
        if self.assoc.dimse.msg_queue.qsize() >= _MOST_UNANSWERED:
            self._refuse("too_many_requests")
        if not self._bounds.take(nr_bytes):
            self._refuse("too_many_bytes")
        self._held += nr_bytes
        if not self._begun:
            self._begun = time.monotonic()
        return self._read(nr_bytes)

    def done(self) -> None:
        """Count the message as complete."""
        self._bounds.give(self._held)
        self._held, self._begun = 0, 0.0

    def _read(self, count: int) -> bytearray:
        content, connection = bytearray(count), self.socket
        assert connection is not None, "reads are of open connections"
        view, place = memoryview(content), 0
        while place < count:
            if time.monotonic() - self._begun > self._limits.message_seconds:
                self._refuse("too_slow")
            try:
                got = connection.recv_into(view[place : place + _BLOCK])
            except TimeoutError:
                self._refuse("silent")
            if not got:
                view.release()
                self._end_waiting()
                return content[:place]
            place += got
        view.release()
        return content

    def _refuse(self, why: str) -> NoReturn:
        self._bounds.refused(why)
        self._end_waiting()
        raise OSError(why) from None

    def _end_waiting(self) -> None:
        """End the wait for a request, which would last until its timeout although the connection is closed."""
        if self.assoc.requestor.primitive is None:
            self.assoc.dul.to_user_queue.put(None)  # type: ignore[arg-type]  # as after the timeout


def message_done(association: Association) -> None:
    """Count the message that an association has received, and that has been answered, as complete."""
    connection = association.dul.socket
    if isinstance(connection, _BoundedSocket):
        connection.done()


class _Handler(RequestHandler):
    """Starts the association of a connection, unless its address is unknown or too many are open."""

    server: BoundedServer

    def handle(self) -> None:
        """Serve the connection until its association ends."""
        refusal = self.server.admit(self.request, str(self.client_address[0]))
        try:
            if refusal:
                self.server.bounds.refused(refusal)
            else:
                self._serve()
        finally:
            self.server.dismiss(self.request)
            self.request.close()

    def _serve(self) -> None:
        bounds, tls = self.server.bounds, self.server.tls
        self.request.settimeout(bounds.limits.silent_seconds)
        if tls is not None:
            plain = self.request
            self.request = tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            self.server.replace(plain, self.request)
            try:
                self.request.do_handshake()
            except OSError:  # also ssl.SSLError
                bounds.refused("tls_handshake")
                return
        association = self._create_association()
        association.start()
        association.join()
        association.dul.join()
        message_done(association)

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.dul.event_queue.get()  # of the socket that is replaced here
        association.dul.socket = _BoundedSocket(association, self.request, self.server.bounds)
        for thread in (association, association.dul):
            thread.run = partial(self._guarded, thread.run)  # type: ignore[method-assign]
        return association

    def _guarded(self, run: Callable[[], None]) -> None:
        """Run a thread of an association; an exception, which some malformed messages raise, only ends it."""
        try:
            run()
        except Exception:  # noqa: BLE001  # pynetdicom raises any exception
            self.server.bounds.refused("malformed")


class BoundedServer(ThreadedAssociationServer):
    """A server that serves each connection in a thread of its own, within limits."""

    daemon_threads = True

    def __init__(
        self,
        config: NodeConfig,
        bounds: Bounds,
        tls: ssl.SSLContext | None,
        entity: AE,
        handlers: list[evt.EventHandlerType],
    ) -> None:
        self.bounds, self.tls = bounds, tls
        self._callers = config.callers
        self._open: set[socket] = set()
        self._changed = threading.Condition()
        super().__init__(
            entity,
            (str(config.listen.address), config.listen.port),
            config.listen.ae_title,
            entity.supported_contexts,
            evt_handlers=handlers,
            request_handler=_Handler,
        )

    def allows(self, address: str, ae_title: str | None = None) -> bool:
        """Return whether a caller may call from an address, or only one with an AE title."""
        found = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in one.address and ae_title in (None, one.ae_title) for one in self._callers)

    def admit(self, connection: socket, address: str) -> str:
        """Count a connection as open; return why it is refused, or ""."""
        if not self.allows(address):
            return "unknown_address"
        with self._changed:
            if len(self._open) >= self.bounds.limits.associations + _SPARE:
                return "too_many_connections"
            self._open.add(connection)
        return ""

    def replace(self, plain: socket, encrypted: socket) -> None:
        """Count the encrypted connection in place of the one that it was made of."""
        with self._changed:
            self._open.remove(plain)
            self._open.add(encrypted)

    def dismiss(self, connection: socket) -> None:
        """Count a connection as closed."""
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    def handle_error(self, *_: object) -> None:
        """Count a connection that failed, instead of printing the exception."""
        self.bounds.refused("failed")

    def stop(self) -> None:
        """Stop listening, close the open connections, and wait for the end of their associations."""
        socketserver.TCPServer.shutdown(self)
        self.server_close()
        with self._changed:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, _LONGEST_END)
