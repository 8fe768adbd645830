"""Settings of a DICOM node for pynetdicom and TLS, for both directions."""

from __future__ import annotations

import logging
import ssl
from ipaddress import IPv4Address, IPv6Address

from pynetdicom import _config

from gadolin.dicom_network.config import Tls
from gadolin.errors import OutputError, RequestError

__all__ = ["address_in_use", "client_tls", "configure", "server_tls"]


def configure() -> None:
    """Keep pynetdicom from logging, since its messages quote data sets, and let it send files as they are."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.STORE_SEND_CHUNKED_DATASET = True
    logging.getLogger("pynetdicom").disabled = True
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("pynetdicom."):
            logging.getLogger(name).disabled = True


def server_tls(tls: Tls) -> ssl.SSLContext:
    """Return the TLS settings of a server that demands client certificates; raises RequestError for invalid files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    return _with_files(context, tls)


def client_tls(tls: Tls) -> ssl.SSLContext:
    """Return the TLS settings of a client that shows a certificate; raises RequestError for invalid files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it verifies the server and its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return _with_files(context, tls)


def _with_files(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
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
    return context


def address_in_use(address: IPv4Address | IPv6Address, port: int, error: OSError) -> OutputError:
    """Return the error for an address that the node cannot listen on."""
    return OutputError(
        code="address_in_use",
        rule="the node must be able to listen on its address and port",
        got=f"{address}, port {port}: {error.strerror}",
        remedy="change address and port in the configuration, stop the other program, or use a port above 1023",
    )
