"""The wheel, installed where torch cannot be imported: it predicts, and holds what it must and nothing of the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

import gadolin
from gadolin.models.model_path import SHIPPED
from gadolin.phantoms import draw_patient
from gadolin.records import NOTICE

pytest.importorskip("hatchling", reason="hatchling builds the wheel")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LICENSES = ("LICENSE", "LICENSE-WEIGHTS")
HEAVY = ("torch", "torchvision", "timm")
NO_TORCH = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Refuse())
"""


def run(*words, **options):
    """Run a command that must succeed; return its output."""
    done = subprocess.run([*map(str, words)], capture_output=True, check=False, timeout=300, **options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from this checkout, with the packages that are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return [PurePosixPath(name) for name in archive.namelist()]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel alone into a fresh environment that refuses torch; return a function that runs its programs.

    The dependencies are those of this environment, found through a .pth file, since nothing can be fetched.
    """
    environment = tmp_path_factory.mktemp("installed") / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment), "platbase": str(environment)}))
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (packages / "sitecustomize.py").write_text(NO_TORCH)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    python = programs / ("python.exe" if os.name == "nt" else "python")
    options = ("--quiet", "--no-index", "--no-deps", "--no-cache-dir", "--ignore-installed")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel)
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}

    def start(program, *words):
        return run(programs / program, *words, cwd=environment, env=variables)

    return start


def test_the_installed_package_is_the_one_of_the_wheel_and_has_no_torch(installed):
    code = f"""
import importlib, json, gadolin
missing = []
for name in {HEAVY!r}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        missing.append(name)
print(json.dumps([gadolin.__file__, gadolin.__version__, missing]))
"""
    place, version, missing = json.loads(installed("python", "-c", code))
    assert not Path(place).is_relative_to(ROOT / "src")
    assert (version, missing) == (gadolin.__version__, list(HEAVY))


def test_the_installed_command_predicts_as_this_package_does(installed, tmp_path):
    path = tmp_path / "slice.png"
    Image.fromarray(np.asarray(draw_patient("glioma", 3, slices=1)[0].pixels, np.uint8)).save(path)
    found = json.loads(installed("gadolin", "predict", path, "--json"))
    (answer,) = found["predictions"]
    expected = gadolin.Predictor.load(threads=1)
    assert (found["notice"], found["errors"], found["model"]) == (NOTICE, [], expected.bundle.digest)
    assert answer["abstained"] is (answer["label"] is None)
    (here,) = gadolin.predict_files(expected, [path])
    assert (answer["label"], answer["abstained"], answer["reason_code"]) == (
        here.label, here.abstained, here.as_json()["reason_code"],
    )  # fmt: skip
    assert answer["probabilities"] == pytest.approx(dict(here.probabilities), abs=1e-5)


def test_the_wheel_holds_the_packaged_model_and_both_licences(names, wheel):
    shipped = {path.name for path in SHIPPED.iterdir() if path.is_file()}
    assert {path.name for path in names if path.parent == PurePosixPath("gadolin/models/shipped")} == shipped
    licences = {path.name: path for path in names if path.parent.name == "licenses"}
    assert sorted(licences) == sorted(LICENSES)
    with zipfile.ZipFile(wheel) as archive:
        for name in LICENSES:
            assert archive.read(str(licences[name])) == (ROOT / name).read_bytes()


def test_the_wheel_holds_the_package_alone(names):
    assert {path.parts[0] for path in names} == {"gadolin", f"gadolin-{gadolin.__version__}.dist-info"}
    unwanted = {"tests", "test", "benchmarks", "docs", "examples", "__pycache__"}
    assert [path for path in names if unwanted & set(path.parts) or path.name.startswith(("test_", "conftest"))] == []
