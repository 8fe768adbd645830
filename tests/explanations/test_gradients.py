"""Tests of the gradient methods on a run folder."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from gadolin.errors import BundleError, RecipeError, RequestError
from gadolin.explanations import METHODS, explain
from gadolin.models.predictor import Predictor

pytestmark = pytest.mark.slow

WITH_TORCH = [name for name, method in METHODS.items() if method.torch]


@pytest.fixture(scope="module")
def predictor(run_folder):
    return Predictor.load(run_folder)


@pytest.mark.parametrize("method", [*WITH_TORCH, "evidence"])
def test_heat_lies_on_the_slices_own_grid_and_within_the_head(method, predictor, head):
    found = explain(predictor, head, method=method, label="meningioma")
    assert found.heat.shape == head.pixels.shape
    assert found.heat.dtype == np.float32
    assert np.isfinite(found.heat).all()
    assert found.heat.std() > 0
    assert (found.heat[:, :30] == 0).all(), "the crop ends earlier"
    assert found.label == "meningioma"
    assert found.samples >= 1


@pytest.mark.parametrize("method", WITH_TORCH)
def test_the_same_question_has_the_same_answer(method, predictor, head):
    first, second = (explain(predictor, head, method=method, label="glioma").heat for _ in range(2))
    assert (first == second).all()


def test_evidence_of_a_linear_head_is_captums_grad_cam(predictor, head):
    """Both are the last feature map times the class's weights; Grad-CAM divides by the number of positions."""
    evidence = explain(predictor, head, method="evidence", label="glioma").heat
    gradcam = explain(predictor, head, method="gradcam", label="glioma").heat
    inside = evidence != 0
    assert np.corrcoef(evidence[inside], gradcam[inside])[0, 1] > 0.98


@pytest.mark.parametrize("method", WITH_TORCH)
def test_gradients_of_a_callable_are_refused(method, head):
    with pytest.raises(RequestError) as caught:
        explain(lambda pixels: np.full((len(pixels), 2), 0.5, np.float32), head, method=method)
    assert caught.value.code == "method_needs_predictor"


def test_a_bare_bundle_has_no_gradients(run_folder, head, tmp_path):
    shutil.copytree(run_folder / "bundle", tmp_path / "bare" / "bundle")
    with pytest.raises(BundleError) as caught:
        explain(Predictor.load(tmp_path / "bare" / "bundle"), head, method="gradcam")
    assert caught.value.code == "run_folder_needed"


def test_a_run_of_an_older_gadolin_has_no_gradients(run_folder, head, tmp_path):
    shutil.copytree(run_folder, tmp_path / "old")
    facts = json.loads((tmp_path / "old" / "run.json").read_text())
    del facts["recipe"]["format"]
    (tmp_path / "old" / "run.json").write_text(json.dumps(facts))

    with pytest.raises(RecipeError) as refused:
        explain(Predictor.load(tmp_path / "old"), head, method="gradcam")

    assert refused.value.code == "recipe_format_older"
