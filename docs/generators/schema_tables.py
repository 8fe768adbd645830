"""Tables of the fields of JSON schemas, for the pages of the reference."""

from __future__ import annotations

import re
from typing import Any

from gadolin.server.reference import Row, schema_rows
from generators.marks import table

__all__ = ["fields_table", "kind_cell", "marked", "slug"]

OBJECT = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)*\b")
FILE = re.compile(r"\b([a-z-]+)\.json\b")
CODE = re.compile(r"(?<![\w`/-])(--[a-z][a-z-]+|/v1/[\w/{}]+|/health|/ready|gadolin [a-z-]+ --json)")


def fields_table(schema: dict[str, Any]) -> str:
    """Return the table of the fields of an object: name, type and meaning."""
    rows = [[f"`{row.name}`", kind_cell(row), meaning(row)] for row in schema_rows(schema)]
    return table(["field", "type", "meaning"], rows)


def meaning(row: Row) -> str:
    """Return the description of a field, and whether it may be absent."""
    return marked(row.description if row.required else f"Optional. {row.description}")


def kind_cell(row: Row) -> str:
    """Return the type of a field in words; the objects in it are links. That a count is not negative goes unsaid."""
    words = FILE.sub(lambda found: f"[{found[1].capitalize()}](#{found[1]})", row.kind)
    if words == row.kind:
        words = OBJECT.sub(lambda found: f"[{found[0]}](#{slug(found[0])})", words)
    return words.replace("integer, 0 or more", "integer")


def marked(text: str) -> str:
    """Return a description with its options and paths as code."""
    return text if "`" in text else CODE.sub(r"`\1`", text)


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    return "".join(one for one in heading.lower().replace(" ", "-") if one.isalnum() or one in "-_")
