"""Heavy packages are not imported at start; each test runs in a new process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "timm", "lightning_fabric")


def fresh(code, *arguments):
    """Run code in a new interpreter that turns warnings into errors; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["gadolin", "gadolin.errors", "gadolin.cli", "gadolin.cli.app"])
def test_the_package_and_its_command_line_load_nothing_heavy(module):
    loaded = fresh(f"import sys, {module}\nprint(*(name for name in sys.modules if '.' not in name))").split()
    assert not {"numpy", "cv2", "rich", "onnxruntime", "PIL", *HEAVY} & set(loaded)


def test_the_help_loads_neither_numpy_nor_anything_that_computes():
    code = """
import sys
sys.argv = ["gadolin", "--help"]
from gadolin.cli import main
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
print("LOADED", *(name for name in sys.modules if "." not in name))
"""
    text, _, loaded = fresh(code).partition("LOADED")
    assert "Usage: gadolin" in text
    assert not {"numpy", "cv2", "onnxruntime", *HEAVY} & set(loaded.split())


@pytest.mark.slow
def test_every_module_of_the_light_half_can_be_imported_without_torch():
    pytest.importorskip("seaborn")
    code = f"""
import importlib, pkgutil, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import gadolin
heavy = ("gadolin.networks", "gadolin.training", "gadolin.explanations.methods.gradients", "gadolin.__main__")
names = [each.name for each in pkgutil.walk_packages(gadolin.__path__, "gadolin.") if not each.name.startswith(heavy)]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
    assert int(fresh(code)) > 20


def test_the_light_half_predicts_without_torch(make_bundle, lit_quadrant, save_slice, tmp_path):
    code = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY!r}))
import gadolin
predictor = gadolin.Predictor.load(sys.argv[1], threads=1)
print(*(each.label for each in gadolin.predict_files(predictor, sys.argv[2:])))
"""
    paths = [save_slice(lit_quadrant(quadrant), tmp_path / f"{quadrant}.png") for quadrant in (3, 0)]
    assert fresh(code, make_bundle().folder, *paths).split() == ["pituitary", "glioma"]
