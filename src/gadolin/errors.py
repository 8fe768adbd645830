"""Every error that Gadolin raises on purpose.

Each carries what a program needs (``code``, ``path``) and what a person needs (``rule``, ``got``, ``remedy``); its text
is made of these. HTTP status, exit code and JSON follow from the type and the code, never from the text::

    GadolinError
    |-- RequestError (ValueError)        the request was wrong; the command line exits with 2
    |   |-- ReadError                    a file is no picture that can be read
    |   |   |-- TooLargeError            a file or what it unpacks to exceeds a limit
    |   |   |-- UnknownFormatError       a file of no known format
    |   |   |-- DamagedFileError         a file of a known format that is not whole or not consistent
    |   |   `-- DecoderError             a process that decodes a file died or took too long
    |   |-- DataError                    a folder or manifest cannot be used as asked
    |   |-- RecipeError                  an unknown recipe, key or value
    |   |-- WeightsError                 weights that cannot be had or do not fit
    |   |-- BundleError                  a model that is missing, damaged or of another format
    |   `-- PluginError                  a plug-in that does not import, or is not what it must be
    |-- OutputError (OSError)            the result cannot be written; exits with 1
    |-- DownloadError (ConnectionError)  a remote file cannot be fetched; exits with 1
    |-- ParityError (RuntimeError)       an export that does not compute what was trained; exits with 1
    `-- MissingExtraError (ImportError)  an optional package is not installed; exits with 2

The codes are listed in ``docs/codes.md``, which is made from the source.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from gadolin.extras import distribution_of, install_command

__all__ = [
    "BundleError",
    "DamagedFileError",
    "DataError",
    "DecoderError",
    "DownloadError",
    "GadolinError",
    "MissingExtraError",
    "OutputError",
    "ParityError",
    "PluginError",
    "ReadError",
    "RecipeError",
    "RequestError",
    "TooLargeError",
    "UnknownFormatError",
    "WeightsError",
    "cannot_open",
    "error_from_json",
    "printable",
    "suggestion",
]


class GadolinError(Exception):
    """Base of all errors raised on purpose; catch this one to catch them all.

    ``code`` is a stable snake_case name of what went wrong. ``rule`` says what must hold, ``got`` what was found
    instead, ``remedy`` what to do; each is a part of a sentence and may be empty but the rule. ``path`` is the file or
    folder that it is about, or None.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, *, code: str, rule: str, got: str = "", remedy: str = "", path: Path | str | None = None
    ) -> None:
        super().__init__()
        self.code = code
        self.rule = rule
        self.got = got
        self.remedy = remedy
        self.path = None if path is None else str(path)

    @property
    def reason(self) -> str:
        """The sentence without the path; one line, whatever characters are in the names that it holds."""
        return f"{self.statement}; {printable(self.remedy)}" if self.remedy else self.statement

    @property
    def statement(self) -> str:
        """What must hold and what was got, without the remedy."""
        return printable(", ".join(part for part in (self.rule, self.got) if part))

    def __str__(self) -> str:
        """Return the path, where there is one, and the reason."""
        return self.reason if self.path is None else f"{printable(self.path)}: {self.reason}"

    def __repr__(self) -> str:
        """Return the type, the code and the text."""
        return f"{type(self).__name__}(code={self.code!r}, {str(self)!r})"

    def at(self, path: Path | str) -> Self:
        """Return the same error about ``path``; one that names a path already is returned as it is."""
        if self.path is not None:
            return self
        named = self.__class__.__new__(self.__class__)
        GadolinError.__init__(named, code=self.code, rule=self.rule, got=self.got, remedy=self.remedy, path=path)
        return named

    def fields(self) -> dict[str, Any]:
        """Return code, rule, got, remedy and path, as JSON takes them."""
        return {"code": self.code, "rule": self.rule, "got": self.got, "remedy": self.remedy, "path": self.path}

    def as_json(self) -> dict[str, Any]:
        """Return the fields and the name of the type, for ``error_from_json`` in another process."""
        return {"type": type(self).__name__, **self.fields()}

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes with every field."""
        return _restored, (type(self), self.fields())


class RequestError(GadolinError, ValueError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class ReadError(RequestError):
    """A file is not a picture that can be read."""


class TooLargeError(ReadError):
    """A file, or what it unpacks to, is larger than a limit."""


class UnknownFormatError(ReadError):
    """A file is of no format that can be read."""


class DamagedFileError(ReadError):
    """A file of a known format is not whole, or contradicts itself."""


class DecoderError(ReadError):
    """The process in which a file is decoded did not start, died or took too long."""


class DataError(RequestError):
    """A folder, manifest or table cannot be used as asked."""


class RecipeError(RequestError):
    """A recipe, one of its keys or one of its values is unknown."""


class WeightsError(RequestError):
    """Weights cannot be had, or do not fit the network."""


class BundleError(RequestError):
    """A bundle is missing, damaged, or of a format that this version does not know."""


class PluginError(RequestError):
    """A plug-in of another package does not import, is of the wrong kind, or has a name that is taken."""


class OutputError(GadolinError, OSError):
    """The result cannot be written where it was asked to go."""


class DownloadError(GadolinError, ConnectionError):
    """A remote file cannot be fetched."""


class ParityError(GadolinError, RuntimeError):
    """An exported network does not compute what the trained one does."""


class MissingExtraError(GadolinError, ImportError):
    """A package is not installed; the remedy is the command that installs it.

    ``package`` is the module that could not be imported, or its distribution; ``extra`` the extra that the work at hand
    needs, where it is known.
    """

    exit_code = 2

    def __init__(self, package: str, extra: str = "") -> None:
        distribution = distribution_of(package)
        super().__init__(
            code="missing_package",
            rule=f"this needs the package {distribution!r}",
            got="which is not installed",
            remedy=f"install it with: {install_command(distribution, extra)}",
        )


def cannot_open(why: Exception | str) -> ReadError:
    """Return what is wrong with a file that the system does not open, in the system's words."""
    words = getattr(why, "strerror", None) or why
    return ReadError(
        code="cannot_open", rule=f"cannot be opened ({words})", remedy="check the path and its permissions"
    )


def error_from_json(content: dict[str, Any]) -> GadolinError:
    """Return the error that ``as_json`` described; raises KeyError or TypeError where it is none of these."""
    if not all(isinstance(one, str) for one in content.values() if one is not None):
        msg = "the fields of an error must be text"
        raise TypeError(msg)
    kinds = {name: kind for name, kind in globals().items() if name in __all__ and isinstance(kind, type)}
    return _restored(kinds[content["type"] or ""], {name: one for name, one in content.items() if name != "type"})


def _restored(kind: type[GadolinError], fields: dict[str, Any]) -> GadolinError:
    error = kind.__new__(kind)
    GadolinError.__init__(error, **fields)
    return error


def printable(text: str, keep: str = "") -> str:
    r"""Return ``text`` with each character that a terminal would obey or hide written as an escape, as in ``\x1b``.

    These are control characters, marks that turn the direction of writing, bytes that are no text, and all white space
    but the plain one; those in ``keep`` stay.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in keep else one.encode("unicode_escape").decode("ascii") for one in text
    )


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the nearest known word, or an empty string."""
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""
