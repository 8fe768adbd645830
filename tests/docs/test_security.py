"""Tests of SECURITY.md: its lists agree with the code."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from gadolin.cli.app import app
from gadolin.readers import MAX_BYTES, READERS
from gadolin.readers.contents import MAX_PIXELS
from gadolin.telemetry import SWITCHES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "gadolin"
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands
DISTRIBUTIONS = {"PIL": "Pillow"}
CLIENTS = {
    "urllib.request",
    "http.client",
    "requests",
    "httpx",
    "socket",
    "ssl",
    "kagglehub",
    "huggingface_hub",
    "dicomweb_client",
}


def section(heading):
    return re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL).group(1)


def table(text, head):
    """Return the rows of the table whose first column is ``head``."""
    lines = re.search(rf"^\| {head} \|.*?\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE).group(1).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


def imports(path):
    """Yield the full name of every module that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module


def test_the_formats_are_those_that_the_readers_know():
    told = {kind.strip() for row in table(TEXT, "format") for kind in re.findall(r"\b[A-Z][A-Za-z]+\b", row[0])}
    assert told - {"Figshare"} == set(READERS.built_in)


@pytest.mark.slow
def test_who_decodes_is_who_the_readers_import():
    told = " ".join(row[1] for row in table(TEXT, "format"))
    used = {name.partition(".")[0] for path in (SOURCE / "readers").rglob("*.py") for name in imports(path)}
    libraries = used & set(importlib.metadata.packages_distributions()) - {"gadolin", "numpy"}
    assert {DISTRIBUTIONS.get(name, name) for name in libraries} == set(
        re.findall(r"\b(?:Pillow|pydicom|imagecodecs|nibabel|cv2|tifffile|h5py|scipy)\b", told)
    )


def test_the_limits_are_those_of_the_readers():
    assert f"{MAX_BYTES // 2**20} MiB" in TEXT
    assert f"{MAX_PIXELS // 10**6} million pixels" in TEXT


def test_the_commands_that_use_the_network_are_those_that_can():
    told = {row[0].strip("`") for row in table(section("What leaves the machine"), "command")}
    fetching = {f"gadolin {name} --weights imagenet" for name, command in COMMANDS.items() if weights_of(command)}
    assert told == {
        "gadolin fetch",
        "gadolin predict --out` with an address",
        "gadolin dicomweb",
        "gadolin node",
        *fetching,
    }
    assert len(fetching) >= 2


def weights_of(command):
    return any("--weights" in parameter.opts for parameter in command.params)


@pytest.mark.slow
def test_no_other_module_can_open_a_connection():
    """Only the documented commands reach the modules that fetch; ``server/run`` only listens."""
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if any(name in CLIENTS or name.partition(".")[0] in CLIENTS for name in imports(path))
    }
    assert found == {
        "server/run.py",
        "datasets/download.py",
        "datasets/releases/kaggle.py",
        "dicom_network/associations.py",
        "dicom_network/dicomweb.py",
        "dicom_network/network_settings.py",
        "dicom_network/web_session.py",
        "training/pretrained_weights.py",
    }
    assert "connect" not in (SOURCE / "server" / "run.py").read_text(encoding="utf-8")


def test_every_package_that_reports_is_told_with_the_extra_that_brings_it_and_its_switch():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = {
        name: [re.match(r"[\w-]+", each).group() for each in each_of]
        for name, each_of in {"": project["dependencies"], **project["optional-dependencies"]}.items()
    }
    rows = table(section("What leaves the machine"), "package")
    assert [names_in(row[0])[0] for row in rows] == ["onnxruntime", "openvino", "huggingface-hub", "fastapi"]
    for package, brought, _, _ in rows:
        extra, through = "".join(names_in(brought)), re.search(r"through (\w+)", brought)
        name = names_in(package)[0]
        assert (through.group(1) if through else name) in extras[extra]
        if through:
            needed = [re.match(r"[\w-]+", each).group() for each in importlib.metadata.requires(through.group(1))]
            assert name.replace("-", "_") in [each.replace("-", "_") for each in needed]
    assert {each for row in rows for each in names_in(row[3])} >= {f"{key}={value}" for key, value in SWITCHES.items()}


def test_the_places_that_are_written_are_those_that_the_trace_lets_pass():
    trace = importlib.import_module("benchmarks.service.network_trace")
    told = [name for row in table(section("What is written"), "place") for name in names_in(row[0])]
    assert {name.removeprefix("~/") for name in told} == set(trace.PLACES)
