"""Tests of the check for known releases."""

from __future__ import annotations

from gadolin.checks.sources import release
from gadolin.datasets.releases.figshare import RELEASE


def test_a_known_release_is_named_with_its_licence_and_citation(dataset):
    (found,) = release(dataset({}, release=RELEASE))
    assert found.severity == "note"
    assert RELEASE.name in found.message
    assert RELEASE.licence in found.remedy
    assert RELEASE.citation in found.remedy


def test_an_unknown_data_set_is_none(dataset):
    assert release(dataset({})) == []
