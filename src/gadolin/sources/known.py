"""The known releases in one place: what each is called on the command line, and how it is fetched and known again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gadolin.errors import DataError, suggestion
from gadolin.progress import Progress
from gadolin.sources import br35h, figshare, kaggle, sartaj
from gadolin.sources.found import Scan
from gadolin.sources.release import Release

__all__ = ["SOURCES", "Source", "fetch", "recognise"]


@dataclass(frozen=True, slots=True)
class Source:
    """A release and how it is fetched into a folder: ``fetch(out, progress=...)``."""

    release: Release
    fetch: Callable[..., Scan]


SOURCES = {
    "kaggle": Source(kaggle.RELEASE_7023, kaggle.fetch_7023),
    "kaggle-7200": Source(kaggle.RELEASE_7200, kaggle.fetch_7200),
    "figshare": Source(figshare.RELEASE, figshare.fetch),
    "br35h": Source(br35h.RELEASE, br35h.fetch),
    "sartaj": Source(sartaj.RELEASE, sartaj.fetch),
}


def fetch(name: str, out: Path, *, progress: Progress | None = None) -> Scan:
    """Fetch the release called ``name`` into ``out``, which must be new, empty or hold a fetch that broke off.

    ``progress`` is called with (done, total, what). Raises DataError for an unknown name or a folder in use,
    DownloadError where the source fails, OutputError where the files cannot be written.
    """
    if name not in SOURCES:
        known = ", ".join(SOURCES)
        raise DataError(
            code="source_unknown",
            rule=f"a source must be one of {known}",
            got=f"got {name!r}{suggestion(name.lower(), SOURCES)}",
        )
    return SOURCES[name].fetch(out, progress=progress)


def recognise(found: Scan) -> Scan:
    """Name the release that a scan shows, by the ``source`` of its records or by the counts of parts and classes."""
    slim = br35h.without_extras(found)
    named = {record.source for record in slim.records}
    for source in SOURCES.values():
        release = source.release
        if named == {release.name} or (named == {""} and release.holds(slim.records)):
            return replace(slim, release=release)
    return slim
