"""Tests of docs/plugins.md: it lists each kind, and the example has one part of each."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from gadolin.cli.plugins import REGISTRIES

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugin"
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
POINTS = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]


def test_every_kind_has_a_contract_a_how_to_and_a_part_of_the_example():
    groups = {f"gadolin.{kind}s" for kind in REGISTRIES}
    assert set(re.findall(r"^\| \[.*?\| `(gadolin\.\w+)` \|", PAGE, re.MULTILINE)) == groups == set(POINTS)
    assert len(re.findall(r"^## An? ", PAGE, re.MULTILINE)) == len(groups)
    assert len(set(re.findall(r"\]\(how-to/([\w-]+)\.md\)", PAGE))) == len(groups)


def test_the_example_lists_each_of_its_parts():
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert {name for points in POINTS.values() for name in points} == set(
        re.findall(r"^\| .*? \| `(.*?)` \|", text, re.M)
    )
