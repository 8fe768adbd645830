"""A journal of scored slices, so that an interrupted scoring can resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gadolin.explanations.scoring.score import Row
from gadolin.files.atomic import unwritable

__all__ = ["Journal"]


class Journal:
    """A file of JSON lines: first ``facts``, on which the scores depend, then the place and rows of each slice.

    A file with other facts is overwritten; an incomplete last line is dropped.
    Raises OutputError if the file cannot be written.
    """

    def __init__(self, path: Path, facts: Mapping[str, object]) -> None:
        self.path = path
        head = json.dumps({"facts": facts}, sort_keys=True) + "\n"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        known = [line for line in lines[1:] if line.endswith("\n")] if lines[:1] == [head] else []
        self._found = {one["place"]: [_row(fields) for fields in one["rows"]] for one in map(json.loads, known)}
        self._write("w", "".join([head, *known]))

    def rows(self, place: int) -> list[Row] | None:
        """Return the rows of the slice at index ``place``, None if it was not scored yet."""
        return self._found.get(place)

    def keep(self, place: int, rows: list[Row]) -> None:
        """Append the rows of the slice at index ``place``."""
        self._write("a", json.dumps({"place": place, "rows": [asdict(row) for row in rows]}) + "\n")

    def close(self) -> None:
        """Delete the file, after the results have been written."""
        self.path.unlink(missing_ok=True)

    def _write(self, mode: str, text: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode, encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise unwritable(self.path, error) from error


def _row(fields: dict[str, Any]) -> Row:
    return Row(**fields | {name: tuple(fields[name]) for name in ("scores", "faithful")})
