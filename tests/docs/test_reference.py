"""The generated pages are what the source says, and every name has its entry in the reference."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer.main

import gadolin
import refresh
from gadolin.checks import CHECKS
from gadolin.cli.app import app
from gadolin.models.bundle import SHIPPED
from gadolin.models.runtime import OUTPUTS
from generators.codes import LEFT_OUT, codes, reason_codes, unraised
from generators.http import openapi, operations

ROOT = Path(__file__).parents[2]
COMMANDS = typer.main.get_command(app).commands
SLOW = ("http",)
RUN = ("session", "prediction")  # output of commands, which test_readme.py compares

FAILURES = [
    "backbone_unknown",
    "broken_link",
    "cannot_enter",
    "damaged_file",
    "duplicate",
    "file_missing",
    "http_error",
    "internal_error",
    "interrupted",
    "label_conflict",
    "method_not_allowed",
    "method_unknown",
    "not_found",
    "out_of_memory",
    "package_unloadable",
    "plugin_invalid",
    "plugin_name_taken",
    "plugin_name_twice",
    "plugin_unloadable",
    "reader_unknown",
    "runtime_unknown",
    "several_series",
    "source_unknown",
    "usage",
    "work_stopped",
]
"""Codes of errors that are not raised where they are made, and that are reported as failures, not as left out."""


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def headings(text, level):
    return re.findall(rf"^{'#' * level} (.+)$", text, re.MULTILINE)


def named(text):
    """Return the names in the first cells of the tables of a page."""
    return re.findall(r"^\| \[?`([^`]+)`", text, re.MULTILINE)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in refresh.PAGES if name not in RUN],
)
def test_a_generated_page_is_what_the_source_says(name, tmp_path, monkeypatch):
    write, page = refresh.PAGES[name]
    shutil.copytree(ROOT / "docs" / "reference" / "schemas", tmp_path / "schemas")
    copy = tmp_path / Path(page).name
    copy.write_text(text_of(page), encoding="utf-8")
    monkeypatch.chdir(ROOT)
    write(copy)
    assert text_of(page) == copy.read_text(encoding="utf-8"), f"run python docs/refresh.py {name}"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_an_entry(name):
    told = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text_of("docs/commands.md"), re.MULTILINE | re.DOTALL)
    assert told, f"docs/commands.md has no section {name}"
    listed = set(re.findall(r"`(--?[a-z][a-z-]*)`", " ".join(re.findall(r"^- (.*?):", told[1], re.MULTILINE))))
    options = {one for each in COMMANDS[name].params for one in (*each.opts, *each.secondary_opts) if one[0] == "-"}
    assert options <= listed


def test_the_page_of_commands_has_no_other_sections():
    assert set(headings(text_of("docs/commands.md"), 2)) == set(COMMANDS)


def test_every_public_name_is_listed_and_no_other():
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("python-*.md")]
    entries = [name for page in pages for name in re.findall(r"^\.\. \S+:: gadolin\.(\w+)$", page, re.MULTILINE)]
    assert sorted(entries) == gadolin.__all__
    listed = re.findall(r"`(\w+)`", text_of("docs/reference/public-names.md").partition("- [Data sets]")[2])
    assert sorted(listed) == gadolin.__all__


@pytest.mark.slow
def test_every_error_that_is_not_raised_is_listed_as_left_out_or_as_a_failure():
    assert unraised(ROOT / "src" / "gadolin") == {*LEFT_OUT, *FAILURES}
    assert set(LEFT_OUT).isdisjoint(FAILURES)


def test_every_error_that_no_statement_raises_is_found(tmp_path):
    lines = (
        "A = DataError(code='left_out', rule='a')",
        "def b(): return DataError(code='raised_by_a_caller', rule='b')",
        "def c(): raise b()",
        "def d(): raise DataError(code='raised', rule='d')",
        "def e(): return DataError(code='returned', rule='e')",
    )
    (tmp_path / "module.py").write_text("\n".join(lines), encoding="utf-8")
    assert unraised(tmp_path) == {"left_out", "returned"}


def test_every_code_has_an_entry_and_no_other():
    known = {one.code for one in codes(ROOT / "src" / "gadolin")} | set(
        reason_codes(ROOT / "src/gadolin/models/predictor.py")
    )
    assert set(named(text_of("docs/codes.md"))) - {"code"} == known | set(LEFT_OUT)


def test_every_check_has_an_entry_and_a_section():
    page = text_of("docs/reference/checks.md")
    assert named(page) == headings(page, 2) == list(CHECKS.built_in)


@pytest.mark.slow
def test_every_endpoint_parameter_status_and_object_has_an_entry():
    document, page = openapi(), text_of("docs/reference/http.md")
    every = operations(document)
    sections = re.split(r"^### ", page, flags=re.MULTILINE)
    for one in every:
        (told,) = [each for each in sections if each.startswith(f"{one.method} {one.path}\n")]
        fields = document["components"]["schemas"][one.form]["properties"] if one.form else {}
        assert set(named(told)) == {*fields, *(each.name for each in one.parameters)}
        assert [each.status for each in one.responses if each.status not in told] == []
        assert all(f"`{name}`" in told for each in one.responses for name in each.headers)
    statuses = re.findall(r"^\| (\d{3}) \| (?!`)", page.partition("## Statuses")[2], re.MULTILINE)
    assert {each.status for one in every for each in one.responses if int(each.status) >= 400} <= set(statuses)
    raised = {str(one.status) for one in codes(ROOT / "src" / "gadolin") if one.status is not None}
    assert raised <= set(statuses)
    forms = {one.form for one in every}
    titles = page.partition("## Objects")[2]
    assert headings(titles, 3) == [name for name in document["components"]["schemas"] if name not in forms]


def test_the_page_of_the_bundle_lists_the_files_and_outputs_of_the_packaged_one():
    page = text_of("docs/reference/bundle.md")
    files = [path.name for path in sorted(SHIPPED.iterdir()) if path.is_file()]
    assert sorted(named(page.partition("## Files")[2].partition("## ")[0])) == files
    outputs = named(page.partition("## The graph")[2].partition("## ")[0])
    assert outputs[: len(OUTPUTS)] == list(OUTPUTS)
    assert outputs == output_names(SHIPPED / "model.onnx", outputs)


def output_names(graph, names):
    """Return those of ``names`` that are outputs of a graph, in the order of ``names``."""
    onnxruntime = pytest.importorskip("onnxruntime")
    found = {one.name for one in onnxruntime.InferenceSession(graph).get_outputs()}
    assert found <= set(names)
    return [name for name in names if name in found]
