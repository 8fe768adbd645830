"""The sending half of a DICOM node: results go to each destination by C-STORE or STOW-RS until it has them."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, build_context
from pynetdicom.association import Association

from gadolin.dicom_network.config import Destination, NodeConfig, Tls
from gadolin.dicom_network.dicomweb import Access, DicomWebArchive
from gadolin.dicom_network.receiving import load
from gadolin.errors import GadolinError

__all__ = ["SendError", "Sender", "sender_of"]

_WARNINGS = (0xB000, 0xB006, 0xB007)  # PS3.4, table B.2-1: stored, with changed or questionable elements
_ENDED = "ended the association"
_REJECTED = "rejected the association"
_UNREACHABLE = "cannot be reached"
_NOT_ACCEPTED = f"does not accept these objects, or {_ENDED}"
_TIMEOUT = 60.0  # seconds of silence


class SendError(Exception):
    """A destination did not take results; the text holds no patient data."""


class Sender(Protocol):
    """Sends DICOM files to one destination."""

    def send(self, files: Iterable[Path]) -> None:
        """Send files; raises SendError if the destination does not confirm each of them."""


def sender_of(destination: Destination, config: NodeConfig) -> Sender:
    """Return what sends results to a destination."""
    if destination.url is None:
        return _StorageUser(destination, config.listen.ae_title)
    return _WebUser(destination)


class _StorageUser:
    """Sends by C-STORE, each set in an association of its own."""

    def __init__(self, destination: Destination, ae_title: str) -> None:
        self._destination, self._ae_title = destination, ae_title
        self._tls = None if destination.tls is None else _client_tls(destination.tls)

    def send(self, files: Iterable[Path]) -> None:
        paths, to = list(files), self._destination
        entity = AE(self._ae_title)
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT
        metas = [read_file_meta_info(path) for path in paths]
        contexts = {(one.MediaStorageSOPClassUID, one.TransferSyntaxUID) for one in metas}
        association = entity.associate(
            str(to.address),
            int(to.port or 0),
            contexts=[build_context(*one) for one in sorted(contexts)],
            ae_title=str(to.ae_title),
            tls_args=None if self._tls is None else (self._tls, str(to.address)),
        )
        try:
            if not association.is_established:
                raise SendError(_REJECTED if association.is_rejected else _UNREACHABLE)
            for path in paths:
                _require_stored(association.send_c_store(path).get("Status"))
        except (ValueError, RuntimeError) as error:  # no accepted context, or the association has ended
            raise SendError(_NOT_ACCEPTED) from error
        finally:
            _close(association)


class _WebUser:
    """Sends by STOW-RS."""

    def __init__(self, destination: Destination) -> None:
        access = Access(
            token_file=destination.token_file,
            certificate=destination.certificate,
            key=destination.key,
            authorities=destination.authorities,
        )
        self._archive = DicomWebArchive(str(destination.url), access)

    def send(self, files: Iterable[Path]) -> None:
        try:
            self._archive.store([path.read_bytes() for path in files])
        except GadolinError as error:
            raise SendError(error.code) from error


def _close(association: Association) -> None:
    """End an association, and close its socket, which pynetdicom leaves open after a failure."""
    if association.is_established:
        association.release()
    connection = association.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.close()


def _require_stored(status: int | None) -> None:
    if status is None:
        raise SendError(_ENDED)
    if status != 0 and status not in _WARNINGS:
        msg = f"refused an object with status {status:04X}"
        raise SendError(msg)


def _client_tls(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.authorities)
    load(context, tls)
    return context
