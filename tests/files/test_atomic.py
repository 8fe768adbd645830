"""Tests of atomic writing: a file is complete or absent, and an error names the file and a remedy."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.errors import DataError, DownloadError, OutputError, RequestError
from gadolin.files.atomic import (
    LOCK,
    clear_leftovers,
    is_leftover,
    replacing,
    require_file,
    require_fresh,
    require_new_file,
    write_bytes,
    write_json,
    write_text,
)
from gadolin.models.model_path import require_folder_of_its_own

REMEDY = "free space or choose a writable folder"


def test_a_block_that_succeeds_leaves_its_file_and_nothing_else(tmp_path):
    with replacing(tmp_path / "new" / "a.bin") as temporary:
        temporary.write_bytes(b"whole")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"whole"
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["a.bin"]


def test_the_temporary_path_has_the_suffix_and_the_folder_of_the_file(tmp_path):
    with replacing(tmp_path / "a.npy") as temporary:
        assert temporary.suffix == ".npy"
        assert temporary.parent == tmp_path


@pytest.mark.parametrize(
    "error",
    [
        ValueError("stop here"),
        KeyboardInterrupt(),
        OutputError(code="unwritable", rule="stop here"),
        DownloadError(code="download_refused", rule="stop here"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_block_that_fails_leaves_the_old_file_and_passes_its_error_on(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)) as caught:
        write_half()
    assert caught.value is error
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_an_output_error_that_names_the_file(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(OutputError) as caught, replacing(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == f"cannot write {path}: No space left on device; {REMEDY}"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=REMEDY) as caught:
        write_text(tmp_path / "file" / "a.txt", "text")
    assert str(tmp_path / "file" / "a.txt") in str(caught.value)


def test_a_path_that_is_a_folder_is_an_output_error_and_leaves_no_temporary_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError) as caught:
        write_bytes(tmp_path / "a", b"x")
    assert caught.value.code == "unwritable"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


@given(st.binary(max_size=200))
def test_bytes_come_back_as_they_were_written(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.bin"
    write_bytes(path, content)
    assert path.read_bytes() == content


def test_text_is_written_as_utf8(tmp_path):
    write_text(tmp_path / "a.txt", "größer\n")
    assert (tmp_path / "a.txt").read_bytes() == "größer\n".encode()


def test_json_keeps_its_letters_and_ends_with_a_newline(tmp_path):
    write_json(tmp_path / "a.json", {"name": "größer", "n": [1, 2]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"name": "größer", "n": [1, 2]}
    assert "größer" in text
    assert text.endswith("}\n")


def test_json_that_is_no_json_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_written_file_can_be_read_by_others(tmp_path):
    write_text(tmp_path / "a.txt", "x")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_a_fresh_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    require_fresh(tmp_path / "a" / "b")
    require_fresh(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())


def test_a_folder_that_holds_something_is_no_fresh_one(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError) as caught:
        require_fresh(tmp_path)
    assert str(caught.value) == (
        f"the output folder must be new or empty, {tmp_path} is not; choose another folder or empty this one"
    )


def test_a_file_is_no_fresh_folder(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("")
    with pytest.raises(DataError) as caught:
        require_fresh(path, "pass --resume")
    assert str(caught.value) == f"the output folder must be new or empty, {path} is not; pass --resume"


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError) as caught:
        require_fresh(tmp_path / "a")
    assert str(caught.value) == f"cannot write {tmp_path / 'a'}: Permission denied; {REMEDY}"


@pytest.fixture
def killed_writer(tmp_path):
    """Leave the temporary file of a process that is killed while it writes."""
    with replacing(tmp_path / "slices.npy") as temporary:
        left = temporary.with_name(temporary.name)
        content = b"half"
    left.write_bytes(content)
    (tmp_path / "slices.npy").unlink()
    return left


def test_the_temporary_file_of_a_killed_writer_is_known_and_cleared_away(killed_writer, tmp_path):
    others = [".hidden", "a.txt", ".cache.json", ".DS_Store", ".lock"]
    for name in others:
        (tmp_path / name).write_text("")

    assert is_leftover(killed_writer)
    clear_leftovers(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_only_temporary_files_that_are_old_enough_are_cleared_away(killed_writer, tmp_path):
    clear_leftovers(tmp_path, older_seconds=86_400)
    assert killed_writer.exists()

    os.utime(killed_writer, (0, 0))
    clear_leftovers(tmp_path, older_seconds=86_400)
    assert not killed_writer.exists()


def test_clearing_a_folder_that_is_not_there_does_nothing(tmp_path):
    clear_leftovers(tmp_path / "nothing")


def test_what_a_killed_process_left_does_not_keep_a_folder_from_being_fresh(killed_writer, tmp_path):
    (tmp_path / LOCK).touch()

    require_fresh(tmp_path)


@pytest.mark.parametrize("require", [require_file, require_new_file, require_folder_of_its_own])
def test_what_could_be_written_is_let_through_and_nothing_is_left(require, tmp_path):
    require(tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("require", [require_file, require_new_file, require_folder_of_its_own])
def test_what_could_not_be_written_is_refused_before_the_work(require, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught:
        require(tmp_path / "file" / "out")
    assert caught.value.code == "unwritable"


def test_a_file_may_be_replaced_where_it_need_not_be_new_and_a_folder_may_not(tmp_path):
    (tmp_path / "file").write_text("")
    require_file(tmp_path / "file")
    for require, path, code in (
        (require_new_file, tmp_path / "file", "output_exists"),
        (require_file, tmp_path, "output_is_a_folder"),
    ):
        with pytest.raises(RequestError) as caught:
            require(path)
        assert caught.value.code == code


@pytest.mark.parametrize("name", ["run.json", "bundle.json"])
def test_a_report_has_a_folder_of_its_own(name, tmp_path):
    (tmp_path / "report.html").write_text("an earlier report")
    require_folder_of_its_own(tmp_path)
    (tmp_path / name).write_text("{}")
    with pytest.raises(DataError) as caught:
        require_folder_of_its_own(tmp_path)
    assert caught.value.code == "output_not_empty"
