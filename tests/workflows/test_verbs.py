"""Tests of the verbs: they take paths and results of earlier verbs, and refuse other input with a code."""

from __future__ import annotations

import numpy as np
import pytest

import gadolin as gd
from gadolin.errors import GadolinError
from gadolin.phantoms import draw_patient

pytestmark = pytest.mark.slow


@pytest.fixture
def pixels():
    return draw_patient("glioma", 3, slices=1)[0].pixels.astype(np.uint8)


def test_predict_takes_the_packaged_model_a_path_of_it_or_a_loaded_one(pixels):
    model = gd.load_model()
    answers = [gd.predict(pixels), gd.predict(pixels, model=model), gd.predict(pixels, model=model.bundle.folder)]
    assert answers[0] == answers[1] == answers[2]
    assert gd.predict([pixels, pixels]) == [answers[0], answers[0]]


def test_explain_takes_the_path_of_a_model(pixels, tmp_path):
    heat = gd.explain("shipped", pixels)
    assert heat.heat.shape == pixels.shape
    heat.save(tmp_path / "heat.npy")
    assert np.array_equal(np.load(tmp_path / "heat.npy"), heat.heat)
    with pytest.raises(GadolinError) as refusal:
        heat.save(tmp_path / "heat.gif")
    assert refusal.value.code == "output_format_unknown"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: gd.load_model(3), "input_unfit"),
        (lambda: gd.evaluate(3, "data"), "input_unfit"),
        (lambda: gd.evaluate("shipped", 3), "input_unfit"),
        (lambda: gd.compare(1, 2), "input_unfit"),
        (lambda: gd.scan(3), "input_unfit"),
        (lambda: gd.load_recipe(3), "recipe_unknown"),
        (lambda: gd.explain("shipped", [np.zeros((64, 64), np.uint8)] * 2), "input_unfit"),
        (lambda: gd.audit("gone", only=["too_fw"]), "check_unknown"),
    ],
)
def test_what_no_verb_takes_is_refused_with_a_code(call, code):
    with pytest.raises(GadolinError) as refusal:
        call()
    assert refusal.value.code == code


def test_a_split_leaves_out_what_cannot_be_read_and_can_be_trained_on(tmp_path):
    gd.write_phantoms(tmp_path / "data", gd.PhantomPlan(patients=4, slices=2, size=96))
    first = sorted((tmp_path / "data" / "Training" / "glioma").iterdir())[0]
    first.write_bytes(b"no picture")
    (tmp_path / "data" / "manifest.csv").unlink()

    split = gd.split(tmp_path / "data" / "Training", test=0.25, group_by="copies")

    assert [one.path for one in split.partition.dropped] == ["glioma/" + first.name]
    assert split.data.errors == ()
    split.save(tmp_path / "split.csv")
    assert len(gd.scan(tmp_path / "split.csv").records) == len(split.data.records)


def test_folds_are_counted_as_parts(small_phantoms):
    split = gd.split(small_phantoms, folds=4)
    assert list(split.data.counts) == ["fold 0", "fold 1", "fold 2", "fold 3"]
    assert "8 fold 0" in repr(split)
    with pytest.raises(GadolinError) as refusal:
        _ = split.test
    assert refusal.value.code == "part_missing"


def test_an_audit_of_a_scan_is_that_of_its_path(small_phantoms):
    ours, theirs = gd.audit(gd.scan(small_phantoms), skip=["shortcuts"]), gd.audit(small_phantoms, skip=["shortcuts"])
    assert [one.kind for one in ours.findings] == [one.kind for one in theirs.findings]
    assert "shortcuts" in ours.skipped
