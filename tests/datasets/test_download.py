"""Tests of downloads: they resume after a break, and only a verified file gets the final name."""

from __future__ import annotations

import errno
import hashlib
import os
import urllib.request

import pytest

from gadolin.datasets.download import Remote, download, fetch_json, partial
from gadolin.errors import DownloadError, OutputError
from stub_server import Answer

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def remote(stub):
    """Serve CONTENT or the given bytes; return the entry of a listing."""

    def make(content=CONTENT, *, size=None, md5=None, **answer):
        stub.answers["/a.zip"] = Answer(content, **answer)
        digest = hashlib.md5(CONTENT).hexdigest()
        return Remote("a.zip", f"{stub.url}/a.zip", len(CONTENT) if size is None else size, md5 or digest)

    return make


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out" / "a.zip"


def get(remote, target, **options):
    download(remote, target, **({"pause_seconds": 0.0} | options))


def refused(remote, target, **options):
    with pytest.raises(DownloadError) as caught:
        get(remote, target, **options)
    assert not target.exists()
    return str(caught.value)


def test_a_file_arrives_whole(remote, target):
    get(remote(), target)
    assert target.read_bytes() == CONTENT
    assert not partial(target).exists()


def test_progress_counts_bytes_up_to_the_whole(remote, target):
    told = []
    get(remote(), target, progress=lambda *each: told.append(each))
    assert told[-1] == (len(CONTENT), len(CONTENT), "a.zip")
    assert [done for done, _, _ in told] == sorted({done for done, _, _ in told})


def test_a_file_that_is_there_is_not_asked_for_again(remote, target, stub):
    get(remote(), target)
    get(remote(), target)
    assert len(stub.requests) == 1


def test_a_broken_connection_goes_on_where_it_stopped(remote, target, stub):
    get(remote(break_after=[300_000, 100_000, None]), target)
    assert target.read_bytes() == CONTENT
    assert stub.answers["/a.zip"].asked == ["", "bytes=300000-", "bytes=400000-"]


def test_a_connection_that_always_breaks_is_given_up_and_what_arrived_is_kept(remote, target):
    text = refused(remote(break_after=[1000, 0]), target, tries=3)
    assert text == (
        "a.zip must be downloaded completely, 1,000 of 1,048,576 bytes arrived in 3 tries "
        "(the connection ended after 1,000 bytes); "
        "run the same command again later to resume"
    )
    assert partial(target).read_bytes() == CONTENT[:1000]


def test_the_next_call_goes_on_with_what_was_kept(remote, target, stub):
    refused(remote(break_after=[1000, 0]), target, tries=2)
    get(remote(), target)
    assert stub.answers["/a.zip"].asked == ["bytes=1000-"]
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_of_it_again(remote, target):
    get(remote(break_after=[5000, None], ranges=False), target)
    assert target.read_bytes() == CONTENT


def test_a_range_that_begins_elsewhere_is_not_appended(remote, target):
    text = refused(remote(break_after=[5000, None], range_shift=7), target, tries=2)
    assert "requested bytes from 5,000, the server sends 'bytes 5007-" in text
    assert partial(target).read_bytes() == CONTENT[:5000]


def test_a_partial_file_longer_than_the_whole_is_begun_anew(remote, target):
    partial(target).parent.mkdir()
    partial(target).write_bytes(CONTENT + b"x")
    get(remote(), target)
    assert target.read_bytes() == CONTENT


def test_a_whole_partial_file_is_only_checked(remote, target, stub):
    partial(target).parent.mkdir()
    partial(target).write_bytes(CONTENT)
    get(remote(), target)
    assert stub.requests == []
    assert target.read_bytes() == CONTENT


def test_a_server_that_announces_another_length_is_refused(remote, target):
    text = refused(remote(told=len(CONTENT) + 5), target)
    assert text.startswith("a.zip must have the 1,048,576 bytes of its listing, the server announces 1,048,581;")


def test_a_server_that_sends_more_than_is_listed_is_cut_off(remote, target):
    text = refused(remote(CONTENT * 3, told=-1), target)
    assert "the server sends more" in text
    assert partial(target).stat().st_size <= len(CONTENT)


def test_a_server_that_sends_less_than_it_announces_is_tried_again(remote, target):
    assert "500 of 1,048,576 bytes arrived in 2 tries" in refused(
        remote(CONTENT[:500], told=len(CONTENT), ranges=False), target, tries=2
    )


def test_a_wrong_checksum_leaves_nothing_behind(remote, target):
    wrong = "0" * 32
    text = refused(remote(md5=wrong), target)
    assert text.startswith(f"a.zip must have the published checksum {wrong}, the download has ")
    assert text.endswith("and was deleted; run the same command again")
    assert list(target.parent.iterdir()) == []


def test_a_file_that_is_not_there_is_not_asked_for_twice(remote, target, stub):
    text = refused(remote(status=[404]), target)
    assert "the server answers 404" in text
    assert len(stub.requests) == 1


def test_a_server_that_is_busy_is_asked_again(remote, target):
    get(remote(status=[503, 429, 200]), target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_cannot_be_reached_is_told(remote, target, stub):
    there = remote()
    gone = Remote(there.name, "http://127.0.0.1:9/a.zip", there.size, there.md5)
    assert "0 of 1,048,576 bytes arrived in 2 tries" in refused(gone, target, tries=2)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "http://example.org/a.zip", "ftp://example.org/a.zip"])
def test_only_https_is_followed(url, target, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *a, **k: pytest.fail("it was requested"))
    assert f"a file must be fetched over https, its listing has {url!r}" in refused(
        Remote("a.zip", url, 10, "0" * 32), target
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_a_full_disk_is_told(remote, target):
    target.parent.mkdir()
    partial(target).symlink_to("/dev/full")
    with pytest.raises(OutputError) as caught:
        get(remote(), target)
    assert str(caught.value).startswith(f"cannot write {partial(target)}: {os.strerror(errno.ENOSPC)}; free space")
    assert not target.exists()


def test_a_folder_that_cannot_be_made_is_told(remote, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError) as caught:
        get(remote(), tmp_path / "out" / "a.zip")
    assert caught.value.code == "unwritable"


def test_a_listing_is_read(stub):
    stub.answers["/list"] = Answer(b'[{"name": "a"}]', status=[503, 200])
    assert fetch_json(f"{stub.url}/list", pause_seconds=0.0) == [{"name": "a"}]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(b"<html>"), "a listing must be JSON"),
        (Answer(b"[" * 100_000), "a listing must be JSON"),
        (Answer(b" " * (1 << 20) + b"[]"), "may hold at most 1,048,576 bytes"),
        (Answer(b"[]", status=[403]), "the server answers 403"),
        (Answer(b"[1, 2, 3]", break_after=[2]), "it did not in 2 tries"),
        (Answer(b"[]", status=[503]), "it did not in 2 tries (Service Unavailable)"),
    ],
    ids=["no JSON", "deep", "long", "forbidden", "broken off", "busy"],
)
def test_anything_but_a_listing_is_one_error(stub, answer, told):
    stub.answers["/list"] = answer
    with pytest.raises(DownloadError) as caught:
        fetch_json(f"{stub.url}/list", tries=2, pause_seconds=0.0)
    assert told in str(caught.value)
