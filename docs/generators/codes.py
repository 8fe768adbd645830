"""The codes of docs/codes.md, found in the source: of errors, of abstentions, of what a folder leaves out."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from generators.marks import fill, table

__all__ = ["LEFT_OUT", "Code", "codes", "reason_codes", "rules_of", "unraised", "write_codes"]

LEFT_OUT = (
    "accompanying_object",
    "complex_component",
    "derived_map",
    "dicomdir",
    "folder_entered_before",
    "folder_matches_pattern",
    "hidden",
    "housekeeping",
    "in_no_class_folder",
    "in_no_part",
    "label_map",
    "localiser",
    "near_a_lesion",
    "not_a_numbered_slice",
    "not_a_picture",
    "not_in_annotations",
    "not_in_manifest",
    "not_in_release",
    "other_modality",
    "other_series",
    "special_file",
    "statistic_map",
    "vector_field",
)
"""Codes of what a folder leaves out without an error. Nothing in the source marks them, so they are listed here.

A test compares them with ``unraised``: an error that is never raised is left out, or listed as a failure.
"""


class Code(NamedTuple):
    """A place of the source that makes an error: code, type, HTTP status if the call has one, rule, file and line."""

    code: str
    kind: str
    status: int | None
    rule: str
    where: str


def write_codes(path: Path) -> None:
    """Write the codes of errors, of reasons and of what is left out into their tables."""
    found = codes()
    listed = sorted({one.code for one in found})
    rows = [f"| `{code}` | {' | '.join(told_of(code, found))} |" for code in listed]
    head = "| code | type | exit | HTTP | rule |\n|---|---|---|---|---|\n"
    fill(path, "errors", head + "\n".join(rows))
    reasons = [f"| `{code}` | {sentence} |" for code, sentence in reason_codes().items()]
    fill(path, "reasons", "| code | reason |\n|---|---|\n" + "\n".join(reasons))
    gone = set(LEFT_OUT) - set(listed)
    assert not gone, f"LEFT_OUT lists codes that no error has: {', '.join(sorted(gone))}"
    left = [f"| `{code}` | {told_of(code, found)[-1]} |" for code in LEFT_OUT]
    fill(path, "omitted", "| code | rule |\n|---|---|\n" + "\n".join(left))


def rules_of(files: Collection[str], *, only: str = "") -> str:
    """Return the table of the errors that some files of the source raise, of the type ``only``: code and rules."""
    found = [one for one in codes() if one.where.partition(":")[0] in files and only in ("", one.kind)]
    rules = {one.code: dict.fromkeys(other.rule for other in found if other.code == one.code) for one in found}
    return table(["code", "rule"], [[f"`{code}`", "; ".join(rules[code])] for code in sorted(rules)])


def told_of(code: str, found: list[Code]) -> list[str]:
    """Return types, exit codes, HTTP statuses and rules of a code, as cells of a table."""
    from gadolin import errors
    from gadolin.server.problems import status_of_type

    raised = [one for one in found if one.code == code]
    kinds = [getattr(errors, one.kind) for one in raised if hasattr(errors, one.kind)]
    exits = {kind.exit_code for kind in kinds}
    statuses = {one.status for one in raised if one.status is not None} | {status_of_type(kind) for kind in kinds}
    cells = [sorted({one.kind for one in raised}), sorted(exits), sorted(statuses)]
    rules = "; or: ".join(dict.fromkeys(one.rule for one in raised if one.rule))
    return [*(", ".join(map(str, cell)) for cell in cells), rules.replace("|", "\\|")]


def codes(root: Path = Path("src/gadolin")) -> list[Code]:
    """Return every place of the source that makes an error with a code, in the order of files and lines."""
    return [one for path in sorted(root.rglob("*.py")) for one in codes_of(path, root)]


def unraised(root: Path = Path("src/gadolin")) -> set[str]:
    """Return the codes of errors that are made without ``raise``, in no function whose result is raised by its name."""
    trees = {path.relative_to(root).as_posix(): ast.parse(path.read_text("utf-8")) for path in root.rglob("*.py")}
    lines, names = set(), {"__init__"}
    for file, tree in trees.items():
        raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
        calls = [node for one in raised for node in ast.walk(one) if isinstance(node, ast.Call)]
        lines |= {f"{file}:{call.lineno}" for call in calls}
        names |= {ast.unparse(call.func).rpartition(".")[2] for call in calls}
    for file, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in names:
                lines |= {f"{file}:{number}" for number in range(node.lineno, (node.end_lineno or 0) + 1)}
    return {one.code for one in codes(root) if one.where not in lines}


def codes_of(path: Path, root: Path) -> list[Code]:
    """Return the places of one file; a code that is a parameter is taken from the calls of the function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        ast.unparse(node.targets[0]): node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        given = {one.arg: one.value for one in call.keywords}
        given = {name: constants.get(ast.unparse(value), value) for name, value in given.items()}
        if "code" not in given or "rule" not in given:
            continue
        kind, inherits = kind_of(call, parents)
        if inherits and not isinstance(given["code"], ast.Constant):
            continue  # passed on to the base class
        status = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
        where = f"{path.relative_to(root).as_posix()}:{call.lineno}"
        for code in literals(given["code"], call, parents, tree):
            found.append(Code(code, kind, status, words(given["rule"]), where))
    return found


def kind_of(call: ast.Call, parents: dict[ast.AST, ast.AST]) -> tuple[str, bool]:
    """Return the type that a call makes, and whether it calls the constructor of the base class."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "__init__":
        node: ast.AST = call
        while not isinstance(node, ast.ClassDef):
            node = parents[node]
        return node.name, True
    return ast.unparse(call.func).rpartition(".")[2], False


def literals(node: ast.expr, call: ast.Call, parents: dict[ast.AST, ast.AST], tree: ast.Module) -> list[str]:
    """Return the codes that an expression may be: its literals, and those assigned or passed to its variable."""
    if not isinstance(node, ast.Name):
        return [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    function: ast.AST = call
    while not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        function = parents[function]
    set_here = []
    for each in ast.walk(function):
        if isinstance(each, ast.Assign):
            target, value = each.targets[0], each.value
            pairs = (
                zip(target.elts, value.elts, strict=False)
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                else [(target, value)]
            )
            set_here += [given for one, given in pairs if ast.unparse(one) == node.id]
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call) and ast.unparse(each.func) == function.name]
    handed = [one.value for each in calls for one in each.keywords if one.arg == node.id]
    if node.id in names:
        place = names.index(node.id)
        handed += [each.args[place] for each in calls if len(each.args) > place]
    return [
        each.value
        for value in (*set_here, *handed)
        for each in ast.walk(value)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]


def words(rule: ast.expr) -> str:
    """Return a rule with an ellipsis in place of each value."""
    if isinstance(rule, ast.Constant):
        return str(rule.value)
    if isinstance(rule, ast.JoinedStr):
        return re.sub("…+", "…", "".join(words(one) for one in rule.values))
    if isinstance(rule, ast.BinOp):
        return words(rule.left) + words(rule.right)
    return "…"


def reason_codes(path: Path = Path("src/gadolin/models/predictor.py")) -> dict[str, str]:
    """Return the abstention reasons: each code with its sentence."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            pair = node.value.elts
            if ast.unparse(node.targets[0]) in ("code, reason", "(code, reason)") and words(pair[0]) != "None":
                found[words(pair[0])] = words(pair[1])
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_REASONS":
            assert isinstance(node.value, ast.Dict)
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                found[words(key)] = re.sub(r"\{[^}]*\}", "…", words(value))
    return found
