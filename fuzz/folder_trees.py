"""Odd folder trees from a seed: names, links, permissions, depth, system files."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from gadolin.phantoms.encode import DicomFacts, dicom_bytes, nifti_bytes

CLASSES = ("glioma", "Glioma", "glioma_tumor", "no_tumor", "notumor", "schwannoma", "a class", "класс", "masks.", "no")
PARTS = ("train", "training", "test", "testing", "val", "valid", "validate", "validation", "Train_Set")
HOUSEKEEPING = ("@eaDir", ".git", "__MACOSX", "#recycle", "lost+found", "thumbnails", ".ipynb_checkpoints", "@Recycle")
HOUSE_FILES = (".DS_Store", "Thumbs.db", "desktop.ini", "._a.png", ".hidden.png")
TABLES = ("manifest.csv", "annotations.csv", "1.mat", "cvind.mat", "source.json")
SUFFIXES = (".png", ".PNG", ".jpg", ".dcm", ".nii.gz", ".txt", ".csv", "", ".tar", ".bmp")
STEMS: tuple[bytes, ...] = (
    b"a", b"slice 1", "é".encode(), "e\u0301".encode(), "срез".encode(), b"line\nbreak", b"tab\there", b"\x01\x02",
    b"\x1b[31mred", b"y" * 240, b"dot.", b"space ", b"-rf", b"*", b"[1]", b"a#1", b"\xff\xfe", b"M\xfcller", b"~",
    b"NUL", "\u202egnp".encode(), b"..png", b"%00", b"'\"", b"a\\b",
)  # fmt: skip


@dataclass
class Tree:
    """A tree below ``root``: the paths ``made`` in it, its odd ``features``, and the closed paths with their modes."""

    root: Path
    pool: Path
    made: list[str] = field(default_factory=list)
    features: set[str] = field(default_factory=set)
    closed: list[tuple[str, int]] = field(default_factory=list)
    tries: int = 0

    def add_slice(self) -> bool:
        """Add a slice in a new class folder; return whether that was possible."""
        places = ("zz_class", "Training/zz_class")
        if self.tries == len(places):
            return False
        path = self.root / places[self.tries] / "ok.png"
        self.tries += 1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((self.pool / "slice").read_bytes())
        except OSError:
            return False
        self.made.append(str(path))
        return True

    def drop_tables(self) -> bool:
        """Remove files with the name of a table as far as permissions allow; return whether there were any."""
        before = len(self.made)
        for each in [each for each in self.made if Path(each).name in TABLES]:
            with contextlib.suppress(OSError):
                Path(each).unlink()
                self.made.remove(each)
        return len(self.made) < before


def content_pool(folder: Path) -> Path:
    """Write one file of each content, and folders as targets of links; return the folder."""
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, format="PNG")
    plan = DicomFacts(more={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    contents = {
        "slice": out.getvalue(),
        "cut": out.getvalue()[:40],
        "dicom": dicom_bytes(grey.astype(np.uint16), DicomFacts()),
        "localiser": dicom_bytes(grey.astype(np.uint16), plan),
        "volume": nifti_bytes(np.zeros((16, 16, 3), np.uint8)),
        "text": b"BM is how this text begins, and II* is how it goes on. " * 9,
        "words": b"notes on the slices\n",
        "empty": b"",
        "noise": bytes(range(256)) * 3,
    }
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    for name in ("far", "farther"):
        (folder / name / "deep").mkdir(parents=True)
        (folder / name / "deep" / "f.png").write_bytes(contents["slice"])
    (folder / "far" / "deep" / "back").symlink_to("..")
    (folder / "farther" / "to").symlink_to("../far")
    return folder


def grow(root: Path, pool: Path, seed: str) -> Tree:
    """Make the tree of a seed in ``root``."""
    rng, tree = random.Random(seed), Tree(root, pool)
    root.mkdir()
    folders = _skeleton(tree, rng)
    for folder in folders:
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            _file(tree, rng, folder)
    for _ in range(rng.choice((0, 1, 2, 2, 3, 4))):
        with contextlib.suppress(OSError):  # it exists already, or permissions are missing
            rng.choice(ODDITIES)(tree, rng, rng.choice([root, *folders]))
    if rng.random() < 0.35:
        _close(tree, rng, folders)
    return tree


def take_down(tree: Tree) -> None:
    """Remove a tree with its closed folders."""
    for path, mode in reversed(tree.closed):
        with contextlib.suppress(OSError):
            Path(path).chmod(mode)
    shutil.rmtree(tree.root)


def _skeleton(tree: Tree, rng: random.Random) -> list[Path]:
    """Make class folders, some of them in splits or deeper folders; return them."""
    base = tree.root
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        base /= rng.choice(("data", "archive", "mri 1", "x.png"))
        tree.features.add("deeper inside")
    parts = [Path()]
    if rng.random() < 0.5:
        names = rng.sample(PARTS, rng.randint(1, 3))
        parts = [Path("".join(rng.choice((each.upper(), each)) for each in name)) for name in names]
        tree.features.add("parts")
        if rng.random() < 0.4:
            parts.append(Path("extra"))
            tree.features.add("a folder beside parts")
    made = []
    for part in parts:
        for name in rng.sample(CLASSES, rng.randint(1, 3)):
            folder = base / part / name / rng.choice(("", "", "patient-1", "p/q"))
            folder.mkdir(parents=True, exist_ok=True)
            made.append(folder)
    return made


def _file(tree: Tree, rng: random.Random, folder: Path, name: bytes = b"") -> None:
    """Make a file with random content and name: a copy, a hard link or a symbolic link."""
    content = tree.pool / rng.choice(("slice",) * 6 + ("cut", "dicom", "localiser", "volume", "text", "words", "empty"))
    suffix = rng.choice(SUFFIXES) if rng.random() < 0.4 else ".png"
    stem = rng.choice(STEMS) if rng.random() < 0.3 else b"s%d" % rng.randint(0, 99)
    path = str(folder / os.fsdecode(name or stem + suffix.encode()))
    if os.path.lexists(path):
        return
    way = rng.random()
    if way < 0.5:
        os.link(content, path)
    elif way < 0.7:
        Path(path).symlink_to(content)
    else:
        shutil.copyfile(content, path)
    tree.made.append(path)


def _dangling(tree: Tree, rng: random.Random, folder: Path) -> None:
    path = folder / rng.choice(("gone.png", "gone", "gone.dcm"))
    target = rng.choice((".git/annex/objects/aa/bb", "/nowhere/at/all", path.name, "\udcff", "x" * 300))
    path.symlink_to(target)
    tree.made.append(str(path))
    tree.features.add("links that lead nowhere")


def _loop(tree: Tree, rng: random.Random, folder: Path) -> None:
    targets = [".", "..", str(tree.root)] if folder != tree.root else ["."]
    (folder / rng.choice(("up", "loop"))).symlink_to(rng.choice(targets))
    tree.features.add("link loops")


def _across(tree: Tree, rng: random.Random, folder: Path) -> None:
    inside = sorted(each for each, _, _ in os.walk(tree.root) if len(each) < 2000)
    (folder / "across").symlink_to(rng.choice(inside))
    tree.features.add("links to folders inside")


def _far(tree: Tree, rng: random.Random, folder: Path) -> None:
    (folder / rng.choice(("outside", "notumor"))).symlink_to(tree.pool / rng.choice(("far", "farther", "far/deep")))
    tree.features.add("links to folders outside")


def _special(tree: Tree, rng: random.Random, folder: Path) -> None:
    path = str(folder / "pipe.png")
    if rng.random() < 0.5 or len(os.fsencode(path)) > 100:
        os.mkfifo(path)
    else:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
            try:
                made.bind(path)
            except OSError as error:
                raise FileExistsError(path) from error
    tree.made.append(path)
    tree.features.add("pipes and sockets")


def _house(tree: Tree, rng: random.Random, folder: Path) -> None:
    inside = folder / rng.choice(HOUSEKEEPING)
    if rng.random() < 0.3:
        _file(tree, rng, folder, rng.choice(HOUSE_FILES).encode())
    else:
        (inside / "sub").mkdir(parents=True)
        _file(tree, rng, inside)
        _file(tree, rng, inside / "sub", b"SYNOPHOTO_THUMB_M.jpg")
        if rng.random() < 0.3:
            _shut(tree, str(rng.choice((inside, inside / "sub"))), 0)
    tree.features.add("housekeeping")


def _loose(tree: Tree, rng: random.Random, folder: Path) -> None:
    _file(tree, rng, rng.choice((tree.root, folder.parent if folder != tree.root else folder)))
    tree.features.add("loose files")


def _folder_as_file(tree: Tree, rng: random.Random, folder: Path) -> None:
    (folder / "folder.png").mkdir()
    if rng.random() < 0.7:
        _file(tree, rng, folder / "folder.png")
    tree.features.add("folders called like files")


def _deep(tree: Tree, rng: random.Random, folder: Path) -> None:
    """Make deep folders, some beyond the longest path of the system."""
    names = [rng.choice(("d", "patient", "n" * 200))] * rng.choice((5, 20, 60))
    path, at = str(folder), os.open(folder, os.O_RDONLY)
    try:
        for name in names:
            os.mkdir(name, dir_fd=at)
            below = os.open(name, os.O_RDONLY, dir_fd=at)
            os.close(at)
            path, at = f"{path}/{name}", below
        os.close(os.open("s.png", os.O_WRONLY | os.O_CREAT, dir_fd=at))
    finally:
        os.close(at)
    tree.made.append(f"{path}/s.png")
    tree.features.add("deep folders")


def _table(tree: Tree, rng: random.Random, folder: Path) -> None:
    """Add a file with the name of a table; most are not valid tables."""
    _file(tree, rng, rng.choice((tree.root, folder)), rng.choice(TABLES).encode())
    tree.features.add("files called like tables")


def _close(tree: Tree, rng: random.Random, folders: list[Path]) -> None:
    """Remove the right to enter or list a folder, or to read a file."""
    own = [each for each in tree.made if _is_own(Path(each))]
    if own and rng.random() < 0.4:
        _shut(tree, rng.choice(own), 0)
        tree.features.add("files without the right to read")
        return
    folder = rng.choice([*folders, *(each.parent for each in folders if each.parent != tree.root)])
    _shut(tree, str(folder), rng.choice((0o000, 0o000, 0o111, 0o444)))
    tree.features.add("folders without the right to enter")


def _is_own(path: Path) -> bool:
    """Whether a path is a regular file without other links, so that closing it closes no other path."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1


def _shut(tree: Tree, path: str, mode: int) -> None:
    tree.closed.append((path, 0o700))
    Path(path).chmod(mode)


Oddity = Callable[[Tree, random.Random, Path], None]
ODDITIES: tuple[Oddity, ...] = (
    *(_dangling, _loop, _across, _far, _special, _house, _house, _loose, _folder_as_file) * 4,
    *(_deep,) * 2,
    _table,
)
