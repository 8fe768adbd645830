"""The application of all commands, and the report of errors that end a command."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import typer

from gadolin._version import __version__
from gadolin.cli import (
    audit,
    card,
    compare,
    crossval,
    dicomweb,
    evaluate,
    explain,
    fetch,
    info,
    node,
    phantom,
    plugins,
    predict,
    recipes,
    results,
    scan,
    score_explanations,
    serve,
    split,
    train,
)
from gadolin.cli.help_pages import Command, Group, paragraphs
from gadolin.cli.output import OneLine, Plain, plain_streams, print_json, print_message
from gadolin.errors import GadolinError, MissingExtraError, OutputError, RequestError
from gadolin.extras import distribution_of

__all__ = ["app", "main"]

_INTERRUPTED = 130  # exit code of typer for a KeyboardInterrupt
_USAGE_ERROR: Any = typer.BadParameter.__mro__[2]  # ClickException, which typer does not export
_USAGE = "usage"

app = typer.Typer(
    name="gadolin",
    help="Classify brain MRI slices by tumour type, with calibrated probabilities, abstention and explanations. "
    "For research only; not a medical device.",
    epilog="Exit codes: 0 done, 1 the work failed, 2 the request was wrong.",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Data": (phantom.phantom, fetch.fetch, scan.scan, audit.audit, split.split),
    "Train": (train.train, crossval.crossval, card.card),
    "Evaluate": (
        evaluate.evaluate,
        compare.compare,
        explain.explain,
        score_explanations.score_explanations,
    ),
    "Use": (
        predict.predict,
        results.results,
        dicomweb.dicomweb,
        node.node,
        serve.serve,
        info.info,
        plugins.plugins,
    ),
}
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        _name, _help = _command.__name__.replace("_", "-"), paragraphs(_command.__doc__)
        app.command(_name, cls=Command, help=_help, rich_help_panel=_panel)(_command)
app.add_typer(recipes.app, name="recipes", rich_help_panel="Train")


def _print_version(given: bool) -> None:
    if given:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Read the options before the command."""


def main() -> None:
    """Run a command and exit with its code.

    A GadolinError is printed as one line on standard error, without a traceback. With ``--json`` it is also printed as
    a JSON object on standard output, unless the command has written there already.
    """
    _quiet_packages()
    with plain_streams() as printed:
        try:
            code = _run(printed)
        except OSError:  # the pipe is closed or the disk is full: the error cannot be reported
            code = 1
            _discard(printed)
    sys.exit(code)


def _run(printed: Plain | None) -> int:
    """Run the command, report the error that ended it, if any, and return the exit code."""
    failure, shown = None, False
    try:
        code = int(app(standalone_mode=False) or 0)
        if printed:
            printed.flush()
        if code == _INTERRUPTED:
            failure = _interrupted()
    except _USAGE_ERROR as error:
        error.show()
        code, failure, shown = error.exit_code, _usage(error), True
    except BrokenPipeError:
        raise
    except (GadolinError, OSError, ImportError, typer.Abort) as error:
        failure = _failure(error)
    if failure is None:
        return code
    if not shown:
        print_message(f"gadolin: {failure}")
    if "--json" in _options_given() and not (printed and printed.used):
        print_json({"error": {**failure.as_json(), "message": str(failure)}})
    return failure.exit_code


def _discard(printed: Plain | None) -> None:
    """Redirect standard output to the null device, so that closing it raises nothing."""
    with suppress(OSError, ValueError):
        if printed:
            os.dup2(os.open(os.devnull, os.O_WRONLY), printed.fileno())


def _quiet_packages() -> None:
    warnings.filterwarnings("ignore", module="pydicom")  # Gadolin raises its own errors instead
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it also logs its warnings
    warnings.filterwarnings("ignore", module="PIL")  # the same; Gadolin refuses images that are too large
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(OneLine())


def _options_given() -> list[str]:
    arguments = sys.argv[1:]
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _failure(error: Exception) -> GadolinError:
    """Return the exception that ended a command as a GadolinError; re-raises it if it is a bug."""
    if isinstance(error, GadolinError):
        return error
    if isinstance(error, ImportError):
        return _unimportable(error)
    return OutputError(
        code="work_stopped",
        rule="the command could not finish",
        got=str(error),
        remedy="free space or check the path",
    )


def _unimportable(error: ImportError) -> GadolinError:
    package = (error.name or "").partition(".")[0]
    if package == "gadolin":
        raise error
    if isinstance(error, ModuleNotFoundError) and package:
        return MissingExtraError(package)
    name = distribution_of(package) if package else "that the command needs"
    return RequestError(
        code="package_unloadable",
        rule=f"the package {name} must load",
        got=f"importing it failed ({' '.join(str(error).split())})",
        remedy="reinstall it, or install the missing system library",
    )


def _interrupted() -> GadolinError:
    return OutputError(
        code="interrupted",
        rule="interrupted",
        remedy="continue a training with --resume, a fetch by running it again",
    )


def _usage(error: Any) -> GadolinError:
    return RequestError(code=_USAGE, rule=" ".join(error.format_message().split()).rstrip("."), remedy="see --help")
