"""``gadolin serve``."""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urljoin

import typer

from gadolin.cli.options import Model, Runtime
from gadolin.cli.output import log_messages, print_message

if TYPE_CHECKING:
    from gadolin.server.settings import Settings


def serve(
    model: Model = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other computers cannot reach a loopback address.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any free one.")] = 8000,
    token: Annotated[
        str,
        typer.Option(envvar="GADOLIN_TOKEN", help="Token that clients must send; generated if needed."),
    ] = "",
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Additional host name that requests may use; may be repeated.")
    ] = None,
    root_path: Annotated[str, typer.Option(help="Path prefix of a reverse proxy, such as /gadolin.")] = "",
    workers: Annotated[int, typer.Option(help="Processes that decode files.")] = 2,
    max_megabytes: Annotated[int, typer.Option(help="Size limit of one request.")] = 256,
    max_files: Annotated[int, typer.Option(help="File limit of one request.")] = 1000,
    max_seconds: Annotated[float, typer.Option(help="Time limit for decoding one file.")] = 20.0,
    max_queue: Annotated[int, typer.Option(help="Limit of requests that run or wait.")] = 64,
    access_log: Annotated[
        bool, typer.Option(help="Print a line for each request: method, path, status, milliseconds, id.")
    ] = False,
    runtime: Runtime = "onnxruntime",
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Serve predictions over HTTP, with a page for slices.

    Uploads are kept in memory only. For research only; not a medical device.
    """
    from gadolin.errors import MissingExtraError
    from gadolin.records import NOTICE

    try:
        from gadolin.server.addresses import is_loopback
        from gadolin.server.run import listen
        from gadolin.server.settings import Limits, Settings
    except ModuleNotFoundError as error:
        raise MissingExtraError((error.name or "").partition(".")[0], "serve") from error
    from gadolin.models.predictor import Predictor

    token = token or ("" if is_loopback(host) else secrets.token_urlsafe(24))
    limits = Limits(max_megabytes * 2**20, max_files, max_seconds=max_seconds, max_queue=max_queue)
    settings = Settings(
        host,
        port,
        token,
        hosts=tuple(allow_host or ()),
        root_path=root_path,
        workers=workers,
        limits=limits,
        access_log=access_log,
    )
    predictor = Predictor.load(model, runtime=runtime)
    print_message(NOTICE)
    with log_messages() if access_log else nullcontext():
        listen(predictor, settings, browser=browser, announce=lambda addresses: _announce(addresses, settings))


def _announce(addresses: list[str], settings: Settings) -> None:
    """Print the addresses of the page and of the API's description, and what names it may have."""
    here, *others = addresses
    print_message(f"Gadolin answers at {here}")
    print_message(f"API: {urljoin(here, 'docs')}")
    if others:
        print_message(f"Other computers can use {' or '.join(others)}")
    if not settings.local and not settings.hosts:
        print_message(
            "Requests under a host name are refused: for each name that browsers shall use, add --allow-host NAME."
        )
