"""Each tutorial works alone: installation, executed cells with checks of the prose, and the same as commands."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from gadolin.phantoms import PhantomPlan
from gadolin.records import NOTICE

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
PAGES = sorted(path for path in TUTORIALS.glob("*.md") if path.name != "index.md")
CELL = re.compile(r"^```\{code-cell\} ipython3\n(:tags: \[remove-cell\]\n\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_there_are_six_and_the_index_lists_each():
    index = (TUTORIALS / "index.md").read_text(encoding="utf-8")
    assert len(PAGES) == 6
    assert [path.name for path in PAGES if f"({path.name})" not in index] == []


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def page(request):
    return request.param.read_text(encoding="utf-8")


def shown(page):
    """Return the cells that a reader sees."""
    return [code for removed, code in CELL.findall(page) if not removed]


def commands(page):
    """Return the commands of the section for the command line."""
    section = page.partition("## The same on the command line\n")[2]
    return [shlex.split(line) for line in SHELL.search(section).group(1).splitlines()]


def test_it_states_that_it_is_for_research_only_before_the_first_cell(page):
    before = page.partition("```{code-cell}")[0]
    assert NOTICE.partition(".")[0].lower() in " ".join(before.split()).lower()
    assert "not a medical device" in " ".join(before.split())


def test_it_installs_in_a_fresh_environment_before_the_first_cell(page):
    lines = SHELL.search(page.partition("```{code-cell}")[0]).group(1).splitlines()
    assert lines[:2] == ["python3 -m venv .venv", "source .venv/bin/activate"]
    assert re.fullmatch(r'pip install -e "\.\[[a-z,]+\]" notebook', lines[2])


def test_it_links_to_how_to_get_a_checkout_before_the_first_cell(page):
    install = (TUTORIALS.parent / "how-to" / "install.md").read_text(encoding="utf-8")
    assert "(../how-to/install.md#get-a-checkout)" in page.partition("```{code-cell}")[0]
    assert "git clone" in install.partition("\n## Get a checkout\n")[2].partition("\n## ")[0]


def test_hidden_cells_check_what_the_prose_states(page):
    removed = [code for tag, code in CELL.findall(page) if tag]
    assert sum(code.count("\nassert ") + code.startswith("assert ") for code in removed) >= 3
    assert [code for code in shown(page) if re.search(r"^assert ", code, re.MULTILINE)] == []


def test_every_hidden_cell_is_removed_and_no_other_tag_hides_output(page):
    assert page.count(":tags:") == page.count(":tags: [remove-cell]\n\n")
    assert page.count("```{code-cell}") == len(CELL.findall(page))


def test_the_commands_draw_the_phantoms_of_the_cells(page):
    plans = {}
    for code in shown(page):
        for call in ast.walk(ast.parse(re.sub(r"^%%.*", "", code, flags=re.DOTALL))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "write_phantoms":
                plans[ast.literal_eval(call.args[0])] = plan_of(call.args[1], code)
    drawn = {words[2]: words[3:] for words in commands(page) if words[:2] == ["gadolin", "phantom"]}
    assert drawn
    assert {folder: plan_of_words(words) for folder, words in drawn.items()} == plans


def plan_of(call, code):
    """Return the plan of a call of PhantomPlan; a name among its arguments is assigned in the same cell."""
    names = {}
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            names[node.targets[0].id] = ast.literal_eval(node.value)
    values = {
        one.arg: names[one.value.id] if isinstance(one.value, ast.Name) else ast.literal_eval(one.value)
        for one in call.keywords
    }
    return PhantomPlan(**values)


def plan_of_words(words):
    """Return the plan of the options of ``gadolin phantom``."""
    values = {"faults": tuple(words[place + 1] for place, word in enumerate(words) if word == "--fault")}
    values["dicom"] = "--dicom" in words
    for one in fields(PhantomPlan):
        option = f"--{one.name.replace('_', '-')}"
        if option in words and one.name not in values:
            values[one.name] = type(one.default)(words[words.index(option) + 1])
    return PhantomPlan(**values)


def test_the_recipe_of_the_commands_is_one_that_a_cell_writes(page):
    written = set(re.findall(r"^%%writefile (\S+)$", page, re.MULTILINE))
    used = {words[words.index("--recipe") + 1] for words in commands(page) if "--recipe" in words}
    assert {name for name in used if name.endswith(".toml")} == written
