"""Self-contained HTML pages of model cards and datasheets, made from their Markdown, also after a person edited it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape
from typing import Any, NamedTuple

from gadolin.records import NOTICE
from gadolin.reports.drawings import load
from gadolin.reports.markdown import count_to_fill
from gadolin.reports.page import environment

__all__ = ["document_page"]

_LONG = 12  # rows of a table, above which it is folded
_MARK = "TO FILL:"


class _Section(NamedTuple):
    """One section of the page: its id, heading (plain text) and HTML."""

    id: str
    heading: str
    html: str


def document_page(text: str, *, pages: Collection[str] = ()) -> str:
    """Return the HTML page of a Markdown document with one title and sections of the second level.

    Raw HTML and pictures are shown as text, so that the page loads nothing. Links to the Markdown files in ``pages``
    lead to their HTML pages. Raises MissingExtraError where markdown-it-py or jinja2 is not installed.
    """
    markdown = load("markdown_it").MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = _linked(markdown.parse(text), pages)
    title, lead, sections = _divided(markdown, tokens)
    count = count_to_fill(text)
    html: str = (
        environment()
        .get_template("card.html.jinja")
        .render(notice=NOTICE, title=title, lead=lead, parts=sections, to_fill=_items(count))
    )
    return html


def _items(count: int) -> str:
    if not count:
        return ""
    return f"{count} {'item is' if count == 1 else 'items are'} left to fill."


def _linked(tokens: Sequence[Any], pages: Collection[str]) -> Sequence[Any]:
    for token in tokens:
        for child in token.children or ():
            target = str(child.attrGet("href") or "") if child.type == "link_open" else ""
            if target in pages:
                child.attrSet("href", f"{target.removesuffix('.md')}.html")
    return tokens


def _divided(markdown: Any, tokens: Sequence[Any]) -> tuple[str, str, list[_Section]]:
    """Return the title (plain text), the HTML before the first section, and the sections."""
    title, starts = "", []
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1" and not title:
            title = _text(tokens[place + 1])
        if token.type == "heading_open" and token.tag == "h2" and token.level == 0:
            starts.append(place)
    ends = [*starts, len(tokens)][1:]
    sections = [
        _Section(
            f"part-{number}",
            _text(tokens[start + 1]),
            _html(markdown, tokens[start + 3 : end], _text(tokens[start + 1])),
        )
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
    ]
    before = tokens[: starts[0] if starts else len(tokens)]
    return title or "Document", _html(markdown, _without_title(before), "Summary"), sections


def _without_title(tokens: Sequence[Any]) -> list[Any]:
    """Return the tokens without the headings of the first level and without the notice, which the page has itself."""
    kept: list[Any] = []
    place = 0
    while place < len(tokens):
        heading = tokens[place].type == "heading_open" and tokens[place].tag == "h1"
        notice = tokens[place].type == "paragraph_open" and _text(tokens[place + 1]) == NOTICE
        if heading or notice:
            place += 3
        else:
            kept.append(tokens[place])
            place += 1
    return kept


def _text(inline: Any) -> str:
    """Return the text of an inline token without markup."""
    return "".join(
        child.content if child.type in ("text", "code_inline") else " " * (child.type in ("softbreak", "hardbreak"))
        for child in inline.children or ()
    )


def _html(markdown: Any, tokens: Sequence[Any], heading: str) -> str:
    """Return tokens as HTML, with tables that scroll in themselves, long ones folded, and items to fill marked."""
    html: str = markdown.renderer.render(list(tokens), markdown.options, {})
    html = html.replace(f"<strong>{_MARK}</strong>", f'<strong class="fill">{_MARK}</strong>')
    return re.sub(r"<table>.*?</table>", lambda found: _scrolling(found[0], escape(heading)), html, flags=re.DOTALL)


def _scrolling(table: str, label: str) -> str:
    rows = table.count("<tr>") - 1
    table = table.replace(' style="text-align:right"', ' class="number"')
    table = re.sub(r"<th(?=[ >])", '<th scope="col"', table)
    table = re.sub(r"<tr>\n<td>(.*?)</td>", r'<tr>\n<th scope="row">\1</th>', table, flags=re.DOTALL)
    inside = f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">\n{table}\n</div>'
    return f"<details>\n<summary>Table of {rows} rows</summary>\n{inside}\n</details>" if rows > _LONG else inside
