"""Registry of public releases: command-line name, download and recognition of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gadolin.datasets.releases import br35h, figshare, kaggle, sartaj
from gadolin.datasets.releases.release import Release
from gadolin.datasets.scan_result import Scan
from gadolin.errors import DataError, suggestion
from gadolin.progress import Progress
from gadolin.registry import Registry

__all__ = ["SOURCES", "Source", "fetch", "recognise"]


@dataclass(frozen=True, slots=True)
class Source:
    """A public data set and its download function.

    ``fetch(out, progress=...)`` writes the files of ``release`` into the folder ``out``, new or empty, with a
    ``manifest.csv`` written last, and returns their ``Scan``; ``progress``, which may be None, is called with
    (done, total, what). It raises DownloadError if the source fails, OutputError if a file cannot be written.
    """

    release: Release
    fetch: Callable[..., Scan]


def _unknown(name: str, known: tuple[str, ...]) -> DataError:
    return DataError(
        code="source_unknown",
        rule=f"a source must be one of {', '.join(known)}",
        got=f"got {name!r}{suggestion(name.lower(), known)}",
    )


SOURCES: Registry[Source] = Registry(
    "gadolin.sources",
    "a gadolin.datasets.Source",
    lambda one: isinstance(one, Source),
    _unknown,
    {
        "kaggle": Source(kaggle.RELEASE_7023, kaggle.fetch_7023),
        "kaggle-7200": Source(kaggle.RELEASE_7200, kaggle.fetch_7200),
        "figshare": Source(figshare.RELEASE, figshare.fetch),
        "br35h": Source(br35h.RELEASE, br35h.fetch),
        "sartaj": Source(sartaj.RELEASE, sartaj.fetch),
    },
)
"""Every source by its name on the command line."""


def fetch(name: str, out: Path, *, progress: Progress | None = None) -> Scan:
    """Fetch the release ``name`` into ``out``, which must be new, empty or hold an interrupted fetch.

    ``progress`` is called with (done, total, what). Raises DataError for an unknown name or a folder in use,
    DownloadError if the source fails, OutputError if the files cannot be written.
    """
    return SOURCES.get(name).fetch(out, progress=progress)


def recognise(found: Scan) -> Scan:
    """Set the release of a scan, by the ``source`` of its records or by its counts of splits and classes."""
    slim = br35h.without_extras(found)
    sources = {record.source for record in slim.records}
    for name in SOURCES.built_in:  # first, without loading plug-ins
        if _shows(SOURCES.get(name).release, slim, sources):
            return replace(slim, release=SOURCES.get(name).release)
    others = [source.release for source in SOURCES.plugins().values()]
    return next((replace(slim, release=one) for one in others if _shows(one, slim, sources)), slim)


def _shows(release: Release, found: Scan, sources: set[str]) -> bool:
    return sources == {release.name} or (sources == {""} and release.holds(found.records))
