"""Output of commands: results on standard output, progress and messages on standard error.

JSON (ASCII) and CSV (UTF-8) are written as bytes, so that they do not depend on the encoding of the terminal. Text for
people passes through streams that escape control characters.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import shutil
import sys
import textwrap
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TextIO

from gadolin.errors import printable
from gadolin.progress import Progress

__all__ = [
    "OneLine",
    "Plain",
    "class_name",
    "log_messages",
    "plain_streams",
    "print_csv",
    "print_json",
    "print_message",
    "progress_bar",
    "table",
    "wrapped",
]


_NARROWEST = 8  # characters of a column whose cells wrap


class Plain:
    """A text stream that escapes control characters except those in ``keep``.

    ``used`` is True after the first text or bytes were written.
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
        """Write bytes unchanged, after all text so far."""
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
    """Make both standard streams escape control characters; yield standard output, or None if it is closed.

    Standard error keeps carriage returns, because packages draw progress bars with them.
    """
    kept = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    replaced = {}
    for name, stream in kept.items():
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may hold any bytes
        if stream is not None:
            replaced[name] = Plain(stream, "\n\t\r" if name == "stderr" else "\n\t")
            setattr(sys, name, replaced[name])
    try:
        yield replaced.get("stdout")
    finally:
        for name, stream in kept.items():
            if getattr(sys, name) is replaced.get(name):  # typer replaces a stream whose pipe is closed
                setattr(sys, name, stream)


class OneLine(logging.Formatter):
    """Formats a log message as one line with control characters escaped."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name that logging calls
        """Return the message of a record, which precedes any traceback."""
        return printable(super().formatMessage(record))


class _Messages(logging.Handler):
    """Prints log messages as ``print_message`` does; warnings start with the name of the program."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        text = printable(self.format(record))
        print_message(f"gadolin: {text}" if record.levelno >= logging.WARNING else text)


@contextmanager
def log_messages(*, shown: bool = True) -> Iterator[None]:
    """Print what the library logs while the block runs, such as epochs and warnings; nothing if not ``shown``."""
    logger, handler = logging.getLogger("gadolin"), _Messages() if shown else logging.NullHandler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


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


def print_message(text: str, *, wrap: bool = True) -> None:
    """Print a message on standard error, above a progress bar if there is one.

    On a terminal, lines wrap; commands and paths must not, or they could not be copied.
    """
    text = printable(text, "\n\t")
    print(wrapped(text, sys.stderr) if wrap else text, file=sys.stderr)


def wrapped(text: str, stream: TextIO | None, *, indent: int = 2) -> str:
    """Return ``text`` for a stream: on a terminal, long lines break between words, ``indent`` further to the right."""
    if stream is None or not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_broken(line, width, indent) for line in text.split("\n"))


def _broken(line: str, width: int, further: int) -> str:
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())] + " " * further
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def class_name(label: str) -> str:
    """Return the name of a class for readers: "no tumour" for the class without lesion, else the label."""
    from gadolin.datasets import labels

    return labels.class_name(label)


def table(head: list[str], rows: list[list[str]], *, left: int = 1, wrap: Sequence[int] = (0,)) -> str:
    """Return rows as text in columns, the first ``left`` and those of ``wrap`` aligned left, the others right.

    On a terminal, the table fits the width: cells of the columns ``wrap`` (indices, negative ones from the right) break
    into several lines, and columns for which there is no room follow in a table below. Otherwise each row is one line.
    """
    lines = [[printable(cell) for cell in row] for row in [head, *rows]]
    wrapped = [index % len(head) for index in wrap]
    texts = {*range(left), *wrapped}
    if sys.stdout is not None and sys.stdout.isatty():
        return _fitted(lines, texts, wrapped, left, shutil.get_terminal_size().columns)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(row: list[str]) -> str:
        sized = enumerate(zip(row, widths, strict=True))
        cells = (cell.ljust(width) if index in texts else cell.rjust(width) for index, (cell, width) in sized)
        return "  ".join(cells).rstrip()

    return "\n".join([line(lines[0]), line(["-" * width for width in widths]), *map(line, lines[1:])])


def _fitted(lines: list[list[str]], texts: Container[int], wrap: Sequence[int], left: int, width: int) -> str:
    """Return a table of at most ``width`` characters per line, ``texts`` aligned left.

    The columns that do not fit are drawn below, after the first ``left`` once more.
    """
    count = len(lines[0])
    most = next((most for most in range(count, left, -1) if _has_room(lines, wrap, most, width)), left + 1)
    if most >= count:
        return _drawn(lines, texts, wrap, width)
    above = _drawn([row[:most] for row in lines], texts, [index for index in wrap if index < most], width)
    columns = [*range(left), *range(most, count)]
    places = {column: place for place, column in enumerate(columns)}
    rest = [[row[column] for column in columns] for row in lines]
    texts_below = {place for column, place in places.items() if column in texts}
    wrap_below = [places[index] for index in wrap if index in places]
    return f"{above}\n\n{_fitted(rest, texts_below, wrap_below, left, width)}"


def _has_room(lines: list[list[str]], wrap: Sequence[int], most: int, width: int) -> bool:
    """Return whether the first ``most`` columns fit, those of ``wrap`` not narrower than they may be."""
    from rich.cells import cell_len

    rows = [row[:most] for row in lines]
    inside = [index for index in wrap if index < most]
    gap, widths = _column_widths(rows, inside, width)
    whole = {index: max(cell_len(row[index]) for row in rows) for index in inside}
    fits = sum(widths) + gap * (most - 1) <= width
    return fits and all(widths[index] >= min(_NARROWEST, whole[index]) for index in inside)


def _drawn(lines: list[list[str]], texts: Container[int], wrap: Sequence[int], width: int) -> str:
    """Return a table of at most ``width`` characters per line, drawn by rich in ASCII."""
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    gap, widths = _column_widths(lines, wrap, width)
    rule = Box("    \n    \n -  \n    \n    \n    \n    \n    \n", ascii=True)
    drawn = Table(box=rule, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))
    for index, name in enumerate(lines[0]):
        side: Literal["left", "right"] = "left" if index in texts else "right"
        drawn.add_column(Text(name), justify=side, overflow="fold", width=widths[index])
    for row in lines[1:]:
        drawn.add_row(*map(Text, row))
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, force_terminal=False).print(drawn)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _column_widths(lines: list[list[str]], wrap: Sequence[int], width: int) -> tuple[int, list[int]]:
    """Return the gap between columns and their widths; the columns ``wrap`` share the space that the others leave."""
    from rich.cells import cell_len

    columns = list(zip(*lines, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    fixed = sum(each for index, each in enumerate(widths) if index not in wrap)
    for gap in (2, 1):
        room = width - fixed - gap * (len(widths) - 1)
        if sum(widths[index] for index in wrap) <= room:
            return gap, widths
    words = {index: max(cell_len(word) for cell in columns[index] for word in ["", *cell.split()]) for index in wrap}
    for done, index in enumerate(sorted(wrap, key=lambda one: words[one])):
        others = len(wrap) - done - 1
        widest = max(room - others * _NARROWEST, 1)
        widths[index] = min(widths[index], max(room // (others + 1), words[index]), widest)
        room -= widths[index]
    return 1, widths


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show a bar on standard error while the block runs, if standard error is a terminal.

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
