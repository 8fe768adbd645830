"""Put what the package says into the documents: run it from the repository root after a change to either.

``python docs/refresh.py recipes`` writes the values into the table of docs/recipes.md, ``python docs/refresh.py codes``
the codes of errors into docs/codes.md, ``python docs/refresh.py plugins`` the files of examples/plugin into
docs/plugins.md; without an argument it does all three, runs the demo and fills the session of README.md, the example of
docs/prediction.md and, where Chromium is installed, docs/images/report.png.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

KINDS = {bool: "true, false", str: "text"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SHOWN = ("phantom", "train", "evaluate", "predict")
ROWS = 6  # of the predictions
EPOCHS = 2  # of the first; the last is shown too
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
    "not_a_numbered_slice",
    "not_a_picture",
    "not_in_annotations",
    "not_in_manifest",
    "not_in_release",
    "other_series",
    "special_file",
    "statistic_map",
    "vector_field",
)
"""Codes of what a folder leaves out without an error. Nothing in the source marks them, so they are listed here."""


class Code(NamedTuple):
    """A place of the source that makes an error: code, type, HTTP status if the call has one, rule, file and line."""

    code: str
    kind: str
    status: int | None
    rule: str
    where: str


def main() -> None:
    """Refresh everything, or what is named; the demo's folder is ``demo``."""
    parts = {"recipes": tell_recipes, "codes": tell_codes, "plugins": show_plugins}
    for name, write in parts.items():
        if sys.argv[1:] in ([], [name]):
            write(Path(f"docs/{name}.md"))
    if sys.argv[1:]:
        return
    os.environ["PYTHONUNBUFFERED"] = "1"  # so that messages stand where they were printed
    printed = output(sys.executable, "demo.py")
    blocks = re.findall(r"^\$ gadolin .*?(?=^\$ gadolin |\nDone in |\Z)", printed, re.MULTILINE | re.DOTALL)
    shown = [shortened(block.strip()) for block in blocks if block.split()[2] in SHOWN]
    fill(Path("README.md"), "session", "```\n" + "\n\n".join(shown) + "\n```")
    command = [sys.executable, "-m", "gadolin", "predict", "--model", "demo/run", "--json"]
    slices = sorted(Path("demo/fresh/Testing/meningioma").glob("*.png"))[:1]
    example = output(*command, *(path.as_posix() for path in slices), "missing.png", messages=False)
    fill(Path("docs/prediction.md"), "example", f"```json\n{example.strip()}\n```")
    photograph(Path("demo/run/evaluation-fresh/report.html"), Path("docs/images/report.png"))


def tell_recipes(path: Path) -> None:
    """Write the table of every recipe key: default of the field, built-in values, what is allowed and the help."""
    from gadolin.recipe import RECIPES, Recipe
    from gadolin.recipe.keys import keys_of

    columns = [{key.name: shown(key.value) for key in keys_of(recipe)} for recipe in RECIPES.values()]
    head = ["key", "field", *RECIPES, "allowed", "meaning"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for key in keys_of(Recipe("recipe")):
        if key.name != "name":
            values = [column[key.name] for column in columns]
            cells = [shown(key.value), *values, key.allowed or KINDS[key.kind], key.help]
            lines.append(f"| {' | '.join([f'`{key.name}`', *cells])} |")
    fill(path, "recipes", "\n".join(lines))


def shown(value: object) -> str:
    """Return a value of a recipe as a cell of the table."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def show_plugins(path: Path, example: Path = Path("examples/plugin")) -> None:
    """Write the entry points and the files of the example plug-in between their marks."""
    text = (example / "pyproject.toml").read_text(encoding="utf-8")
    points = text[text.index("[project.entry-points") :].strip()
    fill(path, "pyproject.toml", f"```toml\n{points}\n```")
    for file in sorted((example / "src" / "gadolin_example").glob("*.py")):
        fill(path, file.name, f"```python\n{file.read_text(encoding='utf-8').strip()}\n```")


def tell_codes(path: Path) -> None:
    """Write the codes of errors, of reasons and of what is left out into their tables."""
    found = codes()
    listed = sorted({one.code for one in found})
    rows = [f"| `{code}` | {' | '.join(told_of(code, found))} |" for code in listed]
    head = "| code | type | exit | HTTP | the rule that it is about |\n|---|---|---|---|---|\n"
    fill(path, "errors", head + "\n".join(rows))
    reasons = [f"| `{code}` | {sentence} |" for code, sentence in reason_codes().items()]
    fill(path, "reasons", "| code | sentence |\n|---|---|\n" + "\n".join(reasons))
    gone = set(LEFT_OUT) - set(listed)
    assert not gone, f"LEFT_OUT lists codes that no error has: {', '.join(sorted(gone))}"
    left = [f"| `{code}` | {told_of(code, found)[-1]} |" for code in LEFT_OUT]
    fill(path, "omitted", "| code | the rule that it is about |\n|---|---|\n" + "\n".join(left))


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


def output(*command: str, messages: bool = True) -> str:
    """Return what a command printed; it may have failed with 1, for a file that is missing on purpose."""
    errors = subprocess.STDOUT if messages else subprocess.DEVNULL
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
    if done.returncode > 1:
        raise SystemExit(done.stdout)
    return done.stdout


def shortened(block: str) -> str:
    """Return a command's output with a few of its epochs and predictions."""
    lines = [line.rstrip() for line in block.splitlines()]
    epochs = [number for number, line in enumerate(lines) if line.startswith("epoch ")]
    if len(epochs) > EPOCHS + 1:
        lines[epochs[EPOCHS] : epochs[-1]] = ["..."]
    if lines[0].split()[2] == "predict":
        head = lines[: 3 + ROWS]
        return "\n".join([*head, "...", lines[-1]])
    return "\n".join(lines)


def fill(path: Path, name: str, content: str) -> None:
    """Replace what stands between the marks of ``name`` in a document."""
    text = path.read_text(encoding="utf-8")
    mark = re.escape(name)
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    path.write_text(pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text), encoding="utf-8")


def photograph(page: Path, picture: Path) -> None:
    """Take a picture of the top of a report, in few enough colours for a repository."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.stderr.write(f"no Chromium found: {picture} stays as it is\n")
        return
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with tempfile.TemporaryDirectory() as profile:
        shot = Path(profile) / "report.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={profile}/user"]
        subprocess.run(
            [browser, *flags, "--window-size=1100,1600", f"--screenshot={shot}", page.resolve().as_uri()],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        from PIL import Image

        Image.open(shot).convert("RGB").quantize(64).save(picture, optimize=True)


if __name__ == "__main__":
    main()
