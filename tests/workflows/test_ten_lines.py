"""The ten lines of docs/python.md run as written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import gadolin as gd
from gadolin.phantoms import PhantomPlan, draw_patient, write_phantoms
from gadolin.records import NOTICE

pytestmark = pytest.mark.train

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
LINES = re.search(r"<!-- python -->\n```python\n(.*?)```", PAGE, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Run the lines once with phantoms in ``brain-mri`` and ``slice.png``; return the resulting names."""
    pytest.importorskip("torch")
    from PIL import Image

    folder = tmp_path_factory.mktemp("ten-lines")
    write_phantoms(folder / "brain-mri", PhantomPlan(patients=12, slices=2, size=96, seed=1))
    Image.fromarray(draw_patient("glioma", 99, slices=1)[0].pixels).save(folder / "slice.png")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(LINES, "python.md", "exec"), found)
        yield found


def test_the_split_keeps_patients_apart(names):
    split = names["split"]
    assert {one.patient for one in split.train.records} & {one.patient for one in split.test.records} == set()
    assert len(split.test.records) + len(split.train.records) == len(split.data.records)


def test_the_run_has_its_metrics_model_report_and_card(names):
    run = names["run"]
    assert run.metrics.measurement.overall.n == len(names["split"].test.records)
    assert run.model.bundle.classes == names["data"].classes
    assert run.report.is_file()
    assert run.card.read_text(encoding="utf-8").startswith("# Model card: recipe default, trained on brain-mri\n")
    assert run.card.with_suffix(".html").is_file()
    assert run.provenance.finished
    assert run.provenance.recipe_name == "default"


def test_the_prediction_is_of_the_shipped_model(names):
    pred = names["pred"]
    assert set(pred.probabilities) == {"glioma", "meningioma", "notumor", "pituitary"}
    assert pred.abstained is (pred.label is None)
    assert pred.model == gd.load_model("shipped").bundle.digest


def test_the_evaluation_has_values_intervals_and_subsets(names):
    score = names["score"]
    assert 0 <= score.accuracy.value <= 1
    assert score.accuracy.interval is None or score.accuracy.interval[0] <= score.accuracy.value
    assert set(score.by_subset) == {"all"}
    assert len(score.table) == len(names["split"].test.records)


def test_the_page_and_the_picture_are_written(names):
    assert NOTICE in Path("audit.html").read_text(encoding="utf-8")
    assert Path("why.png").read_bytes().startswith(b"\x89PNG")


def test_names_of_what_can_be_chosen(names):
    assert "robust" in gd.recipes()
    assert "lime" in gd.methods()
    assert any(name.startswith("convnext") for name in gd.backbones("convnext*"))


@pytest.mark.parametrize("name", ["data", "audit", "split", "run", "pred", "score", "heat"])
def test_values_show_themselves_in_a_terminal_and_in_a_notebook(names, name):
    value = names[name]
    assert repr(value).startswith(type(value).__name__ + "(")
    assert len(repr(value)) < 600
    assert "<" in value._repr_html_()


def test_a_model_says_what_it_is(names):
    assert repr(names["model"]).startswith(f"Predictor({names['model'].bundle.digest}: glioma, ")


def test_importing_the_package_loads_nothing_else():
    code = "import sys, gadolin; print(sorted(m for m in sys.modules if m.startswith('gadolin.')))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(eval(out)) <= {"gadolin._version", "gadolin.telemetry"}


def test_the_run_has_its_history_and_confusion_matrix(names):
    run = names["run"]
    assert [one.epoch for one in run.history] == list(range(1, len(run.history) + 1))
    assert all(0 <= one.validation_accuracy <= 1 and one.size % 32 == 0 for one in run.history)
    matrix = run.confusion
    assert matrix.classes == names["data"].classes
    assert sum(map(sum, matrix.counts)) == len(names["split"].test.records)
    assert matrix["glioma", "notumor"] == matrix.counts[0][2]
    assert repr(matrix).splitlines()[0].split()[-1] == "pituitary"
    assert NOTICE in matrix._repr_html_()
