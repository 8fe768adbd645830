"""The receiving half of a DICOM node: Verification and Storage SCP for MR images, into a spool."""

from __future__ import annotations

import io
import logging
import re
import ssl
import threading
import zlib
from ipaddress import IPv4Address, IPv6Address

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    RE_VALID_UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from pynetdicom import AE, _config, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    Verification,
)

from gadolin.dicom_network.associations import BoundedServer, Bounds, message_done
from gadolin.dicom_network.config import NodeConfig, Tls
from gadolin.dicom_network.node_metrics import NodeMetrics
from gadolin.dicom_network.spool import Identity, Spool, SpoolFullError
from gadolin.errors import OutputError, RequestError
from gadolin.readers.dicom.codecs import DECODER_DEPENDENCIES

__all__ = ["Receiver", "server_tls"]

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
_LONGEST_UID = 64  # characters
_SERIES = 0x0020000E  # tag of the Series Instance UID, the last element that is needed
_MOST_INFLATED = 2**20  # bytes up to that element
_REJECTED_CALLER = (0x01, 0x01, 0x03)  # PS3.8, table 9-21: permanent, by the user, calling AE title not recognised
_IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class Receiver:
    """Listens for images of known callers and writes them to a spool before it acknowledges them."""

    def __init__(self, config: NodeConfig, spool: Spool, metrics: NodeMetrics) -> None:
        self._spool, self._metrics = spool, metrics
        configure()
        bounds, tls = Bounds(config.limits, metrics.connection_refused), server_tls(config.listen.tls)
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
            (evt.EVT_DIMSE_RECV, lambda event: message_done(event.assoc)),
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
            association.kill()

    def _on_store(self, event: evt.Event) -> int:
        """Write an image to the spool and return the status of the request."""
        try:
            identity = _identity(event)
            is_new = self._spool.store(identity, event.encoded_dataset())
        except SpoolFullError:
            self._metrics.instance("no_room")
            return _OUT_OF_RESOURCES
        except _OtherInstanceError:
            self._metrics.instance("other_instance")
            return _OTHER_INSTANCE
        except Exception:  # noqa: BLE001  # pydicom raises any exception for a malformed data set
            self._metrics.instance("malformed")
            return _NOT_UNDERSTOOD
        self._metrics.instance("stored" if is_new else "repeated")
        return _SUCCESS


def address_in_use(address: IPv4Address | IPv6Address, port: int, error: OSError) -> OutputError:
    """Return the error for an address that the node cannot listen on."""
    return OutputError(
        code="address_in_use",
        rule="the node must be able to listen on its address and port",
        got=f"{address}, port {port}: {error.strerror}",
        remedy="stop the other program, or change address and port in the configuration",
    )


class _OtherInstanceError(ValueError):
    """The data set is of another instance than the request."""


def configure() -> None:
    """Keep pynetdicom from logging, since its messages quote data sets, and let it send files as they are."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.STORE_SEND_CHUNKED_DATASET = True
    logging.getLogger("pynetdicom").disabled = True
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("pynetdicom."):
            logging.getLogger(name).disabled = True


def server_tls(tls: Tls | None) -> ssl.SSLContext | None:
    """Return the TLS settings of a server that demands client certificates; raises RequestError if they do not load."""
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    load(context, tls)
    return context


def load(context: ssl.SSLContext, tls: Tls) -> None:
    """Load certificate, key and authorities; raises RequestError if one is not valid."""
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        context.load_verify_locations(tls.authorities)
    except OSError as error:  # also ssl.SSLError
        raise RequestError(
            code="tls_files_invalid",
            rule="certificate, key and authorities must be valid PEM files that belong together",
            got=error.strerror or str(error),
            remedy="check them with openssl",
        ) from error


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
    """Return the UIDs of a received image; raises ValueError, or any pydicom exception, if it has none."""
    request = event.request
    assert isinstance(request, C_STORE), "the event is of a storage request"
    assert isinstance(request.DataSet, io.BytesIO), "data sets are received in memory"
    found = _head(request.DataSet.getvalue(), event.context.transfer_syntax)
    values = [str(found.get(name) or "") for name in _IDENTITY]
    if not all(re.fullmatch(RE_VALID_UID, one) and len(one) <= _LONGEST_UID for one in values):
        msg = "a UID is missing or invalid"
        raise ValueError(msg)
    if (found.get("SOPClassUID"), values[-1]) != (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID):
        raise _OtherInstanceError
    return Identity(*values)


def _head(content: bytes, syntax: str) -> Dataset:
    """Return the elements of an encoded data set up to the Series Instance UID."""
    if syntax == DeflatedExplicitVRLittleEndian:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, _MOST_INFLATED)
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    wanted = [0x00080016, 0x00080018, 0x0020000D, _SERIES]
    return read_dataset(
        io.BytesIO(content),
        implicit,
        little,
        stop_when=lambda tag, _vr, _length: tag > _SERIES,
        specific_tags=wanted,
    )
