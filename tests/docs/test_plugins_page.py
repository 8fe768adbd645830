"""Tests of docs/plugins.md: its code is that of the example, and it lists each kind and each error code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from gadolin.cli.plugins import REGISTRIES

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugin"
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
POINTS = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]


def test_the_code_on_the_page_is_that_of_the_example():
    shown = dict(re.findall(r"<!-- (\w+\.py) -->\n```python\n(.*?)\n```\n<!-- /", PAGE, re.DOTALL))
    files = (EXAMPLE / "src" / "gadolin_example").glob("*.py")
    written = {path.name: path.read_text(encoding="utf-8").strip() for path in files if path.name != "__init__.py"}
    assert shown == written, "run python docs/refresh.py plugins"


def test_the_entry_points_on_the_page_are_those_of_the_example():
    (shown,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert tomllib.loads(shown)["project"]["entry-points"] == POINTS


def test_every_kind_has_a_how_to_and_is_in_the_example():
    groups = {f"gadolin.{kind}s" for kind in REGISTRIES}
    assert set(re.findall(r"^\| \[.*?\| `(gadolin\.\w+)` \|", PAGE, re.MULTILINE)) == groups == set(POINTS)
    assert len(re.findall(r"^## An? ", PAGE, re.MULTILINE)) == len(groups)


def test_the_example_lists_each_of_its_parts():
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert {name for points in POINTS.values() for name in points} == set(
        re.findall(r"^\| .*? \| `(.*?)` \|", text, re.M)
    )
