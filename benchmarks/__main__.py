"""List and run the benchmarks, the fuzzers and the steps of a release.

python -m benchmarks                     list all by group
python -m benchmarks run NAME [ARGS...]  run one; ``run NAME --help`` shows its arguments
python -m benchmarks render              render docs/ and README.md from docs/results/*.json
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module

from benchmarks.results import ROOT, render
from gadolin.errors import GadolinError

RUN = "python -m benchmarks run"
GROUPS = (
    "benchmarks/accuracy",
    "benchmarks/duplicates",
    "benchmarks/explanations",
    "benchmarks/speed",
    "benchmarks/service",
    "benchmarks/package",
    "fuzz",
    "tools/release",
)


def main() -> None:
    """Do what the command line asks for."""
    words = sys.argv[1:]
    if words in ([], ["list"]):
        print(listing())
    elif words == ["render"]:
        print("changed:", ", ".join(render()) or "no page")
    elif words[:1] == ["run"] and len(words) > 1:
        run(words[1], words[2:])
    else:
        print(__doc__)
        sys.exit(0 if words in (["--help"], ["-h"]) else 2)


def commands(group: str) -> dict[str, str]:
    """Return the commands of a group with their summaries; a command is a module with a function ``main``.

    The modules are parsed, not imported: some need packages that are not installed.
    """
    found = {}
    for path in sorted((ROOT / group).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def modules() -> dict[str, str]:
    """Return the module of each command."""
    return {name: f"{group.replace('/', '.')}.{name}" for group in GROUPS for name in commands(group)}


def listing() -> str:
    """Return all commands by group, one line each."""
    lines = []
    for group in GROUPS:
        lines += ["", group, *(f"  {name:<18}{summary}" for name, summary in commands(group).items())]
    return "\n".join([*lines[1:], "", f"{RUN} NAME [ARGS...] runs one, {RUN} NAME --help shows its arguments"])


def run(name: str, arguments: list[str]) -> None:
    """Run a command; ``sys.argv[0]`` becomes the way to call it, which help texts and results show."""
    known = modules()
    if name not in known:
        sys.exit(f"{name} is not a command; python -m benchmarks lists them")
    sys.argv = [f"{RUN} {name}", *arguments]
    try:
        command = import_module(known[name])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("benchmarks", "fuzz", "tools", "gadolin"):
            raise
        sys.exit(f"{name} needs the package {error.name}, which is not installed")
    try:
        command.main()
    except (GadolinError, FileNotFoundError) as error:
        sys.exit(f"{name}: {error}")


if __name__ == "__main__":
    main()
