"""Structure of the package at earlier revisions and now: modules, lines, imports, layers.

    python -m benchmarks run structure [REVISION ...] [--write]

REVISION is any git revision; the defaults are those before errors had codes, before recipes and registries were
packages, and before the layout of today. Imports between the top-level modules and packages of ``gadolin`` are counted
in the source; "upward" is by the layers in the pyproject.toml of the same revision. "Match English text" counts
functions that compare or search the text of an error of Gadolin. "Dialect" counts the words of ``DIALECT`` in the
package and in the documents.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import subprocess
import tarfile
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.publish import ROOT, markdown, publish

BEFORE = ("4b5007b^", "d34e2e9", "d9f860f")  # before errors had codes; before recipes and registries; before the layout
DIALECT = re.compile(
    r"\b(tells?|told|said|asked|asks|named|answers? for|stands?|bears?|lies|anew|elsewhere|goes on|go on|strange\w*"
    r"|Wish|Beside|Door|Gate|torn|unchained|framed|toned|carried)\b"
)  # figurative words for which the field has a term; "named" and "lies" have plain uses too
DOCUMENTS = ("README.md", "SECURITY.md", "CONTRIBUTING.md", "docs/*.md")
LOGS = {"experiments.md", "results.md", "codes.md"}  # history and generated pages
MATCHING = {"startswith", "endswith", "match", "search", "fullmatch", "findall", "find", "index", "removeprefix"}
TEXT_OF_ERROR = ("str({0})", "{0}.reason", "{0}.statement", "{0}.args")
OF_OTHERS = {"is_out_of_memory", "detect_lost_rank", "joined"}  # match texts of torch, which has no codes
Graph = dict[str, set[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("revisions", nargs="*", default=BEFORE)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    columns = {}
    for revision in arguments.revisions:
        with tempfile.TemporaryDirectory() as folder:
            archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(folder, filter="data")
            columns[revision] = counted(Path(folder))
    columns["now"] = counted(ROOT)
    rows = [[name, *(column[name] for column in columns.values())] for name in columns["now"]]
    publish("structure", "Structure of the package", markdown(["", *columns], rows), write=arguments.write)


def counted(root: Path) -> dict[str, str]:
    """Return the counts of the package under ``root``, by name."""
    source = root / "src" / "gadolin"
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(source.rglob("*.py"))}
    graph = imports(source, trees)
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in trees]
    modules = sorted(path.stem for path in source.glob("*.py") if not path.stem.startswith("_"))
    packages = [path for path in source.iterdir() if (path / "__init__.py").is_file()]
    matching = [function.name for tree in trees.values() for function in functions(tree) if matches(function)]
    return {
        "modules at the top level": str(len(modules)),
        "packages at the top level": str(len(packages)),
        "files": str(len(trees)),
        "lines": f"{sum(lengths):,}",
        "lines of the median file": f"{statistics.median(lengths):.0f}",
        "imports between modules of the top level": str(sum(map(len, graph.values()))),
        "modules in import cycles": str(sum(len(circle) for circle in circles(graph))),
        "upward imports": str(len(list(upward(graph, layers(root))))),
        'files that contain "run.json"': str(
            sum(any(is_word(node, "run.json") for node in ast.walk(t)) for t in trees.values())
        ),
        "functions that search the text of Gadolin's own errors": str(
            len([one for one in matching if one not in OF_OTHERS])
        ),
        "figurative words in the package": f"{sum(map(dialect, trees)):,}",
        "figurative words in the documents": f"{sum(map(dialect, documents(root))):,}",
        "comparisons of message texts in tests (match=)": str(
            sum(path.read_text(encoding="utf-8").count("match=") for path in (root / "tests").rglob("*.py"))
        ),
    }


def dialect(path: Path) -> int:
    """Return the number of words of ``DIALECT`` in a file."""
    return len(DIALECT.findall(path.read_text(encoding="utf-8")))


def documents(root: Path) -> list[Path]:
    """Return the documents, without logs and generated pages."""
    return [path for pattern in DOCUMENTS for path in root.glob(pattern) if path.name not in LOGS]


def imports(source: Path, trees: Mapping[Path, ast.Module]) -> Graph:
    """Return the imports between top-level modules and packages, without those for type checkers alone."""
    graph: Graph = defaultdict(set)
    for path, tree in trees.items():
        here = path.relative_to(source).parts[0].removesuffix(".py")
        for node in outside_type_checking(tree):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module == "gadolin":
                names = [f"gadolin.{one.name}" for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            for name in names:
                parts = name.split(".")
                if parts[0] == "gadolin" and len(parts) > 1 and parts[1] != here and not here.startswith("__"):
                    graph[here].add(parts[1])
    return graph


def outside_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from outside_type_checking(child)


def circles(graph: Graph) -> list[set[str]]:
    """Return the sets of modules that import each other, directly or indirectly."""
    reached = {name: reach(graph, name) for name in graph}
    found: list[set[str]] = []
    for name, beyond in reached.items():
        if name in beyond and not any(name in circle for circle in found):
            found.append({other for other in beyond if name in reached.get(other, ())})
    return found


def reach(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in graph.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def layers(root: Path) -> dict[str, int]:
    """Return the layer of each module and package, 0 at the top."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    return {name: depth for depth, line in enumerate(contracts[0]["layers"]) for name in line.split(" | ")}


def upward(graph: Graph, depth: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for name, others in graph.items():
        for other in others:
            if name in depth and other in depth and depth[other] <= depth[name]:
                yield name, other


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def matches(function: ast.AST) -> bool:
    """Return whether a function compares or searches the text of an error."""
    caught = {node.name for node in ast.walk(function) if isinstance(node, ast.ExceptHandler) and node.name}
    texts = [text.format(name) for name in caught | {"error", "failure", "problem"} for text in TEXT_OF_ERROR]
    for node in ast.walk(function):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MATCHING:
            sides = [node.func.value, *node.args]
        if any(text in ast.unparse(side) for side in sides for text in texts):
            return True
    return False


def is_word(node: ast.AST, word: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == word
