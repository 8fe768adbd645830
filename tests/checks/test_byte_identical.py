"""Tests of the check for byte-identical files."""

from __future__ import annotations

from gadolin.checks.duplicates import byte_identical


def test_files_of_one_digest_are_told_together(dataset):
    (found,) = byte_identical(dataset({"digest": "a"}, {"digest": "b"}, {"digest": "a"}, {"digest": "a"}))
    assert found.members == (("0.png", "2.png", "3.png"),)
    assert found.score == 2


def test_a_file_that_the_other_data_set_holds_too_is_none(dataset):
    assert byte_identical(dataset({"digest": "a"}, {"digest": "a", "other": True})) == []


def test_a_row_that_is_repeated_is_told_as_a_row_and_not_as_a_file(dataset):
    rows = [{"path": "a.png", "digest": "a"}] * 3 + [{"path": "b.png", "digest": "b"}]
    (found,) = byte_identical(dataset(*rows))
    assert "2 rows of the manifest repeat the slice of another row; a.png" in found.message
    assert (found.members, found.score) == ((("a.png",),), 2)
