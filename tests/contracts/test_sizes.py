"""Promises of size: a file, a function and a list of parameters that can be taken in at one look."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gadolin

SOURCE = Path(gadolin.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 60
MOST_PARAMETERS = 6
NO_NAMES = {"utils", "util", "helpers", "common", "misc", "base", "manager"}


def name_of(path):
    return path.relative_to(SOURCE).as_posix()


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def parameters(function):
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def test_there_are_sources_to_measure():
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < MOST_LINES


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_function_is_short(path):
    lengths = {each.name: each.end_lineno - each.lineno + 1 for each in functions(path)}
    assert not {name: lines for name, lines in lengths.items() if lines >= MOST_LINES_OF_A_FUNCTION}


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name != "cli"], ids=name_of)
def test_every_function_has_few_parameters(path):
    counts = {each.name: len(parameters(each)) for each in functions(path)}
    assert not {name: count for name, count in counts.items() if count > MOST_PARAMETERS}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_module_has_a_name_that_says_nothing(path):
    assert not NO_NAMES & {path.stem, path.parent.name}


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name != "cli"], ids=name_of)
def test_no_function_takes_keywords_that_it_does_not_name(path):
    assert not [each.name for each in functions(path) if each.args.kwarg is not None]
