"""The parameters of a Content-Disposition header, in all forms that clients send."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

__all__ = ["disposition"]

_PARAMETER = re.compile(rb';[ \t]*([^=;\s]+)[ \t]*=[ \t]*(?:"((?:\\.|[^"\\])*)"|"?([^;]*))', re.DOTALL)
_ESCAPED = re.compile(rb'\\(["\\])')
_FORM = ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n"))  # the only characters that browsers escape
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}


def disposition(header: bytes) -> dict[str, str]:
    """Return the parameters of a header such as ``form-data; name="files"; filename="a.png"``.

    It reads quoted names with backslashes (curl) or with %22, %0D and %0A (browsers), names in raw UTF-8, and
    ``filename*`` with its character set and percent-encoding (RFC 5987), which has precedence. Other text stays
    unchanged, and invalid UTF-8 becomes replacement characters. A ``filename*`` in an unknown character set or in
    pieces becomes empty, unless there is a plain ``filename``. Raises nothing.
    """
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for key, quoted, bare in _PARAMETER.findall(header):
        name, star, part = key.decode("latin-1").lower().partition("*")
        if star:
            extended[name] = "" if part else _extended(bare.strip() or quoted)
        else:
            plain.setdefault(name, _plain(quoted) if quoted else _decoded(bare.strip()))
    return plain | {name: value for name, value in extended.items() if value or name not in plain}


def _plain(quoted: bytes) -> str:
    text = _ESCAPED.sub(rb"\1", quoted)
    for escaped, character in _FORM:
        text = text.replace(escaped, character).replace(escaped.lower(), character)
    return _decoded(text)


def _extended(value: bytes) -> str:
    """Return charset'language'percent-encoded as text, or "" for other forms."""
    parts = value.decode("latin-1").split("'", 2)
    charset = _CHARSETS.get(parts[0].lower())
    return unquote_to_bytes(parts[2]).decode(charset, "replace") if len(parts) == 3 and charset else ""


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
