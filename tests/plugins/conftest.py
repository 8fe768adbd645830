from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from gadolin.registry import installed

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ending:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture(scope="session")
def run_with():
    """Run a command, or code, with ``python`` and with the packages in ``folders`` installed."""

    def run(*words, folders=(), code=None, python=sys.executable):
        kept = [os.environ.get("PYTHONPATH", "")]
        paths = os.pathsep.join([*map(str, folders), str(ROOT / "src"), *filter(None, kept)])
        command = ["-c", code, *map(str, words)] if code else ["-m", "gadolin", *map(str, words)]
        done = subprocess.run(
            [python, *command], env=os.environ | {"PYTHONPATH": paths}, capture_output=True, check=False
        )
        return Ending(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    """Install the example plug-in into a new environment, without network; return its Python.

    The new environment uses the packages of this one, since none can be fetched.
    """
    folder = tmp_path_factory.mktemp("example")
    environment = folder / "environment"
    _run(sys.executable, "-m", "venv", "--without-pip", environment)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment), "platbase": str(environment)}))
    (packages / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT / 'src'}\n")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    shutil.copytree(ROOT / "examples" / "plugin", folder / "plugin", ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir")
    _run(sys.executable, "-m", "pip", "--python", python, "install", *options, folder / "plugin")
    return str(python)


def _run(*words):
    done = subprocess.run([*map(str, words)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="session")
def write_plugin():
    """Write an installed package by hand: its folder, its code, and its entry points by group."""

    def write(folder, distribution, code="", **groups):
        module = distribution.replace("-", "_")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{module}.py").write_text(textwrap.dedent(code))
        facts = folder / f"{module}-2.5.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n")
        lines = [
            line
            for group, points in groups.items()
            for line in [f"[gadolin.{group}]", *(f"{name} = {module}:{value}" for name, value in points.items())]
        ]
        (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
        return folder

    return write


@pytest.fixture
def on_path(monkeypatch):
    """Let this process find the packages of a folder as if they were installed."""
    modules = set(sys.modules)

    def add(folder):
        monkeypatch.syspath_prepend(str(folder))
        installed.cache_clear()

    yield add
    installed.cache_clear()
    for name in set(sys.modules) - modules:
        if name.startswith("plug_"):
            del sys.modules[name]
