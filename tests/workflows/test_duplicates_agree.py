"""Audit, evaluation and training count the same duplicates in the same data."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace

import pytest

from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.duplicates import copies_of_records
from gadolin.files.atomic import write_json
from gadolin.splits import SUBSETS, join_copies
from gadolin.workflows.audit import audit
from gadolin.workflows.evaluate import evaluate

pytestmark = pytest.mark.slow

EXPECTED = {"duplicate": 4, "known_patient": 1, "new_slice": 1, "new_patient": 8}


def audited(data):
    """Return the audit's counts of the test part."""
    (whole,) = (one for one in audit(data).parts if one.part == "test" and not one.label)
    return {name: getattr(whole, name) for name in SUBSETS}


@pytest.fixture
def data(leaky_data, tmp_path):
    return shutil.copytree(leaky_data, tmp_path / "data")


@pytest.fixture
def run(data, tmp_path, make_bundle):
    """A run folder whose model was trained on the training part of the data."""
    folder = tmp_path / "run"
    make_bundle(folder / "bundle")
    records = read_manifest(data / "manifest.csv")
    write_manifest(folder / "manifest.csv", join_copies(records, copies_of_records(records).joined))
    write_json(folder / "run.json", {"finished": True})
    return folder


def evaluated(run, data, cache=None):
    """Return the evaluation's counts of the test part, how it found duplicates, and its note about it."""
    evaluation = evaluate(run, data, cache=cache)
    parts = Counter(evaluation.table.parts)
    (reading,) = [json.loads(line) for line in (run / "readings.jsonl").read_text().splitlines()]
    assert reading["parts"] == {name: count for name, count in parts.items() if name}
    (note,) = [one for one in evaluation.notes if "Duplicates" in one]
    return parts, reading["duplicates_by"], note


def test_the_evaluation_counts_the_duplicates_of_the_audit(run, data):
    assert audited(data) == EXPECTED
    parts, duplicates_by, note = evaluated(run, data)
    assert (parts, duplicates_by) == (EXPECTED, "pixels")
    assert "comparing pixels" in note


def test_the_manifest_of_the_run_is_counted_alike(run):
    manifest = run / "manifest.csv"
    assert audited(manifest) == EXPECTED == evaluated(run, manifest)[0]


def test_data_that_the_run_has_never_scanned_is_counted_alike(run, data):
    known = [one for one in read_manifest(run / "manifest.csv") if one.split == "train"]
    write_manifest(run / "manifest.csv", [replace(one, group="") for one in known])
    assert evaluated(run, data)[0] == EXPECTED


def test_without_the_pixels_the_groups_of_the_run_decide_and_it_says_so(run, data):
    next(data.glob("Training/glioma/s1p0004-*")).unlink()
    known = read_manifest(run / "manifest.csv", verify=False)
    write_manifest(data / "manifest.csv", [one for one in known if one.split == "test"])
    parts, duplicates_by, note = evaluated(run, data)
    assert parts == {"duplicate": 5, "known_patient": 1, "new_patient": 8}, "the chain joins C to A"
    assert duplicates_by == "groups"
    assert "copy groups in the manifest of the run" in note


def test_a_damaged_picture_of_the_training_part_leaves_the_decision_to_the_groups(run, data, tmp_path):
    next(data.glob("Training/glioma/s1p0004-*")).write_bytes(b"\x89PNG")
    known = read_manifest(run / "manifest.csv", verify=False)
    write_manifest(data / "manifest.csv", [one for one in known if one.split == "test"])
    assert evaluated(run, data, tmp_path / "cache")[1] == "groups"
