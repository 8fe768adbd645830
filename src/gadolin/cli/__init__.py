"""The command line: one file per command, each parses, calls, prints. Heavy imports wait until a command runs."""

from __future__ import annotations

from gadolin.cli.app import main

__all__ = ["main"]
