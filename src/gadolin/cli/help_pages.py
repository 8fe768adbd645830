"""The help pages: commands grouped in panels, drawn by rich as text without colours."""

from __future__ import annotations

import inspect
import io
import re
import sys
from contextlib import redirect_stdout
from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "Group", "paragraphs"]

_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def paragraphs(text: str | None) -> str:
    """Return a docstring with one line per paragraph, so that rich breaks lines only at the width of the terminal."""
    return "\n\n".join(" ".join(each.split()) for each in inspect.cleandoc(text or "").split("\n\n"))


class Command(TyperCommand):
    """A command whose help page is returned as text."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page to ``formatter``."""
        with redirect_stdout(_Page()) as page:
            super().format_help(ctx, formatter)
        formatter.write(page.text)


class Group(TyperGroup):
    """A group of commands whose help page is returned as text."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page to ``formatter``."""
        with redirect_stdout(_Page()) as page:
            super().format_help(ctx, formatter)
        formatter.write(page.text)


class _Page(io.StringIO):
    """Collects what rich prints; it has the encoding of standard output, by which rich chooses the lines of boxes."""

    def __init__(self) -> None:
        super().__init__()
        self._encoding = getattr(sys.stdout, "encoding", None) or "utf-8"

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io.StringIO has None
        return self._encoding

    @property
    def text(self) -> str:
        """The page without styles, which rich adds even here if an environment variable such as FORCE_COLOR is set."""
        return _STYLES.sub("", self.getvalue()).strip("\n") + "\n"
