"""Results of the benchmarks: one JSON file each in docs/results; pages are rendered from them.

A page shows the result NAME between the lines ``<!-- begin NAME -->`` and ``<!-- end NAME -->``: the whole section on
the page of the result, its Markdown lines alone on every other page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS_PAGES = ("docs/results.md", "docs/model-card.md", "docs/formats.md")
PAGES = (*DOCS_PAGES, "README.md")
_MARK = re.compile(r"<!-- begin ([\w-]+) -->\n.*?<!-- end \1 -->", re.DOTALL)


@dataclass(frozen=True)
class Result:
    """The result of a benchmark: Markdown lines, where they come from, and images (file in docs/images by title)."""

    name: str
    title: str
    command: str
    date: str
    machine: str
    lines: list[str]
    images: dict[str, str] = field(default_factory=dict)
    page: str = "results.md"

    def section(self) -> list[str]:
        """Return the Markdown of the whole section: title, command, lines and images."""
        shown = [line for title, file in self.images.items() for line in ("", f"![{title}](images/{file})")]
        return [f"## {self.title}", "", f"`{self.command}` ({self.date}; {self.machine})", "", *self.lines, *shown]


def store(result: Result, root: Path = ROOT) -> None:
    """Write a result to docs/results and add its mark to the end of its page if it has none."""
    folder, page = root / "docs" / "results", root / "docs" / result.page
    folder.mkdir(exist_ok=True)
    content = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (folder / f"{result.name}.json").write_text(content + "\n", encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    if f"<!-- begin {result.name} -->" not in text:
        page.write_text(f"{text}\n<!-- begin {result.name} -->\n<!-- end {result.name} -->\n", encoding="utf-8")


def stored(root: Path = ROOT) -> dict[str, Result]:
    """Return all results by name."""
    paths = sorted((root / "docs" / "results").glob("*.json"))
    return {path.stem: Result(**json.loads(path.read_text(encoding="utf-8"))) for path in paths}


def marks(text: str) -> list[str]:
    """Return the names of the results that a page shows, in order."""
    return _MARK.findall(text)


def rendered(text: str, page: str, results: Mapping[str, Result]) -> str:
    """Return the text of a page (path below the root) with every mark filled; raises KeyError for an unknown name."""

    def fill(found: re.Match[str]) -> str:
        result = results[found[1]]
        lines = result.section() if page == f"docs/{result.page}" else result.lines
        return "\n".join([f"<!-- begin {result.name} -->", *lines, f"<!-- end {result.name} -->"])

    return _MARK.sub(fill, text)


def render(pages: Iterable[str] = PAGES, root: Path = ROOT) -> list[str]:
    """Render pages from the stored results; return those that changed."""
    results, changed = stored(root), []
    for page in pages:
        text = (root / page).read_text(encoding="utf-8")
        new = rendered(text, page, results)
        if new != text:
            (root / page).write_text(new, encoding="utf-8")
            changed.append(page)
    return changed
