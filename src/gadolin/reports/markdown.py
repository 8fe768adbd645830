"""Markdown of model cards and datasheets: escaped text, tables, lists, and items that a person has to fill in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from gadolin.errors import printable
from gadolin.reports.drawings import load

__all__ = ["bullets", "count_to_fill", "document", "lines_to_fill", "parser", "plain", "shown_text", "table", "to_fill"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>&|~$#!])")
_MARK = "TO FILL:"
_BREAKS = ("softbreak", "hardbreak")


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
    return f"**{_MARK}** {question}"


def count_to_fill(text: str) -> int:
    """Return the number of items to fill in a document; raises MissingExtraError where markdown-it-py is missing."""
    return sum(1 for _ in lines_to_fill(parser().parse(text)))


def lines_to_fill(tokens: Sequence[Any]) -> Iterator[tuple[Any, int]]:
    """Yield each line of a paragraph that begins with TO FILL: the inline token, and the place of its first child.

    The text counts, not the markup around it. Code and tables have no items.
    """
    for before, token in pairwise(tokens):
        if before.type != "paragraph_open":
            continue
        children = token.children
        starts = [0, *(place for place, child in enumerate(children, 1) if child.type in _BREAKS)]
        for start in starts:
            if shown_text(children[start:]).startswith(_MARK):
                yield token, start


def shown_text(children: Iterable[Any]) -> str:
    """Return the text of the children of an inline token, without markup."""
    return "".join(
        child.content if child.type in ("text", "code_inline") else " " * (child.type in _BREAKS) for child in children
    )


def parser() -> Any:
    """Return the parser of documents: CommonMark with tables; HTML and pictures are text."""
    return load("markdown_it").MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def document(title: str, lead: Sequence[str], sections: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Return a document: title, first paragraphs, then sections of a heading and blocks; without empty sections."""
    blocks = [f"# {title}", *lead]
    for heading, found in sections:
        if kept := [block for block in found if block]:
            blocks += [f"## {heading}", *kept]
    return "\n\n".join(blocks) + "\n"
