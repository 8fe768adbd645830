"""Run the service on a port until it is interrupted."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from gadolin.errors import RequestError
from gadolin.models.predictor import Predictor
from gadolin.server.app import create_app
from gadolin.server.settings import EVERYWHERE, Settings

__all__ = ["listen", "page_urls"]

_TRIED_PORTS = 20


def listen(predictor: Predictor, settings: Settings, *, browser: bool, announce: Callable[[list[str]], None]) -> None:
    """Serve requests until the process is interrupted.

    ``announce`` is called with the URLs of the page: for a browser on this computer, then for other computers.
    ``browser``: open the first one. Raises RequestError if the port cannot be used.
    """
    listener = _listener(settings)
    addresses = page_urls(settings, listener.getsockname()[1])
    config = uvicorn.Config(
        create_app(predictor, settings),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    announce(addresses)
    if browser:
        threading.Timer(0.5, webbrowser.open, addresses[:1]).start()
    with suppress(KeyboardInterrupt):  # uvicorn re-raises it after its shutdown
        uvicorn.Server(config).run(sockets=[listener])


def page_urls(settings: Settings, port: int) -> list[str]:
    """Return the URLs of the page: for a browser on this computer, then those for other computers, if any."""
    hosts = {"0.0.0.0": ["127.0.0.1"], "::": ["::1"]}.get(settings.host, [settings.host])
    if settings.host in EVERYWHERE:
        hosts += _own_addresses(ipv6=settings.host == "::")
    query = f"?token={settings.token}" if settings.token else ""
    names = (f"[{host}]" if ":" in host else host for host in hosts)
    return [f"http://{name}:{port}{settings.root_path}/{query}" for name in names]


def _own_addresses(*, ipv6: bool) -> list[str]:
    """Return the addresses of this computer in its networks, without a look-up of its name; none if it hides them."""
    import ifaddr

    try:
        given = [one.ip if isinstance(one.ip, str) else one.ip[0] for card in ifaddr.get_adapters() for one in card.ips]
    except OSError:  # a sandbox may forbid the question
        return []
    found = map(ipaddress.ip_address, given)
    usable = {one for one in found if not one.is_loopback and not one.is_link_local and (ipv6 or one.version == 4)}
    return [str(one) for one in sorted(usable, key=lambda one: (one.version, int(one)))]


def _listener(settings: Settings) -> socket.socket:
    """Return a socket that is bound to the port; raises RequestError if that is not possible."""
    try:
        return _bound(settings, settings.port)
    except OSError as error:
        remedy = "choose another --port, or --host"
        if error.errno == errno.EADDRINUSE:
            free = _free_port(settings)
            remedy = f"use --port {free}, which is free" if free else "choose another --port"
        raise RequestError(
            code="port_unavailable",
            rule="a service needs a free port",
            got=f"{settings.host}:{settings.port} is unavailable ({error.strerror})",
            remedy=remedy,
        ) from error


def _free_port(settings: Settings) -> int | None:
    """Return the next free port within reach, or None."""
    for port in range(settings.port + 1, min(settings.port + 1 + _TRIED_PORTS, 65536)):
        with suppress(OSError), _bound(settings, port):
            return port
    return None


def _bound(settings: Settings, port: int) -> socket.socket:
    """Return a socket that is bound to a port of the host; raises OSError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(
        family, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # explicit, or asyncio leaves Nagle's algorithm on (40 ms)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, port))
    except OSError:
        listener.close()
        raise
    return listener
