"""The sending half of a DICOM node: results go to a destination by C-STORE or STOW-RS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, build_context
from pynetdicom.association import Association

from gadolin.dicom_network.config import Destination, NodeConfig
from gadolin.dicom_network.dicomweb import Access, DicomWebArchive
from gadolin.dicom_network.dicomweb_study import OF_THE_ARCHIVE
from gadolin.dicom_network.network_settings import client_tls
from gadolin.errors import GadolinError

__all__ = ["SendError", "Sender", "close", "sender_of"]

_WARNINGS = (0xB000, 0xB006, 0xB007)  # PS3.4, table B.2-1: stored, with changed or questionable elements
_CONNECT_SECONDS, _SILENT_SECONDS = 10.0, 60.0


class SendError(Exception):
    """A destination did not take a set of results; the text holds no patient data.

    ``is_away``: it cannot be reached, or lets nothing in, whatever is sent.
    """

    def __init__(self, text: str, *, is_away: bool = False) -> None:
        super().__init__(text)
        self.is_away = is_away


class Sender(Protocol):
    """Sends DICOM files to one destination."""

    def send(self, files: Sequence[Path]) -> list[str]:
        """Send files; return the kinds of object that the destination does not accept, which were not sent.

        Raises SendError if it does not confirm each of the others, accepts none, or is away.
        """


def sender_of(destination: Destination, config: NodeConfig) -> Sender:
    """Return what sends results to a destination; raises RequestError if its address or files cannot be used."""
    if destination.url is None:
        return _StorageUser(destination, config.listen.ae_title)
    return _WebUser(destination)


class _StorageUser:
    """Sends by C-STORE, each set in an association of its own."""

    def __init__(self, destination: Destination, ae_title: str) -> None:
        self._destination, self._ae_title = destination, ae_title
        self._tls = None if destination.tls is None else client_tls(destination.tls)

    def send(self, files: Sequence[Path]) -> list[str]:
        contexts = {path: _context_of(path) for path in files}
        association = self._associate(sorted(set(contexts.values())))
        try:
            accepted = {(one.abstract_syntax, one.transfer_syntax[0]) for one in association.accepted_contexts}
            fitting = [path for path in files if contexts[path] in accepted]
            if not fitting:
                msg = "accepts none of these objects"
                raise SendError(msg)
            for path in fitting:
                _require_stored(association.send_c_store(path).get("Status"))
            return sorted({_kind_of(path) for path in files} - {_kind_of(path) for path in fitting})
        except (ValueError, RuntimeError) as error:
            msg = "ended the association"
            raise SendError(msg) from error
        finally:
            close(association)

    def _associate(self, contexts: Sequence[tuple[str, str]]) -> Association:
        entity, to = AE(self._ae_title), self._destination
        entity.connection_timeout = _CONNECT_SECONDS
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _SILENT_SECONDS
        association = entity.associate(
            str(to.address),
            int(to.port or 0),
            contexts=[build_context(*one) for one in contexts],
            ae_title=str(to.ae_title),
            tls_args=None if self._tls is None else (self._tls, str(to.address)),
        )
        if not association.is_established:
            msg = "rejects the association" if association.is_rejected else "cannot be reached"
            close(association)
            raise SendError(msg, is_away=True)
        connection = association.dul.socket
        if connection is not None and connection.socket is not None:
            connection.socket.settimeout(_SILENT_SECONDS)  # else sending to a peer that does not read never ends
        return association


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

    def send(self, files: Sequence[Path]) -> list[str]:
        try:
            self._archive.store([path.read_bytes() for path in files])
        except GadolinError as error:
            msg = f"failed with {error.code}"
            raise SendError(msg, is_away=error.code in OF_THE_ARCHIVE) from error
        return []


def _context_of(path: Path) -> tuple[str, str]:
    meta = read_file_meta_info(path)
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)


def _kind_of(path: Path) -> str:
    """Return the kind of an object from its file name, such as "report"."""
    return path.name.partition("-")[0]


def close(association: Association) -> None:
    """End an association, and close its socket, which pynetdicom leaves open after a failure."""
    if association.is_established:
        association.release()
    connection = association.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.close()


def _require_stored(status: int | None) -> None:
    if status is None:
        msg = "ended the association"
        raise SendError(msg)
    if status != 0 and status not in _WARNINGS:
        msg = f"refused an object with status {status:04X}"
        raise SendError(msg)
