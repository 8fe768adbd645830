"""The lines of Python on the pages of the reference run as written, on phantoms and with a short recipe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

import gadolin as gd
from gadolin.models.bundle import SHIPPED, read_bundle
from gadolin.phantoms import PhantomPlan, draw_patient, write_phantoms
from gadolin.recipe import load_recipe, with_settings

ROOT = Path(__file__).parents[2]
SHORT = ["epochs=1", "batch_size=8", "network.input_size=32", "progressive=1"]
PAGES = ["prediction.md", "explanations.md", "recipes.md", "predictions/README.md"]


def lines_of(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.M | re.S)


def run_lines(page, names):
    blocks = lines_of(page)
    assert blocks
    for block in blocks:
        if not block.startswith("# not executed: "):
            exec(compile(block, page, "exec"), names)
    return names


@pytest.fixture
def slices(tmp_path, monkeypatch):
    """Work in a folder with slices and the tables of predictions."""
    array = draw_patient("glioma", 9, slices=1)[0].pixels
    for name in ("slice.png", "a.png"):
        Image.fromarray(array).save(tmp_path / name)
    (tmp_path / "docs").symlink_to(ROOT / "docs", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return array


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_page_runs(page, slices, make_bundle, monkeypatch):
    if page == "recipes.md":
        pytest.importorskip("torch")
        load = gd.Recipe.from_toml
        names = run_lines(page, {"gadolin": gd})
        assert load(names["text"]) == names["mine"]
        return
    Path("run").symlink_to(make_bundle().folder, target_is_directory=True)
    names = run_lines(page, {"gadolin": gd, "array": slices})
    found = {"prediction.md": "answers", "explanations.md": "found", "predictions/README.md": "measured"}[page]
    assert names[found]


def test_the_list_of_tables_names_that_of_the_packaged_model():
    folder = ROOT / "docs" / "predictions"
    name = f"hospitals-{read_bundle(SHIPPED).digest}"
    assert f"| `{name}` | the packaged model" in (folder / "README.md").read_text(encoding="utf-8")
    assert (folder / f"{name}.csv.gz").is_file()


@pytest.mark.train
def test_every_line_of_the_overview_runs(slices, monkeypatch):
    pytest.importorskip("torch")
    write_phantoms(Path("brain-mri"), PhantomPlan(patients=24, slices=4, size=96, seed=1))
    Path("mine.toml").write_text(load_recipe("default").to_toml(), encoding="utf-8")
    train = gd.train

    def train_short(data, *, recipe, **options):
        weights = {"weights": "none"} if "weights" in options else {}
        return train(data, recipe=with_settings(load_recipe(recipe), SHORT), **options | weights)

    monkeypatch.setattr(gd, "train", train_short)
    names = run_lines("python.md", {})
    assert names["run"].metrics.by_subset["new_patient"].n >= 20
    assert Path("other/run.json").is_file()
