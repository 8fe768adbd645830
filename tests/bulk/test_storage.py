"""Tests of files at addresses: read, listed twice, and a store that fails."""

from __future__ import annotations

import pytest

from gadolin.bulk import storage
from gadolin.bulk.storage import find, is_address, read_address
from gadolin.errors import ArchiveError, ReadError, RequestError

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store(monkeypatch):
    """A store in memory with three files; pauses are not slept."""
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: None)
    files = fsspec.filesystem("memory")
    for name in ("/bucket/b.png", "/bucket/a.png", "/bucket/deep/c.png"):
        files.pipe_file(name, name.encode())
    yield files
    monkeypatch.undo()
    files.rm("/bucket", recursive=True)


def failing(monkeypatch, files, method, times, error):
    """Let the first ``times`` calls of a method of the store fail; return the calls."""
    calls = []
    working = getattr(files, method)

    def called(*arguments, **given):
        calls.append(arguments)
        if len(calls) <= times:
            raise error
        return working(*arguments, **given)

    monkeypatch.setattr(type(files), method, lambda self, *arguments, **given: called(*arguments, **given))
    return calls


@pytest.mark.parametrize(
    ("path", "expected"),
    [("s3://a/b", True), ("memory://a", True), ("a/b.png", False), ("C:/a.png", False), ("C://a", False), ("-", False)],
)
def test_an_address_has_a_protocol_of_two_letters_or_more(path, expected):
    assert is_address(path) is expected


def test_a_folder_is_listed_with_all_below_it_and_a_pattern_with_what_matches(store):
    assert find("memory://bucket") == [f"memory:///bucket/{name}" for name in ("a.png", "b.png", "deep/c.png")]
    assert find("memory://bucket/*.png") == ["memory:///bucket/a.png", "memory:///bucket/b.png"]


def test_a_file_is_read(store):
    assert read_address("memory://bucket/a.png") == b"/bucket/a.png"


def test_a_missing_file_is_an_error_of_the_file(store):
    with pytest.raises(ReadError) as caught:
        read_address("memory://bucket/gone.png")
    assert caught.value.code == "cannot_open"


def test_a_request_that_fails_is_repeated(store, monkeypatch):
    calls = failing(monkeypatch, store, "open", 4, OSError("slow down"))
    assert read_address("memory://bucket/a.png") == b"/bucket/a.png"
    assert len(calls) == 5


def test_a_store_that_keeps_failing_is_one_error(store, monkeypatch):
    failing(monkeypatch, store, "open", 99, OSError("slow down"))
    with pytest.raises(ArchiveError) as caught:
        read_address("memory://bucket/a.png")
    assert caught.value.code == "store_failed"
    assert "slow down" in caught.value.got


def test_a_listing_that_ends_early_once_is_repeated_until_two_agree(store, monkeypatch):
    whole = store.find("/bucket")
    answers = [whole[:1], whole, whole]
    monkeypatch.setattr(type(store), "find", lambda self, path: answers.pop(0))
    assert len(find("memory://bucket")) == 3
    assert answers == []


def test_a_listing_that_never_repeats_is_refused(store, monkeypatch):
    whole = store.find("/bucket")
    turns = iter(range(100))
    monkeypatch.setattr(type(store), "find", lambda self, path: whole[: 1 + next(turns) % 2])
    with pytest.raises(ArchiveError) as caught:
        find("memory://bucket")
    assert caught.value.code == "store_changes"


def test_an_unknown_protocol_is_refused():
    with pytest.raises(RequestError) as caught:
        read_address("nowhere://a/b")
    assert caught.value.code == "address_unknown"
