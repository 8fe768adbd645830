"""Tests of the check for one giant group of duplicates."""

from __future__ import annotations

from gadolin.checks.duplicates import giant_group


def test_a_group_of_more_than_a_fifth_of_a_class_is_one_finding(dataset):
    rows = [{"label": "glioma", "copy": "a"} for _ in range(6)] + [{"label": "glioma"} for _ in range(14)]
    (found,) = giant_group(dataset(*rows, {"label": "notumor"}))
    assert found.score == 0.3
    assert len(found.members[0]) == 6
    assert "6 slices of glioma (30 %)" in found.message


def test_a_group_of_few_slices_or_of_a_small_share_is_fine(dataset):
    few = [{"label": "glioma", "copy": "a"} for _ in range(4)]
    assert giant_group(dataset(*few)) == []
    small = [{"label": "glioma", "copy": "a"} for _ in range(5)] + [{"label": "glioma"} for _ in range(20)]
    assert giant_group(dataset(*small)) == []
