"""The commands together, and what happens when one fails."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from typing import Annotated

import typer

from gadolin._version import __version__
from gadolin.cli import (
    audit,
    compare,
    crossval,
    evaluate,
    explain,
    fetch,
    info,
    phantom,
    predict,
    scan,
    score_explanations,
    serve,
    split,
    train,
)
from gadolin.errors import GadolinError, MissingExtraError, RequestError

__all__ = ["app", "main"]

_INTERRUPTED = 130  # what typer turns a KeyboardInterrupt into

app = typer.Typer(
    name="gadolin",
    help="Tell glioma, meningioma, pituitary tumour and no tumour apart on brain MRI slices, and how far to trust "
    "the answer. For research only; not a medical device.",
    epilog="Exit codes: 0 done, 1 the work failed, 2 the request was wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for command in (
    phantom.phantom,
    fetch.fetch,
    scan.scan,
    audit.audit,
    split.split,
    train.train,
    crossval.crossval,
    evaluate.evaluate,
    predict.predict,
    explain.explain,
    score_explanations.score_explanations,
    compare.compare,
    info.info,
    serve.serve,
):
    app.command(command.__name__.replace("_", "-"))(command)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run a command; an error that Gadolin raises on purpose is one line on standard error, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may be anything
    warnings.filterwarnings("ignore", module="pydicom")  # what matters of it is an error of ours
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it logs its warnings too
    warnings.filterwarnings("ignore", message="Image size")  # larger ones are refused in our own words
    try:
        app()
    except GadolinError as error:
        print(f"gadolin: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, RequestError | MissingExtraError) else 1)
    except OSError as error:
        print(f"gadolin: the work could not go on: {error}; free space or check the path", file=sys.stderr)
        sys.exit(1)
    except SystemExit as ending:
        if ending.code != _INTERRUPTED:
            raise
        print(
            "gadolin: interrupted; a training run goes on with --resume, a fetch when it is asked for again",
            file=sys.stderr,
        )
        sys.exit(1)
    except ModuleNotFoundError as error:
        missing = MissingExtraError((error.name or "").partition(".")[0], "train")
        if (error.name or "").startswith("gadolin"):
            raise
        print(f"gadolin: {missing}", file=sys.stderr)
        sys.exit(2)
