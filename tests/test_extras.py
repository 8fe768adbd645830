"""Tests of missing packages: the error names the extra that installs them, from the metadata of the package."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import gadolin
from gadolin import extras
from gadolin.errors import MissingExtraError
from gadolin.extras import distribution_of, install_command


@pytest.fixture
def installed(monkeypatch):
    """Let Gadolin be installed from a wheel, or from the checkout that a test gives."""

    def place(checkout=None):
        monkeypatch.setattr(extras, "_checkout", lambda: checkout)

    place()
    return place


SOURCES = sorted(Path(gadolin.__file__).parent.rglob("*.py"))


def imported():
    """Return every package that the source imports, except the standard library and Gadolin."""
    names = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {each.name.partition(".")[0] for each in node.names}
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").partition(".")[0])
    return sorted(names - set(sys.stdlib_module_names) - {"gadolin"})


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("faiss", '"faiss-cpu>='),
        ("cv2", '"opencv-python-headless>='),
        ("PIL", '"pillow>='),
        ("numpy", '"numpy>='),
        ("pydicom", '"pydicom>='),
        ("onnxruntime", '"onnxruntime>='),
        ("openvino", '"gadolin[openvino]"'),
        ("matplotlib", '"gadolin[report]"'),
        ("jinja2", '"gadolin[report]"'),
        ("cleanlab", '"gadolin[audit]"'),
        ("sklearn", '"gadolin[audit]"'),
        ("skimage", '"gadolin[explain]"'),
        ("kagglehub", '"gadolin[fetch]"'),
        ("torch", '"gadolin[train]"'),
        ("lightning_fabric", '"gadolin[train]"'),
        ("safetensors", '"gadolin[train]"'),
        ("fastapi", '"gadolin[serve]"'),
        ("python_multipart", '"gadolin[serve]"'),
        ("h5py", '"gadolin[dev]"'),
    ],
)
@pytest.mark.slow
def test_a_package_is_blamed_on_what_brings_it(module, command, installed):
    assert f"install it with: pip install {command}" in str(MissingExtraError(module))


@pytest.mark.parametrize("module", imported())
@pytest.mark.slow
def test_every_package_that_the_source_imports_is_brought_by_something(module, installed):
    own, brought = extras._required()
    names = set(own).union(*brought.values())
    known = extras._normal(distribution_of(module)) in names
    assert known or install_command(distribution_of(module)).startswith('pip install "gadolin[')


@pytest.mark.slow
def test_the_names_of_distributions_are_those_that_pip_knows():
    found = metadata.packages_distributions()
    told = {name: distribution_of(name) for name in extras._DISTRIBUTIONS if name in found}
    assert {name: found[name] for name in told} == {name: [one] for name, one in told.items()}


def test_the_extra_that_the_work_needs_goes_before_a_smaller_one(installed):
    assert install_command("matplotlib", "explain") == 'pip install "gadolin[explain]"'
    assert install_command("fastapi", "explain") == 'pip install "gadolin[serve]"', "not in explain"
    assert install_command("numpy", "serve").startswith('pip install "numpy'), "a core dependency needs no extra"


@pytest.mark.slow
def test_what_a_package_of_an_extra_needs_is_blamed_on_that_extra(installed):
    pytest.importorskip("starlette")
    assert install_command("starlette") == 'pip install "gadolin[serve]"'


@pytest.mark.slow
def test_a_package_that_nothing_brings_is_named_alone(installed):
    assert install_command("banana") == "pip install banana"
    assert install_command("banana", "serve") == 'pip install "gadolin[serve]"'


def test_a_checkout_is_installed_into_as_the_readme_says(installed, tmp_path, monkeypatch):
    installed(tmp_path)
    assert install_command("torch") == f'pip install -e "{tmp_path}[train]"'
    monkeypatch.chdir(tmp_path)
    assert install_command("torch") == 'pip install -e ".[train]"'
    assert install_command("numpy").startswith('pip install "numpy')


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        ('{"dir_info": {"editable": true}, "url": "file:///a%20b/gadolin"}', Path("/a b/gadolin")),
        ('{"dir_info": {}, "url": "file:///tmp/gadolin"}', None),
        ('{"archive_info": {}, "url": "file:///tmp/gadolin-0.1.0-py3-none-any.whl"}', None),
        ("{}", None),
        ("no JSON", None),
        (None, None),
    ],
)
def test_a_checkout_is_known_by_how_it_was_installed(origin, found, monkeypatch):
    class Installed:
        def read_text(self, name):
            assert name == "direct_url.json"
            return origin

    monkeypatch.setattr(metadata, "distribution", lambda name: Installed())
    assert extras._checkout() == found


def test_without_metadata_the_package_alone_is_named(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    monkeypatch.setattr(metadata, "distribution", missing)
    assert install_command("torch") == "pip install torch"
    assert install_command("torch", "train") == 'pip install "gadolin[train]"'


BLOCK = """
import sys
BLOCKED = sys.argv[1]
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""


def blocked(module, code, *words):
    return subprocess.run(
        [sys.executable, "-c", BLOCK + code, module, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "words", "told"),
    [
        ("numpy", ("predict", "a.png"), "'numpy'"),
        ("cv2", ("predict", "a.png"), "'opencv-python-headless'"),
        ("onnxruntime", ("predict", "a.png"), "'onnxruntime'"),
        ("faiss", ("audit", "{data}"), "'faiss-cpu'"),
        ("faiss", ("split", "{data}", "--out", "{out}"), "'faiss-cpu'"),
        ("torch", ("train", "{data}", "--out", "{out}"), "[train]"),
        ("fastapi", ("serve",), "[serve]"),
        ("uvicorn", ("serve",), "[serve]"),
        ("matplotlib", ("explain", "a.png", "--out", "{out}"), "[explain]"),
        ("openvino", ("predict", "a.png", "--runtime", "openvino"), "[openvino]"),
    ],
)
def test_a_command_without_a_package_is_one_line_and_code_two(module, words, told, small_phantoms, tmp_path):
    if importlib.util.find_spec(module) is None or (module == "torch" and importlib.util.find_spec("timm") is None):
        pytest.skip("not installed here either")
    given = [word.format(data=small_phantoms, out=tmp_path / "out") for word in words]
    code = "sys.argv = ['gadolin', *sys.argv[2:]]\nfrom gadolin.cli import main\nmain()"
    done = blocked(module, code, *given)
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("gadolin: this needs")]
    assert len(lines) == 1, done.stderr
    assert told in lines[0]
    assert "Traceback" not in done.stderr


def test_a_public_name_without_its_package_says_how_to_have_it():
    code = """
import gadolin
try:
    gadolin.backbones
except gadolin.GadolinError as error:
    print(type(error).__name__, error.code, isinstance(error, ImportError), error.remedy)
"""
    done = blocked("torch", code)
    assert done.stdout.split()[:3] == ["MissingExtraError", "missing_package", "True"], done.stderr
    assert "[train]" in done.stdout
