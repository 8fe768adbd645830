"""Every code block of the documents has a language, and does what the convention of that language requires.

``sh`` holds commands to adapt: each call of gadolin is parsed. ``console`` holds commands with their real output, and
``python`` lines that run: a test compares or executes them, else a comment says why not. Data is parsed.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
import typer.main
import yaml

from gadolin.cli.app import app
from gadolin.recipe import RECIPES, with_settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
COMMANDS = typer.main.get_command(app).commands
FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[^`\n]*)\n(?P<body>.*?)^(?P=indent)(?P=fence)$", re.M | re.S
)
LANGUAGES = ("sh", "console", "python", "toml", "json", "yaml", "nginx", "ini", "xml", "lua", "text")
DIRECTIVE = re.compile(r"\{[a-z-]+\}( ipython3)?")  # of Sphinx, among them the cells that the build executes
NOT_EXECUTED = "# not executed: "
TESTED = {
    "README.md": "tests/docs/test_readme.py",
    "docs/keras-notebook.md": "tests/docs/test_keras_notebook.py",
    "docs/how-to/audit-check.md": "tests/docs/test_howto.py",
    "docs/how-to/backbone.md": "tests/docs/test_howto.py",
    "docs/how-to/data-source.md": "tests/docs/test_howto.py",
    "docs/how-to/dicom-and-nifti.md": "tests/docs/test_howto.py",
    "docs/how-to/explanation-method.md": "tests/docs/test_howto.py",
    "docs/how-to/reader.md": "tests/docs/test_howto.py",
    "docs/how-to/runtime.md": "tests/docs/test_howto.py",
    "docs/how-to/timm-backbone.md": "tests/docs/test_howto.py",
    "docs/explanations.md": "tests/docs/test_pages_in_python.py",
    "docs/prediction.md": "tests/docs/test_pages_in_python.py",
    "docs/predictions/README.md": "tests/docs/test_pages_in_python.py",
    "docs/python.md": "tests/workflows/test_ten_lines.py",
    "docs/recipes.md": "tests/docs/test_pages_in_python.py",
}
"""Pages with blocks of python or console, and the test that executes or compares them."""


class Block(NamedTuple):
    """A code block: its page, the line of its fence, its language and its text."""

    page: str
    line: int
    language: str
    text: str


def blocks_of(path):
    """Yield the code blocks of a page."""
    text = path.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        body = "\n".join(each.removeprefix(found["indent"]) for each in found["body"].splitlines())
        yield Block(path.relative_to(ROOT).as_posix(), line, found["language"].strip(), body)


BLOCKS = [block for path in DOCUMENTS for block in blocks_of(path)]


def named(block):
    return f"{block.page}:{block.line}"


def of(*languages):
    return [pytest.param(block, id=named(block)) for block in BLOCKS if block.language in languages]


def calls():
    """Yield every call of gadolin in the blocks of commands, with its page; continued lines are joined."""
    for block in BLOCKS:
        if block.language not in ("sh", "console"):
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            found = re.match(r"(?:\$ )?(?:[A-Z_]+=\S+ )*(?:torchrun .*-m |python3? -m )?(gadolin .*)", line)
            if found and (block.language == "sh" or line.startswith("$ ")):
                yield block.page, re.split(r" [|>#&] ?| < ", found[1])[0]


CALLS = sorted(set(calls()))


def options_of(command):
    """Return the names of the options of a command, also those of the form ``--no-``."""
    return [name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("-")]


def test_the_pages_have_blocks():
    assert len(BLOCKS) > 80
    assert {line.split()[1] for _, line in CALLS} >= set(COMMANDS)


def test_every_block_has_a_language_of_the_convention():
    wrong = [
        named(one)
        for one in BLOCKS
        if one.language not in LANGUAGES and not DIRECTIVE.fullmatch(one.language.split("\n")[0])
    ]
    assert wrong == []


@pytest.mark.parametrize(("page", "line"), CALLS, ids=[f"{page}: {line}" for page, line in CALLS])
def test_every_call_has_a_real_command_and_real_options(page, line):
    _, name, *words = shlex.split(line)
    if name in ("--version", "--help", "--install-completion", "--show-completion", "COMMAND"):
        return
    assert name in COMMANDS
    command = COMMANDS[name]
    written = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    assert [option for option in written if option not in [*options_of(command), "--help"]] == []
    if "--help" in written:
        return
    context = command.make_context(name, list(words), resilient_parsing=False)
    if context.params.get("setting"):
        with_settings(RECIPES["default"], list(context.params["setting"]))


@pytest.mark.parametrize("block", of("sh"))
def test_a_block_of_commands_has_no_prompt(block):
    assert not re.search(r"^[$>%] ", block.text, re.MULTILINE)


@pytest.mark.parametrize("block", of("console"))
def test_a_block_with_output_has_a_prompt_and_a_test(block):
    assert block.text.startswith("$ ")
    assert block.page in TESTED


@pytest.mark.parametrize("block", of("python"))
def test_a_block_of_python_is_executed_or_says_why_not(block):
    compile(block.text, named(block), "exec")
    assert re.match(rf"{NOT_EXECUTED}\w", block.text) or block.page in TESTED


@pytest.mark.parametrize("page", sorted(TESTED))
def test_the_test_of_a_page_reads_that_page(page):
    assert Path(page).name in (ROOT / TESTED[page]).read_text(encoding="utf-8")
    languages = {block.language for block in BLOCKS if block.page == page}
    assert languages & {"python", "console"}, "a page without such blocks needs no entry"


def parse_ini(text):
    reader = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    reader.read_string(text)
    assert reader.sections()


PARSERS = {
    "toml": tomllib.loads,
    "json": json.loads,
    "yaml": yaml.safe_load,
    "ini": parse_ini,
    "xml": ElementTree.fromstring,
}


@pytest.mark.parametrize("block", of(*PARSERS))
def test_a_block_of_data_can_be_parsed(block):
    PARSERS[block.language](block.text)


@pytest.mark.parametrize("block", of("nginx", "lua"))
def test_brackets_of_a_configuration_are_closed(block):
    assert all(block.text.count(one) == block.text.count(other) > 0 for one, other in ("{}",))
