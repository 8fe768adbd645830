"""Evaluating a run on other data: slices that it was trained on are found by their pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gadolin.datasets.manifest import file_digest, write_manifest
from gadolin.phantoms import draw_patient
from gadolin.records import Record
from gadolin.workflows.evaluate import evaluate

pytestmark = pytest.mark.slow

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


@pytest.fixture
def run(tmp_path, make_bundle, write_run):
    """A run folder trained on one slice of each of eight phantom patients."""
    folder = tmp_path / "run"
    make_bundle(folder / "bundle")
    records = [
        drawn(folder / "pictures" / f"{number}.png", CLASSES[number % 4], number, split="train", group=f"g{number}")
        for number in range(8)
    ]
    write_manifest(folder / "manifest.csv", records)
    return write_run(folder)


def drawn(path, label, patient, **fields):
    """Save the first slice of a phantom patient and return its record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_patient(label, patient, slices=1)[0].pixels).save(path)
    return Record(path, label, patient=f"p{patient}", digest=file_digest(path), **fields)


def evaluated(run, data, records):
    """Evaluate on ``records`` and return the subset of each file name."""
    write_manifest(data / "manifest.csv", records)
    table = evaluate(run, data).table
    return {path.rsplit("/", 1)[-1]: part for path, part in zip(table.paths, table.parts, strict=True)}


def test_the_bundle_in_a_run_is_measured_as_the_run_is(run, tmp_path):
    record = drawn(tmp_path / "other" / "slice.png", CLASSES[0], 0)
    assert evaluated(run / "bundle", tmp_path / "other", [record]) == {"slice.png": "duplicate"}
    assert len((run / "readings.jsonl").read_text().splitlines()) == 1


def test_copies_in_other_data_are_found_mirrored_ones_too(run, tmp_path):
    data = tmp_path / "other"
    first = drawn(data / "fresh.png", "glioma", 100)
    mirrored = data / "mirrored.png"
    Image.fromarray(np.fliplr(np.asarray(Image.open(run / "pictures" / "1.png")))).save(mirrored)
    again = data / "again.jpg"
    Image.open(run / "pictures" / "2.png").save(again, quality=70)
    copies = [
        Record(mirrored, "meningioma", digest=file_digest(mirrored)),
        Record(again, "notumor", digest=file_digest(again)),
    ]
    assert evaluated(run, data, [first, *copies]) == {
        "fresh.png": "new_patient",
        "mirrored.png": "duplicate",
        "again.jpg": "duplicate",
    }


def test_a_new_slice_of_a_patient_who_was_learned_from_is_no_new_patient(run, tmp_path):
    data = tmp_path / "other"
    record = replace(drawn(data / "slice.png", "glioma", 200), patient="p3")
    assert evaluated(run, data, [record]) == {"slice.png": "known_patient"}


def test_without_the_pictures_learned_from_no_part_is_claimed(run, tmp_path):
    data = tmp_path / "other"
    record = drawn(data / "slice.png", "glioma", 300)
    (run / "pictures" / "0.png").unlink()
    assert evaluated(run, data, [record]) == {"slice.png": ""}
