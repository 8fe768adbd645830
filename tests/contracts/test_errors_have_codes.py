"""Every error has a code, docs/codes.md lists them all, and no code of ours matches the text of an error."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import gadolin
from gadolin import errors
from gadolin.errors import GadolinError
from generators.codes import codes, reason_codes

ROOT = Path(__file__).parents[2]
SOURCE = Path(gadolin.__file__).parent
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
ERRORS = {name for name in errors.__all__ if name.endswith("Error")} | {"ProblemError"}
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NO_ERRORS = {"MissingExtraError"}  # takes a package and an extra; its class sets the code
TEXTS_OF_OTHERS = {
    ("training/fit.py", "is_out_of_memory"): "torch reports missing memory as RuntimeErrors with several texts",
    (
        "training/processes.py",
        "detect_lost_rank",
    ): "torch reports a lost process as RuntimeErrors with several texts",
}


@pytest.fixture(scope="module")
def found():
    return codes(SOURCE)


def name_of(path):
    return path.relative_to(SOURCE).as_posix()


def calls(name_wanted):
    """Yield every call of one of these names or attributes, with its file."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in name_wanted:
                yield path, node


def test_every_error_is_made_with_a_code_and_a_rule(found):
    located = {one.where for one in found}
    wrong = []
    for path, call in calls(ERRORS - NO_ERRORS):
        given = {one.arg for one in call.keywords}
        copied = any(one.arg is None and ast.unparse(one.value).endswith(".fields()") for one in call.keywords)
        passed_on = any(one.arg == "code" and ast.unparse(one.value).endswith(".code") for one in call.keywords)
        where = f"{name_of(path)}:{call.lineno}"
        if not copied and not passed_on and not ({"code", "rule"} <= given and where in located):
            wrong.append(where)
    assert wrong == [], "the code must be a literal in the source"


def test_nothing_else_of_ours_is_raised():
    """Code raises an error with a code, or a built-in exception for a programming error."""
    own = {
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any("Error" in ast.unparse(base) for base in node.bases)
    }
    assert own - ERRORS <= {"ElsewhereError"} | {name for name in own if name.startswith("_")}


def test_every_code_is_a_snake_case_word(found):
    assert {one.code for one in found if not SNAKE.fullmatch(one.code)} == set()
    assert len({one.code for one in found}) > 150


def test_a_code_has_one_exit_code(found):
    """With two exit codes, an error code would have two meanings."""
    exits = {}
    for one in found:
        kind = getattr(errors, one.kind, None)
        if kind is not None:
            exits.setdefault(one.code, set()).add(kind.exit_code)
    assert {code: each for code, each in exits.items() if len(each) > 1} == {}


def test_no_rule_was_cut_within_brackets(found):
    def opened(text):
        return sum(text.count(one) for one in "([") - sum(text.count(one) for one in ")]")

    assert [one for one in found if opened(one.rule)] == []


@pytest.mark.parametrize("name", sorted(ERRORS - {"ProblemError"}))
def test_every_type_says_how_a_command_ends(name):
    kind = getattr(errors, name)
    assert issubclass(kind, GadolinError)
    assert kind.exit_code == (2 if issubclass(kind, ValueError | ImportError) else 1)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def told(node, caught):
    """Return whether an expression is the text of a caught error."""
    text = ast.unparse(node)
    parts = [f"str({name})" for name in caught] + [f"{name}.{part}" for name in caught for part in PARTS]
    return any(part in text for part in parts)


PARTS = ("reason", "rule", "got", "remedy", "statement", "args", "strerror")
MATCHING = {
    "startswith",
    "endswith",
    "match",
    "search",
    "fullmatch",
    "findall",
    "find",
    "index",
    "removeprefix",
    "split",
}


def matching(function):
    """Return whether a function compares or searches the text of an error."""
    caught = {one.name for one in ast.walk(function) if isinstance(one, ast.ExceptHandler) and one.name}
    caught |= {"error", "failure", "one", "each", "problem"}
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and any(told(side, caught) for side in [node.left, *node.comparators]):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MATCHING:
            given = [node.func.value, *node.args]
            if any(told(each, caught) for each in given) and not squeezed(function):
                return True
    return False


def test_no_line_of_ours_matches_the_text_of_an_error():
    """``"words" in str(error)``, ``error.reason.startswith(...)``, ``re.search(..., str(error))`` and the like."""
    matched = {
        (name_of(path), function.name)
        for path, tree in TREES.items()
        for function in functions(tree)
        if matching(function)
    }
    assert matched == set(TEXTS_OF_OTHERS), "exceptions for other packages' texts are listed with a reason"


@pytest.mark.parametrize(
    "line",
    [
        'if "large" in str(error): pass',
        'return error.reason.startswith("a file")',
        'return re.search("more than", str(error))',
        'return error.got == "this one holds more"',
        'return str(error).removeprefix("path: ")',
    ],
)
def test_a_line_that_matches_a_sentence_would_be_found(line):
    tree = ast.parse(f"def f(error):\n    {line}")
    assert matching(functions(tree)[0])


def squeezed(function):
    """Return whether the text is only put on one line."""
    text = ast.unparse(function)
    return "str(error).split()" in text and not re.search(r"(with|match|search|find|index|prefix)\(", text)


def test_every_reason_code_is_told():
    reasons = reason_codes(SOURCE / "models" / "predictor.py")
    assert {"colour_image", "out_of_distribution", "low_confidence"} <= set(reasons)
    told_of = inspect.getdoc(gadolin.Prediction)
    assert [code for code in reasons if f'"{code}"' not in told_of] == []
