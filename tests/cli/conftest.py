from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gadolin.cli import main

SHORT = ("--set", "epochs=1", "--set", "batch_size=8", "--set", "network.input_size=32", "--set", "progressive=1")
FIXED = ("--validation", "0.34", "--device", "cpu", "--precision", "float32")


@dataclass(frozen=True)
class Ending:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    def refused(self, *told, code=2):
        """Check that it printed only one line, on standard error, that holds each of these texts."""
        assert (self.code, self.out) == (code, ""), self
        assert self.err.startswith("gadolin: "), self.err
        assert self.err.count("\n") == 1, self.err
        for words in told:
            assert str(words) in self.err


@pytest.fixture
def gadolin(monkeypatch, capsys):
    """Run the command line in this process."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["gadolin", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            main()
        said = capsys.readouterr()
        return Ending(int(ending.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def gadolin_process():
    """Run the command line in a new process, as a user does."""

    def run(*words, stdin=b"", cwd=None):
        done = subprocess.run(
            [sys.executable, "-m", "gadolin", *map(str, words)], input=stdin, capture_output=True, cwd=cwd, check=False
        )
        return Ending(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def trained(gadolin_process, small_phantoms, tmp_path_factory):
    """Train a short run in a new process; return its result and the run folder, which tests must not change."""
    run = tmp_path_factory.mktemp("cli") / "run"
    return gadolin_process("train", small_phantoms, "--out", run, *SHORT, *FIXED, "--json"), run


@pytest.fixture
def run_copy(trained, tmp_path):
    """Return a copy of the trained run, for tests that write to it."""
    return Path(shutil.copytree(trained[1], tmp_path / "copied-run"))


@pytest.fixture(scope="session")
def pictures(small_phantoms):
    """Return the paths of a few slices."""
    return sorted((small_phantoms / "Testing").rglob("*.png"))[:3]


@pytest.fixture
def class_folders(small_phantoms, tmp_path):
    """Write a small folder of two classes that tests may change."""
    for label in ("glioma", "notumor"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for path in sorted((small_phantoms / "Training" / label).iterdir())[:3]:
            shutil.copy(path, tmp_path / "data" / label)
    return tmp_path / "data"
