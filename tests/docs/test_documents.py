"""Tests of the documents: they list everything in the package, and everything they list exists."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest
import typer.main

import gadolin
from gadolin.cli.app import app
from gadolin.datasets.labels import _ALIASES, canonical
from gadolin.datasets.manifest import COLUMNS
from gadolin.errors import BundleError, ReadError
from gadolin.recipe import RECIPES, Recipe
from gadolin.recipe.keys import keys_of
from gadolin.records import NOTICE, Failure, Prediction

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "CITATION.cff"])
COMMANDS = typer.main.get_command(app).commands
IDS = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
ALLOWED_HOSTS = ("keepachangelog.com", "semver.org", "download.pytorch.org", "doi.org", "arxiv.org")


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def section(text, heading):
    """Return the text below a second-level heading."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


def rows_of(text):
    """Return the cells of every table row, without backticks."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_every_recipe_key_has_a_row_in_order():
    told = [row[0] for row in rows_of(section(text_of("docs/recipes.md"), "Every key"))]
    assert told == ["key", *(key.name for key in keys_of(RECIPES["default"]) if key.name != "name")]


def test_every_recipe_key_that_a_document_names_is_one():
    known = {key.name for key in keys_of(RECIPES["default"])}
    groups = {"augment", "disturb", *(key.partition(".")[0] for key in known if "." in key)}
    pattern = re.compile(rf"(?:`|--set )((?:{'|'.join(sorted(groups))})\.(?!py\b)[a-z_]+)")
    pages = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
    named = {(path.name, key) for path in pages for key in pattern.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 40
    assert {(name, key) for name, key in named if key not in known} == set()


def test_the_recipe_file_of_the_page_is_one():
    text = re.search(r"```toml\n(.*?)```", text_of("docs/recipes.md"), re.DOTALL).group(1)
    assert Recipe.from_toml(text).epochs == 20


def test_every_manifest_column_is_told_in_order():
    rows = [row[0] for row in rows_of(section(text_of("docs/reference/manifest.md"), "Columns"))]
    assert tuple(rows[1:]) == COLUMNS


def test_every_alias_of_a_class_is_told():
    told = {row[0]: row[1] for row in rows_of(section(text_of("docs/data.md"), "Folders")) if len(row) == 2}
    for name, aliases in _ALIASES.items():
        named = [canonical(alias.strip()) for alias in told[name].split(",")]
        assert named == [name] * len(aliases)


def test_the_example_of_a_prediction_has_the_documented_schema():
    block = re.search(r"<!-- example -->\n```json\n(.*?)```", text_of("docs/prediction.md"), re.DOTALL)
    document = json.loads(block.group(1))
    assert list(document) == [
        "format",
        "notice",
        "model",
        "predictions",
        "errors",
        "errors_by_code",
        "left_out",
        "left_out_by_code",
    ]
    assert document["notice"] == NOTICE
    for each in document["predictions"]:
        assert Prediction(**each).as_json() == each
        assert sum(each["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert each["model"] == document["model"]
    error = ReadError(code="cannot_open", rule="a rule")
    for each in document["errors"]:
        assert list(each) == list(Failure("a.png", error).as_json())
        assert each["error"].startswith(f"{each['path']}: ")


def test_every_code_of_a_typical_problem_is_one_of_the_codes():
    codes = {row[0] for row in rows_of(text_of("docs/codes.md"))}
    told = {
        code
        for row in rows_of(text_of("docs/typical-problems.md"))
        for code in re.findall(r"`(\w+_\w+)(?:`|$)", row[0])
    }
    assert told - codes == set()
    assert len(told) > 40


def test_every_field_of_an_error_in_json_is_told_in_order():
    example = re.search(r"```json\n(.*?)```", text_of("docs/codes.md"), re.DOTALL).group(1)
    error = BundleError(code="model_not_found", rule="a rule")
    assert list(json.loads(example)["error"]) == [*error.as_json(), "message"]


def test_the_layers_are_told_as_they_are_checked():
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    checked = [name for line in contracts[0]["layers"] for name in line.split(" | ")]
    text = text_of("docs/architecture.md")
    drawn = re.search(r"<!-- layers -->\n(.*?)<!-- /layers -->", text, re.DOTALL).group(1)
    assert re.findall(r"`(\w+)`", drawn) == checked
    assert [row[0] for row in rows_of(section(text, "Layers"))[1:]] == checked


def python_block():
    return re.search(r"<!-- python -->\n```python\n(.*?)```", text_of("docs/python.md"), re.DOTALL).group(1)


def test_every_name_that_the_page_of_python_uses_is_public():
    used = {
        node.attr
        for node in ast.walk(ast.parse(python_block()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gd"
    }
    assert used <= set(gadolin.__all__)
    assert len(used) >= 10


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_no_document_names_a_place_on_one_machine(path):
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"(?<![\w.~%/\-\"])/(?:home|root|work|tmp|opt|usr|mnt|Users)/[\w.]+|[A-Z]:\\\\?\w+", text)


def test_a_paper_is_linked_where_the_page_on_leakage_first_mentions_it():
    first = text_of("docs/explanation/leakage.md").partition("Yagis et al.")[2]
    assert first.startswith("\n([2021](https://doi.org/10.1038/s41598-021-01681-w))")


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_no_document_links_to_a_file_that_is_not_there(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            assert target.split("/")[2] in ALLOWED_HOSTS
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name) if name else path
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings]


def test_the_licence_and_the_notice_stand_where_they_are_looked_for():
    assert "Apache License" in text_of("LICENSE")
    assert NOTICE.rstrip(".") in text_of("README.md")
    assert "must not be used" in section(text_of("README.md"), "What it must not be used for")


def test_the_pictures_are_small():
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert [path.name for path in pictures] == [
        "crossval-default-reliability.png",
        "crossval-default-risk-and-coverage.png",
        "crossval-hardened-reliability.png",
        "crossval-hardened-risk-and-coverage.png",
        "crossval-robust-reliability.png",
        "crossval-robust-risk-and-coverage.png",
        "page-dark.png",
        "page-empty.png",
        "page-error.png",
        "page-explanation.png",
        "page-narrow.png",
        "page-series.png",
        "phantoms.png",
        "planted-0-1-precision-and-recall.png",
        "report.png",
    ]
    assert all(path.stat().st_size < 400_000 for path in pictures)


def test_nothing_is_left_to_be_filled_in():
    placeholders = re.compile(r"^[A-Z][A-Z0-9_]{3,}$", re.MULTILINE)
    assert [path.name for path in DOCUMENTS if placeholders.search(path.read_text(encoding="utf-8"))] == []
