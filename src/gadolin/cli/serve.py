"""``gadolin serve``."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from gadolin.cli.options import Model
from gadolin.cli.output import say


def serve(
    model: Model = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; other computers reach no loopback address.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes one that is free.")] = 8000,
    token: Annotated[
        str,
        typer.Option(envvar="GADOLIN_TOKEN", help="What others must send; made up where it is needed and not given."),
    ] = "",
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Another name under which the service may be asked for; may be repeated.")
    ] = None,
    root_path: Annotated[str, typer.Option(help="Path of the service behind a reverse proxy, such as /gadolin.")] = "",
    workers: Annotated[int, typer.Option(help="Processes that decode files.")] = 2,
    max_megabytes: Annotated[int, typer.Option(help="Of one request.")] = 256,
    max_files: Annotated[int, typer.Option(help="Of one request.")] = 1000,
    max_seconds: Annotated[float, typer.Option(help="To decode one file.")] = 20.0,
    max_queue: Annotated[int, typer.Option(help="Requests that are worked on or wait.")] = 64,
    runtime: Annotated[str, typer.Option(help="onnxruntime, openvino, or that of a plug-in.")] = "onnxruntime",
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
) -> None:
    """Answer over HTTP, and show a page that pictures can be dropped on. Nothing that is sent is written anywhere.

    For research only; not a medical device.
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
        host, port, token, hosts=tuple(allow_host or ()), root_path=root_path, workers=workers, limits=limits
    )
    predictor = Predictor.load(model, runtime=runtime)
    say(NOTICE)
    listen(predictor, settings, opened=browser, told=lambda address: say(f"Gadolin answers at {address}"))
