"""docs/reference/manifest.md: the errors of manifests."""

from __future__ import annotations

from pathlib import Path

from generators.codes import rules_of
from generators.marks import fill

__all__ = ["write_manifest_page"]


def write_manifest_page(path: Path) -> None:
    """Write the codes of the reader of manifests."""
    fill(path, "errors", rules_of(["datasets/manifest.py"]))
