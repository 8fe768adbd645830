"""Every error that Gadolin raises on purpose.

Each has fields for programs (``code``, ``path``) and for people (``rule``, ``got``, ``remedy``), which make up its
text. HTTP status, exit code and JSON depend on the type and the code, not on the text::

    GadolinError
    |-- RequestError (ValueError)        the request was wrong; the command line exits with 2
    |   |-- ReadError                    a file is not a readable image
    |   |   |-- TooLargeError            a file, or its unpacked content, exceeds a limit
    |   |   |-- UnknownFormatError       a file of unknown format
    |   |   |-- DamagedFileError         a file of known format is truncated or inconsistent
    |   |   `-- DecoderError             a decoder process died or took too long
    |   |-- DataError                    a folder or manifest cannot be used
    |   |-- RecipeError                  an unknown recipe, key or value
    |   |-- WeightsError                 weights are unavailable or do not fit
    |   |-- BundleError                  a bundle is missing, damaged or of another format
    |   `-- PluginError                  a plug-in does not import or is invalid
    |-- OutputError (OSError)            the result cannot be written; exits with 1
    |-- DownloadError (ConnectionError)  a remote file cannot be downloaded; exits with 1
    |-- ArchiveError (ConnectionError)   an archive on the network fails, refuses or sends nonsense; exits with 1
    |-- EngineError (RuntimeError)       a worker process dies, or a cluster cannot be used; exits with 1
    |-- ParityError (RuntimeError)       an export differs from the trained network; exits with 1
    `-- MissingExtraError (ImportError)  an optional package is not installed; exits with 2

All codes: ``docs/codes.md``, generated from the source.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from gadolin.extras import distribution_of, install_command

__all__ = [
    "ArchiveError",
    "BundleError",
    "DamagedFileError",
    "DataError",
    "DecoderError",
    "DownloadError",
    "EngineError",
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
    """Base class of all errors raised on purpose.

    ``code`` is a stable snake_case identifier. ``rule`` states the requirement, ``got`` the violation, ``remedy`` the
    fix; each is part of a sentence, and only ``rule`` is required. ``path`` is the file or folder concerned, or None.
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
        """The sentence without the path, on one line; unprintable characters of names are escaped."""
        return f"{self.statement}; {printable(self.remedy)}" if self.remedy else self.statement

    @property
    def statement(self) -> str:
        """Requirement and violation, without the remedy."""
        return printable(", ".join(part for part in (self.rule, self.got) if part))

    def __str__(self) -> str:
        """Return the path, if any, and the reason."""
        return self.reason if self.path is None else f"{printable(self.path)}: {self.reason}"

    def __repr__(self) -> str:
        """Return the type, the code and the text."""
        return f"{type(self).__name__}(code={self.code!r}, {str(self)!r})"

    def at(self, path: Path | str) -> Self:
        """Return a copy of this error with ``path``; an error that already has a path is returned unchanged."""
        if self.path is not None:
            return self
        copy = self.__class__.__new__(self.__class__)
        GadolinError.__init__(copy, code=self.code, rule=self.rule, got=self.got, remedy=self.remedy, path=path)
        return copy

    def fields(self) -> dict[str, Any]:
        """Return code, rule, got, remedy and path as JSON fields."""
        return {"code": self.code, "rule": self.rule, "got": self.got, "remedy": self.remedy, "path": self.path}

    def as_json(self) -> dict[str, Any]:
        """Return the fields and the type name; ``error_from_json`` restores the error in another process."""
        return {"type": type(self).__name__, **self.fields()}

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle every field."""
        return _restored, (type(self), self.fields())


class RequestError(GadolinError, ValueError):
    """The request is invalid."""

    exit_code = 2


class ReadError(RequestError):
    """A file is not a readable image."""


class TooLargeError(ReadError):
    """A file, or its unpacked content, exceeds a limit."""


class UnknownFormatError(ReadError):
    """A file has an unsupported format."""


class DamagedFileError(ReadError):
    """A file of known format is truncated or inconsistent."""


class DecoderError(ReadError):
    """The process that decodes a file did not start, died or took too long."""


class DataError(RequestError):
    """A folder, manifest or table cannot be used."""


class RecipeError(RequestError):
    """A recipe, one of its keys or one of its values is unknown."""


class WeightsError(RequestError):
    """Weights are unavailable, or do not fit the network."""


class BundleError(RequestError):
    """A bundle is missing, damaged, or of a format unknown to this version."""


class PluginError(RequestError):
    """A plug-in of another package does not import, is of the wrong kind, or has a name that is taken."""


class OutputError(GadolinError, OSError):
    """The result cannot be written."""


class DownloadError(GadolinError, ConnectionError):
    """A remote file cannot be downloaded."""


class ArchiveError(GadolinError, ConnectionError):
    """An archive on the network cannot be reached, refuses a request, or gives an answer that is not valid."""


class EngineError(GadolinError, RuntimeError):
    """A worker process died, or a cluster cannot be used."""


class ParityError(GadolinError, RuntimeError):
    """The output of an exported network differs from that of the trained one."""


class MissingExtraError(GadolinError, ImportError):
    """A package is not installed; the remedy is the command that installs it.

    ``package`` is the missing module or its distribution; ``extra`` is the extra that provides it, if known.
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
    """Return the error for a file that cannot be opened, with the message of the operating system."""
    words = getattr(why, "strerror", None) or why
    return ReadError(
        code="cannot_open", rule=f"cannot be opened ({words})", remedy="check the path and its permissions"
    )


def error_from_json(content: dict[str, Any]) -> GadolinError:
    """Return the error that ``as_json`` serialised; raises KeyError or TypeError for other content."""
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
    r"""Return ``text`` with each character that a terminal would execute or hide as an escape, such as ``\x1b``.

    These are control characters, marks of writing direction, bytes that are not text, and all white space except the
    plain blank; characters in ``keep`` stay.
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
