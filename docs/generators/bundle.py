"""docs/reference/bundle.md: the fields of ``bundle.json``, and what the loader refuses."""

from __future__ import annotations

from pathlib import Path

from generators.codes import rules_of
from generators.json_documents import fields, load, objects
from generators.marks import fill

__all__ = ["write_bundle_page"]

LOADER = ("models/bundle.py", "models/model_path.py", "models/tumour_scale.py", "models/runtime.py")


def write_bundle_page(path: Path) -> None:
    """Write the tables of the fields, and the codes of the loader."""
    schema = load("bundle")
    fill(path, "fields", fields(schema))
    fill(path, "objects", objects(schema["$defs"]).replace("#### ", "### "))
    fill(path, "refusals", rules_of(LOADER, only="BundleError"))
