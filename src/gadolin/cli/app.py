"""The commands together, and what happens when one fails."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import suppress
from typing import Annotated, Any

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
    plugins,
    predict,
    recipes,
    scan,
    score_explanations,
    serve,
    split,
    train,
)
from gadolin.cli.output import OneLine, Plain, plain_streams, print_json, say
from gadolin.errors import GadolinError, MissingExtraError, OutputError, RequestError
from gadolin.extras import distribution_of

__all__ = ["app", "main"]

_INTERRUPTED = 130  # what typer turns a KeyboardInterrupt into
_REFUSED: Any = typer.BadParameter.__mro__[2]  # ClickException, which typer does not export
_USAGE = "usage"

app = typer.Typer(
    name="gadolin",
    help="Classify brain MRI slices by tumour type, with calibrated probabilities, abstention and explanations. "
    "For research only; not a medical device.",
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
    plugins.plugins,
    serve.serve,
):
    app.command(command.__name__.replace("_", "-"))(command)
app.add_typer(recipes.app, name="recipes")


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
    """Run a command and exit with its code.

    An error that Gadolin raises on purpose is one line on standard error, without a traceback; with ``--json`` it is
    also a JSON object on standard output, where the command had written nothing yet.
    """
    _quiet_packages()
    with plain_streams() as printed:
        try:
            code = _run(printed)
        except OSError:  # the reader has gone, or the disk is full: nowhere is left to report it
            code = 1
            _discard(printed)
    sys.exit(code)


def _run(printed: Plain | None) -> int:
    """Run the command, report the error that ended it, and return the exit code."""
    failure = None
    try:
        code = int(app(standalone_mode=False) or 0)
        if printed:
            printed.flush()
        if code == _INTERRUPTED:
            failure = _interrupted()
    except _REFUSED as error:
        error.show()
        code, failure = error.exit_code, _usage(error)
    except BrokenPipeError:
        raise
    except (GadolinError, OSError, ImportError, typer.Abort) as error:
        failure = _failure(error)
    if failure is None:
        return code
    if failure.code != _USAGE:
        say(f"gadolin: {failure}")
    if "--json" in _options_given() and not (printed and printed.used):
        print_json({"error": {**failure.as_json(), "message": str(failure)}})
    return failure.exit_code


def _discard(printed: Plain | None) -> None:
    """Discard the rest of standard output, so that closing it is no error either."""
    with suppress(OSError, ValueError):
        if printed:
            os.dup2(os.open(os.devnull, os.O_WRONLY), printed.fileno())


def _quiet_packages() -> None:
    warnings.filterwarnings("ignore", module="pydicom")  # what matters of it is an error of ours
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it logs its warnings too
    warnings.filterwarnings("ignore", module="PIL")  # the same; what is too large is refused in our own words
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(OneLine())


def _options_given() -> list[str]:
    words = sys.argv[1:]
    return words[: words.index("--")] if "--" in words else words


def _failure(error: Exception) -> GadolinError:
    """Return the exception that ended a command as a GadolinError; raises it again if it is a bug."""
    if isinstance(error, GadolinError):
        return error
    if isinstance(error, ImportError):
        return _unimportable(error)
    return OutputError(
        code="work_stopped",
        rule="the work could not go on",
        got=str(error),
        remedy="free space or check the path",
    )


def _unimportable(error: ImportError) -> GadolinError:
    package = (error.name or "").partition(".")[0]
    if package == "gadolin":
        raise error
    if isinstance(error, ModuleNotFoundError) and package:
        return MissingExtraError(package)
    name = distribution_of(package) if package else "that is used here"
    return RequestError(
        code="package_unloadable",
        rule=f"the package {name} must load",
        got=f"it does not ({' '.join(str(error).split())})",
        remedy="reinstall it, or install the system library that it needs",
    )


def _interrupted() -> GadolinError:
    return OutputError(
        code="interrupted",
        rule="interrupted",
        remedy="a training run goes on with --resume, a fetch when it is asked for again",
    )


def _usage(error: Any) -> GadolinError:
    return RequestError(code=_USAGE, rule=" ".join(error.format_message().split()).rstrip("."), remedy="see --help")
