"""Tests of known releases: a release is recognised by all its counts or by its source only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gadolin.datasets import SOURCES, Scan, fetch, scan
from gadolin.datasets.releases.registry import recognise
from gadolin.datasets.releases.unfinished import begin, finish
from gadolin.errors import DataError, ReadError
from gadolin.records import Failure, Record

RELEASES = {name: source.release for name, source in SOURCES.items()}
FOLDERS = {"tumor": "yes", "notumor": "no"}


def scanned(release):
    """Return the scan of a folder that holds exactly this release, without real files."""
    root = Path("data")
    records = tuple(
        Record(root / FOLDERS.get(label, label) / f"{part}{number}.jpg", label, split=part)
        for (part, label), count in release.counts.items()
        for number in range(count)
    )
    return Scan(root, "parts" if any(part for part, _ in release.counts) else "classes", records)


@pytest.mark.parametrize("name", RELEASES)
@pytest.mark.slow
def test_a_release_is_known_by_its_counts(name):
    assert recognise(scanned(RELEASES[name])).release == RELEASES[name]


@pytest.mark.parametrize("name", RELEASES)
def test_one_slice_less_is_another_data_set(name):
    found = scanned(RELEASES[name])
    assert recognise(replace(found, records=found.records[1:])).release is None


@pytest.mark.parametrize("name", RELEASES)
def test_a_manifest_is_known_by_its_source(name):
    record = Record(Path("a.png"), "glioma", source=RELEASES[name].name)
    assert recognise(Scan(Path("data"), "manifest", (record,))).release == RELEASES[name]


def test_a_manifest_of_two_sources_is_no_release():
    records = tuple(Record(Path("a.png"), "glioma", source=name) for name in ("br35h", "sartaj"))
    assert recognise(Scan(Path("data"), "manifest", records)).release is None


@pytest.mark.parametrize(
    ("name", "slices"),
    [("kaggle", 7023), ("kaggle-7200", 7200), ("figshare", 3064), ("br35h", 3000), ("sartaj", 3264)],
)
def test_every_release_has_as_many_slices_as_its_title_says(name, slices):
    assert RELEASES[name].slices == slices
    assert f"{slices:,}" in RELEASES[name].title


def test_every_release_has_a_name_of_its_own_and_says_what_to_cite():
    assert len({release.name for release in RELEASES.values()}) == len(RELEASES)
    assert all(release.licence and release.citation and release.url for release in RELEASES.values())


def test_a_recognised_release_is_told_with_licence_and_citation():
    told = recognise(scanned(RELEASES["kaggle"])).as_json()["release"]
    assert told == RELEASES["kaggle"].as_json()
    assert set(told) == {"name", "title", "licence", "citation", "url"}


def test_what_br35h_has_beside_its_classes_is_left_out():
    found = scanned(RELEASES["br35h"])
    root = found.root
    more = (
        Record(root / "pred" / "pred0.jpg", "pred"),
        Record(root / "Br35H-Mask-RCNN" / "TRAIN" / "y1.jpg", "Br35H-Mask-RCNN"),
    )
    renamed = {"yes": "tumor", "no": "notumor"}
    empty = ReadError(code="empty_file", rule="it is empty")
    skipped = (Failure(str(root / "pred" / "x.jpg"), empty), Failure(str(root / "no" / "x.jpg"), empty))
    slim = recognise(replace(found, records=found.records + more, renamed=renamed, errors=skipped))
    assert slim.records == found.records
    assert slim.errors == skipped[1:]
    assert [(one.path, one.code) for one in slim.left_out] == [
        (str(root / "Br35H-Mask-RCNN" / "TRAIN" / "y1.jpg"), "not_in_release"),
        (str(root / "pred" / "pred0.jpg"), "not_in_release"),
        (str(root / "pred" / "x.jpg"), "empty_file"),
    ]
    assert slim.release == RELEASES["br35h"]


def test_other_folders_beside_yes_and_no_are_kept():
    found = scanned(RELEASES["br35h"])
    more = replace(found, records=(*found.records, Record(found.root / "maybe" / "1.jpg", "maybe")))
    assert recognise(more) == more


def test_an_unknown_source_is_refused_with_a_suggestion(tmp_path):
    with pytest.raises(DataError) as caught:
        fetch("Kagle", tmp_path / "out")
    assert str(caught.value) == (
        "a source must be one of kaggle, kaggle-7200, figshare, br35h, sartaj, got 'Kagle' (did you mean 'kaggle'?)"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_half_a_fetch_is_no_data_set_until_it_is_finished(small_phantoms, tmp_path):
    begin(tmp_path, "kaggle")
    with pytest.raises(DataError) as caught:
        scan(tmp_path)
    assert str(caught.value) == (
        f"a data set must be complete, the fetch of kaggle into {tmp_path} was interrupted; "
        f"resume with: gadolin fetch kaggle {tmp_path}"
    )
    finish(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_state_of_a_fetch_that_cannot_be_read_is_no_fetch(tmp_path):
    work = begin(tmp_path, "kaggle")
    (work / "fetch.json").write_text("{")
    with pytest.raises(DataError) as caught:
        begin(tmp_path, "kaggle")
    assert caught.value.code == "output_not_empty"
