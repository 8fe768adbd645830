"""The notebooks in examples/: pages of the site, which executes them, with checks of their prose, for any computer."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
from pathlib import Path

import pytest

import gadolin as gd
from gadolin.records import NOTICE

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*.md"))
NAMES = {"founding-workflow", "train-on-your-folder", "audit-a-download", "read-a-model-card"}
CELL = re.compile(
    r"^```\{code-cell\} ipython3\n(?P<options>:tags:.*?\n\n|---\n.*?^---\n)?(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
DRAWS = re.compile(r"plt\.show\(\)$|^Image\(|^ *show_pairs\(|^draw_history\(", re.MULTILINE)
HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# """


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request):
    return request.param


@pytest.fixture
def page(example):
    return example.read_text(encoding="utf-8")


def cells(page):
    """Return the code of every cell with its options."""
    return [(found["code"], found["options"] or "") for found in CELL.finditer(page)]


def python_of(code):
    """Return the syntax tree of a cell, without the commands for Colab and Kaggle."""
    return ast.parse(re.sub(r"^( *)[!%].*$", r"\1pass", code, flags=re.MULTILINE))


def test_each_has_a_page_that_the_site_fills_with_it_and_is_in_the_list():
    pages = {path.stem for path in ROOT.glob("docs/notebooks/*.md")} - {"index"}
    index = (ROOT / "docs" / "notebooks" / "index.md").read_text(encoding="utf-8")
    assert {path.stem for path in EXAMPLES} == pages == NAMES
    assert [name for name in NAMES if f"({name}.md)" not in index] == []
    for name in NAMES:
        stub = (ROOT / "docs" / "notebooks" / f"{name}.md").read_text(encoding="utf-8")
        assert f"(../../examples/{name}.md)" in stub
        assert stub.partition("\n")[0] in (ROOT / "examples" / f"{name}.md").read_text(encoding="utf-8")


def test_it_opens_as_a_notebook_in_jupytext_and_in_the_site(page):
    assert page.startswith(HEADER)
    assert page.count("```{code-cell}") == len(cells(page)) > 10
    if importlib.util.find_spec("myst_nb") is not None:
        from myst_nb.core.read import read_myst_markdown_notebook

        book = read_myst_markdown_notebook(page)
        assert [one.source for one in book.cells if one.cell_type == "code"] == [one.strip() for one, _ in cells(page)]


def test_it_states_that_it_is_for_research_only_before_the_first_cell(page):
    before = " ".join(page.partition("```{code-cell}")[0].split()).lower()
    assert NOTICE.partition(".")[0].lower() in before
    assert "not a medical device" in before


def test_the_first_cell_installs_from_an_address_that_is_empty_and_states_that_this_was_not_tried(page):
    before, (code, _) = page.partition("```{code-cell}")[0], cells(page)[0]
    assert "not tried there" in before
    assert code.startswith('REPOSITORY = ""\n')
    assert 'DATA = ""' in code
    assert "\nif REPOSITORY:\n    !git clone " in code
    assert re.search(r'^    %pip install --quiet "\./repository\[[a-z,]+\]"$', code, re.MULTILINE)
    assert re.search(r"https?://", page) is None


def test_hidden_cells_check_the_prose_and_visible_cells_do_not(page):
    hidden = [code for code, options in cells(page) if "remove-cell" in options]
    shown = [code for code, options in cells(page) if "remove-cell" not in options]
    checks = [node for code in hidden for node in ast.walk(python_of(code)) if isinstance(node, ast.Assert)]
    assert len(checks) >= 4
    assert [code for code in shown if any(isinstance(node, ast.Assert) for node in ast.walk(python_of(code)))] == []
    assert [code for code in hidden if not code.startswith("if not DATA:\n") or len(python_of(code).body) > 1] == []


def test_every_figure_has_a_text_for_those_who_do_not_see_it(page):
    drawn = [(code, options) for code, options in cells(page) if DRAWS.search(code)]
    assert len(drawn) >= 4
    assert [code for code, options in drawn if "\n    alt: " not in options and "alt=" not in code] == []


def test_its_paths_are_relative_and_none_is_written_with_backslashes(page):
    for code, _ in cells(page):
        for node in ast.walk(python_of(code)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                assert not node.value.startswith(("/", "~"))
                assert not re.search(r"\w\\\w+\.\w", node.value)


def run_all(name, folder, changes):
    """Run the cells of a notebook in a folder, and show their values as a notebook does; return its names."""
    page = (ROOT / "examples" / f"{name}.md").read_text(encoding="utf-8")
    for before, after in changes.items():
        assert before in page
        page = page.replace(before, after)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MPLBACKEND", "agg")
        import matplotlib.pyplot as plt

        with plt.rc_context():
            patch.setattr(plt, "show", lambda: plt.close("all"))
            for code, _ in cells(page):
                tree = python_of(code)
                last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
                exec(compile(tree, name, "exec"), names)
                if last is not None:
                    value = eval(compile(last, name, "eval"), names)
                    assert repr(value)
                    getattr(value, "_repr_html_", str)()
    return names


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with two folders of slices: one without faults, one with copies and an unreadable file."""
    folder = tmp_path_factory.mktemp("own")
    for name, faults in {"clean": (), "leaky": ("copies", "mirrors")}.items():
        gd.write_phantoms(folder / name, gd.PhantomPlan(patients=6, slices=3, size=96, faults=faults))
        (folder / name / "manifest.csv").unlink()
        shutil.rmtree(folder / name / "outlines")
    first = min((folder / "leaky").glob("Training/glioma/*.png"))
    first.write_bytes(first.read_bytes()[:500])
    return folder


@pytest.mark.train
@pytest.mark.parametrize("data", ["clean", "leaky"])
def test_audit_a_download_runs_on_a_folder_of_the_reader(data, own):
    patients = r'PATIENT_FROM = r"(s\d+p\d+)"' if data == "clean" else 'PATIENT_FROM = ""'
    changes = {'DATA = ""': f'DATA = "{data}"', 'PATIENT_FROM = ""': patients}
    names = run_all("audit-a-download", own, changes)
    assert (own / "clean.csv").is_file()
    assert ("shared_slices" in names["found"]) == (data == "leaky")


@pytest.mark.train
@pytest.mark.parametrize("data", ["clean", "leaky"])
def test_train_on_your_folder_runs_on_a_folder_of_the_reader(data, own):
    patients = r'PATIENT_FROM = r"(s\d+p\d+)-"' if data == "clean" else 'PATIENT_FROM = ""'
    changes = {
        'DATA = ""': f'DATA = "{data}"',
        'PATIENT_FROM = ""': patients,
        '"epochs=10"': '"epochs=1"',
        '"run"': f'"run-{data}"',
        '"run/bundle"': f'"run-{data}/bundle"',
    }
    if data == "leaky":  # with a model that declines every slice
        declined = "[replace(one, label=None) for one in model.predict(slices)]"
        changes["predictions = model.predict(slices)"] = f"from dataclasses import replace\npredictions = {declined}"
    names = run_all("train-on-your-folder", own, changes)
    assert (own / names["run"].report).is_file()
    assert names["lesion"] in names["slices"]
    assert data == "clean" or names["lesion"] == names["slices"][0]
