"""Self-contained HTML pages of model cards and datasheets, made from their Markdown, also after a person edited it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape
from typing import Any, NamedTuple

from gadolin.errors import DataError
from gadolin.records import NOTICE
from gadolin.reports.markdown import lines_to_fill, parser, shown_text
from gadolin.reports.page import environment

__all__ = ["document_page"]

_LONG = 12  # rows of a table, above which it is folded


class _Section(NamedTuple):
    """One section of the page: its id, heading (plain text) and HTML."""

    id: str
    heading: str
    html: str


def document_page(text: str, *, pages: Collection[str] = ()) -> str:
    """Return the HTML page of a Markdown document with one title and sections of the second level.

    Raw HTML and pictures are shown as text, so that the page loads nothing. Links to the Markdown files in ``pages``
    lead to their HTML pages. A further heading of the first level begins a section. Raises DataError without a title
    or a section, MissingExtraError where markdown-it-py or jinja2 is not installed.
    """
    markdown = parser()
    tokens = _one_title(_linked(markdown.parse(text), pages))
    count = _mark_items(tokens)
    title, lead, sections = _divided(markdown, tokens)
    if not title or not sections:
        raise DataError(
            code="card_incomplete",
            rule="a model card or datasheet must have a title and sections",
            got=f"this one has no {'heading of the second level' if title else 'title'}",
            remedy="restore its headings, or delete it to get a new one",
        )
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


def _one_title(tokens: Sequence[Any]) -> Sequence[Any]:
    """Return the tokens with every heading of the first level but the title at the second level."""
    title = next((place for place, token in enumerate(tokens) if _is_heading(token, "h1")), None)
    for place, token in enumerate(tokens):
        if token.tag == "h1" and (title is None or place not in (title, title + 2)):
            token.tag = "h2"
    return tokens


def _is_heading(token: Any, tag: str) -> bool:
    """Return whether a heading begins here that is not in a list or quotation."""
    return bool(token.type == "heading_open" and token.tag == tag and token.level == 0)


def _mark_items(tokens: Sequence[Any]) -> int:
    """Mark each item to fill, from the last to the first one; return their number."""
    found = list(lines_to_fill(tokens))
    for inline, start in reversed(found):
        children = inline.children
        place = next(n for n, child in enumerate(children[start:], start) if child.nesting or child.content)
        first = children[place]
        if first.nesting or first.type != "text":
            first.attrSet("class", "fill")
            continue
        mark, colon, rest = first.content.partition(":")
        make = type(first)
        children[place : place + 1] = [
            make("strong_open", "strong", 1, attrs={"class": "fill"}),
            make("text", "", 0, content=mark + colon),
            make("strong_close", "strong", -1),
            make("text", "", 0, content=rest),
        ]
    return len(found)


def _divided(markdown: Any, tokens: Sequence[Any]) -> tuple[str, str, list[_Section]]:
    """Return the title (plain text, "" without one), the HTML before the first section, and the sections."""
    title = next((_text(tokens[place + 1]) for place, token in enumerate(tokens) if _is_heading(token, "h1")), "")
    starts = [place for place, token in enumerate(tokens) if _is_heading(token, "h2")]
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
    return title.strip(), _html(markdown, _without_title(before), "Summary"), sections


def _without_title(tokens: Sequence[Any]) -> list[Any]:
    """Return the tokens without the title and without the notice, which the page has itself."""
    kept: list[Any] = []
    place = 0
    while place < len(tokens):
        notice = tokens[place].type == "paragraph_open" and _text(tokens[place + 1]) == NOTICE
        if notice or _is_heading(tokens[place], "h1"):
            place += 3
        else:
            kept.append(tokens[place])
            place += 1
    return kept


def _text(inline: Any) -> str:
    """Return the text of an inline token without markup."""
    return shown_text(inline.children or ())


def _html(markdown: Any, tokens: Sequence[Any], heading: str) -> str:
    """Return tokens as HTML, with tables that scroll in themselves, long ones folded."""
    html: str = markdown.renderer.render(list(tokens), markdown.options, {})
    return re.sub(r"<table>.*?</table>", lambda found: _scrolling(found[0], escape(heading)), html, flags=re.DOTALL)


def _scrolling(table: str, heading: str) -> str:
    """Return a table of HTML as a region that scrolls, with the heading and the first header cell as its name."""
    first = re.sub(r"<[^>]*>", "", table[table.index(">", table.index("<th")) : table.index("</th>")][1:]).strip()
    label = f"{heading}: {first}" if first else heading
    rows = table.count("<tr>") - 1
    table = table.replace(' style="text-align:right"', ' class="number"')
    table = re.sub(r"<th(?=[ >])", '<th scope="col"', table)
    table = re.sub(r"<tr>\n<td>(.*?)</td>", r'<tr>\n<th scope="row">\1</th>', table, flags=re.DOTALL)
    inside = f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">\n{table}\n</div>'
    return f"<details>\n<summary>Table of {rows} rows</summary>\n{inside}\n</details>" if rows > _LONG else inside
