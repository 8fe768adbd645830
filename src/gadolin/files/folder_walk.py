"""Folder walk: every readable file, and the reason why each other entry was skipped."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from gadolin.errors import DataError, ReadError, cannot_open
from gadolin.records import Failure

__all__ = [
    "Listing",
    "Walk",
    "Walker",
    "count_by_code",
    "describe",
    "failures_json",
    "housekeeping_in",
    "is_housekeeping",
    "special_file",
    "walk",
]

_HOUSEKEEPING = {
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "~snapshot", "$recycle.bin",
    "@sharebin", "@transcode", "@quarantine", "@sharesnap", "network recycle bin", "network trash folder",
    "temporary items", "recycler", "recycled", "lost+found", "system volume information", "__macosx", "__pycache__",
    "thumbnails", "thumbs", "_thumbs", ".ds_store", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini",
    "icon\r",
}  # fmt: skip
"""Files and folders of file servers and desktops, in lower case."""
_HOUSEKEEPING_TOO = re.compile(r"found\.\d{3}|network recycle bin \d+|.*@syno(resource|eastream)")
_STREAMS = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")  # pipes that a shell passes as files

Identity = tuple[int, int] | str


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a folder, sorted: ``files``, real ``folders``, and ``linked`` ones."""

    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    linked: tuple[Path, ...]

    @property
    def all_folders(self) -> tuple[Path, ...]:
        """All folders including linked ones, sorted."""
        return tuple(sorted((*self.folders, *self.linked)))


@dataclass(frozen=True, slots=True)
class Walk:
    """The content of a folder tree.

    ``files`` are sorted. ``failures`` are unreadable folders and broken links, ``left_out`` entries that were skipped
    on purpose, each with its reason.
    """

    files: tuple[Path, ...]
    failures: tuple[Failure, ...]
    left_out: tuple[Failure, ...]


@dataclass(slots=True)
class Walker:
    """Walks several folders of one data set, entering each once even if several links lead to it.

    ``failures`` collects the errors of all folders entered.
    """

    failures: list[Failure] = field(default_factory=list)
    _aside: list[Failure] = field(default_factory=list)
    _housekeeping: list[tuple[Path, bool]] = field(default_factory=list)
    _entered: dict[Identity, Path] = field(default_factory=dict)

    def again(self, inner: Path) -> Walker:
        """Return a walker for a second walk of ``inner`` that skips folders this one entered outside of it."""
        return Walker(_entered={key: path for key, path in self._entered.items() if not path.is_relative_to(inner)})

    def left_out(self) -> list[Failure]:
        """Return the entries skipped so far; housekeeping folders are listed file by file, except through links."""
        while self._housekeeping:
            path, is_folder = self._housekeeping.pop()
            error = _skip_reason(path.name)
            self._aside += [Failure(each, error) for each in self._inside(str(path), is_folder=is_folder)]
        return self._aside

    def listing(self, folder: Path) -> Listing:
        """Return the entries of a folder; a folder that was entered before counts as empty."""
        files: list[Path] = []
        folders: list[Path] = []
        linked: list[Path] = []
        for entry in sorted(self._entries(folder), key=lambda each: each.name):
            path = folder / entry.name
            if is_housekeeping(entry.name):
                self._housekeeping.append((path, _is_real_folder(entry)))
                continue
            kind = self._kind(entry, path)
            if kind == stat.S_IFDIR:
                (linked if entry.is_symlink() else folders).append(path)
            elif kind == stat.S_IFREG:
                files.append(path)
        return Listing(tuple(files), tuple(folders), tuple(linked))

    def files(self, *folders: Path) -> list[list[Path]]:
        """Return for each folder the files below it, sorted.

        Folders reachable without a link are entered first, so that each keeps its real path.
        """
        found: list[list[tuple[Path, ...]]] = [[] for _ in folders]
        waiting: deque[tuple[int, Path]] = deque()
        links: deque[tuple[int, Path]] = deque()
        for number, folder in enumerate(folders):
            (links if os.path.islink(folder) else waiting).append((number, folder))  # noqa: PTH114  # accepts any name
        while waiting or links:
            number, folder = waiting.popleft() if waiting else links.popleft()
            inside = self.listing(folder)
            found[number].append(inside.files)
            waiting += [(number, each) for each in inside.folders]
            links += [(number, each) for each in inside.linked]
        return [list(each[0]) if len(each) == 1 else sorted(chain.from_iterable(each)) for each in found]

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            identity = _identity(str(folder))
            if identity in self._entered:
                self._aside.append(Failure(str(folder), _ENTERED_BEFORE))
                return []
            with os.scandir(folder) as entries:
                found = list(entries)
        except (OSError, ValueError) as error:
            self.failures.append(Failure(str(folder), _cannot_enter(error)))
            return []
        self._entered[identity] = folder
        return found

    def _kind(self, entry: os.DirEntry[str], path: Path) -> int:
        """Return the file type of an entry or of its target; 0 after recording a failure."""
        try:
            if not entry.is_symlink():
                if entry.is_dir(follow_symlinks=False):
                    return stat.S_IFDIR
                if entry.is_file(follow_symlinks=False):
                    return stat.S_IFREG
            kind = stat.S_IFMT(entry.stat().st_mode)
        except (OSError, ValueError) as error:
            self.failures.append(Failure(str(path), _cannot_follow(path, error)))
            return 0
        if kind not in (stat.S_IFDIR, stat.S_IFREG):
            self._aside.append(Failure(str(path), _SPECIAL))
        return kind

    def _inside(self, path: str, *, is_folder: bool) -> Iterator[str]:
        """Yield a file, or the files in a folder, without following links; the folder itself if it is unreadable."""
        waiting = [(path, is_folder)]
        while waiting:
            name, is_folder = waiting.pop()
            if not is_folder:
                yield name
                continue
            try:
                if _identity(name) not in self._entered:
                    with os.scandir(name) as entries:
                        waiting += [(each.path, _is_real_folder(each)) for each in entries]
            except (OSError, ValueError):
                yield name


def walk(folder: Path) -> Walk:
    """Return every file below ``folder``, following links, and the skipped entries.

    ``folder`` is entered even if its name is a housekeeping name. No file is opened.
    """
    walker = Walker()
    (files,) = walker.files(folder)
    return Walk(tuple(files), tuple(walker.failures), tuple(walker.left_out()))


def is_housekeeping(name: str) -> bool:
    """Return whether a file or folder is hidden or created by a file server, desktop or tool."""
    plain = name.lower()
    return name.startswith(".") or plain in _HOUSEKEEPING or _HOUSEKEEPING_TOO.fullmatch(plain) is not None


def housekeeping_in(name: str) -> DataError | None:
    """Return the reason if a relative path, with either slash, is or contains a housekeeping name, else None."""
    parts = (part for part in re.split(r"[/\\]", name) if part not in ("", ".", ".."))
    return next((_skip_reason(part) for part in parts if is_housekeeping(part)), None)


def _skip_reason(name: str) -> DataError:
    return _HIDDEN if name.startswith(".") and name.lower() not in _HOUSEKEEPING else _KEPT_HOUSE


def special_file(path: str) -> ReadError | None:
    """Return the error for a pipe, a socket or a device, which could block forever; None for other files.

    Streams such as ``/dev/stdin`` and ``/dev/fd/63`` from shells are finite and allowed.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)  # noqa: PTH116  # pathlib may refuse the name
    except (OSError, ValueError):
        return None  # opening the file will report it
    if kind in (stat.S_IFREG, stat.S_IFDIR) or path.startswith(_STREAMS):
        return None
    return ReadError(code=_SPECIAL.code, rule=_SPECIAL.rule, got=_SPECIAL.got, remedy="save its content to a file")


def count_by_code(failures: Iterable[Failure]) -> dict[str, int]:
    """Return the number of failures per code, the most frequent first."""
    counts = Counter(one.code for one in failures)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def failures_json(errors: Iterable[Failure], left_out: Iterable[Failure]) -> dict[str, object]:
    """Return the JSON fields for files without a result, shared by all commands and the service.

    ``errors`` could not be entered, read or explained, ``left_out`` were skipped on purpose; both are listed by file
    and counted by code.
    """
    wrong, aside = list(errors), list(left_out)
    return {
        "errors": [one.as_json() for one in wrong],
        "errors_by_code": count_by_code(wrong),
        "left_out": [{"path": one.path, "code": one.code, "reason": one.reason} for one in aside],
        "left_out_by_code": count_by_code(aside),
    }


def describe(what: str, failures: Sequence[Failure], *, shown: int = 3) -> list[str]:
    """Return lines that count ``failures`` by code, with the first ``shown`` files of each."""
    if not failures:
        return []
    counts = count_by_code(failures)
    lines = [f"{what}: {len(failures)} ({', '.join(f'{code} {count}' for code, count in counts.items())})"]
    for code, count in counts.items():
        lines += [f"  {what} {one}" for one in [each for each in failures if each.code == code][:shown]]
        lines += [f"  ... and {count - shown} more of {code}"] if count > shown else []
    return lines


def _identity(folder: str) -> Identity:
    """Return the identity of a folder, independent of links; raises OSError or ValueError."""
    facts = os.stat(folder)  # noqa: PTH116  # pathlib may refuse the name
    return (facts.st_dev, facts.st_ino) if facts.st_ino else os.path.realpath(folder)


def _is_real_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _cannot_enter(error: Exception) -> ReadError:
    return ReadError(
        code="cannot_enter",
        rule="every folder must be accessible",
        got=f"this one is not ({_words(error)})",
        remedy="check its permissions",
    )


def _cannot_follow(path: Path, error: Exception) -> ReadError:
    if not os.path.islink(path):  # noqa: PTH114  # pathlib may refuse the name
        return cannot_open(error)
    return ReadError(
        code="broken_link",
        rule="a link must point to a file or a folder",
        got=f"this one is broken ({_words(error)})",
        remedy="restore its target, or remove it",
    )


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


_HIDDEN = DataError(code="hidden", rule="hidden files and folders are not data", remedy="rename it if it is")
_KEPT_HOUSE = DataError(
    code="housekeeping",
    rule="files that file servers and desktops create are not data",
    remedy="rename it if it is",
)
_SPECIAL = DataError(
    code="special_file", rule="a slice must be in a regular file", got="this is a pipe, a socket or a device"
)
_ENTERED_BEFORE = DataError(
    code="folder_entered_before",
    rule="a folder is searched once",
    got="this one was already searched under another name",
)
