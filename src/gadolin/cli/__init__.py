"""The command line: one file per command that parses, calls and prints. Heavy packages are imported by commands."""

from __future__ import annotations

from gadolin.cli.app import main

__all__ = ["main"]
