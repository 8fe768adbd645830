"""What the benchmarks share: they write what they measured to a section of a page of docs/, replaced whole."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.metrics.bootstrap import group_intervals, unanimous_interval
from gadolin.metrics.scores import ratio
from gadolin.metrics.table import Table, write_table

ROOT = Path(__file__).resolve().parents[1]


def publish(
    section: str,
    title: str,
    lines: list[str],
    *,
    write: bool,
    page: str = "results.md",
    pictures: Mapping[str, bytes] | None = None,
) -> None:
    """Print a section; with ``write`` put it into a page of docs/, its lines where README.md or the card has the marks.

    ``pictures`` (PNG, by what they show) are kept in docs/images and follow the lines on the page.
    """
    script = Path(sys.argv[0]).resolve().relative_to(ROOT)
    command = " ".join(["python", script.as_posix(), *_without_folders(sys.argv[1:])])
    where = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    date = datetime.now(UTC).date().isoformat()
    body = [f"## {title}", "", f"`{command}` ({date}; {where})", "", *lines]
    print("\n".join(body))
    if write:
        results, readme = ROOT / "docs" / page, ROOT / "README.md"
        if f"<!-- begin {section} -->" not in results.read_text(encoding="utf-8"):
            marks = f"\n<!-- begin {section} -->\n<!-- end {section} -->\n"
            results.write_text(results.read_text(encoding="utf-8") + marks, encoding="utf-8")
        _fill(results, section, [*body, *_kept(section, pictures or {})])
        for elsewhere in (readme, ROOT / "docs" / "model-card.md"):
            _fill(elsewhere, section, lines)


def _kept(section: str, pictures: Mapping[str, bytes]) -> list[str]:
    """Write the pictures of a section and return the lines that show them."""
    lines = []
    for shows, png in pictures.items():
        name = f"{section}-{shows.lower().replace(' ', '-')}.png"
        (ROOT / "docs" / "images" / name).write_bytes(png)
        lines += ["", f"![{shows}](images/{name})"]
    return lines


def _fill(path: Path, section: str, lines: list[str]) -> None:
    """Replace what stands between the two marks of a section, if they are there."""
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- begin {section} -->", f"<!-- end {section} -->"
    before, found, rest = text.partition(begin)
    if found:
        text = "\n".join([before + begin, *lines, end]) + rest.partition(end)[2]
        path.write_text(text, encoding="utf-8")


def markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table as lines."""
    return [f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows]]


def shown(value: object) -> str:
    """Return a figure with its interval, as metrics.json holds it, in words."""
    assert isinstance(value, dict), "a figure with its interval"
    spread = "no interval" if value["low"] is None else f"{100 * value['low']:.1f}-{100 * value['high']:.1f}"
    return f"{100 * value['value']:.1f} % ({spread})"


def percent(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.1f} %"


def share(part: int, whole: int) -> str:
    """Return a share in percent with its Wilson interval, which takes rows for independent."""
    low, high = wilson(part / whole, whole)
    return f"{100 * part / whole:.2f} % ({100 * low:.2f}-{100 * high:.2f})"


def wilson(value: float, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share over ``trials``."""
    z = 1.959964
    middle = (value + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z / (1 + z**2 / trials) * (value * (1 - value) / trials + z**2 / (4 * trials**2)) ** 0.5
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def resampled(part: NDArray[np.bool_], whole: NDArray[np.bool_], groups: Sequence[str]) -> str:
    """Return the share of ``part`` in ``whole``, of rows (N,), in percent, with an interval that resamples groups."""

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return ratio(weights @ (part & whole), weights @ whole)[:, None]

    (found,) = group_intervals(statistic, groups)
    if found.value in (0.0, 1.0):
        found = unanimous_interval(found.value, len({groups[row] for row in np.flatnonzero(whole)}))
    return shown(found.as_json())


def keep(name: str, table: Table) -> None:
    """Write the row-level predictions behind a table of figures to docs/predictions, without folder names."""
    bare = replace(table, paths=tuple(Path(path).name for path in table.paths))
    write_table(kept_at(name), bare)


def kept_at(name: str) -> Path:
    """Return where ``keep`` writes."""
    return ROOT / "docs" / "predictions" / f"{name}.csv.gz"


def say(done: int, total: int, what: str) -> None:
    """Print how far a training is, now and then."""
    if done % 50 == 0 or done == total:
        print(f"{what}: {done}/{total}", flush=True)


def _without_folders(arguments: list[str]) -> list[str]:
    """Return the arguments with the folders of this machine left out."""
    return [Path(each).name if "/" in each else each for each in arguments]
