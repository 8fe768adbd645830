"""Tests of the manifest: it survives a round trip, and errors name file, row, rule and remedy."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.datasets.manifest import COLUMNS, file_digest, manifest_digest, read_manifest, write_manifest
from gadolin.errors import DataError
from gadolin.records import NO_LESION, SEQUENCES, Record


@pytest.fixture
def table(tmp_path):
    """Write a manifest next to two files, a.png and sub/b.png, and return its path."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "sub" / "b.png").write_bytes(b"b")

    def make(*lines, encoding="utf-8"):
        path = tmp_path / "manifest.csv"
        path.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
        return path

    return make


def message_of(path, **options):
    with pytest.raises(DataError) as caught:
        read_manifest(path, **options)
    return str(caught.value)


def test_all_columns_come_back_as_they_were_written(tmp_path):
    picture = tmp_path / "a,b.png"
    picture.write_bytes(b"picture")
    outline = tmp_path / "outlines" / "a.png"
    outline.parent.mkdir()
    outline.write_bytes(b"outline")
    records = [
        Record(picture, "no tumour", "p,1", "g", "release", "validation", 3, str(outline), file_digest(picture)),
        Record(picture, "glioma", digest=file_digest(picture)),
    ]
    write_manifest(tmp_path / "manifest.csv", records)
    assert read_manifest(tmp_path / "manifest.csv") == records


WORDS = st.text("abc,;\"'ü腫-_/.", max_size=8)
RECORDS = st.builds(
    Record,
    path=st.sampled_from([Path("/data/a.png"), Path("/data/sub/b c.png")]),
    label=WORDS.filter(bool),
    patient=WORDS,
    group=WORDS,
    source=WORDS,
    split=st.sampled_from(["", "train", "validation", "test"]),
    fold=st.none() | st.integers(0, 20),
    outline=st.sampled_from(["", "/data/outlines/a.png"]),
    digest=WORDS,
    frame=st.none() | st.integers(0, 300),
    sequence=st.sampled_from(["", *SEQUENCES]),
    institution=WORDS,
)


@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_any_records_come_back_as_they_were_written(tmp_path_factory, records):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    write_manifest(path, records)
    assert read_manifest(path, verify=False) == records


def test_every_column_is_written(tmp_path):
    write_manifest(tmp_path / "m.csv", [Record(tmp_path / "a.png", "glioma")])
    assert (tmp_path / "m.csv").read_text().splitlines() == [",".join(COLUMNS), "a.png,glioma,,,,,,,,,,"]


def test_paths_inside_the_folder_are_written_relative_and_others_absolute(tmp_path):
    folder = tmp_path / "data"
    write_manifest(folder / "m.csv", [Record(folder / "sub" / "a.png", "x"), Record(tmp_path / "b.png", "x")])
    rows = (folder / "m.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["sub/a.png", (tmp_path / "b.png").resolve().as_posix()]


def test_relative_paths_count_from_the_folder_of_the_manifest(table, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    records = read_manifest(table("path,label", "a.png,glioma", "sub/b.png,notumor"))
    assert [record.path for record in records] == [tmp_path / "a.png", tmp_path / "sub" / "b.png"]


def test_an_outline_counts_from_the_folder_of_the_manifest_too(table, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    path = table("path,label,outline", "a.png,glioma,sub/b.png", "a.png,notumor,")
    records = read_manifest(path)
    assert [record.outline for record in records] == [str(tmp_path / "sub" / "b.png"), ""]
    write_manifest(path, records)
    assert [row.split(",")[7] for row in path.read_text().splitlines()] == ["outline", "sub/b.png", ""]


def test_an_outline_must_be_a_file(table):
    path = table("path,label,outline", "a.png,glioma,gone.png")
    assert message_of(path) == (
        f"{path}: row 2: every outline must be a file, 'gone.png' is not; correct it, leave it empty, "
        "or write 'none' where the slice shows no lesion"
    )
    assert read_manifest(path, verify=False)[0].outline == str(path.parent / "gone.png")


def test_a_digest_that_is_not_given_is_computed(table):
    (record,) = read_manifest(table("path,label", "a.png,glioma"))
    assert record.digest == hashlib.sha256(b"a").hexdigest()


def test_a_byte_order_mark_is_no_part_of_the_first_column(table):
    assert len(read_manifest(table("path,label", "a.png,glioma", encoding="utf-8-sig"))) == 1


def test_columns_may_stand_in_any_order_and_cells_in_spaces(table):
    (record,) = read_manifest(table("fold,label,split,path", " 2 , glioma , test , a.png "))
    assert (record.fold, record.label, record.split) == (2, "glioma", "test")


def test_an_unknown_sequence_is_refused_with_a_suggestion(table):
    path = table("path,label,sequence", "a.png,glioma,T1C")
    assert "row 2: sequence must be T1, T1c, T2, FLAIR, PD or empty, got 'T1C' (did you mean" in message_of(path)


def test_the_digest_of_a_manifest_knows_sequence_and_institution_where_there_are_any():
    plain = Record(Path("a.png"), "glioma", digest="abc")
    others = [replace(plain, sequence="T1"), replace(plain, institution="T1"), replace(plain, sequence="T2")]
    assert len({manifest_digest([one]) for one in (plain, *others)}) == 4


@pytest.mark.parametrize(
    ("header", "got", "add"),
    [("path,patient", "path, patient", "label"), ("label", "label", "path"), ("group", "group", "path and label")],
)
def test_a_required_column_must_be_there(table, header, got, add):
    path = table(header, "a.png")
    assert message_of(path) == f"a manifest must have the columns path and label, {path} has {got}; add {add}"


def test_an_empty_file_has_no_columns(table):
    path = table()
    assert f"{path} has nothing; add path and label" in message_of(path)


def test_an_unknown_column_is_refused_with_a_suggestion(table):
    path = table("path,label,pateint", "a.png,glioma,1")
    assert message_of(path) == (
        f"{path}: unknown column 'pateint' (did you mean 'patient'?); a manifest may have {', '.join(COLUMNS)}"
    )


def test_a_manifest_without_rows_is_refused(table):
    path = table("path,label")
    assert message_of(path) == f"a manifest must have one row or more, {path} has none; add rows"


def test_a_missing_manifest_is_refused(tmp_path):
    path = tmp_path / "gone.csv"
    message = message_of(path)
    assert message.startswith(f"a manifest must be a readable UTF-8 CSV, {path} is not (")
    assert message.endswith("check the path")


def test_a_picture_is_no_manifest(tmp_path):
    path = tmp_path / "slice.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    assert "must be a readable UTF-8 CSV" in message_of(path)


def test_a_quote_that_never_closes_is_refused(table):
    path = table("path,label", 'a.png,"glioma', *["a.png,glioma" for _ in range(12_000)])
    message = message_of(path, verify=False)
    assert message.startswith(f"{path}: row ")
    assert "every row must be CSV, this one is not (field larger than field limit" in message
    assert message.endswith("check its quotes")


@pytest.mark.parametrize("cell", ["gone.png", "", "sub"])
def test_a_path_must_be_a_file(table, cell):
    path = table("path,label", "a.png,glioma", f"{cell},glioma")
    assert message_of(path) == (
        f"{path}: row 3: every path must be a file, {cell!r} is not; correct it or remove the row"
    )


def test_empty_lines_count_in_the_row_that_is_named(table):
    path = table("path,label", "", "a.png,glioma", "", "gone.png,glioma")
    assert f"{path}: row 5: " in message_of(path)


@pytest.mark.parametrize("row", ["a.png,", "a.png", "a.png,  "])
def test_every_row_must_have_a_label(table, row):
    path = table("path,label", row)
    assert message_of(path) == (
        f"{path}: row 2: every row must have a label, this one has none; add it or remove the row"
    )


@pytest.mark.parametrize("split", ["val", "Train", "testing"])
def test_a_split_must_be_a_known_one(table, split):
    path = table("path,label,split", f"a.png,glioma,{split}")
    assert message_of(path).startswith(f"{path}: row 2: split must be train, validation, test or empty, got {split!r}")


@pytest.mark.parametrize("fold", ["-1", "1.5", "one", "²"])
def test_a_fold_must_be_a_whole_number(table, fold):
    path = table("path,label,fold", f"a.png,glioma,{fold}")
    assert message_of(path) == (f"{path}: row 2: fold must be a whole number from 0 or empty, got {fold!r}; correct it")


def test_a_changed_file_is_refused(table, tmp_path):
    path = table("path,label,digest", f"a.png,glioma,{hashlib.sha256(b'other').hexdigest()}")
    assert message_of(path) == (
        f"{path}: row 2: every file must match its digest, {tmp_path / 'a.png'} has changed since it was written; "
        "fetch it again or clear the digest"
    )


def test_without_verify_the_files_are_not_looked_at(table):
    (record,) = read_manifest(table("path,label,digest", "gone.png,glioma,abc"), verify=False)
    assert record.digest == "abc"


def test_without_verify_the_cells_are_still_checked(table):
    assert "split must be" in message_of(table("path,label,split", "gone.png,glioma,x"), verify=False)


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_that_is_gone_has_no_digest(tmp_path):
    with pytest.raises(DataError) as caught:
        file_digest(tmp_path / "gone")
    assert caught.value.code == "cannot_open"
    assert caught.value.path == str(tmp_path / "gone")


BASE = Record(Path("a.png"), "glioma", patient="1", group="g", split="train", fold=1, digest="d")


@pytest.mark.parametrize(
    "other",
    [
        Record(Path("a.png"), "notumor", patient="1", group="g", split="train", fold=1, digest="d"),
        Record(Path("a.png"), "glioma", patient="2", group="g", split="train", fold=1, digest="d"),
        Record(Path("a.png"), "glioma", patient="1", group="h", split="train", fold=1, digest="d"),
        Record(Path("a.png"), "glioma", patient="1", group="g", split="test", fold=1, digest="d"),
        Record(Path("a.png"), "glioma", patient="1", group="g", split="train", fold=2, digest="d"),
        Record(Path("a.png"), "glioma", patient="1", group="g", split="train", fold=1, digest="e"),
    ],
)
def test_the_digest_of_a_manifest_changes_with_what_is_learned_from(other):
    assert manifest_digest([BASE]) != manifest_digest([other])


def test_the_digest_of_a_manifest_does_not_know_where_the_files_lie():
    moved = Record(Path("/else/b.png"), "glioma", patient="1", group="g", split="train", fold=1, digest="d")
    assert manifest_digest([BASE]) == manifest_digest([moved])
    assert manifest_digest([BASE, BASE]) != manifest_digest([BASE])


def test_a_slice_that_shows_no_lesion_comes_back_as_one(table, tmp_path):
    path = table("path,label,outline", "a.png,notumor,none", "sub/b.png,glioma,")

    write_manifest(tmp_path / "again.csv", read_manifest(path))

    none, unknown = read_manifest(tmp_path / "again.csv")
    assert (none.outline, unknown.outline) == (NO_LESION, "")
    assert not none.outlined
    assert not unknown.outlined
