"""Shared by the benchmarks: publishing a result, tables and intervals in Markdown, and tables of predictions."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import MEASURED, ROOT, Result, marks, pages, render, store
from gadolin.metrics.bootstrap import group_intervals, unanimous_interval
from gadolin.metrics.scores import ratio
from gadolin.metrics.table import Table, write_table


def publish(
    name: str,
    title: str,
    lines: list[str],
    *,
    write: bool,
    pictures: Mapping[str, bytes] | None = None,
) -> None:
    """Print a result; with ``write`` store it as docs/results/NAME.json and render the pages of docs/ that show it.

    ``pictures`` (PNG by title) are written to docs/images. README.md is rendered by ``python -m benchmarks render``.
    A new result is on no page: a person decides on which page of docs/measured its mark belongs.
    """
    images = {shows: f"{name}-{shows.lower().replace(' ', '-')}.png" for shows in pictures or {}}
    machine = (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    command = " ".join([sys.argv[0], shlex.join(_without_folders(sys.argv[1:]))]).rstrip()
    date = datetime.now(UTC).date().isoformat()
    result = Result(name, title, command, date, machine, lines, images)
    print("\n".join(result.section()))
    if write:
        for shows, png in (pictures or {}).items():
            (ROOT / "docs" / "images" / images[shows]).write_bytes(png)
        store(result)
        shown = [page for page in pages() if page.startswith("docs/")]
        render(shown)
        if not any(name in marks((ROOT / page).read_text(encoding="utf-8")) for page in shown):
            print(f"no page shows {name} yet: add these lines to one of {MEASURED}, then python -m benchmarks render")
            print(f"<!-- begin {name} -->\n<!-- end {name} -->")


def markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table as lines."""
    return [f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows]]


def with_interval(value: object) -> str:
    """Return a value of metrics.json in percent with its 95 % interval."""
    assert isinstance(value, dict), "a figure with its interval"
    spread = "no interval" if value["low"] is None else f"{100 * value['low']:.1f}-{100 * value['high']:.1f}"
    return f"{100 * value['value']:.1f} % ({spread})"


def percent(value: float) -> str:
    """Return a proportion (0 to 1) in percent."""
    return f"{100 * value:.1f} %"


def share(part: int, whole: int) -> str:
    """Return a proportion in percent with its Wilson interval, which assumes independent rows."""
    low, high = wilson(part / whole, whole)
    return f"{100 * part / whole:.2f} % ({100 * low:.2f}-{100 * high:.2f})"


def wilson(value: float, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a proportion over ``trials``."""
    z = 1.959964
    middle = (value + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z / (1 + z**2 / trials) * (value * (1 - value) / trials + z**2 / (4 * trials**2)) ** 0.5
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def resampled(part: NDArray[np.bool_], whole: NDArray[np.bool_], groups: Sequence[str]) -> str:
    """Return the share of ``part`` in ``whole``, both (N,), in percent, with a bootstrap interval over groups."""

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return ratio(weights @ (part & whole), weights @ whole)[:, None]

    (found,) = group_intervals(statistic, groups)
    if found.value in (0.0, 1.0):
        found = unanimous_interval(found.value, len({groups[row] for row in np.flatnonzero(whole)}))
    return with_interval(found.as_json())


def keep_predictions(name: str, table: Table) -> None:
    """Write a table of predictions to docs/predictions, without folder names."""
    bare = replace(table, paths=tuple(Path(path).name for path in table.paths))
    write_table(predictions_path(name), bare)


def predictions_path(name: str) -> Path:
    """Return the path that ``keep_predictions`` writes to."""
    return ROOT / "docs" / "predictions" / f"{name}.csv.gz"


def print_progress(done: int, total: int, what: str) -> None:
    """Print the progress of a training every 50 steps and at the end."""
    if done % 50 == 0 or done == total:
        print(f"{what}: {done}/{total}", flush=True)


def _without_folders(arguments: list[str]) -> list[str]:
    """Return the arguments with paths reduced to their last part."""
    return [Path(each).name if "/" in each else each for each in arguments]
