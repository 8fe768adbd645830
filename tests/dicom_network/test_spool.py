"""The spool of a DICOM node: what is acknowledged is on disk, and nothing is lost between two starts."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gadolin.dicom_network import spool as spool_module
from gadolin.dicom_network.spool import Identity, Spool, SpoolFullError
from gadolin.errors import DataError, OutputError


def opened(folder, *, instances=100, size=10_000, free=0):
    return Spool(folder / "spool", instances_per_study=instances, bytes_per_study=size, free_bytes=free)


def uid(series, number):
    return Identity("1.2.1", f"1.2.1.{series}", f"1.2.1.{series}.{number}")


def stored(spool, *numbers, series=1):
    for number in numbers:
        assert spool.store(uid(series, number), b"image")
    return spool.series()[-1]


def full(handle):
    raise OSError(errno.ENOSPC, "No space left on device")


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_an_instance_is_synchronised_before_it_counts(tmp_path, monkeypatch):
    events = []
    fsync, arrived = os.fsync, spool_module._arrived

    def synchronise(handle):
        events.append(str(Path(f"/proc/self/fd/{handle}").resolve()))
        fsync(handle)

    def count(*arguments):
        events.append("counted")
        return arrived(*arguments)

    monkeypatch.setattr(os, "fsync", synchronise)
    monkeypatch.setattr(spool_module, "_arrived", count)
    with opened(tmp_path) as spool:
        series = stored(spool, 1)

    assert events[-1] == "counted"
    assert any("incoming" in one for one in events)
    assert events[-2] == str(series.folder / "images")


def test_only_the_owner_can_read_it(tmp_path):
    with opened(tmp_path) as spool:
        series = stored(spool, 1)
        spool.add_set(series, series.images, {"report-1.dcm": b"report"}, {})

    for path in [tmp_path / "spool", *(tmp_path / "spool").rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077 or path.name == "lock", path


def test_an_existing_folder_is_closed_to_others(tmp_path):
    (tmp_path / "spool").mkdir(mode=0o755)

    with opened(tmp_path):
        assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


def test_names_hold_no_uid(tmp_path):
    with opened(tmp_path) as spool:
        stored(spool, 1)

    assert not any("1.2.1" in name for name in files_of(tmp_path))


def test_an_instance_counts_once(tmp_path):
    with opened(tmp_path) as spool:
        series = stored(spool, 1)

        assert not spool.store(uid(1, 1), b"other")
        assert len(series.images) == 1
        assert series.paths(series.images)[0].read_bytes() == b"image"


def test_what_is_stored_is_found_after_a_restart(tmp_path):
    with opened(tmp_path) as spool:
        before = stored(spool, 1, 2)
        spool.add_set(before, before.images, {"report-1.dcm": b"report"}, {"outcome": "answered"})
        stored(spool, 1, series=2)

    with opened(tmp_path) as spool:
        first, second = sorted(spool.series(), key=lambda one: -len(one.images))
        assert first.images == before.images
        assert first.is_answered
        assert json.loads((first.sets[0].folder / "set.json").read_bytes())["outcome"] == {"outcome": "answered"}
        assert [path.name for path in first.sets[0].objects] == ["report-1.dcm"]
        assert not second.is_answered


def test_the_time_that_a_series_is_kept_goes_on_after_a_restart(tmp_path):
    with opened(tmp_path) as spool:
        series = stored(spool, 1)
        made = spool.add_set(series, series.images, {}, {})
    an_hour_ago = time.time() - 3600
    os.utime(made.folder, (an_hour_ago, an_hour_ago))

    with opened(tmp_path) as spool:
        (series,) = spool.series()
        assert 3590 < series.last - series.changed < 3700


def test_a_late_instance_makes_the_series_unanswered(tmp_path):
    with opened(tmp_path) as spool:
        series = stored(spool, 1)
        spool.add_set(series, series.images, {}, {})
        assert series.is_answered

        stored(spool, 2)
        assert not series.is_answered
        assert not spool.remove(series)


@pytest.mark.parametrize("limits", [{"instances": 2}, {"size": 10}])
def test_a_study_has_a_limit_and_keeps_what_it_has(tmp_path, limits):
    with opened(tmp_path, **limits) as spool:
        series = stored(spool, 1, 2)

        with pytest.raises(SpoolFullError):
            spool.store(uid(1, 3), b"image")
        with pytest.raises(SpoolFullError):
            spool.store(uid(2, 1), b"image")  # another series of the study
        assert spool.store(Identity("9.9", "9.9.1", "9.9.1.1"), b"image")
        assert len(series.images) == 2


def test_the_limit_of_a_study_is_known_after_a_restart_and_free_after_removal(tmp_path):
    with opened(tmp_path, instances=2) as spool:
        stored(spool, 1, 2)

    with opened(tmp_path, instances=2) as spool:
        (series,) = spool.series()
        with pytest.raises(SpoolFullError):
            spool.store(uid(1, 3), b"image")
        spool.add_set(series, series.images, {}, {})
        assert spool.remove(series)
        assert spool.series() == []
        assert spool.store(uid(1, 3), b"image")


def test_a_disk_without_reserve_takes_no_more(tmp_path):
    with opened(tmp_path, free=2**62) as spool, pytest.raises(SpoolFullError):
        spool.store(uid(1, 1), b"image")


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    with opened(tmp_path) as spool:
        stored(spool, 1)
        before = files_of(tmp_path)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(SpoolFullError):
                spool.store(uid(1, 2), b"image")
        assert files_of(tmp_path) == before
        assert spool.store(uid(1, 2), b"image")


def test_results_are_whole_or_absent(tmp_path, monkeypatch):
    with opened(tmp_path) as spool:
        series = stored(spool, 1)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OutputError):
                spool.add_set(series, series.images, {"report-1.dcm": b"report"}, {})
        assert series.sets == []

    with opened(tmp_path) as spool:
        (series,) = spool.series()
        assert not series.is_answered
        spool.add_set(series, series.images, {"report-1.dcm": b"report"}, {})
        assert series.is_answered


def test_objects_are_sent_in_the_order_in_which_they_refer_to_each_other(tmp_path):
    names = ("rejection-1.dcm", "report-1.dcm", "lesions-1.dcm", "overlay-1.dcm")
    with opened(tmp_path) as spool:
        series = stored(spool, 1)
        found = spool.add_set(series, series.images, dict.fromkeys(names, b""), {})

    assert [path.name for path in found.objects] == [
        "lesions-1.dcm",
        "overlay-1.dcm",
        "report-1.dcm",
        "rejection-1.dcm",
    ]


def test_each_destination_is_marked_by_itself(tmp_path):
    with opened(tmp_path) as spool:
        series = stored(spool, 1)
        found = spool.add_set(series, series.images, {"report-1.dcm": b""}, {})
        found.mark_sent("one")
        empty = spool.add_set(series, series.images, {}, {})

    assert found.is_sent("one")
    assert not found.is_sent("two")
    assert empty.is_sent("one")


def test_leftovers_of_a_killed_node_are_removed(tmp_path):
    with opened(tmp_path) as spool:
        stored(spool, 1)
    for name in ("incoming/half", "removed/old/images/1.dcm"):
        path = tmp_path / "spool" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")

    with opened(tmp_path) as spool:
        assert len(spool.series()) == 1
        assert not any("half" in name or "removed" in name for name in files_of(tmp_path))


def test_two_nodes_do_not_share_a_spool(tmp_path):
    with opened(tmp_path), pytest.raises(DataError, match="another node uses this one") as caught:
        opened(tmp_path)

    assert caught.value.code == "spool_in_use"
    with opened(tmp_path):
        pass


def test_a_spool_that_cannot_be_made_is_one_error(tmp_path):
    (tmp_path / "spool").write_text("a file")

    with pytest.raises(OutputError, match="cannot write"):
        opened(tmp_path)


def test_a_folder_with_other_files_is_no_spool(tmp_path):
    (tmp_path / "spool" / "incoming").mkdir(parents=True)
    (tmp_path / "spool" / "incoming" / "scan.dcm").write_bytes(b"not ours")

    with pytest.raises(DataError, match="this one has other files") as caught:
        opened(tmp_path)

    assert caught.value.code == "spool_not_empty"
    assert files_of(tmp_path) == {"spool/incoming/scan.dcm"}


def test_a_second_node_leaves_what_the_first_is_receiving(tmp_path):
    with opened(tmp_path):
        (tmp_path / "spool" / "incoming" / "half").write_bytes(b"half")
        with pytest.raises(DataError):
            opened(tmp_path)
        assert "spool/incoming/half" in files_of(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"images": 1}'])
def test_a_damaged_set_is_moved_away_and_its_images_are_answered_again(tmp_path, content, caplog):
    with opened(tmp_path) as spool:
        series = stored(spool, 1)
        first = spool.add_set(series, series.images, {"report-1.dcm": b"report"}, {})
        spool.add_set(series, series.images, {"report-2.dcm": b"report"}, {})
    if content is None:
        (first.folder / "set.json").unlink()
    else:
        (first.folder / "set.json").write_bytes(content)
    (series.folder.parent / "stray").write_text("a file")

    with opened(tmp_path) as spool:
        (series,) = spool.series()
        assert [one.folder.name for one in series.sets] == ["0002"]
        assert spool.add_set(series, series.images, {}, {}).folder.name == "0003"
    assert "a damaged set of results" in caplog.text
    assert any(name.startswith("spool/damaged/") and name.endswith("report-1.dcm") for name in files_of(tmp_path))


def test_associations_that_bring_the_same_instance_at_once_keep_the_first_bytes(tmp_path, monkeypatch):
    write, inside = spool_module._write, []

    def second_in_between(path, content):
        write(path, content)
        if not inside:
            inside.append(path)
            with ThreadPoolExecutor(1) as pool:  # another association, and another name in incoming/
                assert pool.submit(spool.store, uid(1, 1), b"the first to arrive").result()

    with opened(tmp_path) as spool:
        monkeypatch.setattr(spool_module, "_write", second_in_between)
        assert not spool.store(uid(1, 1), b"late")
        (series,) = spool.series()
        assert series.paths(series.images)[0].read_bytes() == b"the first to arrive"
        assert spool._use == {series.folder.parent.name: spool_module._Use(1, len(b"the first to arrive"))}
        assert spool._writing == 0


def test_room_is_reserved_while_an_instance_is_written(tmp_path, monkeypatch):
    write, refused = spool_module._write, []

    def second_in_between(path, content):
        write(path, content)
        try:
            spool.store(uid(1, 2), b"image")
        except SpoolFullError:
            refused.append(path)

    with opened(tmp_path, instances=1) as spool:
        monkeypatch.setattr(spool_module, "_write", second_in_between)
        assert spool.store(uid(1, 1), b"image")
    assert len(refused) == 1


def test_a_series_whose_first_image_does_not_arrive_is_forgotten(tmp_path, monkeypatch):
    with opened(tmp_path) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(os, "link", lambda *_: full(0))
            with pytest.raises(SpoolFullError):
                spool.store(uid(1, 1), b"image")
        assert spool.series() == []
        assert spool._use == {}
        assert spool.store(uid(1, 1), b"image")


def test_a_series_that_was_deleted_by_hand_can_be_removed(tmp_path):
    with opened(tmp_path) as spool:
        series = stored(spool, 1)
        spool.add_set(series, series.images, {}, {})
        shutil.rmtree(series.folder)

        assert spool.remove(series)
        assert spool.series() == []


def test_the_longest_time_counts_from_the_first_image_that_is_not_answered(tmp_path):
    with opened(tmp_path) as spool:
        series = stored(spool, 1)
        begun = series.first
        stored(spool, 2)
        assert series.first == begun
        spool.add_set(series, series.images, {}, {})
        stored(spool, 3)
        assert series.first == series.last > begun


def test_whether_a_set_is_sent_does_not_depend_on_its_folder(tmp_path):
    """The folder may be removed by one thread while another looks at the set."""
    with opened(tmp_path) as spool:
        series = stored(spool, 1)
        found = spool.add_set(series, series.images, {"report-1.dcm": b""}, {})
        found.mark_sent("one")
        assert spool.remove(series)

    assert found.is_sent("one")
    assert not found.is_sent("two")
    assert [path.name for path in found.objects] == ["report-1.dcm"]
