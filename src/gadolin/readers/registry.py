"""The readers by format, built-in ones and those of plug-ins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from gadolin.errors import DamagedFileError, GadolinError, RequestError, suggestion
from gadolin.readers.contents import Contents
from gadolin.records import Slice
from gadolin.registry import Registry

__all__ = ["READERS", "Reader", "open_with", "plugin_format", "plugin_suffixes", "plugin_versions", "unusable_plugins"]

_LOG = logging.getLogger("gadolin")


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of one file format.

    ``name`` is the format, such as "PNG". ``suffixes`` are its file endings in lower case, with the dot: an unreadable
    file with such a suffix is reported, any other file of unknown format in a folder is skipped. ``recognises`` takes
    up to the first 4,096 bytes of a file and returns whether it has this format; it is called for files of all formats
    and must be fast. ``open`` takes the bytes of a whole file and returns its ``Contents``, decoding as little as
    possible; it raises ReadError if the file is damaged.
    """

    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    open: Callable[[bytes], Contents]


def _unknown(name: str, known: tuple[str, ...]) -> RequestError:
    return RequestError(
        code="reader_unknown",
        rule=f"a reader must be one of {', '.join(known)}",
        got=f"got {name!r}{suggestion(name, known)}",
    )


READERS: Registry[Reader] = Registry(
    "gadolin.readers", "a gadolin.readers.Reader", lambda one: isinstance(one, Reader), _unknown
)
"""Every reader by format name."""


def plugin_format(head: bytes) -> str | None:
    """Return the name of the first plug-in reader, in order of names, that recognises a file, or None."""
    return next((name for name, reader in READERS.plugins().items() if _recognises(reader, head)), None)


def plugin_suffixes() -> tuple[str, ...]:
    """Return the file endings of the plug-in readers."""
    return tuple(suffix for reader in READERS.plugins().values() for suffix in reader.suffixes)


def plugin_versions() -> list[str]:
    """Return name, distribution and version of each plug-in reader, since another version may decode other pixels."""
    return [f"{name} of {READERS.provider(name)}" for name in READERS.plugins()]


def unusable_plugins() -> str:
    """Return the unusable plug-in readers as the end of a sentence, or ""."""
    names = [f"{one.name} of {one.origin}" for one in READERS.entries() if one.error is not None]
    return f" (not used: {', '.join(names)}; see gadolin plugins)" if names else ""


def open_with(name: str, content: bytes) -> Contents:
    """Open the bytes of a file with a plug-in reader.

    Raises the ReadError of the reader, or DamagedFileError in place of any other exception.
    """
    reader = READERS.get(name)
    try:
        contents = reader.open(content)
    except GadolinError:
        raise
    except Exception as error:
        raise _failed(name, error) from error
    if not isinstance(contents, Contents):
        wrong = TypeError(f"open returned {type(contents).__name__}, not gadolin.readers.Contents")
        raise _failed(name, wrong)

    def decode(number: int) -> Slice:
        try:
            return contents.decode(number)
        except GadolinError:
            raise
        except Exception as error:
            raise _failed(name, error) from error

    return replace(contents, decode=decode)


def _recognises(reader: Reader, head: bytes) -> bool:
    try:
        return bool(reader.recognises(head))
    except Exception as error:  # noqa: BLE001 -- a plug-in must not stop the reading of other formats
        _warn_once(reader.name, f"{type(error).__name__}: {error}")
        return False


@cache
def _warn_once(name: str, why: str) -> None:
    _LOG.warning("the reader %s of %s failed to check a file: %s", name, READERS.provider(name), why)


def _failed(name: str, error: Exception) -> DamagedFileError:
    return DamagedFileError(
        code="reader_failed",
        rule=f"the reader {name} of {READERS.provider(name)} must read the file",
        got=f"it raises {type(error).__name__} ({' '.join(str(error).split())[:200]})",
        remedy="check the file, or report it to the authors of the plug-in",
    )
