"""Tests of Figshare's article: archives and folds become slices and a manifest; an incomplete fetch is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gadolin.datasets import download as transfer
from gadolin.datasets import figshare, scan
from gadolin.datasets.manifest import read_manifest
from gadolin.datasets.releases.unfinished import WORK
from gadolin.errors import DataError, DownloadError, OutputError
from stub_server import Answer

pytest.importorskip("h5py")

SLICES = [("glioma", "p1"), ("glioma", "p1"), ("meningioma", "p2"), ("pituitary", "p3"), ("glioma", "p4")]
FOLDS = [1, 1, 5, 3, 2]
RELEASE = replace(figshare.RELEASE, counts={("", "glioma"): 3, ("", "meningioma"): 1, ("", "pituitary"): 1})
FIRST = figshare._ARCHIVES[0]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(transfer.time, "sleep", lambda _: None)


@pytest.fixture
def files(mat, zipped, folds_file):
    """Make small files of the article: two slices in the first archive, one in each other."""
    mats = {f"{n}.mat": mat(label, pid, value=n) for n, (label, pid) in enumerate(SLICES, start=1)}
    held = (("1.mat", "2.mat"), ("3.mat",), ("4.mat",), ("5.mat",))
    archives = {
        name: zipped({each: mats[each] for each in inside})
        for name, inside in zip(figshare._ARCHIVES, held, strict=True)
    }
    return archives | {"cvind.mat": folds_file(FOLDS), "README 2024.txt": b"read me"}


@pytest.fixture
def article(stub, listed, files):
    """Serve the article and return the listing of its files."""
    return listed(files)


@pytest.fixture
def fetch(stub, tmp_path):
    def run(**options):
        return figshare.fetch(tmp_path / "out", api=f"{stub.url}/v2", **({"release": RELEASE} | options))

    return run


@pytest.fixture
def refused(fetch, tmp_path):
    """Check that a fetch fails and that its remains do not pass for a data set."""

    def run(kind=DownloadError, **options):
        with pytest.raises(kind) as caught:
            fetch(**options)
        with pytest.raises(DataError) as unfinished:
            scan(tmp_path / "out")
        assert unfinished.value.code == "fetch_unfinished"
        return str(caught.value)

    return run


def facts(records):
    return [(r.path.name, r.label, r.patient, r.source, r.fold, r.outline) for r in records]


def serve(stub, listing):
    stub.answers["/v2/articles/1512427/files"] = Answer(json.dumps(listing).encode())


def test_slices_labels_patients_folds_and_outlines_arrive(article, fetch, tmp_path):
    out = tmp_path / "out"
    found = fetch()
    assert facts(found.records) == [
        (f"{n}.mat", label, pid, "figshare-1512427", FOLDS[n - 1] - 1, str(out / "slices" / f"{n}.mat"))
        for n, (label, pid) in enumerate(SLICES, start=1)
    ]
    assert read_manifest(out / "manifest.csv") == list(found.records)
    assert sorted(path.name for path in out.iterdir()) == ["cvind.mat", "manifest.csv", "slices", "source.json"]
    assert json.loads((out / "source.json").read_text())["licence"] == "CC BY 4.0"


def test_what_was_fetched_can_be_scanned_and_names_its_release(article, fetch, tmp_path):
    fetched = fetch()
    found = scan(tmp_path / "out")
    assert found.kind == "manifest"
    assert found.release == figshare.RELEASE
    assert found.records == fetched.records


def test_slices_can_be_scanned_without_a_manifest(article, fetch, tmp_path):
    fetched = fetch()
    (tmp_path / "out" / "manifest.csv").unlink()
    found = scan(tmp_path / "out")
    assert (found.kind, found.records, found.release) == ("mat", fetched.records, figshare.RELEASE)


@pytest.mark.parametrize("folder", ["", "brainTumorDataPublic_1-766"])
def test_slices_unpacked_by_hand_can_be_scanned(folder, mat, tmp_path):
    (tmp_path / folder).mkdir(exist_ok=True)
    for number in (10, 9):
        (tmp_path / folder / f"{number}.mat").write_bytes(mat())
    (tmp_path / folder / "notes.mat").write_bytes(b"x")
    assert [(r.path.name, r.fold) for r in scan(tmp_path).records] == [("9.mat", None), ("10.mat", None)]


def test_a_slice_that_is_none_is_skipped_with_a_reason(mat, folds_file, tmp_path):
    (tmp_path / "1.mat").write_bytes(mat())
    (tmp_path / "2.mat").write_bytes(b"no slice")
    (tmp_path / "3.mat").write_bytes(folds_file([1]))
    found = scan(tmp_path)
    assert [record.path.name for record in found.records] == ["1.mat"]
    assert [Path(one.path).name for one in found.errors] == ["2.mat", "3.mat"]
    assert not found.errors[0].reason.startswith(str(tmp_path))


def test_slices_name_their_own_patients(mat, tmp_path):
    (tmp_path / "1.mat").write_bytes(mat())
    with pytest.raises(DataError) as caught:
        scan(tmp_path, patient_from="parent")
    assert caught.value.code == "patient_rule_not_needed"


def test_a_folder_of_broken_slices_is_refused(tmp_path):
    (tmp_path / "1.mat").write_bytes(b"no slice")
    with pytest.raises(DataError) as caught:
        scan(tmp_path)
    assert caught.value.code == "no_readable_slice"
    assert "1.mat: " in str(caught.value)


@pytest.mark.parametrize(
    ("folds", "name", "code"), [([0, 1], "cvind", "folds_out_of_range"), ([1], "other", "folds_unreadable")]
)
def test_folds_that_are_none_are_refused(folds, name, code, folds_file, tmp_path):
    path = tmp_path / "cvind.mat"
    path.write_bytes(folds_file(folds, name))
    with pytest.raises(DataError) as caught:
        figshare.read_folds(path)
    assert caught.value.code == code


def test_progress_tells_what_is_done(article, fetch):
    told = []
    fetch(progress=lambda done, total, what: told.append((done, total, what)))
    assert {what for _, _, what in told} >= {f"{FIRST} (MB)", f"unpacking {FIRST}", "scanning", "cvind.mat (MB)"}
    assert told[-1] == (5, 5, "scanning")


def test_a_broken_fetch_goes_on_and_asks_for_nothing_twice(article, stub, fetch, refused, tmp_path):
    third = stub.answers["/files/3"]
    third.break_after = [100, 0, 0, 0, 0]
    assert "100 of" in refused()
    assert (tmp_path / "out" / WORK / f"{figshare._ARCHIVES[2]}.part").stat().st_size == 100
    third.break_after = [None]
    stub.requests.clear()
    assert len(fetch().records) == 5
    assert stub.requests == ["GET /v2/articles/1512427/files", "GET /files/3", "GET /files/4"]
    assert third.asked[-1] == "bytes=100-"


def test_a_finished_fetch_is_not_begun_again(article, fetch, tmp_path):
    fetch()
    with pytest.raises(DataError) as caught:
        fetch()
    assert str(caught.value) == (
        f"the output folder must be new or empty, {tmp_path / 'out'} is not; "
        "choose another folder; a finished fetch is not repeated"
    )


def test_a_folder_with_other_things_is_left_alone(article, fetch, tmp_path, stub):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(DataError) as caught:
        fetch()
    assert caught.value.code == "output_not_empty"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    assert stub.requests == []


def test_the_broken_fetch_of_another_source_is_left_alone(article, stub, refused, tmp_path, fetch):
    stub.answers.pop("/files/1")
    refused()
    state = tmp_path / "out" / WORK / "fetch.json"
    state.write_text('{"source": "kaggle"}')
    with pytest.raises(DataError) as caught:
        fetch()
    assert caught.value.code == "fetch_of_other_source"
    assert "'kaggle'" in str(caught.value)


def test_a_wrong_checksum_is_refused(article, stub, refused):
    article[0]["computed_md5"] = "0" * 32
    serve(stub, article)
    assert "must have the published checksum" in refused()


def test_a_listing_that_lies_about_a_size_is_refused(article, stub, refused):
    article[0]["size"] += 1
    serve(stub, article)
    assert "bytes of its listing, the server announces" in refused()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda listing: listing.pop(1),
        lambda listing: listing[1].update(size=1 << 40),
        lambda listing: listing[1].update(size="1"),
        lambda listing: listing[1].update(computed_md5="", supplied_md5=""),
        lambda listing: listing[1].update(download_url=None),
        lambda listing: listing[1].update(name="../x.zip"),
    ],
    ids=["missing", "enormous", "no number", "no checksum", "no address", "another name"],
)
def test_a_listing_without_what_is_needed_is_refused(spoil, article, stub, refused):
    spoil(article)
    serve(stub, article)
    assert f"must list {figshare._ARCHIVES[1]} with its address, size and checksum, it does not" in refused()


def test_a_listing_that_is_none_is_refused(article, stub, refused):
    serve(stub, {"message": "gone"})
    assert "must list cvind.mat" in refused()


def test_an_archive_that_holds_links_is_refused(files, listed, refused, zipped):
    listed(files | {FIRST: zipped({"../1.mat": b"x"})})
    assert "may only hold paths inside its folder" in refused()


def test_an_archive_with_too_few_slices_is_no_data_set(files, listed, refused, zipped, mat):
    listed(files | {FIRST: zipped({"1.mat": mat("glioma", "p1")})})
    assert "must hold 5 slices, the unpacked data has glioma 2 (not 3)" in refused()


def test_a_full_disk_is_told(article, refused, monkeypatch):
    def full(path, content):
        raise OutputError(code="unwritable", rule="cannot write: No space left on device", remedy="free space")

    monkeypatch.setattr(figshare, "write_bytes", full)
    assert "No space left" in refused(OutputError)
