"""Tests of ``gadolin fetch``: it prints one line with the error, or what it fetched and whom to cite."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gadolin.datasets import SOURCES, Scan, scan
from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.datasets.releases import registry
from gadolin.phantoms import PhantomPlan, write_phantoms


@pytest.fixture
def made_up(monkeypatch):
    """Make the source ``kaggle`` write phantoms."""

    def fetch(out, *, progress=None):
        write_phantoms(out, PhantomPlan(patients=2, slices=1, size=64))
        found = scan(out)
        return Scan(found.root, found.kind, found.records, release=SOURCES["kaggle"].release)

    monkeypatch.setitem(registry.SOURCES.built_in, "kaggle", registry.Source(SOURCES["kaggle"].release, fetch))


def test_what_was_fetched_is_told_with_licence_and_citation(gadolin, made_up, tmp_path):
    ending = gadolin("fetch", "kaggle", tmp_path / "out")
    assert ending.code == 0
    lines = ending.out.splitlines()
    assert lines[0] == f"{tmp_path / 'out'}: 8 slices"
    assert lines[1].startswith("release: kaggle-7023, Brain Tumor MRI Dataset")
    assert [line.split(":")[0] for line in lines[2:]] == ["licence", "cite", "page", "next"]


def test_json_is_one_document_on_standard_output(gadolin, made_up, tmp_path):
    told = gadolin("fetch", "kaggle", tmp_path / "out", "--json").json
    assert told["slices"] == 8
    assert told["release"]["name"] == "kaggle-7023"
    assert json.dumps(told)


def test_an_unknown_source_is_refused_with_a_suggestion(gadolin, tmp_path):
    gadolin("fetch", "figshar", tmp_path / "out").refused("a source must be one of", "(did you mean 'figshare'?)")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("source", SOURCES)
def test_a_folder_in_use_is_refused(source, gadolin, tmp_path):
    pytest.importorskip("kagglehub")
    pytest.importorskip("h5py")
    (tmp_path / "mine.txt").write_text("mine")
    gadolin("fetch", source, tmp_path).refused("the output folder must be new or empty", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_help_names_every_source(gadolin):
    text = " ".join(gadolin("fetch", "--help").out.replace("│", " ").split())
    assert all(name in text for name in SOURCES)
    assert "run the same command again: it continues where it stopped" in text


def test_the_scan_of_a_known_release_says_whom_to_cite(gadolin, tmp_path, small_phantoms):
    records = [replace(record, source="br35h") for record in read_manifest(small_phantoms / "manifest.csv")]
    write_manifest(tmp_path / "cited.csv", records)
    text = gadolin("scan", tmp_path / "cited.csv").out
    assert "release: br35h, Br35H :: Brain Tumor Detection 2020 (3,000 slices)" in text
    assert "cite:    Ahmed Hamada." in text
