"""Run the service on a port until it is interrupted."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from gadolin.errors import RequestError
from gadolin.models.predictor import Predictor
from gadolin.server.app import create_app
from gadolin.server.settings import Settings

__all__ = ["listen"]


def listen(predictor: Predictor, settings: Settings, *, browser: bool, announce: Callable[[str], None]) -> None:
    """Serve requests until the process is interrupted.

    ``announce`` is called with the address; ``browser``: open it in a browser. Raises RequestError if the port cannot
    be used.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(
        family, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # explicit, or asyncio leaves Nagle's algorithm on (40 ms)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise RequestError(
            code="port_unavailable",
            rule="a service needs a free port",
            got=f"{where} is unavailable ({error.strerror})",
            remedy="choose another --port",
        ) from error
    address = _address(settings, listener.getsockname()[1])
    config = uvicorn.Config(
        create_app(predictor, settings),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    announce(address)
    if browser:
        threading.Timer(0.5, webbrowser.open, (address,)).start()
    with suppress(KeyboardInterrupt):  # uvicorn re-raises it after its shutdown
        uvicorn.Server(config).run(sockets=[listener])


def _address(settings: Settings, port: int) -> str:
    """Return the URL of the page for a browser on this computer."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    name = f"[{shown}]" if ":" in shown else shown
    return f"http://{name}:{port}{settings.root_path}/" + (f"?token={settings.token}" if settings.token else "")
