"""Tests of the folder walk: every file once, without opening it, and every omission with a reason."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gadolin.files.folder_walk import count_by_code, describe, housekeeping_in, special_file, walk
from nobody import as_nobody, closed, shared_folder


@pytest.fixture
def tree(tmp_path):
    """Write files below a folder and return it."""

    def make(*names):
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        return root

    return make


def told(failures, root):
    return sorted((Path(one.path).relative_to(root).as_posix(), one.code) for one in failures)


def names(files, root):
    return [path.relative_to(root).as_posix() for path in files]


def test_files_come_in_order_from_all_depths(tree):
    root = tree("b.png", "a/z.png", "a/b/c.png", "a.png")
    assert names(walk(root).files, root) == names(sorted(path for path in root.rglob("*") if path.is_file()), root)


@pytest.mark.parametrize(
    "name",
    [
        "@eaDir",
        "#recycle",
        "lost+found",
        "__MACOSX",
        "$RECYCLE.BIN",
        "thumbnails",
        "found.000",
        "Network Recycle Bin 1",
    ],
)
def test_the_folders_of_file_servers_are_left_out_and_each_of_their_files_is_counted(name, tree):
    root = tree("a.png", f"{name}/a.png", f"sub/{name}/deep/b.png")
    seen = walk(root)
    assert names(seen.files, root) == ["a.png"]
    assert told(seen.left_out, root) == sorted(
        [(f"{name}/a.png", "housekeeping"), (f"sub/{name}/deep/b.png", "housekeeping")]
    )


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "THUMBS.DB", "a.png@SynoResource"])
def test_the_files_of_desktops_are_housekeeping(name, tree):
    root = tree(name)
    assert told(walk(root).left_out, root) == [(name, "housekeeping")]


def test_what_is_hidden_is_left_out_and_counted_but_may_be_named_itself(tree):
    root = tree(".a.png", ".git/objects/b.png", "c.png")
    seen = walk(root)
    assert told(seen.left_out, root) == [(".a.png", "hidden"), (".git/objects/b.png", "hidden")]
    assert names(walk(root / ".git").files, root) == [".git/objects/b.png"]


@pytest.mark.parametrize("target", ["../.git/annex/objects/xx", "gone.png", "/nowhere/at/all", "n" * 300])
def test_a_link_that_leads_nowhere_is_a_failure(target, tree):
    root = tree("a.png")
    (root / "gone.png").symlink_to(target)
    seen = walk(root)
    assert names(seen.files, root) == ["a.png"]
    assert told(seen.failures, root) == [("gone.png", "broken_link")]


def test_links_to_files_and_folders_are_followed(tree, tmp_path):
    root = tree("a.png")
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "far" / "deep" / "f.png").touch()
    (root / "link.png").symlink_to(tmp_path / "far" / "deep" / "f.png")
    (root / "folder").symlink_to(tmp_path / "far")
    assert names(walk(root).files, root) == ["a.png", "folder/deep/f.png", "link.png"]


def test_link_loops_end_and_each_file_is_found_once_where_it_lies(tree):
    root = tree("a/1.png", "b/2.png")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "b").symlink_to("../b")
    (root / "b" / "self").symlink_to(".")
    (root / "c").symlink_to("a")
    seen = walk(root)
    assert names(seen.files, root) == ["a/1.png", "b/2.png"]
    assert count_by_code(seen.left_out) == {"folder_entered_before": 4}
    assert not seen.failures


def test_folders_that_link_to_one_another_many_times_take_no_longer_for_it(tree):
    root = tree("0/a.png")
    for number in range(40):
        (root / str(number)).mkdir(exist_ok=True)
        for link in "xyz":
            (root / str(number) / link).symlink_to(f"../{(number + 1) % 40}")
    seen = walk(root)
    assert names(seen.files, root) == ["0/a.png"]
    assert count_by_code(seen.left_out) == {"folder_entered_before": 120}


def test_a_link_into_a_hidden_folder_is_followed_and_its_files_are_not_counted_twice(tree):
    root = tree(".store/1.png", ".store/sub/2.png")
    (root / "glioma").symlink_to(".store/sub")
    seen = walk(root)
    assert names(seen.files, root) == ["glioma/2.png"]
    assert told(seen.left_out, root) == [(".store/1.png", "hidden")]


def test_what_is_no_plain_file_is_left_out_and_never_opened(tree, tmp_path, monkeypatch):
    root = tree("a.png")
    os.mkfifo(root / "pipe.png")
    (root / "null.png").symlink_to("/dev/null")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.png")
        seen = walk(root)
    assert names(seen.files, root) == ["a.png"]
    assert told(seen.left_out, root) == [(name, "special_file") for name in ("null.png", "pipe.png", "socket.png")]


def test_names_that_are_hard_to_write_down_are_found(tree):
    odd = ["é.png", "e\u0301.png", "line\nbreak.png", "\x1b[31m.png", "dot.", "y" * 250, "\udcff.png", "[1]*?.png"]
    root = tree(*odd)
    assert sorted(names(walk(root).files, root)) == sorted(odd)


def test_a_folder_deeper_than_the_longest_path_is_a_failure_that_names_it(tree):
    root = tree("a.png")
    at = os.open(root, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=at)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    seen = walk(root)
    assert names(seen.files, root) == ["a.png"]
    assert count_by_code(seen.failures) == {"cannot_enter": 1}


@pytest.mark.parametrize("mode", [0o000, 0o111])
def test_a_folder_that_may_not_be_entered_is_a_failure(mode):
    with shared_folder() as root:
        for name in ("glioma", "notumor"):
            (root / name).mkdir()
            (root / name / "a.png").touch()

        def work():
            seen = walk(root)
            return [names(seen.files, root), told(seen.failures, root), told(seen.left_out, root)]

        assert work() == [["glioma/a.png", "notumor/a.png"], [], []]
        with closed(root / "glioma", mode):
            assert as_nobody(work) == [["notumor/a.png"], [["glioma", "cannot_enter"]], []]


def test_a_housekeeping_folder_that_may_not_be_entered_is_no_failure():
    with shared_folder() as root:
        (root / "lost+found").mkdir()

        def work():
            seen = walk(root)
            return [told(seen.failures, root), told(seen.left_out, root)]

        assert work() == [[], []]
        with closed(root / "lost+found"):
            assert as_nobody(work) == [[], [["lost+found", "housekeeping"]]]


def test_a_link_in_a_folder_whose_files_may_not_be_looked_at_is_a_failure():
    with shared_folder() as root:
        (root / "glioma").mkdir()
        (root / "glioma" / "a.png").touch()
        (root / "glioma" / "b.png").symlink_to("a.png")

        def work():
            seen = walk(root)
            return [names(seen.files, root), told(seen.failures, root)]

        assert work() == [["glioma/a.png", "glioma/b.png"], []]
        with closed(root / "glioma", 0o444):
            files, failures = as_nobody(work)
        assert files == ["glioma/a.png"]  # it is listed but cannot be opened
        assert [name for name, _ in failures] == ["glioma/b.png"]


def test_what_is_not_taken_is_told_by_reason_with_a_few_of_each(tree):
    seen = walk(tree(*(f".{number}.png" for number in range(5)), "Thumbs.db"))
    first, *lines = describe("left out", seen.left_out)
    assert first == "left out: 6 (hidden 5, housekeeping 1)"
    assert len(lines) == 5
    assert lines[3] == "  ... and 2 more of hidden"
    assert describe("left out", []) == []


def test_a_pipe_or_a_device_is_told_without_opening_it_but_what_a_shell_passes_is_read(tree):
    root = tree("a.png")
    os.mkfifo(root / "pipe.png")
    told_of = [special_file(str(path)) for path in (root / "pipe.png", "/dev/null", root / "a.png", root, root / "no")]
    assert [one and one.code for one in told_of] == ["special_file", "special_file", None, None, None]
    reading, writing = os.pipe()
    try:
        assert special_file(f"/dev/fd/{reading}") is None
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("name", "housekeeping"),
    [("a.png", False), ("./a/../b.png", False), ("a/@eaDir/b.png", True), ("a\\.DS_Store", True), ("._a.png", True)],
)
def test_a_path_that_leads_through_housekeeping_is_known_by_its_name(name, housekeeping):
    assert (housekeeping_in(name) is not None) is housekeeping
