"""Every error that Gadolin raises on purpose.

Each message states the rule, what was got, and what to do about it::

    GadolinError
    |-- RequestError (ValueError)        the request was wrong; the command line exits with 2
    |   |-- ReadError                    a file is no picture that can be read
    |   |-- DataError                    a folder or manifest cannot be used as asked
    |   |-- RecipeError                  an unknown recipe, key or value
    |   |-- WeightsError                 weights that cannot be had or do not fit
    |   `-- BundleError                  a model that is missing, damaged or of another format
    |-- OutputError (OSError)            the result cannot be written; exits with 1
    |-- DownloadError (ConnectionError)  a remote file cannot be fetched; exits with 1
    |-- ParityError (RuntimeError)       an export that does not compute what was trained; exits with 1
    `-- MissingExtraError (ImportError)  an optional package is not installed; exits with 2
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BundleError",
    "DataError",
    "DownloadError",
    "GadolinError",
    "MissingExtraError",
    "OutputError",
    "ParityError",
    "ReadError",
    "RecipeError",
    "RequestError",
    "WeightsError",
    "suggestion",
]


class GadolinError(Exception):
    """Base of all errors raised on purpose; catch this one to catch them all."""


class RequestError(GadolinError, ValueError):
    """What was asked for cannot be done as asked."""


class ReadError(RequestError):
    """A file is not a picture that can be read."""


class DataError(RequestError):
    """A folder, manifest or table cannot be used as asked."""


class RecipeError(RequestError):
    """A recipe, one of its keys or one of its values is unknown."""


class WeightsError(RequestError):
    """Weights cannot be had, or do not fit the network."""


class BundleError(RequestError):
    """A bundle is missing, damaged, or of a format that this version does not know."""


class OutputError(GadolinError, OSError):
    """The result cannot be written where it was asked to go."""


class DownloadError(GadolinError, ConnectionError):
    """A remote file cannot be fetched."""


class ParityError(GadolinError, RuntimeError):
    """An exported network does not compute what the trained one does."""


class MissingExtraError(GadolinError, ImportError):
    """An optional package is not installed; the message holds the install command."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {package!r}, which is not installed; "
            f'install it with: pip install "gadolin[{extra}]"'
        )


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the nearest known word, or an empty string."""
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""
