"""Tests of the check for a manifest that mixes data sets."""

from __future__ import annotations

from gadolin.checks.sources import mixed
from gadolin.datasets import SOURCES


def test_two_known_releases_in_one_manifest_are_a_warning(dataset):
    names = [source.release.name for _, source in SOURCES.items()][:2]
    (found,) = mixed(dataset(*[{"source": name} for name in names]))
    assert found.severity == "warning"
    assert all(name in found.message for name in names)


def test_slices_that_stand_in_two_sources_are_told(dataset):
    (found,) = mixed(dataset({"source": "a", "copy": "x"}, {"source": "b", "copy": "x"}, {"source": "b"}))
    assert (found.severity, found.members) == ("warning", (("0.png", "1.png"),))


def test_two_unknown_sources_without_copies_are_a_note(dataset):
    assert [one.severity for one in mixed(dataset({"source": "a"}, {"source": "b"}))] == ["note"]


def test_one_source_is_fine(dataset):
    assert mixed(dataset({"source": "a"}, {"source": "a"})) == []
