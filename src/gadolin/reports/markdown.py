"""Markdown of model cards and datasheets: escaped text, tables, lists, and items that a person has to fill in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gadolin.errors import printable

__all__ = ["bullets", "count_to_fill", "document", "plain", "table", "to_fill"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>&|~$#!])")
_MARK = "**TO FILL:**"
_MARKED = re.compile(rf"^[ \t]*(?:[-*+][ \t]+)?{re.escape(_MARK)}", re.MULTILINE)


def plain(text: object) -> str:
    r"""Return text in Markdown that is shown as it is: no markup, HTML or link, such as "a\_b" for "a_b".

    Control characters and line breaks become escapes such as ``\n``. It may be a part of a line or a cell of a table,
    but not the beginning of a line.
    """
    return _SPECIAL.sub(r"\\\1", printable(str(text).replace("\u00a0", " ")))


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, left: int = 1) -> str:
    """Return a table of Markdown cells; the first ``left`` columns are text, the others numbers."""
    lines = [head, ["---"] * left + ["---:"] * (len(head) - left), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """Return a list of Markdown lines."""
    return "\n".join(f"- {item}" for item in items)


def to_fill(question: str) -> str:
    """Return the marked line of an item that only a person can fill in."""
    return f"{_MARK} {question}"


def count_to_fill(text: str) -> int:
    """Return the number of marked items in a document."""
    return len(_MARKED.findall(text))


def document(title: str, lead: Sequence[str], sections: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Return a document: title, first paragraphs, then sections of a heading and blocks; without empty sections."""
    blocks = [f"# {title}", *lead]
    for heading, found in sections:
        if kept := [block for block in found if block]:
            blocks += [f"## {heading}", *kept]
    return "\n\n".join(blocks) + "\n"
