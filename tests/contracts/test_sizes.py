"""Limits on the size of files and functions and on the number of parameters."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import gadolin

SOURCE = Path(gadolin.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
LIBRARY = [path for path in FILES if path.parent.name != "cli"]  # the parameters of a command are its options
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_PARAMETERS = 8
NO_NAMES = {"utils", "util", "helpers", "common", "misc", "base", "manager"}


def name_of(path):
    return path.relative_to(SOURCE).as_posix()


@cache
def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def parameters(function):
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def test_there_are_sources_to_measure():
    assert len(FILES) > 20


def test_every_file_is_short():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {name: lines for name, lines in lengths.items() if lines >= MOST_LINES}


def test_every_function_is_short():
    lengths = {
        f"{name_of(path)}:{each.name}": each.end_lineno - each.lineno + 1 for path in FILES for each in functions(path)
    }
    assert not {name: lines for name, lines in lengths.items() if lines >= MOST_LINES_OF_A_FUNCTION}


def test_every_function_but_a_command_has_few_parameters():
    counts = {f"{name_of(path)}:{each.name}": len(parameters(each)) for path in LIBRARY for each in functions(path)}
    assert not {name: count for name, count in counts.items() if count > MOST_PARAMETERS}


def test_no_function_takes_keywords_that_it_does_not_name():
    taking = [f"{name_of(path)}:{each.name}" for path in LIBRARY for each in functions(path) if each.args.kwarg]
    assert not taking


def test_no_module_has_a_name_that_says_nothing():
    assert not [name_of(path) for path in FILES if NO_NAMES & {path.stem, path.parent.name}]
