"""Tests of the listing of a job: folders, patterns, addresses and manifests become files in a fixed order."""

from __future__ import annotations

import pytest

from gadolin.bulk.listing import Partition, files_of, partitions
from gadolin.errors import DataError, RequestError
from gadolin.records import Failure, Omitted

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.png", "deep/c.png", ".DS_Store"):
        (tmp_path / "mri" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mri" / name).write_bytes(b"x")
    return tmp_path / "mri"


def test_a_folder_gives_its_files_sorted_and_then_what_is_left_out(folder):
    found = list(files_of([str(folder)]))
    assert found[:3] == [str(folder / name) for name in ("a.png", "b.png", "deep/c.png")]
    assert [(one.path, one.code, type(one)) for one in found[3:]] == [
        (str(folder / ".DS_Store"), "housekeeping", Omitted)
    ]


def test_a_pattern_gives_the_files_that_match(folder):
    *files, skipped = files_of([f"{folder}/*"])
    assert files == [str(folder / "a.png"), str(folder / "b.png")]
    assert (type(skipped), skipped.path, skipped.code) == (Omitted, str(folder / "deep"), "folder_matches_pattern")
    assert list(files_of([f"{folder}/**/c.png"])) == [str(folder / "deep/c.png")]


def test_a_file_is_itself_even_if_it_is_missing():
    assert list(files_of(["gone.png"])) == ["gone.png"]


@pytest.mark.parametrize("kind", ["csv", "parquet", "folder"])
def test_the_paths_of_a_manifest_are_relative_to_its_folder(tmp_path, kind):
    paths = ["a.png", "s3://bucket/b.png", "/data/c.png", "deep/d.png"]
    table = pa.table({"other": [1, 2, 3, 4], "path": paths})
    manifest = tmp_path / {"csv": "m.csv", "parquet": "m.parquet", "folder": "parts"}[kind]
    home = tmp_path
    if kind == "csv":
        manifest.write_text("other,path\n" + "".join(f"1,{path}\n" for path in paths), encoding="utf-8")
    elif kind == "parquet":
        pq.write_table(table, manifest)
    else:
        manifest.mkdir()
        pq.write_table(table.slice(0, 2), manifest / "0.parquet")
        pq.write_table(table.slice(2), manifest / "1.parquet")
    assert list(files_of([], str(manifest))) == [f"{home}/a.png", paths[1], paths[2], f"{home}/deep/d.png"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("m.csv", b"file\na.png\n", "manifest_column_missing"),
        ("m.csv", b"path\na.png\n \n", "manifest_path_empty"),
        ("m.csv", b"path\n\xff\n", "manifest_unreadable"),
        ("m.parquet", b"PAR1 no", "manifest_unreadable"),
        ("gone.parquet", None, "manifest_unreadable"),
        ("gone.csv", None, "manifest_unreadable"),
    ],
)
def test_an_unusable_manifest_is_one_error(tmp_path, name, content, code):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(files_of([], str(tmp_path / name)))
    assert caught.value.code == code
    assert caught.value.path == str(tmp_path / name)


def test_a_parquet_manifest_without_the_column_or_with_a_number_in_it_is_refused(tmp_path):
    pq.write_table(pa.table({"file": ["a.png"]}), tmp_path / "other.parquet")
    pq.write_table(pa.table({"path": [1]}), tmp_path / "number.parquet")
    codes = []
    for name in ("other", "number"):
        with pytest.raises(DataError) as caught:
            list(files_of([], str(tmp_path / f"{name}.parquet")))
        codes.append(caught.value.code)
    assert codes == ["manifest_column_missing", "manifest_path_empty"]


@pytest.mark.parametrize("nothing", ["folder", "pattern", "manifest"])
def test_a_source_without_a_file_is_refused(tmp_path, nothing):
    (tmp_path / "m.csv").write_text("path\n")
    (tmp_path / "empty").mkdir()
    paths = {"folder": [str(tmp_path / "empty")], "pattern": [f"{tmp_path}/*.png"], "manifest": []}[nothing]
    with pytest.raises(RequestError) as caught:
        list(files_of(paths, str(tmp_path / "m.csv") if nothing == "manifest" else None))
    assert caught.value.code == "path_names_nothing"


def test_partitions_hold_all_files_in_order_and_know_them_by_their_names():
    files = [f"{number}.png" for number in range(7)]
    found = list(partitions(files, 3))
    assert [(one.number, len(one.files)) for one in found] == [(0, 3), (1, 3), (2, 1)]
    assert [name for one in found for name in one.files] == files
    error = RequestError(code="cannot_enter", rule="no")
    digests = {
        Partition(0, files).digest for files in (("ab",), ("a", "b"), ("a",), (Failure("a", error),), ("b", "a"))
    }
    assert len(digests) == 5
    assert Partition(0, ("a", "b")).digest == Partition(4, ("a", "b")).digest
    assert str(Partition(2, ("a", "b"))) == "partition 2, which starts with a"
