"""Results of the benchmarks: one JSON file each in docs/results; documents are rendered from them.

A document shows the result NAME between the lines ``<!-- begin NAME -->`` and ``<!-- end NAME -->``. A page of
docs/measured shows the whole section: title, and folded below it the command and the Markdown lines. Every other
document shows the lines alone. One cell of a table of a result is shown in a sentence or in another table by

    <!-- cell NAME "ROW" "COLUMN" -->VALUE<!-- end -->

ROW is the text of the first cell of the row, or of its first cells, joined by ", "; COLUMN is the head of the column.
Such a mark must not begin a line: Markdown would end the paragraph there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURED = "docs/measured"
_MARK = re.compile(r"<!-- begin ([\w-]+) -->\n.*?<!-- end \1 -->", re.DOTALL)
_CELL = re.compile(r'<!-- cell ([\w-]+) "([^"]+)" "([^"]+)" -->.*?<!-- end -->')


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

    def section(self, images: str = "docs/images") -> list[str]:
        """Return the Markdown of the whole section; ``images`` is the path of docs/images from its page."""
        shown = [line for title, file in self.images.items() for line in ("", f"![{title}]({images}/{file})")]
        return [
            f"### {self.title}",
            "",
            "<details>",
            f"<summary>Figures and command, {self.date}</summary>",
            "",
            f"`{self.command}` ({self.machine})",
            "",
            *self.lines,
            *shown,
            "",
            "</details>",
        ]

    def cell(self, row: str, column: str) -> str:
        """Return the cell of the one table that has this row and column; raises LookupError otherwise."""
        found = [cells[head.index(column)] for head, cells in self._rows() if column in head and starts(cells, row)]
        if len(found) != 1:
            msg = f"{self.name} has {len(found)} cells in row {row!r} and column {column!r}; there must be one"
            raise LookupError(msg)
        return found[0]

    def _rows(self) -> Iterator[tuple[list[str], list[str]]]:
        """Yield the cells of each row of each table, with the head of the table."""
        head: list[str] | None = None
        for line in self.lines:
            if not line.startswith("|"):
                head = None
                continue
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if head is None:
                head = cells
            elif set(cells) != {"---"}:
                yield head, cells


def starts(cells: list[str], row: str) -> bool:
    """Return whether ``row`` is the text of the first cell, or of the first cells, joined by ", "."""
    return any(", ".join(cells[:count]) == row for count in range(1, len(cells) + 1))


def store(result: Result, root: Path = ROOT) -> None:
    """Write a result to docs/results."""
    folder = root / "docs" / "results"
    folder.mkdir(exist_ok=True)
    content = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (folder / f"{result.name}.json").write_text(content + "\n", encoding="utf-8")


def stored(root: Path = ROOT) -> dict[str, Result]:
    """Return all results by name."""
    paths = sorted((root / "docs" / "results").glob("*.json"))
    return {path.stem: Result(**json.loads(path.read_text(encoding="utf-8"))) for path in paths}


def marks(text: str) -> list[str]:
    """Return the names of the results that a document shows, in order."""
    return _MARK.findall(text)


def pages(root: Path = ROOT) -> list[str]:
    """Return the documents that show results or cells of them, as paths below the root."""
    documents = sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in documents}
    return [page for page, text in texts.items() if _MARK.search(text) or _CELL.search(text)]


def rendered(text: str, page: str, results: Mapping[str, Result]) -> str:
    """Return the text of a document (path below the root) with every mark filled.

    Raises LookupError for a result, a row or a column that is not there.
    """
    images = os.path.relpath("docs/images", Path(page).parent).replace(os.sep, "/")

    def named(name: str) -> Result:
        if name not in results:
            msg = f"{page} shows {name}, which is not in docs/results"
            raise LookupError(msg)
        return results[name]

    def fill(found: re.Match[str]) -> str:
        result = named(found[1])
        lines = result.section(images) if page.startswith(f"{MEASURED}/") else result.lines
        return "\n".join([f"<!-- begin {result.name} -->", *lines, f"<!-- end {result.name} -->"])

    def fill_cell(found: re.Match[str]) -> str:
        name, row, column = found.groups()
        return f'<!-- cell {name} "{row}" "{column}" -->{named(name).cell(row, column)}<!-- end -->'

    return _CELL.sub(fill_cell, _MARK.sub(fill, text))


def render(names: Iterable[str] | None = None, root: Path = ROOT) -> list[str]:
    """Render documents, by default all that show results, from the stored results; return those that changed."""
    results, changed = stored(root), []
    for page in pages(root) if names is None else names:
        text = (root / page).read_text(encoding="utf-8")
        new = rendered(text, page, results)
        if new != text:
            (root / page).write_text(new, encoding="utf-8")
            changed.append(page)
    return changed
