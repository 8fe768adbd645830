"""Tests of the check for a half-empty patient column."""

from __future__ import annotations

from gadolin.checks.patients import half_patients


def test_a_half_empty_column_is_one_finding_with_the_rows_that_lack_it(dataset):
    (found,) = half_patients(dataset({"patient": "p"}, {}, {"patient": "q"}, {}))
    assert found.members == (("1.png",), ("3.png",))
    assert found.score == 0.5


def test_a_full_column_and_an_empty_one_are_fine(dataset):
    assert half_patients(dataset({"patient": "p"}, {"patient": "p"})) == []
    assert half_patients(dataset({}, {})) == []
