"""Tests of the data of a run: progress is reported, and unreadable files are left out where allowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gadolin.errors import DataError, ReadError
from gadolin.training.data import divide


@pytest.fixture
def damaged(small_phantoms, short_plan, tmp_path):
    """Copy the data with one truncated image whose header is valid; return its plan."""
    data = tmp_path / "data"
    for path in (small_phantoms / "Training").rglob("*.png"):
        target = data / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    wrong = min(data.rglob("*.png"))
    wrong.write_bytes(wrong.read_bytes()[:-400])
    return short_plan(tmp_path / "run", data=data, cache=tmp_path / "cache"), wrong


def test_a_picture_that_is_cut_short_ends_the_run_and_is_named(damaged):
    plan, wrong = damaged
    with pytest.raises(ReadError) as caught:
        divide(plan, None)
    assert caught.value.code == "damaged_file"
    assert str(caught.value).startswith(f"{wrong}: ")


def test_a_picture_that_is_cut_short_is_left_out_where_that_is_allowed(damaged, caplog):
    plan, wrong = damaged
    parts = divide(replace(plan, skip_unreadable=True), None)
    assert wrong not in {record.path for record in parts.records}
    assert len(parts.records) == len(list(plan.data.rglob("*.png"))) - 1
    assert [text for text in caplog.messages if text.startswith(f"left out {wrong}: an image must be intact")]


def test_the_slices_of_the_test_part_are_those_of_its_records(short_plan, tmp_path):
    parts = divide(short_plan(tmp_path / "run"), None)
    rows = [index for index, record in enumerate(parts.records) if record.split == "test"]
    assert np.array_equal(parts.test.slices, parts.train.slices[rows])


def test_every_phase_is_told(short_plan, tmp_path):
    told = {}

    def progress(done, total, what):
        told[what] = (done, total)

    records = divide(short_plan(tmp_path / "run", cache=tmp_path / "cache"), progress).records
    assert told["preparing slices"] == (len(records), len(records))


def test_what_is_left_out_of_the_data_is_counted_by_reason(damaged, caplog):
    plan, _ = damaged
    (plan.data / "glioma" / "gone.png").symlink_to("nowhere.png")
    (plan.data / "Thumbs.db").touch()
    with pytest.raises(DataError) as caught:
        divide(plan, None)
    assert caught.value.code == "unreadable_files"
    assert caught.value.path == str(plan.data / "glioma" / "gone.png")

    parts = divide(replace(plan, skip_unreadable=True), None)
    assert parts.errors == {"broken_link": 1, "damaged_file": 1}
    assert parts.left_out == {"housekeeping": 1}
    assert "left out: 2 (broken_link 1, housekeeping 1)" in caplog.messages
