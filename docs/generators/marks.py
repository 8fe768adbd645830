"""The marks of a document between which generated text stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["fill", "table"]

_BAR = "\\|"


def fill(path: Path, name: str, content: str) -> None:
    """Replace what stands between the marks of ``name`` in a document."""
    text = path.read_text(encoding="utf-8")
    mark = re.escape(name)
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    assert pattern.search(text), f"{path} has no marks for {name}"
    path.write_text(pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text), encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(cell.replace('|', _BAR) for cell in row)} |" for row in rows)])
