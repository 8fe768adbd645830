"""Tests of the cache: made once, verified at each opening, complete or absent, not confused with another."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from gadolin.datasets.manifest import file_digest, read_manifest
from gadolin.errors import DataError, ReadError
from gadolin.preprocessing import cache
from gadolin.preprocessing.cache import default_cache_folder, prepared_slices, readable_slices
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import read
from gadolin.records import Record

SMALL = Preparation(size=64)


@pytest.fixture
def records(small_phantoms):
    return read_manifest(small_phantoms / "manifest.csv")[::4]


def saved(path, pixels):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return Record(path, "glioma", digest=file_digest(path))


def test_slices_are_prepared_as_everywhere_else_and_in_order(tmp_path, records):
    prepared = prepared_slices(records, SMALL, tmp_path)
    assert prepared.slices.shape == (len(records), 64, 64)
    assert prepared.slices.dtype == np.uint8
    for record, one in zip(records, prepared.slices, strict=True):
        np.testing.assert_array_equal(one, prepare(read(record.path), SMALL))


def test_the_order_of_the_records_is_the_order_of_the_slices(tmp_path, records):
    forward = prepared_slices(records, SMALL, tmp_path).slices
    backward = prepared_slices(records[::-1], SMALL, tmp_path).slices
    np.testing.assert_array_equal(forward, backward[::-1])


def test_a_second_opening_reads_no_picture(tmp_path, records, files_opened):
    first = prepared_slices(records, SMALL, tmp_path)
    assert len(files_opened) == len(records)
    files_opened.clear()
    second = prepared_slices(records, SMALL, tmp_path)
    assert not files_opened
    np.testing.assert_array_equal(first.slices, second.slices)
    assert (first.whole, first.coloured) == (second.whole, second.coloured)


def test_the_slices_cannot_be_written_to(tmp_path, records):
    with pytest.raises(ValueError, match="read-only"):
        prepared_slices(records, SMALL, tmp_path).slices[0, 0, 0] = 1


def test_another_preparation_is_another_entry(tmp_path, records, files_opened):
    prepared_slices(records, SMALL, tmp_path)
    prepared_slices(records, replace(SMALL, margin=0.1), tmp_path)
    assert len(files_opened) == 2 * len(records)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_other_pictures_are_another_entry(tmp_path, records, files_opened):
    prepared_slices(records, SMALL, tmp_path)
    assert len(prepared_slices(records[1:], SMALL, tmp_path).slices) == len(records) - 1
    assert len(files_opened) == 2 * len(records) - 1


def test_a_moved_data_set_is_the_same_entry(tmp_path, records, files_opened):
    prepared_slices(records, SMALL, tmp_path)
    prepared_slices([replace(record, path=tmp_path / "elsewhere.png") for record in records], SMALL, tmp_path)
    assert len(files_opened) == len(records)


def test_records_without_a_digest_are_told_apart_by_their_files(tmp_path):
    dark, bright = (saved(tmp_path / f"{value}.png", np.full((64, 64), value)) for value in (10, 200))
    values = [
        int(prepared_slices([replace(one, digest="")], SMALL, tmp_path / "cache").slices.max())
        for one in (dark, bright)
    ]
    assert values == [10, 200]


def test_a_missing_file_without_a_digest_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        prepared_slices([Record(tmp_path / "gone.png", "glioma")], SMALL, tmp_path)
    assert caught.value.code == "cannot_open"
    assert caught.value.path == str(tmp_path / "gone.png")


def spoil_a_byte(array, facts):
    content = bytearray(array.read_bytes())
    content[-100] ^= 1
    array.write_bytes(content)


def spoil_by_swapping_slices(array, facts):
    np.save(array, np.load(array)[::-1])


DAMAGES = {
    "a changed byte": spoil_a_byte,
    "slices in another order": spoil_by_swapping_slices,
    "a truncated array": lambda array, facts: array.write_bytes(array.read_bytes()[:-5000]),
    "an empty array": lambda array, facts: array.write_bytes(b""),
    "no array": lambda array, facts: array.unlink(),
    "a text for an array": lambda array, facts: array.write_text("not an array"),
    "no facts": lambda array, facts: facts.unlink(),
    "truncated facts": lambda array, facts: facts.write_text(facts.read_text()[:20]),
    "facts of another kind": lambda array, facts: facts.write_text("[]"),
    "facts without a key": lambda array, facts: facts.write_text(json.dumps({"checksum": ""})),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_made_again(tmp_path, records, files_opened, damage):
    before = np.array(prepared_slices(records, SMALL, tmp_path).slices)
    (array,), (facts,) = tmp_path.glob("*.npy"), tmp_path.glob("*.json")
    damage(array, facts)
    files_opened.clear()
    after = prepared_slices(records, SMALL, tmp_path)
    assert len(files_opened) == len(records)
    np.testing.assert_array_equal(before, after.slices)
    files_opened.clear()
    prepared_slices(records, SMALL, tmp_path)
    assert not files_opened


def test_an_unreadable_picture_is_named_and_nothing_is_left(tmp_path, records):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    folder = tmp_path / "cache"
    with pytest.raises(ReadError) as caught:
        prepared_slices([*records, Record(bad, "glioma", digest=file_digest(bad))], SMALL, folder)
    assert caught.value.code == "unknown_format"
    assert str(caught.value).startswith(f"{bad}: ")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_build_leaves_nothing_and_can_be_repeated(tmp_path, records, kind):
    def stop(done, total, what):
        if done == 3:
            raise kind

    with pytest.raises(kind):
        prepared_slices(records, SMALL, tmp_path, progress=stop)
    assert not list(tmp_path.iterdir())
    assert len(prepared_slices(records, SMALL, tmp_path).slices) == len(records)


def test_an_array_without_its_facts_is_not_trusted(tmp_path, records, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            prepared_slices(records, SMALL, tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]
    assert len(prepared_slices(records, SMALL, tmp_path).slices) == len(records)


def test_pictures_used_whole_and_coloured_ones_are_remembered(tmp_path, records):
    blank = saved(tmp_path / "blank.png", np.zeros((64, 64)))
    red = np.zeros((64, 64, 3))
    red[8:56, 8:56, 0] = 220
    coloured = saved(tmp_path / "red.png", red)
    chosen = [records[0], blank, coloured]
    for _ in range(2):
        prepared = prepared_slices(chosen, SMALL, tmp_path / "cache")
        assert prepared.whole == (1,)
        assert prepared.coloured == (2,)


def test_pictures_of_several_slices_are_remembered(tmp_path, records):
    one = cv2.imread(str(records[0].path), cv2.IMREAD_GRAYSCALE)
    montage = saved(tmp_path / "montage.png", np.tile(one, (2, 2)))
    for _ in range(2):
        prepared = prepared_slices([records[0], montage], SMALL, tmp_path / "cache")
        assert prepared.several == (1,)
        assert prepared.take([1]).several == (0,)


def test_progress_counts_every_picture(tmp_path, records):
    told = []
    prepared_slices(records, SMALL, tmp_path, progress=lambda done, total, what: told.append((done, total)))
    assert told == [(done, len(records)) for done in range(1, len(records) + 1)]


def test_an_entry_that_is_there_tells_no_progress(tmp_path, records):
    prepared_slices(records, SMALL, tmp_path)
    prepared_slices(records, SMALL, tmp_path, progress=lambda *news: pytest.fail("something was made"))


def test_the_cache_lies_where_the_environment_says(tmp_path, records, monkeypatch):
    monkeypatch.setenv("GADOLIN_CACHE", str(tmp_path / "chosen"))
    prepared_slices(records[:1], SMALL)
    assert {path.suffix for path in (tmp_path / "chosen").iterdir()} == {".npy", ".json"}


def test_what_older_readers_read_is_not_used(tmp_path, records, files_opened, monkeypatch):
    prepared_slices(records, SMALL, tmp_path)
    files_opened.clear()
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    prepared_slices(records, SMALL, tmp_path)
    assert len(files_opened) == len(records)


@pytest.fixture
def forgotten():
    """Reset the warning of the cache, which appears once per process."""
    cache._warn.cache_clear()
    yield
    cache._warn.cache_clear()


def no_folder(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    return tmp_path / "file" / "cache"


def no_right(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gadolin.files.atomic.tempfile.mkstemp", refuse)
    return tmp_path / "cache"


def no_space(monkeypatch, tmp_path):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "posix_fallocate", refuse, raising=False)
    return tmp_path / "cache"


@pytest.mark.parametrize("trouble", [no_folder, no_right, no_space])
def test_without_a_writable_cache_the_work_goes_on_with_one_warning(
    tmp_path, records, forgotten, monkeypatch, caplog, trouble
):
    expected = np.array(prepared_slices(records, SMALL, tmp_path / "good").slices)
    folder = trouble(monkeypatch, tmp_path)
    told = []
    for _ in range(2):
        prepared = prepared_slices(records, SMALL, folder, progress=lambda done, total, what: told.append(done))
        np.testing.assert_array_equal(prepared.slices, expected)
        assert not prepared.slices.flags.writeable
    assert told == [*range(1, len(records) + 1)] * 2
    assert len(caplog.records) == 1
    assert str(folder) in caplog.text
    assert "GADOLIN_CACHE" in caplog.text


def test_an_unreadable_picture_is_named_without_a_cache_too(tmp_path, records, forgotten, monkeypatch):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    with pytest.raises(ReadError) as caught:
        prepared_slices([*records, Record(bad, "glioma", digest="a")], SMALL, no_folder(monkeypatch, tmp_path))
    assert caught.value.path == str(bad)


def test_a_user_without_a_home_has_no_cache_and_no_error(tmp_path, records, forgotten, monkeypatch, caplog):
    def homeless():
        raise RuntimeError

    for name in ("GADOLIN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.Path, "home", homeless)
    assert len(prepared_slices(records, SMALL).slices) == len(records)
    assert len(caplog.records) == 1


def test_without_a_choice_the_cache_lies_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("GADOLIN_CACHE")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "gadolin"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / ".cache" / "gadolin"


@pytest.fixture
def damaged(records, tmp_path):
    """The records with an unreadable one in the middle."""
    path = tmp_path / "cut.png"
    path.write_bytes(records[0].path.read_bytes()[:-400])
    return [*records[:2], Record(path, "glioma", digest=file_digest(path)), *records[2:]]


def test_what_cannot_be_read_is_left_out_in_the_one_pass(tmp_path, records, damaged, files_opened):
    read_ones = readable_slices(damaged, SMALL, tmp_path / "cache")
    assert sorted(files_opened) == sorted(record.path for record in damaged)
    assert read_ones.rows == tuple(row for row in range(len(damaged)) if row != 2)
    assert {row: error.path for row, error in read_ones.errors.items()} == {2: str(damaged[2].path)}
    np.testing.assert_array_equal(read_ones.prepared.slices, prepared_slices(records, SMALL, tmp_path / "other").slices)


def test_those_that_can_be_read_are_kept_for_whoever_asks_for_them_alone(tmp_path, records, damaged, files_opened):
    readable_slices(damaged, SMALL, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    files_opened.clear()
    assert not readable_slices(records, SMALL, tmp_path / "cache").errors
    prepared_slices(records, SMALL, tmp_path / "cache")
    assert files_opened == []


def test_what_is_noted_of_a_slice_keeps_to_it_where_others_are_left_out(tmp_path, damaged):
    coloured = saved(tmp_path / "colour.png", np.tile([200, 40, 40], (64, 64, 1)))
    found = readable_slices([damaged[2], damaged[0], coloured], SMALL, tmp_path / "cache")
    assert (found.rows, found.prepared.coloured) == ((1, 2), (1,))


@pytest.mark.parametrize("writable", [True, False])
def test_where_nothing_can_be_read_there_are_no_slices(tmp_path, damaged, writable):
    folder = tmp_path / "cache" if writable else damaged[0].path / "no-folder"
    found = readable_slices([damaged[2]], SMALL, folder)
    assert (found.rows, len(found.prepared.slices), list(found.errors)) == ((), 0, [0])


def test_without_a_cache_that_can_be_written_the_same_is_returned(tmp_path, damaged):
    kept, once = (readable_slices(damaged, SMALL, folder) for folder in (tmp_path / "cache", damaged[0].path / "none"))
    assert kept.rows == once.rows
    np.testing.assert_array_equal(kept.prepared.slices, once.prepared.slices)


@pytest.mark.parametrize("again", [False, True])
def test_every_slice_is_looked_at_once_also_where_it_is_kept(tmp_path, records, again, files_opened):
    if again:
        prepared_slices(records, SMALL, tmp_path)
        files_opened.clear()
    seen = {}

    def look(row, image, kind):
        assert row not in seen
        seen[row] = (image.pixels.shape, kind)

    readable_slices(records, SMALL, tmp_path, look=look)
    assert seen == dict.fromkeys(range(len(records)), ((96, 96), "PNG"))
    assert len(files_opened) == len(records)


def test_a_file_that_is_damaged_after_it_was_kept_is_left_out_where_it_is_looked_at(tmp_path, records):
    own = saved(tmp_path / "own.png", np.eye(64) * 255)
    before = prepared_slices([*records, own], SMALL, tmp_path / "cache").slices
    own.path.write_bytes(b"")
    found = readable_slices([*records, own], SMALL, tmp_path / "cache", look=lambda *_: None)
    assert list(found.errors) == [len(records)]
    np.testing.assert_array_equal(found.prepared.slices, before[:-1])
