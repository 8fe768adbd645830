"""Tests of shortcuts: a planted one is found and named; chance does not count as one."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from gadolin.checks import probes
from gadolin.checks.probes import ProbeData, probe
from gadolin.checks.shortcuts import file_columns, shortcuts, tone_columns
from gadolin.preprocessing.views import background, painted_out, shrunk

pytestmark = pytest.mark.slow

CLASSES = ("glioma", "notumor", "pituitary")
COUNT = 99  # three slices of each patient


@pytest.fixture
def looked_at(dataset, heads):
    """Make a dataset of ``count`` heads in three classes, three slices per patient; any field can be given by row."""

    def make(count=COUNT, *, facts=None, pictures=None, patient=None):
        rows = [
            {
                "label": CLASSES[row // 3 % 3],
                "patient": f"p{row // 3}" if patient is None else patient(row),
                "facts": {} if facts is None else facts(row),
            }
            for row in range(count)
        ]
        return replace(dataset(*rows), slices=heads(count) if pictures is None else pictures)

    return make


def by_words(findings, words):
    return [one for one in findings if words in one.message]


def test_pictures_that_differ_in_nothing_give_no_serious_finding_and_no_warning(looked_at):
    random = np.random.default_rng(3)
    facts = [{"mean": float(random.random()), "size_bytes": int(random.integers(9_000, 30_000))} for _ in range(COUNT)]
    assert {one.severity for one in shortcuts(looked_at(facts=lambda row: facts[row]))} <= {"note"}


def test_a_class_saved_in_another_quality_is_serious_and_the_quality_is_named(looked_at):
    findings = shortcuts(looked_at(facts=lambda row: {"format": "JPEG", "quality": (75.0, 90.0, 95.0)[row // 3 % 3]}))
    (found,) = by_words(findings, "File properties")
    assert (found.kind, found.severity) == ("shortcuts", "serious")
    assert "most informative is JPEG quality" in found.message
    assert "chance 33 %" in found.message
    assert found.score == 1.0


def test_where_patients_are_unknown_a_shortcut_is_no_more_than_a_warning_and_says_why(looked_at):
    facts = {"facts": lambda row: {"format": "JPEG", "quality": (75.0, 90.0, 95.0)[row // 3 % 3]}}
    (found,) = by_words(shortcuts(looked_at(**facts, patient=lambda row: f"p{row}" if row else "")), "File properties")
    assert (found.severity, found.score) == ("warning", 1.0)
    assert "some patients are unknown" in found.message
    assert "some patients are unknown" in found.rule


def test_mean_tone_and_compression_are_not_said_to_need_no_look_at_the_brain(looked_at):
    findings = shortcuts(looked_at(facts=lambda row: {"mean": (0.2, 0.4, 0.6)[row // 3 % 3]}))
    assert by_words(findings, "File properties") == []
    (found,) = by_words(findings, "mean tone")
    assert found.severity == "warning"
    assert "but also on the anatomy" in found.rule


def test_a_mark_in_the_corner_of_one_class_is_found_in_the_background(looked_at, heads):
    pictures = heads(COUNT)
    for row in range(COUNT):
        if row // 3 % 3 == 1:
            pictures[row, :28, :28] = 160
    (found,) = by_words(shortcuts(looked_at(pictures=pictures)), "background")
    assert found.severity in ("warning", "serious")
    assert found.score > 0.5


def test_the_background_tells_nothing_of_the_head(heads):
    dark, bright = (np.where(picture > 30, tone, 0).astype(np.uint8) for picture in heads(1) for tone in (90, 200))
    small = shrunk(np.stack([dark, bright]), [0, 1])
    first, second = background(small)
    assert np.abs(first - second).max() < 0.02


def test_tumours_that_alone_tell_the_class_leave_nothing_when_painted_out(looked_at, heads, tmp_path):
    pictures, masks = heads(COUNT), np.zeros((COUNT, 256, 256), np.uint8)
    for row in range(COUNT):
        tone = (20, 120, 250)[row // 3 % 3]
        cv2.circle(pictures[row], (120, 130), 30, tone, -1)
        cv2.circle(masks[row], (120, 130), 30, 255, -1)
    dataset = with_outlines(looked_at(pictures=pictures), masks, tmp_path)
    assert {one.severity for one in by_words(shortcuts(dataset), "painted out")} <= {"note"}
    small = shrunk(pictures, range(COUNT))
    covered = np.stack([cv2.resize(mask, (64, 64), interpolation=cv2.INTER_AREA) for mask in masks])
    assert float(np.ptp(painted_out(small, covered)[:, 32, 30].reshape(-1, 3).mean(axis=1))) < 80


def test_a_class_told_by_what_is_around_the_tumour_is_serious(looked_at, heads, tmp_path):
    pictures, masks = heads(COUNT), np.zeros((COUNT, 256, 256), np.uint8)
    for row in range(COUNT):
        cv2.circle(pictures[row], (128, 128), 20, 220, -1)
        cv2.circle(masks[row], (128, 128), 20, 255, -1)
        cv2.circle(pictures[row], (128, (60, 190, 128)[row // 3 % 3]), 16, 0, -1)
    (found,) = by_words(shortcuts(with_outlines(looked_at(pictures=pictures), masks, tmp_path)), "painted out")
    assert found.severity == "serious"


def with_outlines(dataset, masks, folder):
    """Write slices and masks of a dataset to ``folder``, for readers of outlines."""
    records = []
    for row, (record, mask) in enumerate(zip(dataset.all_records, masks, strict=True)):
        picture, outline = folder / f"{row}.png", folder / f"{row}-mask.png"
        cv2.imwrite(str(picture), dataset.slices[row])
        cv2.imwrite(str(outline), mask)
        records.append(replace(record, path=picture, outline=str(outline)))
    return replace(dataset, all_records=tuple(records))


def test_a_patient_who_is_known_by_a_file_fact_does_not_pass_for_a_class():
    random = np.random.default_rng(0)
    groups = tuple(f"p{row // 10}" for row in range(600))
    labels = tuple(CLASSES[row // 10 % 3] for row in range(600))
    mark = random.random(60)[np.arange(600) // 10]
    found = probe(mark[:, None].astype(np.float32), ProbeData(labels, groups))
    assert found.accuracy.low < 1 / 3 < found.accuracy.high
    apart = probe(mark[:, None].astype(np.float32), ProbeData(labels, tuple(str(row) for row in range(600))))
    assert apart.accuracy.value > 0.9


def test_no_group_stands_in_two_folds():
    asked = ProbeData(tuple(CLASSES[row % 3] for row in range(300)), tuple(f"g{row % 37}" for row in range(300)))
    for name in set(asked.groups):
        assert len({fold for fold, group in zip(asked.folds, asked.groups, strict=True) if group == name}) == 1


def test_a_large_data_set_is_looked_at_in_part_by_whole_groups(monkeypatch):
    monkeypatch.setattr(probes, "_MOST", 100)
    asked = ProbeData(("a", "b") * 500, tuple(f"g{row // 10}" for row in range(1000)))
    rows = asked.drawn
    assert len(rows) == 100
    assert all(sum(asked.groups[row] == name for row in rows) == 10 for name in {asked.groups[row] for row in rows})


def test_too_few_patients_are_said_to_be_too_few(looked_at):
    assert "glioma has 1" in shortcuts(looked_at(patient=lambda row: f"p{row // 3 % 3}")).reason


def test_a_single_class_is_said_not_to_be_told_from_others(dataset):
    assert "no second one" in shortcuts(dataset(*({"label": "glioma"} for _ in range(20)))).reason


def test_without_scikit_learn_the_check_says_how_to_install_it(looked_at, monkeypatch):
    monkeypatch.setattr(probes, "find_spec", lambda name: None)
    assert "pip install 'gadolin[audit]'" in shortcuts(looked_at(count=30)).reason


def test_missing_qualities_are_numbers_too(looked_at):
    columns = file_columns(looked_at(count=9).facts)
    assert (columns.shape, tone_columns(looked_at(count=9).facts).shape) == ((9, 7), (9, 2))
    assert np.isfinite(columns).all()
    assert (columns[:, 5] == -1).all()


def test_a_giant_group_is_passed_over_and_every_class_is_drawn(monkeypatch):
    monkeypatch.setattr(probes, "_MOST", 200)
    labels = ("a", "b") * 60 + ("a",) * 300
    asked = ProbeData(labels, tuple(f"g{row}" for row in range(120)) + ("giant",) * 300)
    some = asked.take(asked.drawn)
    assert asked.missing == ""
    assert some.counts == {"a": 60, "b": 60}


def test_a_rare_class_is_drawn_whole(monkeypatch):
    monkeypatch.setattr(probes, "_MOST", 100)
    asked = ProbeData(("a",) * 2000 + ("b",) * 10, tuple(f"g{row // 2}" for row in range(2000)) + tuple("qrstuvwxyz"))
    assert asked.take(asked.drawn).counts == {"a": 45, "b": 10}
    assert asked.missing == ""


def test_a_class_whose_groups_do_not_fit_is_missing_and_not_an_error(monkeypatch):
    monkeypatch.setattr(probes, "_MOST", 100)
    asked = ProbeData(
        ("a", "b") * 20 + ("c",) * 1000, tuple(str(row) for row in range(40)) + ("x",) * 500 + ("y",) * 500
    )
    assert "c has 0 among the 40 slices drawn" in asked.missing
