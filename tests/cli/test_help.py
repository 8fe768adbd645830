"""The help and the shell completion: every command in its panel, nothing cut at 80 columns, every value listed."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import typer

from gadolin.cli import explain, fetch
from gadolin.cli.app import app

PANELS = {
    "Data": ["phantom", "fetch", "scan", "audit", "split"],
    "Train": ["train", "crossval", "card", "recipes"],
    "Evaluate": ["evaluate", "compare", "explain", "score-explanations"],
    "Use": ["predict", "results", "dicomweb", "node", "serve", "info", "plugins"],
}
COMMANDS = typer.main.get_command(app).commands
COLUMNS = 80


@pytest.fixture
def help_of(gadolin, monkeypatch):
    """Return the lines of a help page on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))

    def run(*words):
        ending = gadolin(*words, "--help")
        assert (ending.code, ending.err) == (0, "")
        return ending.out.splitlines()

    return run


def completed(line):
    """Return the words that bash would offer for a command line."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "_GADOLIN_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    code = "import sys; sys.argv = ['gadolin']; from gadolin.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_help_groups_every_command_in_panels(help_of):
    panels, name = {}, ""
    for line in help_of():
        if title := re.match(r"╭─ (\w+) ─", line):
            name = title[1]
        elif command := re.match(r"│ ([a-z][a-z-]*) ", line):
            panels.setdefault(name, []).append(command[1])
    assert panels == PANELS
    assert sorted(name for names in PANELS.values() for name in names) == sorted(COMMANDS)


def test_no_summary_is_cut_or_broken_at_80_columns(help_of):
    lines = help_of()
    for name, command in COMMANDS.items():
        summary = (command.help or "").split("\n\n")[0]
        assert [line for line in lines if line.startswith(f"│ {name} ") and summary in line], summary
    assert not [line for line in lines[2:] if "..." in line or "…" in line]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_page_of_help_fits_80_columns(name, help_of):
    lines = help_of(name)
    assert max(map(len, lines)) <= COLUMNS
    assert not [line for line in lines if "…" in line]
    text = " ".join(" ".join(lines).replace("│", " ").split())
    for parameter in COMMANDS[name].params:
        assert all(option in text for option in parameter.opts if option.startswith("-")), parameter.name
    for paragraph in (COMMANDS[name].help or "").split("\n\n"):
        assert " ".join(paragraph.split()) in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "option", "home"),
    [
        ("predict", "--plane", "gadolin.readers:PLANES"),
        ("predict", "--runtime", "gadolin.models.runtime:RUNTIMES"),
        ("split", "--by", "gadolin.splits.partition:BY"),
        ("phantom", "--fault", "gadolin.phantoms:FAULTS"),
        ("explain", "--fill", "gadolin.explanations.baselines:FILLS"),
        ("train", "--device", "gadolin.training.machine:_DEVICES"),
        ("train", "--precision", "gadolin.training.machine:_PRECISIONS"),
    ],
)
def test_the_values_of_an_option_are_those_of_the_library_listed_and_completed(command, option, home, help_of):
    from importlib import import_module

    module, _, name = home.partition(":")
    values = set(getattr(import_module(module), name))
    (parameter,) = [one for one in COMMANDS[command].params if option in one.opts]
    assert set(parameter.metavar.split(" | ")) >= values
    assert set(completed(f"gadolin {command} {option} ")) >= values
    text = " ".join(help_of(command))
    assert all(value in text for value in values)


def test_the_names_of_methods_and_sources_are_those_of_the_library():
    from gadolin.datasets import SOURCES
    from gadolin.explanations import METHODS

    assert tuple(METHODS.built_in) == explain._METHODS
    assert tuple(SOURCES.built_in) == fetch._SOURCES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gadolin audit data --only shared_", {"shared_slices", "shared_patients"}),
        ("gadolin fetch k", {"kaggle", "kaggle-7200"}),
        ("gadolin explain a.png --method li", {"lime"}),
        ("gadolin recipes show ro", {"robust"}),
        ("gadolin pre", {"predict"}),
    ],
)
def test_the_shell_completes_names(line, words):
    assert words <= set(completed(line))


@pytest.mark.slow
def test_completion_can_be_shown_and_installed(tmp_path):
    def run(option):
        environment = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        code = "import sys; sys.argv = ['gadolin', *sys.argv[1:]]; from gadolin.cli import main; main()"
        words = [sys.executable, "-c", code, option, "bash"]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    shown, installed = run("--show-completion"), run("--install-completion")

    assert (shown.returncode, installed.returncode) == (0, 0), (shown, installed)
    assert "_GADOLIN_COMPLETE=complete_bash" in shown.stdout
    assert "gadolin" in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize("command", [("phantom",), ("fetch", "figshare")], ids=" ".join)
def test_the_folder_to_write_is_given_once(command, gadolin, tmp_path):
    gadolin(*command).refused("the folder to write must be given, as OUT or as --out OUT")
    gadolin(*command, tmp_path / "a", "--out", tmp_path / "b").refused("the folder to write must be given once")


@pytest.mark.slow
def test_a_folder_may_be_given_as_out(gadolin, tmp_path):
    ending = gadolin("phantom", "--out", tmp_path / "p", "--patients", 2, "--slices", 1)
    assert ending.code == 0
    assert (tmp_path / "p" / "manifest.csv").is_file()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
@pytest.mark.slow
def test_the_help_has_no_styles_and_the_characters_of_its_stream(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "FORCE_COLOR": "1", "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "gadolin", "--help"], env=environment, capture_output=True, check=False
    )
    text = done.stdout.decode(encoding)
    assert done.returncode == 0
    assert "\\" not in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= COLUMNS


def test_without_a_command_the_help_is_on_standard_error(gadolin):
    ending = gadolin()
    assert (ending.code, ending.out) == (2, "")
    assert "─ Data ─" in ending.err
