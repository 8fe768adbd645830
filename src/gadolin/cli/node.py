"""``gadolin node``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.interrupts import terminated_as_interrupted
from gadolin.cli.options import Model, Runtime
from gadolin.cli.output import log_messages, print_message


def node(
    config: Annotated[Path, typer.Option(help="Configuration of the node, a TOML file.")],
    model: Model = None,
    check: Annotated[bool, typer.Option("--check", help="Only check the configuration and the model.")] = False,
    runtime: Runtime = "onnxruntime",
) -> None:
    """Answer the DICOM series that an archive sends.

    A node that receives series by C-STORE, predicts each when no more images come, and sends a report (SR) and the
    predicted lesions (SEG) to the configured destinations by C-STORE or STOW-RS. Images stay on disk until some time
    after their results are sent. For research only; not a medical device.
    """
    from gadolin.errors import MissingExtraError
    from gadolin.records import NOTICE

    try:
        from gadolin.dicom_network.config import read_config
        from gadolin.dicom_network.node import Node, check_config
    except ModuleNotFoundError as error:
        raise MissingExtraError((error.name or "").partition(".")[0], "hospital") from error
    settings = read_config(config)
    if check:
        check_config(settings, model)
        print_message("the configuration is valid")
        return
    with log_messages(), Node(settings, model, runtime=runtime) as running:
        print_message(NOTICE)
        print_message(f"{settings.listen.ae_title} listens on {settings.listen.address}, port {running.port}")
        try:
            with terminated_as_interrupted():
                running.wait()
        except KeyboardInterrupt:
            print_message("stopping; what is in the spool is answered after the next start")
