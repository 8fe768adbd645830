"""What commands print: JSON or CSV on standard output, progress and messages on standard error.

What programs read is written as bytes, so that the encoding of a terminal cannot spoil it: JSON is ASCII alone, CSV is
UTF-8. What people read passes through streams that escape control characters.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from gadolin.errors import printable
from gadolin.progress import Progress

__all__ = ["OneLine", "Plain", "plain_streams", "print_csv", "print_json", "progress_bar", "say", "table"]


class Plain:
    """A text stream that escapes control characters except those in ``keep``.

    ``used`` is True once anything was written, as text or as bytes.
    """

    def __init__(self, stream: TextIO, keep: str) -> None:
        self.raw = stream
        self.used = False
        self._keep = keep

    def write(self, text: str) -> int:
        """Write ``text`` with control characters escaped; return its length."""
        self.used = self.used or bool(text)
        self.raw.write(printable(text, self._keep))
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Write each of ``lines``."""
        for line in lines:
            self.write(line)

    def write_bytes(self, content: bytes) -> None:
        """Write bytes for programs unchanged, after all text so far."""
        self.used = True
        self.raw.flush()
        buffer = getattr(self.raw, "buffer", None)
        if buffer is None:
            self.raw.write(content.decode())
        else:
            buffer.write(content)
            buffer.flush()

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream."""
        return getattr(self.raw, name)


@contextmanager
def plain_streams() -> Iterator[Plain | None]:
    """Let both standard streams escape control characters; yield standard output, None if it is closed.

    Carriage returns stay on standard error, where packages draw progress bars with them.
    """
    kept = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    made = {}
    for name, stream in kept.items():
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may be anything
        if stream is not None:
            made[name] = Plain(stream, "\n\t\r" if name == "stderr" else "\n\t")
            setattr(sys, name, made[name])
    try:
        yield made.get("stdout")
    finally:
        for name, stream in kept.items():
            if getattr(sys, name) is made.get(name):  # typer replaces a closed pipe, and its stream must stay
                setattr(sys, name, stream)


class OneLine(logging.Formatter):
    """Formats a log message as one line with control characters escaped."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name that logging calls
        """Return the message of a record; a traceback comes after it."""
        return printable(super().formatMessage(record))


def print_json(content: object) -> None:
    """Print one JSON document on standard output, in ASCII; NaN and infinities become null."""
    _write((json.dumps(_finite(content), indent=2, allow_nan=False) + "\n").encode("ascii"))


def print_csv(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table as CSV in UTF-8 on standard output.

    File names are written unchanged, but escaped if standard output is a terminal.
    """
    shown = sys.stdout is not None and sys.stdout.isatty()
    cells = [[printable(str(cell)) if shown else str(cell) for cell in row] for row in [head, *rows]]
    text = io.StringIO(newline="")
    # Before Python 3.13 a lone carriage return is written unquoted, and then read as the end of a line.
    returns = any("\r" in cell for row in cells for cell in row)
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL)
    writer.writerows(cells)
    _write(text.getvalue().encode("utf-8", "backslashreplace"))


def say(text: str) -> None:
    """Print a message on standard error."""
    print(text, file=sys.stderr)


def table(head: list[str], rows: list[list[str]], *, left: int = 1) -> str:
    """Return rows as text in columns, the first ``left`` aligned left, the others right; each row is one line."""
    lines = [[printable(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(row: list[str]) -> str:
        sized = list(zip(row, widths, strict=True))
        first = [cell.ljust(width) for cell, width in sized[:left]]
        return "  ".join([*first, *(cell.rjust(width) for cell, width in sized[left:])]).rstrip()

    return "\n".join([line(lines[0]), line(["-" * width for width in widths]), *map(line, lines[1:])])


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show a bar on standard error while the block runs; silent where that is no terminal.

    Yields a function to call with (done, total, what).
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _done, _total, _what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    described = TextColumn("{task.description}", markup=False)  # a file name may look like markup
    console = Console(file=getattr(sys.stderr, "raw", sys.stderr))
    columns = (described, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bar:
        task = bar.add_task(printable(what), total=None)
        yield lambda done, total, now: bar.update(
            task, completed=done, total=total, description=printable(now) or printable(what)
        )


def _write(content: bytes) -> None:
    if sys.stdout is not None:
        (sys.stdout if isinstance(sys.stdout, Plain) else Plain(sys.stdout, "")).write_bytes(content)


def _finite(content: object) -> object:
    """Return JSON content with null in place of NaN and infinities."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
