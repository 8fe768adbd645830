"""Tests of a whole audit: it finds every planted fault, changes no file, and its JSON is complete."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gadolin.checks import CHECKS, AuditInputs, FileFacts, file_facts
from gadolin.checks.audit import SEVERITIES
from gadolin.checks.file_facts import jpeg_quality
from gadolin.checks.verdict import verdict
from gadolin.datasets import scan
from gadolin.errors import DataError
from gadolin.metrics.table import Table, write_table
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.readers import read
from gadolin.records import NOTICE
from gadolin.workflows.audit import audit

pytestmark = pytest.mark.slow

FAULTS = ("copies", "labels", "mirrors", "unreadable")


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Draw phantoms with every fault; the manifest, which omits broken files, is deleted."""
    folder = tmp_path_factory.mktemp("spoilt") / "data"
    write_phantoms(folder, PhantomPlan(patients=8, slices=2, size=128, seed=3, faults=FAULTS))
    (folder / "manifest.csv").rename(folder / "truth.csv")
    return folder


@pytest.fixture(scope="module")
def found(spoilt):
    return audit(spoilt)


@pytest.fixture(scope="module")
def planted(spoilt):
    return json.loads((spoilt / "faults.json").read_text())


def members(found, kind):
    return [set(group) for one in found.findings if one.kind == kind for group in one.members]


@pytest.mark.parametrize("fault", ["copies", "mirrors"])
def test_every_planted_copy_is_found_with_its_original(found, planted, fault):
    groups = members(found, "shared_slices")
    assert planted[fault]
    for one in planted[fault]:
        assert any({one["path"], one["of"]} <= group for group in groups), one


def test_every_planted_unreadable_file_is_found(found, planted):
    assert members(found, "unreadable") == [{name} for name in sorted(one["path"] for one in planted["unreadable"])]


def test_findings_are_in_order_of_severity(found):
    ranks = [SEVERITIES.index(one.severity) for one in found.findings]
    assert ranks == sorted(ranks)
    assert "is also in the training part, so accuracy on it is misleading" in found.verdict


def test_the_json_holds_the_verdict_the_parts_and_every_finding(found):
    told = json.loads(json.dumps(found.as_json()))
    assert told["notice"] == NOTICE
    assert told["verdict"] == found.verdict
    assert [one["kind"] for one in told["findings"]] == [one.kind for one in found.findings]
    tests = [one for one in told["parts"] if one["part"] == "test"]
    assert tests[0]["class"] is None
    for one in tests:
        assert one["slices"] == sum(one[name] for name in ("duplicate", "known_patient", "new_slice", "new_patient"))


def test_an_audit_changes_nothing(spoilt):
    before = {path: path.stat().st_mtime_ns for path in spoilt.rglob("*")}
    audit(spoilt)
    assert {path: path.stat().st_mtime_ns for path in spoilt.rglob("*")} == before


def test_the_other_data_set_gives_its_patients_and_its_labels(small_phantoms, lay_out):
    root = lay_out(count=4)
    first = sorted((root / "glioma").iterdir())[0]
    first.rename(root / "notumor" / first.name)
    told = audit(root, small_phantoms)
    assert {one.patient for one in told.dataset.records_with_patients} >= {"s1p0000"} - {""}
    (conflict,) = [one for one in told.findings if one.kind == "label_conflicts" and "other data set" in one.message]
    assert any(group[0] == f"notumor/{first.name}" for group in conflict.members)
    assert told.as_json()["against"] is not None


def test_clean_phantoms_are_told_to_be_clean(small_phantoms):
    told = audit(small_phantoms)
    assert not [one for one in told.findings if one.severity == "serious"]
    assert told.verdict.startswith("No slice and no patient of the test part is in the training part")


def test_predictions_are_matched_by_digest_and_reordered(small_phantoms, tmp_path):
    records = scan(small_phantoms).records
    classes = ("pituitary", "notumor", "meningioma", "glioma")
    some = records[5:8]
    table = Table(
        classes=classes,
        probabilities=np.tile([0.1, 0.2, 0.3, 0.4], (3, 1)),
        truth=np.array([classes.index(one.label) for one in some]),
        paths=("a", "b", "c"),
        groups=("a", "b", "c"),
        parts=("", "", ""),
        digests=tuple(one.key for one in some),
    )
    write_table(tmp_path / "oof.csv", table)
    told = AuditInputs(tmp_path / "oof.csv").probabilities(records)
    assert told.shape == (len(records), 4)
    assert told[5].tolist() == [0.4, 0.3, 0.2, 0.1]
    assert np.isnan(told[:5]).all()
    with pytest.raises(DataError) as caught:
        AuditInputs(tmp_path / "oof.csv").probabilities([one for one in records if one not in some])
    assert caught.value.code == "predictions_of_other_slices"
    with pytest.raises(DataError) as caught:
        AuditInputs(tmp_path / "oof.csv").probabilities([one for one in records if one.label != "glioma"])
    assert caught.value.code == "predictions_of_other_classes"


def test_every_check_copes_with_a_single_class_of_blank_pictures(lay_out):
    root = lay_out(count=0, more={f"glioma/{number}.png": np.zeros((64, 64)) for number in range(3)})
    kinds = {one.kind for one in audit(root).findings}
    assert {"too_few", "blank", "tiny"} <= kinds


def test_the_facts_of_a_file_are_those_that_it_was_made_with(lay_out, rng):
    picture = np.zeros((100, 140), np.uint8)
    picture[20:80, 30:110] = 255
    root = lay_out(count=0, more={"glioma/a.png": picture})
    path = root / "glioma" / "a.png"
    one = file_facts(path, read(path), "PNG")
    assert isinstance(one, FileFacts)
    assert (one.width, one.height, one.bits, one.mode, one.format, one.quality) == (140, 100, 8, "L", "PNG", None)
    assert one.white == pytest.approx(60 * 80 / 14_000)
    assert one.border == 0
    assert not one.inverted


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_estimated(quality, rng):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(buffer, format="JPEG", quality=quality)
    assert jpeg_quality(Image.open(buffer).quantization) == pytest.approx(quality, abs=1.5)


def test_checks_that_did_not_look_are_told_with_the_reason_and_not_among_those_that_did(lay_out):
    told = audit(lay_out(count=3)).as_json()
    reasons = {one["check"]: one["reason"] for one in told["not_looked"]}
    assert set(reasons).isdisjoint(told["checks"])
    assert {*reasons, *told["checks"]} == set(CHECKS)
    assert reasons["drift"] == "no model was given"
    assert reasons["label_errors"] == "no predictions were given"
    assert reasons["shared_patients"] == reasons["vanishing_class"] == "no parts or folds are defined"
    assert "it needs at least 10 groups" in reasons["shortcuts"]


def test_no_two_data_sets_share_a_name(lay_out):
    told = audit(lay_out("one", 2), lay_out("two", 2))
    assert len(set(told.dataset.names)) == len(told.dataset.names) == 8
    assert {name.partition(":")[0] for name in told.dataset.names[4:]} == {"two"}


@pytest.mark.parametrize(
    ("patients", "said"), [(("", ""), "the patients are unknown"), (("p", ""), "some patients are unknown")]
)
def test_the_verdict_tells_unknown_patients_from_half_known_ones(dataset, patients, said):
    rows = zip(("train", "test"), patients, strict=True)
    told = verdict(dataset(*({"split": part, "patient": patient} for part, patient in rows)), [])
    assert told.startswith("No slice of the test part is in the training part, but ")
    assert said in told
