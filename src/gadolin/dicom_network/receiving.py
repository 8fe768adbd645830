"""The receiving half of a DICOM node: Verification and Storage SCP for MR images, into a spool."""

from __future__ import annotations

import io
import threading
import zlib

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    Verification,
)

from gadolin.dicom_network.associations import BoundedServer, Bounds, message_done
from gadolin.dicom_network.config import NodeConfig
from gadolin.dicom_network.element_scan import Encoding, find_elements
from gadolin.dicom_network.network_settings import address_in_use, server_tls
from gadolin.dicom_network.node_metrics import NodeMetrics, Notices
from gadolin.dicom_network.spool import Identity, Spool, SpoolFullError
from gadolin.dicom_results.identifiers import is_uid
from gadolin.readers.dicom.codecs import DECODER_DEPENDENCIES

__all__ = ["Receiver"]

_IMAGES = (MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)
_SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    *DECODER_DEPENDENCIES,
)
_SUCCESS, _OUT_OF_RESOURCES, _OTHER_INSTANCE, _NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000  # PS3.4, table B.2-1
_LOOK_SECONDS = 0.1  # between two looks whether the server shall stop
_CLASS, _INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E  # tags
_MOST_HEAD = 2**22  # bytes up to the last of them
_REJECTED_CALLER = (0x01, 0x01, 0x03)  # PS3.8, table 9-21: permanent, by the user, calling AE title not recognised


class Receiver:
    """Listens for images of known callers and writes them to a spool before it acknowledges them."""

    def __init__(self, config: NodeConfig, spool: Spool, metrics: NodeMetrics) -> None:
        self._spool, self._metrics = spool, metrics
        self._notices = Notices()
        bounds = Bounds(config.limits, self._on_refusal)
        tls = None if config.listen.tls is None else server_tls(config.listen.tls)
        try:
            self._server = BoundedServer(config, bounds, tls, _entity(config), self._handlers())
        except OSError as error:
            raise address_in_use(config.listen.address, config.listen.port, error) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_SECONDS,), name="dicom-server", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that the node listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve connections in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and abort what is open."""
        if self._thread.is_alive():
            self._server.stop()
            self._thread.join()
        else:
            self._server.server_close()

    def _handlers(self) -> list[evt.EventHandlerType]:
        return [
            (evt.EVT_REQUESTED, self._on_request),
            (evt.EVT_DIMSE_SENT, lambda event: message_done(event.assoc)),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_ACCEPTED, lambda _: self._metrics.association("accepted")),
            (evt.EVT_REJECTED, lambda _: self._metrics.association("rejected")),
        ]

    def _on_request(self, event: evt.Event) -> None:
        """Reject callers whose AE title is not listed for their address."""
        association = event.assoc
        primitive, place = association.requestor.primitive, association.requestor.address_info
        title = "" if primitive is None else (primitive.calling_ae_title or "").strip()
        if place is None or not self._server.allows(place.address, title):
            association.acse.send_reject(*_REJECTED_CALLER)
            self._metrics.association("unknown_caller")
            self._notices.warn("an association was rejected: its AE title is not among the callers of its address")
            association.kill()

    def _on_refusal(self, reason: str) -> None:
        """Count a connection that was closed because of a limit."""
        self._metrics.connection_refused(reason)
        self._notices.warn(f"a connection was closed: {reason.replace('_', ' ')}")

    def _on_store(self, event: evt.Event) -> int:
        """Write an image to the spool and return the status of the request."""
        outcome, status = self._stored(event)
        self._metrics.instance(outcome)
        if status != _SUCCESS:
            self._notices.warn(f"an image was refused with status {status:04X}: {outcome.replace('_', ' ')}")
        return status

    def _stored(self, event: evt.Event) -> tuple[str, int]:
        try:
            identity = _identity(event)
        except _OtherInstanceError:
            return "other_instance", _OTHER_INSTANCE
        except (ValueError, zlib.error):
            return "malformed", _NOT_UNDERSTOOD
        try:
            return ("stored" if self._spool.store(identity, event.encoded_dataset()) else "repeated"), _SUCCESS
        except (SpoolFullError, MemoryError):
            return "no_room", _OUT_OF_RESOURCES


class _OtherInstanceError(ValueError):
    """The data set is of another instance than the request."""


def _entity(config: NodeConfig) -> AE:
    """Return the application entity: what it accepts, and for how long it waits."""
    entity = AE(config.listen.ae_title)
    entity.require_called_aet = True
    entity.maximum_associations = config.limits.associations
    entity.maximum_pdu_size = config.limits.pdu_bytes
    entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = config.limits.silent_seconds
    entity.add_supported_context(Verification)
    for each in _IMAGES:
        entity.add_supported_context(each, list(_SYNTAXES))
    return entity


def _identity(event: evt.Event) -> Identity:
    """Return the UIDs of a received image; raises ValueError if they are missing or invalid."""
    request = event.request
    assert isinstance(request, C_STORE), "the event is of a storage request"
    assert isinstance(request.DataSet, io.BytesIO), "data sets are received in memory"
    syntax = event.context.transfer_syntax
    with request.DataSet.getbuffer() as content:
        if syntax == DeflatedExplicitVRLittleEndian:
            head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, _MOST_HEAD)
        else:
            head = bytes(content[:_MOST_HEAD])
    encoding = Encoding(syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
    found = find_elements(head, encoding, (_CLASS, _INSTANCE, _STUDY, _SERIES))
    kind, instance, study, series = (_uid(found.get(tag, b"")) for tag in (_CLASS, _INSTANCE, _STUDY, _SERIES))
    if (kind, instance) != (event.context.abstract_syntax, request.AffectedSOPInstanceUID):
        raise _OtherInstanceError
    return Identity(study, series, instance)


def _uid(value: bytes) -> str:
    """Return a UID; raises ValueError if it is not valid."""
    text = value.rstrip(b"\0 ").decode("ascii")
    if not is_uid(text):
        msg = "a UID is missing or invalid"
        raise ValueError(msg)
    return text
