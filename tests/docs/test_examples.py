"""The notebooks in examples/: pages of the site, which executes them, with checks of their prose, for any computer."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from gadolin.records import NOTICE

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*.md"))
NAMES = {"founding-workflow", "train-on-your-folder", "audit-a-download", "read-a-model-card"}
CELL = re.compile(
    r"^```\{code-cell\} ipython3\n(?P<options>:tags:.*?\n\n|---\n.*?^---\n)?(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
DRAWS = re.compile(r"plt\.show\(\)$|^Image\(|^ *show_pairs\(|^draw_history\(", re.MULTILINE)
HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# """


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request):
    return request.param


@pytest.fixture
def page(example):
    return example.read_text(encoding="utf-8")


def cells(page):
    """Return the code of every cell with its options."""
    return [(found["code"], found["options"] or "") for found in CELL.finditer(page)]


def python_of(code):
    """Return the syntax tree of a cell, without the commands for Colab and Kaggle."""
    return ast.parse(re.sub(r"^( *)[!%].*$", r"\1pass", code, flags=re.MULTILINE))


def test_each_has_a_page_that_the_site_fills_with_it_and_is_in_the_list():
    pages = {path.stem for path in ROOT.glob("docs/notebooks/*.md")} - {"index"}
    index = (ROOT / "docs" / "notebooks" / "index.md").read_text(encoding="utf-8")
    assert {path.stem for path in EXAMPLES} == pages == NAMES
    assert [name for name in NAMES if f"({name}.md)" not in index] == []
    for name in NAMES:
        stub = (ROOT / "docs" / "notebooks" / f"{name}.md").read_text(encoding="utf-8")
        assert f"(../../examples/{name}.md)" in stub
        assert stub.partition("\n")[0] in (ROOT / "examples" / f"{name}.md").read_text(encoding="utf-8")


def test_it_opens_as_a_notebook_in_jupytext_and_in_the_site(page):
    assert page.startswith(HEADER)
    assert page.count("```{code-cell}") == len(cells(page)) > 10
    if importlib.util.find_spec("myst_nb") is not None:
        from myst_nb.core.read import read_myst_markdown_notebook

        book = read_myst_markdown_notebook(page)
        assert [one.source for one in book.cells if one.cell_type == "code"] == [one.strip() for one, _ in cells(page)]


def test_it_states_that_it_is_for_research_only_before_the_first_cell(page):
    before = " ".join(page.partition("```{code-cell}")[0].split()).lower()
    assert NOTICE.partition(".")[0].lower() in before
    assert "not a medical device" in before


def test_the_first_cell_installs_from_an_address_that_is_empty_and_states_that_this_was_not_tried(page):
    before, (code, _) = page.partition("```{code-cell}")[0], cells(page)[0]
    assert "not tried there" in before
    assert code.startswith('REPOSITORY = ""\n')
    assert 'DATA = ""' in code
    assert "\nif REPOSITORY:\n    !git clone " in code
    assert re.search(r'^    %pip install --quiet "\./repository\[[a-z,]+\]"$', code, re.MULTILINE)
    assert re.search(r"https?://", page) is None


def test_hidden_cells_check_the_prose_and_visible_cells_do_not(page):
    hidden = [code for code, options in cells(page) if "remove-cell" in options]
    shown = [code for code, options in cells(page) if "remove-cell" not in options]
    checks = [node for code in hidden for node in ast.walk(python_of(code)) if isinstance(node, ast.Assert)]
    assert len(checks) >= 4
    assert [code for code in shown if any(isinstance(node, ast.Assert) for node in ast.walk(python_of(code)))] == []


def test_every_figure_has_a_text_for_those_who_do_not_see_it(page):
    drawn = [(code, options) for code, options in cells(page) if DRAWS.search(code)]
    assert len(drawn) >= 4
    assert [code for code, options in drawn if "\n    alt: " not in options and "alt=" not in code] == []


def test_its_paths_are_relative_and_none_is_written_with_backslashes(page):
    for code, _ in cells(page):
        for node in ast.walk(python_of(code)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                assert not node.value.startswith(("/", "~"))
                assert not re.search(r"\w\\\w+\.\w", node.value)
