"""What the benchmarks share: they write what they measured to a section of docs/results.md, replaced whole."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "docs" / "results.md"


def publish(section: str, title: str, lines: list[str], *, write: bool) -> None:
    """Print a section; with ``write`` put it into docs/results.md between its two markers (appended where missing)."""
    script = Path(sys.argv[0]).resolve().relative_to(RESULTS.parents[1])
    command = " ".join(["python", script.as_posix(), *_without_folders(sys.argv[1:])])
    where = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    date = datetime.now(UTC).date().isoformat()
    body = "\n".join([f"## {title}", "", f"`{command}` ({date}; {where})", "", *lines])
    print(body)
    if not write:
        return
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    begin, end = f"<!-- begin {section} -->", f"<!-- end {section} -->"
    block = f"{begin}\n{body}\n{end}"
    if begin in text:
        before, _, rest = text.partition(begin)
        text = before + block + rest.partition(end)[2]
    else:
        text = text.rstrip() + "\n\n" + block + "\n"
    RESULTS.write_text(text, encoding="utf-8")


def markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table as lines."""
    return [f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows]]


def shown(value: object) -> str:
    """Return a figure with its interval, as metrics.json holds it, in words."""
    assert isinstance(value, dict), "a figure with its interval"
    spread = "no interval" if value["low"] is None else f"{100 * value['low']:.1f}-{100 * value['high']:.1f}"
    return f"{100 * value['value']:.1f} % ({spread})"


def say(done: int, total: int, what: str) -> None:
    """Print how far a training is, now and then."""
    if done % 50 == 0 or done == total:
        print(f"{what}: {done}/{total}", flush=True)


def _without_folders(arguments: list[str]) -> list[str]:
    """Return the arguments with the folders of this machine left out."""
    return [Path(each).name if "/" in each else each for each in arguments]
