"""docs/reference/checks.md: the overview of the checks of an audit, from their registry."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path

from gadolin import checks
from gadolin.checks import CHECKS
from gadolin.checks.audit import SEVERITIES
from gadolin.checks.titles import title_of
from generators.marks import fill, table

__all__ = ["severities", "write_checks"]


def write_checks(path: Path) -> None:
    """Write the table of the checks: name, title and severities, in the order in which findings are listed."""
    rows = [[f"[`{name}`](#{name})", title_of(name), ", ".join(severities(name))] for name in CHECKS.built_in]
    fill(path, "checks", table(["check", "finds", "severity"], rows))


def severities(name: str) -> list[str]:
    """Return the severities that the source of a check contains, the gravest first.

    The functions that it calls count too: those of its module, and public ones of other modules of checks.
    """
    home = inspect.getmodule(CHECKS.get(name))
    assert home is not None
    pending, done = [(home.__name__.rpartition(".")[2], name)], set()
    words = set()
    while pending:
        module, function = pending.pop()
        if (module, function) in done:
            continue
        done.add((module, function))
        for each in ast.walk(_functions()[module, function]):
            if isinstance(each, ast.Constant) and each.value in SEVERITIES:
                words.add(each.value)
            if isinstance(each, ast.Call):
                called = ast.unparse(each.func)
                pending += [one for one in _functions() if one[1] == called and (one[0] == module or called[0] != "_")]
    return [one for one in SEVERITIES if one in words]


@cache
def _functions() -> dict[tuple[str, str], ast.FunctionDef]:
    """Return the functions of every module of checks, by module and name."""
    return {
        (path.stem, one.name): one
        for path in sorted(Path(checks.__file__).parent.glob("*.py"))
        for one in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(one, ast.FunctionDef)
    }
