"""A source of data that needs no network: a small set of phantoms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gadolin.datasets import Release, Scan, Source, scan
from gadolin.datasets.manifest import write_manifest
from gadolin.phantoms import CLASSES, PhantomPlan, write_phantoms
from gadolin.progress import Progress

__all__ = ["SMALL_PHANTOMS", "fetch"]

_PLAN = PhantomPlan(patients=4, slices=2, size=96, seed=7)
_RELEASE = Release(
    name="small-phantoms",
    title="A small set of phantoms",
    licence="CC0 1.0 (public domain)",
    citation="The Gadolin authors. A small set of phantoms.",
    url="https://example.org/small-phantoms",
    pinned="small-phantoms/1",
    counts={("train", name): 6 for name in CLASSES} | {("test", name): 2 for name in CLASSES},
)


def fetch(out: Path, *, progress: Progress | None = None) -> Scan:
    """Draw the phantoms into ``out``; raises DataError where that holds something, OutputError where it is full."""
    manifest = write_phantoms(out, _PLAN, progress=progress)
    drawn = scan(out)
    records = tuple(replace(one, source=_RELEASE.name) for one in drawn.records)
    write_manifest(manifest, records)
    return replace(drawn, records=records, release=_RELEASE)


SMALL_PHANTOMS = Source(_RELEASE, fetch)
