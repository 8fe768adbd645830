"""Tests of the answers of an evaluation: those of predict for the same files, and what is said of the training data."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.files.atomic import write_json
from gadolin.metrics import read_table
from gadolin.models.bundle import TumourScale, Validation
from gadolin.models.predictor import Predictor
from gadolin.models.provenance import TRAINING_DATA, TRAINING_RELEASES, pretraining_notice
from gadolin.phantoms import CLASSES, draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.records import Record, slice_name
from gadolin.reports.wording import caution
from gadolin.workflows.evaluate import evaluate
from gadolin.workflows.predict_files import expand, predict_files

FLAIR = {"EchoTime": 120, "RepetitionTime": 9000, "InversionTime": 2500, "ScanningSequence": "SE"}


@pytest.fixture(scope="module")
def odd_data(tmp_path_factory):
    """Write phantoms in class folders, with noise, a colour image, a grid of slices and slices of a FLAIR header."""
    folder = tmp_path_factory.mktemp("odd") / "data"
    rng = np.random.default_rng(3)
    for number, label in enumerate(CLASSES):
        (folder / label).mkdir(parents=True)
        for row, one in enumerate(draw_patient(label, number, slices=3)):
            Image.fromarray(one.pixels).save(folder / label / f"{row}.png")
    one, two = (draw_patient("meningioma", seed, slices=1)[0].pixels for seed in (7, 8))
    Image.fromarray(rng.integers(0, 256, (256, 256)).astype(np.uint8)).save(folder / "glioma" / "noise.png")
    Image.fromarray(np.stack([one, one // 3, one], axis=2)).save(folder / "glioma" / "colour.png")
    Image.fromarray(np.hstack([one, two])).save(folder / "glioma" / "grid.png")
    for label, pixels in (("meningioma", one), ("notumor", draw_patient("notumor", 9, slices=1)[0].pixels)):
        content = dicom_bytes(pixels.astype(np.uint16), DicomFacts(more=FLAIR))
        (folder / label / "flair.dcm").write_bytes(content)
    return folder


def decided(evaluation):
    """Return label, reason, probability of a tumour and sequence of each row by name."""
    table = evaluation.table
    one = table.decisions
    columns = [one.labels, one.reason_codes]
    columns += [one.p_tumour, one.sequences] if one.p_tumour else []
    return dict(zip(table.paths, zip(*columns, strict=True), strict=True))


def predicted(predictor, data, *, separate):
    """Return the same of ``gadolin predict``."""
    found = {}
    for one in predict_files(predictor, expand([str(data)]).files):
        facts = (one.label or "", one.reason_code or "")
        facts += (one.p_tumour, one.sequence or "") if separate else ()
        assert one.abstained is (one.label is None)
        found[slice_name(one.path, one.frame)] = facts
    return found


@pytest.mark.slow
def test_the_packaged_model_answers_as_in_predict(odd_data):
    predictor = Predictor.load()
    answers = decided(evaluate(predictor, odd_data))
    assert answers == predicted(predictor, odd_data, separate=True)
    reasons = {reason for _, reason, *_ in answers.values()}
    assert {"colour_image", "several_slices", "out_of_distribution"} <= reasons


@pytest.mark.parametrize("threshold", [0.0, 0.9])
@pytest.mark.slow
def test_a_model_that_only_classifies_answers_as_in_predict(odd_data, make_bundle, threshold):
    predictor = Predictor.load(make_bundle(confidence_threshold=threshold, head_counter="grid-1").folder)
    evaluation = evaluate(predictor, odd_data)
    assert decided(evaluation) == predicted(predictor, odd_data, separate=False)
    assert evaluation.never_declines is (threshold == 0)
    low = "low_confidence" in evaluation.abstention.reasons
    assert low is (threshold > 0)


class Sequenced:
    """The quadrant network with a sequence, T1c, and the mean brightness as OOD score."""

    def __init__(self, runtime):
        self.runtime = runtime

    def __call__(self, prepared):
        output = self.runtime(prepared)
        mean = prepared.mean(axis=(1, 2), dtype=np.float32) / 255
        return output._replace(ood_score=mean, sequence=np.tile(np.float32([1, 0]), (len(mean), 1)))


def test_headers_and_thresholds_decide_as_in_predict(odd_data, make_bundle, monkeypatch):
    bundle = make_bundle(
        sequence=("T1c", "FLAIR"),
        p_tumour=(TumourScale(threshold=0.6),),
        validated=tuple(Validation(label, "T1c", 1, 1, 1) for label in CLASSES),
        ood_threshold=0.35,
    )
    predictor = Predictor(bundle, Sequenced(Predictor.load(bundle.folder)._runtime))
    evaluation = evaluate(predictor, odd_data)
    assert decided(evaluation) == predicted(predictor, odd_data, separate=True)
    assert len(evaluation.abstention.reasons) > 1
    monkeypatch.setattr("gadolin.metrics.assess.header_sequences", lambda records: [""] * len(records))
    assert decided(evaluate(predictor, odd_data)) != decided(evaluation), "the headers matter here"


@pytest.mark.slow
def test_the_rows_and_the_numbers_are_written_and_read(odd_data, make_bundle, tmp_path):
    evaluation = evaluate(make_bundle(confidence_threshold=0.9).folder, odd_data)
    evaluation.save(tmp_path)
    table = read_table(tmp_path / "predictions.csv")
    assert table.decisions == evaluation.table.decisions
    assert evaluation.notes[0].startswith("It is not known whether the model was trained on some of these slices")
    told = evaluation.as_json()["abstention"]
    assert told["answered"] + told["declined"] == told["n"] == len(table)
    assert sum(told["reasons"].values()) == told["declined"]
    assert evaluation.coverage.value == told["coverage"]["value"] == told["answered"] / told["n"]
    assert evaluation.selective_accuracy == evaluation.abstention.selective_accuracy
    assert f"{told['declined']} declined" in repr(evaluation)
    assert "declined" in evaluation._repr_html_()


def record(label="glioma", source="", name="a"):
    return Record(Path(f"{name}.png"), label, source=source, digest=name)


PACKAGED = list(TRAINING_DATA)[-1]
KAGGLE_TEST = {"glioma": 300, "meningioma": 306, "notumor": 405, "pituitary": 300}


def test_figures_are_called_too_optimistic_for_slices_of_a_release_that_was_learned_only():
    records = [record(source="lgg"), record(source="lgg"), record(source="own")]
    notice = pretraining_notice((PACKAGED,), records)
    assert "2 of 3 slices are from lgg: figures on those that it learned from are too optimistic" in notice
    for others in ([record(source="own")], [record()] * 40):
        notice = pretraining_notice((PACKAGED,), others)
        assert "optimistic" not in notice
        assert "trained on Figshare 1512427 (folds 0 to 3)" in notice
    assert pretraining_notice(("another",), records) == ""


def test_a_release_without_a_source_column_is_recognised_by_its_counts():
    records = [record(label) for label, count in KAGGLE_TEST.items() for _ in range(count)]
    assert "1,311 of 1,311 slices are from kaggle-7023" in pretraining_notice((PACKAGED,), records)
    assert "optimistic" not in pretraining_notice((PACKAGED,), records[1:])
    assert "optimistic" not in pretraining_notice((PACKAGED,), [replace(one, source="own") for one in records])


def test_every_packaged_model_has_its_releases():
    assert TRAINING_RELEASES.keys() == TRAINING_DATA.keys()


@pytest.mark.slow
def test_results_on_duplicates_are_called_too_optimistic_and_others_are_not(leaky_data, make_bundle, tmp_path):
    data = shutil.copytree(leaky_data, tmp_path / "data")
    run = tmp_path / "run"
    make_bundle(run / "bundle")
    records = read_manifest(data / "manifest.csv")
    write_manifest(run / "manifest.csv", records)
    write_json(run / "run.json", {"finished": True})
    found = evaluate(run, data)
    said = caution(found.measurement)
    assert said.startswith("4 of 14 slices are duplicates of training slices: the result on them is too optimistic.")

    keys = dict(zip(found.table.digests, found.table.parts, strict=True))
    write_manifest(data / "manifest.csv", [one for one in records if keys.get(one.key) == "new_patient"])
    found = evaluate(run, data)
    assert "optimistic" not in caution(found.measurement)
