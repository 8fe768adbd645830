"""Tests of unpacking: limits hold even if an archive lies about its size; no file is written outside the folder."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile

import pytest

from gadolin.datasets.unpack import unpack
from gadolin.errors import DownloadError, OutputError
from gadolin.files.archives import Bounds

SLICE = re.compile(r"[0-9]+\.mat")
SMALL = Bounds(files=3, file_bytes=100_000, total_bytes=150_000, ratio=200)


@pytest.fixture
def archive(tmp_path):
    """Write an archive and return its path."""

    def make(content):
        path = tmp_path / "slices.zip"
        path.write_bytes(content)
        return path

    return make


@pytest.fixture
def refused(archive, tmp_path):
    """Check that unpacking fails and writes nothing; return the error's text."""

    def run(content, bounds=SMALL):
        out = tmp_path / "out"
        with pytest.raises(DownloadError) as caught:
            unpack(archive(content), out, wanted=SLICE, bounds=bounds)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "slices.zip"]
        assert (caught.value.code, caught.value.path) == ("archive_unfit", str(tmp_path / "slices.zip"))
        return caught.value.statement

    return run


def special(name, mode, content=b"x"):
    """Return an archive with one member of a special file type."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        member = zipfile.ZipInfo(name)
        member.create_system = 3
        member.external_attr = mode << 16
        opened.writestr(member, content)
    return out.getvalue()


def forged(content, size):
    """Forge the size in both headers of an archive's only member."""
    local = content.index(b"PK\x03\x04")
    central = content.index(b"PK\x01\x02")
    told = struct.pack("<I", size)
    content = content[: local + 22] + told + content[local + 26 :]
    return content[: central + 24] + told + content[central + 28 :]


def test_wanted_files_are_unpacked_without_their_folders(archive, zipped, tmp_path):
    content = zipped({"deep/1.mat": b"one", "2.mat": b"two", "readme.txt": b"no", "__MACOSX/._1.mat": b"no"})
    paths = unpack(archive(content), tmp_path / "out", wanted=SLICE)
    assert {path.name: path.read_bytes() for path in paths} == {"1.mat": b"one", "2.mat": b"two"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.mat", "2.mat"]


def test_progress_counts_files(archive, zipped, tmp_path):
    told = []
    content = zipped({"1.mat": b"1", "2.mat": b"2"})
    unpack(archive(content), tmp_path / "out", wanted=SLICE, progress=lambda *each: told.append(each))
    assert told == [(1, 2, "unpacking slices.zip"), (2, 2, "unpacking slices.zip")]


@pytest.mark.parametrize("name", ["../1.mat", "a/../../1.mat", "/tmp/1.mat", "..\\1.mat", "C:1.mat"])
def test_a_path_that_leads_outside_is_refused(name, zipped, refused):
    assert f"may only hold paths inside its folder, this one has {name!r}" in refused(
        zipped({"2.mat": b"2", name: b"x"})
    )


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR], ids=["link", "pipe", "device"])
def test_what_is_no_plain_file_is_refused(kind, refused):
    assert "may only hold regular files, '1.mat' is a link or a device" in refused(special("1.mat", kind | 0o777))


def test_a_bomb_is_refused_by_what_its_header_says(zipped, refused):
    assert "may unpack to 200 times its size, '1.mat' grows from" in refused(
        zipped({"1.mat": bytes(30_000_000)}), bounds=Bounds()
    )


def test_a_bomb_whose_header_lies_is_refused_as_it_swells(zipped, refused):
    assert "must be intact" in refused(forged(zipped({"1.mat": bytes(80_000)}), 500))


def test_a_header_that_promises_more_than_there_is_is_refused(zipped, refused):
    assert "must be intact" in refused(forged(zipped({"1.mat": os.urandom(800)}), 5_000))


def test_a_large_file_is_refused(zipped, refused):
    assert "a file of an archive may hold 100,000 bytes, '1.mat' has 100,001" in refused(
        zipped({"1.mat": os.urandom(100_001)})
    )


def test_too_much_in_all_is_refused(zipped, refused):
    files = {"1.mat": os.urandom(90_000), "2.mat": os.urandom(90_000)}
    assert "may unpack to 150,000 bytes, this one has 180,000" in refused(zipped(files))


def test_too_many_files_are_refused(zipped, refused):
    files = {f"{number}.mat": b"x" for number in range(4)}
    assert "may hold 3 files, this one holds 4" in refused(zipped(files))


def test_a_file_that_stands_in_it_twice_is_refused(zipped, refused):
    assert "must hold each file once, this one has '1.mat' twice" in refused(zipped({"a/1.mat": b"1", "b/1.mat": b"2"}))


def test_an_encrypted_file_is_refused(zipped, refused):
    content = zipped({"1.mat": b"secret"})
    place = content.index(b"PK\x01\x02") + 8
    assert "packed by deflate and not encrypted" in refused(content[:place] + b"\x01\x00" + content[place + 2 :])


@pytest.mark.parametrize("cut", [10, 60, -30, -5])
def test_a_truncated_archive_is_refused(cut, zipped, refused):
    assert "must be intact" in refused(zipped({"1.mat": os.urandom(500)})[:cut])


def test_a_damaged_file_is_refused(zipped, refused):
    content = bytearray(zipped({"1.mat": os.urandom(500)}))
    content[100] ^= 0xFF
    assert "must be intact" in refused(bytes(content))


def test_what_is_no_archive_is_refused(refused):
    assert "must be intact" in refused(b"<html>not found</html>")


def test_a_folder_that_cannot_be_written_is_told(archive, zipped, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError) as caught:
        unpack(archive(zipped({"1.mat": b"1"})), tmp_path / "out", wanted=SLICE)
    assert caught.value.code == "unwritable"
