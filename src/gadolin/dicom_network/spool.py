"""The spool of a DICOM node: received images and made results on disk, until the results are sent.

::

    spool/
    |-- lock                              held by the node that uses the spool
    |-- incoming/                         instances that are being written; emptied at the start
    |-- removed/                          series that are being deleted; emptied at the start
    |-- damaged/                          sets that could not be read; never deleted
    `-- studies/STUDY/SERIES/
        |-- images/INSTANCE.dcm           acknowledged images
        `-- sets/0001/                    results of the images that set.json lists, complete since the folder exists
            |-- set.json, report-UID.dcm, ...
            `-- sent-DESTINATION          these results are sent

Names are digests of UIDs. Everything is readable by its owner only.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from gadolin.errors import DataError
from gadolin.files.atomic import unwritable

__all__ = ["Identity", "ResultSet", "Spool", "SpoolFullError", "SpooledSeries"]

_DIGITS = 32  # of a name
_SET, _SENT, _LOCK = "set.json", "sent-", "lock"
_LOG = logging.getLogger("gadolin")


class SpoolFullError(Exception):
    """The spool has no room for the instance: the disk is full, or its study has too many instances or bytes."""


class Identity(NamedTuple):
    """The UIDs of an instance."""

    study: str
    series: str
    instance: str


@dataclass(frozen=True, slots=True, eq=False)
class ResultSet:
    """Results for a series: their folder, the names of the images that they are of, and the DICOM files.

    ``objects`` are in the order of sending: lesions and overlays before reports, rejection notes last. ``sent`` holds
    the destinations that have got them.
    """

    folder: Path
    images: frozenset[str]
    objects: tuple[Path, ...]
    sent: set[str]

    @classmethod
    def read(cls, folder: Path) -> ResultSet:
        """Read a set from its folder; raises OSError, ValueError, KeyError or TypeError if it is damaged."""
        facts = json.loads((folder / _SET).read_bytes())
        order = {"lesions": 0, "overlay": 1, "report": 2, "rejection": 3}
        found = sorted(folder.glob("*.dcm"), key=lambda path: (order.get(path.name.partition("-")[0], 0), path.name))
        sent = {path.name.removeprefix(_SENT) for path in folder.glob(f"{_SENT}*")}
        return cls(folder, frozenset(map(str, facts["images"])), tuple(found), sent)

    def is_sent(self, destination: str) -> bool:
        """Return whether the results have been sent to a destination."""
        return not self.objects or destination in self.sent

    def mark_sent(self, destination: str) -> None:
        """Record that the results have been sent to a destination."""
        (self.folder / f"{_SENT}{destination}").touch(mode=0o600)
        self.sent.add(destination)


@dataclass(slots=True)
class _Use:
    """What a study occupies."""

    instances: int = 0
    size: int = 0


@dataclass(slots=True, eq=False)
class SpooledSeries:
    """A series in the spool, with monotonic times.

    ``images`` maps the name of each image to its size in bytes. ``first`` is the arrival of the first image that is not
    answered, ``last`` that of the last image, ``changed`` when images or results were last added or sent. ``arriving``
    is the number of instances that are being moved into it.
    """

    folder: Path
    first: float
    last: float
    changed: float
    images: dict[str, int] = field(default_factory=dict)
    sets: list[ResultSet] = field(default_factory=list)
    arriving: int = 0

    @property
    def name(self) -> str:
        """A short name for logs, which identifies no patient."""
        return self.folder.name[:8]

    @property
    def is_answered(self) -> bool:
        """Whether every image is answered."""
        return not self.images or (bool(self.sets) and self.images.keys() <= self.sets[-1].images)

    def paths(self, names: Iterable[str]) -> list[Path]:
        """Return the files of images."""
        return [self.folder / "images" / name for name in sorted(names)]


class Spool:
    """A spool folder, used by one node at a time; safe to use from several threads."""

    def __init__(self, folder: Path, *, instances_per_study: int, bytes_per_study: int, free_bytes: int) -> None:
        self._folder, self._lock = folder, threading.RLock()
        self._limits = (instances_per_study, bytes_per_study)
        self._free_bytes = free_bytes
        self._writing = 0  # bytes
        self._series: dict[str, SpooledSeries] = {}
        self._use: dict[str, _Use] = {}
        try:
            _require_spool(folder)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            self._lock_file = (folder / _LOCK).open("a")
            self._claim()
            for name in ("incoming", "removed"):
                shutil.rmtree(folder / name, ignore_errors=True)
            for name in ("incoming", "removed", "damaged", "studies"):
                (folder / name).mkdir(mode=0o700, exist_ok=True)
            self._read()
        except OSError as error:
            raise unwritable(folder, error) from error

    def __enter__(self) -> Self:
        """Return the spool."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the spool."""
        self.close()

    def close(self) -> None:
        """Let another node use the folder."""
        self._lock_file.close()

    def series(self) -> list[SpooledSeries]:
        """Return the series, those that came first first."""
        with self._lock:
            return sorted(self._series.values(), key=lambda one: one.first)

    def store(self, identity: Identity, content: bytes | bytearray) -> bool:
        """Write an instance; return False if it is there already. When this returns, it survives a loss of power.

        Raises SpoolFullError if there is no room for it.
        """
        study, series, instance = (_digest(uid) for uid in identity)
        name, size = f"{instance}.dcm", len(content)
        with self._lock:
            known = self._series.get(f"{study}/{series}")
            if known is not None and name in known.images:
                return False
            self._reserve(study, size)
        temporary = self._folder / "incoming" / f"{series}-{instance}-{threading.get_ident()}"
        arriving, is_new = None, False
        try:
            _write(temporary, content)
            with self._lock:
                arriving = self._arriving(study, series)
            with suppress(FileExistsError):  # another association was earlier
                os.link(temporary, arriving.folder / "images" / name)
            _sync(arriving.folder / "images")
            with self._lock:
                is_new = _arrived(arriving, name, size)
            return is_new
        except OSError as error:
            raise SpoolFullError from error
        finally:
            temporary.unlink(missing_ok=True)
            with self._lock:
                self._writing -= size
                if not is_new:
                    self._release(study, 1, size)
                if arriving is not None:
                    self._end_arrival(arriving)

    def add_set(
        self, series: SpooledSeries, images: Iterable[str], objects: Mapping[str, bytes], outcome: Mapping[str, object]
    ) -> ResultSet:
        """Write results for ``images``; afterwards the folder holds all of them, or, after a crash, none.

        ``outcome`` (JSON) is kept beside them for people.

        Raises OutputError if they cannot be written.
        """
        names = frozenset(images)
        place = series.folder / "sets"
        draft = place / ".draft"
        number = int(series.sets[-1].folder.name) + 1 if series.sets else 1
        folder = place / f"{number:04d}"
        try:
            shutil.rmtree(draft, ignore_errors=True)
            place.mkdir(mode=0o700, exist_ok=True)
            draft.mkdir(mode=0o700)
            for name, content in objects.items():
                _write(draft / name, content)
            facts = {"images": sorted(names), "outcome": dict(outcome)}
            _write(draft / _SET, json.dumps(facts).encode())
            _sync(draft)
            draft.rename(folder)
            _sync(place)
            _sync(series.folder)
        except OSError as error:
            raise unwritable(folder, error) from error
        made = ResultSet.read(folder)
        with self._lock:
            series.sets.append(made)
            series.first = series.changed = time.monotonic()
        return made

    def remove(self, series: SpooledSeries) -> bool:
        """Delete a series; return False, and keep it, if an image came that is not answered."""
        study, name = series.folder.parts[-2:]
        away = self._folder / "removed" / f"{name}-{time.time_ns()}"
        with self._lock:
            if series.arriving or not series.is_answered:
                return False
            with suppress(FileNotFoundError):  # it was deleted by hand
                series.folder.rename(away)
            del self._series[f"{study}/{name}"]
            self._release(study, len(series.images), sum(series.images.values()))
            with suppress(OSError):  # another series is in it
                series.folder.parent.rmdir()
        shutil.rmtree(away, ignore_errors=True)
        return True

    def _claim(self) -> None:
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.close()
            raise DataError(
                code="spool_in_use",
                rule="a spool is for one node at a time",
                got="another node uses this one",
                remedy="stop it, or choose another spool",
                path=self._folder,
            ) from error

    def _read(self) -> None:
        """Find what earlier nodes left; its images count as just arrived."""
        now = time.monotonic()
        for folder in sorted(path for path in self._folder.glob("studies/*/*") if path.is_dir()):
            study = folder.parent.name
            found = SpooledSeries(folder, now, now, changed=now - _age(folder))
            for path in sorted((folder / "images").glob("*.dcm")):
                found.images[path.name] = path.stat().st_size
            for place in sorted((folder / "sets").glob("[0-9]*")):
                made = self._set_of(place)
                if made is not None:
                    found.sets.append(made)
                    found.changed = now - _age(place)
            self._series[f"{study}/{folder.name}"] = found
            use = self._use.setdefault(study, _Use())
            use.instances += len(found.images)
            use.size += sum(found.images.values())

    def _set_of(self, place: Path) -> ResultSet | None:
        """Read a set; one that cannot be read is moved away, so that its images are answered again."""
        try:
            return ResultSet.read(place)
        except (OSError, ValueError, KeyError, TypeError):
            aside = self._folder / "damaged" / f"{place.parent.parent.name}-{place.name}-{time.time_ns()}"
            place.rename(aside)
            _LOG.warning("a damaged set of results is now in %s, its images are answered again", aside)
            return None

    def _reserve(self, study: str, size: int) -> None:
        """Count an instance that is being written; raises SpoolFullError if there is no room for it."""
        use = self._use.get(study, _Use())
        if use.instances + 1 > self._limits[0] or use.size + size > self._limits[1]:
            raise SpoolFullError
        self._writing += size
        try:
            if self._free_bytes and shutil.disk_usage(self._folder).free < self._free_bytes + self._writing:
                raise SpoolFullError
        except BaseException:
            self._writing -= size
            raise
        use.instances += 1
        use.size += size
        self._use[study] = use

    def _release(self, study: str, instances: int, size: int) -> None:
        """Count instances as gone."""
        use = self._use[study]
        use.instances -= instances
        use.size -= size
        if not use.instances:
            del self._use[study]

    def _arriving(self, study: str, series: str) -> SpooledSeries:
        """Return a series that is kept until the instance has arrived, and create it if it is new."""
        key, folder = f"{study}/{series}", self._folder / "studies" / study / series
        known = self._series.get(key)
        if known is None:
            for each in (folder.parent, folder, folder / "images"):
                each.mkdir(mode=0o700, exist_ok=True)
                _sync(each.parent)
            now = time.monotonic()
            known = self._series[key] = SpooledSeries(folder, now, now, changed=now)
        known.arriving += 1
        return known

    def _end_arrival(self, series: SpooledSeries) -> None:
        """Forget a series whose first image did not arrive."""
        series.arriving -= 1
        if not series.arriving and not series.images and not series.sets:
            del self._series["/".join(series.folder.parts[-2:])]


def _arrived(series: SpooledSeries, name: str, size: int) -> bool:
    """Count an instance that is on disk; False if another association was earlier."""
    now = time.monotonic()
    series.last = series.changed = now
    if name in series.images:
        return False
    if series.is_answered:
        series.first = now
    series.images[name] = size
    return True


def _require_spool(folder: Path) -> None:
    """Raise DataError for a folder with other files, which a spool would delete."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _LOCK).is_file():
        raise DataError(
            code="spool_not_empty",
            rule="a spool must be a new or empty folder, or one that a node has used",
            got="this one has other files",
            remedy="choose another folder",
            path=folder,
        )


def _age(folder: Path) -> float:
    """Return the seconds since a folder changed, by the clock of the system."""
    return max(0.0, time.time() - folder.stat().st_mtime)


def _digest(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:_DIGITS]


def _write(path: Path, content: bytes | bytearray) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "wb", buffering=0) as file:  # noqa: PTH123  # of a handle
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) or 0 :]
        os.fsync(handle)


def _sync(folder: Path) -> None:
    """Make the entries of a folder survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
