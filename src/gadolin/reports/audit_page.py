"""Self-contained HTML page of an audit: the verdict, then each finding with its pictures."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import cv2
from PIL import Image, ImageOps

from gadolin.checks.audit import SEVERITIES, AuditResult
from gadolin.checks.dataset import Dataset
from gadolin.checks.part_counts import PartCount
from gadolin.checks.titles import title_of
from gadolin.checks.wording import ways
from gadolin.datasets.labels import class_name
from gadolin.duplicates.registration import Overlay
from gadolin.files.atomic import write_bytes
from gadolin.records import NOTICE, Finding
from gadolin.reports.drawings import inline
from gadolin.reports.page import environment
from gadolin.splits import part_name

__all__ = ["write_audit_page"]

_GROUPS = 6  # shown per finding
_PICTURES = 4  # shown per group
_SINGLES = 12  # shown if the groups are single slices, or there is only one group
_SIDE = 160  # pixels
_AS_STORED = ("clipped", "coloured", "inverted", "tiny")  # preparation would hide these
_NAMES = 200  # groups listed by name
_SUBSETS = {
    "duplicate": "slice in training",
    "known_patient": "new slice, patient in training",
    "new_slice": "patient unknown",
    "new_patient": "patient not in training",
}


@dataclass(frozen=True, slots=True)
class _Picture:
    """One picture of the page: data URI, name, label, part or data set, and its difference from the group's first."""

    source: str
    name: str
    label: str
    place: str
    how: str


@dataclass(frozen=True, slots=True)
class _Shown:
    """A finding on the page: groups of pictures with the number left out of each; ``wide``: one group only."""

    finding: Finding
    title: str
    groups: tuple[tuple[tuple[_Picture, ...], int], ...]
    wide: bool
    names: tuple[str, ...]
    members: int


def write_audit_page(path: Path, audit: AuditResult) -> None:
    """Write the self-contained page of an audit, atomically.

    Raises MissingExtraError where jinja2 is not installed, OutputError where the file cannot be written.
    """
    dataset = audit.dataset
    rows = {name: row for row, name in enumerate(dataset.names)}
    overlays = {(pair.first, pair.second): pair.overlay for pair in dataset.copies.pairs}
    severities = Counter(one.severity for one in audit.findings)
    parts = [one for one in audit.parts if one.duplicate is not None]
    html: str = (
        environment()
        .get_template("audit.html.jinja")
        .render(
            notice=NOTICE,
            verdict=audit.verdict,
            title=f"Audit of {dataset.scan.name}",
            facts=_facts(audit),
            created=date.today().isoformat(),
            severities=[(name, severities[name]) for name in SEVERITIES],
            parts=[asdict(one) for one in parts],
            subsets=[(name, part_name(name), words) for name, words in _SUBSETS.items() if _any(parts, name)],
            shown=_numbered([_show(dataset, finding, rows, overlays) for finding in audit.findings]),
            quiet=sorted(set(audit.looked) - {one.kind for one in audit.findings}),
            skipped=audit.skipped,
            title_of=title_of,
            class_name=class_name,
            command=audit.command,
        )
    )
    write_bytes(path, html.encode("utf-8", "backslashreplace"))


def _numbered(shown: list[_Shown]) -> list[_Shown]:
    """Return findings with different titles: those of one title get a number."""
    total = Counter(one.title for one in shown)
    seen: Counter[str] = Counter()
    titles = []
    for one in shown:
        seen[one.title] += 1
        several = f" ({seen[one.title]} of {total[one.title]})" if total[one.title] > 1 else ""
        titles.append(f"{one.title}{several}")
    return [replace(one, title=title) for one, title in zip(shown, titles, strict=True)]


def _any(parts: Sequence[PartCount], subset: str) -> bool:
    """Return whether a subset has slices."""
    return any(getattr(one, subset) for one in parts)


def _facts(audit: AuditResult) -> dict[str, str]:
    dataset = audit.dataset
    patients = {record.patient for record in dataset.records_with_patients if record.patient}
    unknown = sum(not record.patient for record in dataset.records_with_patients)
    different = len(set(dataset.copies.groups[: dataset.n_records].tolist()))
    facts = {
        "data": str(dataset.scan.root),
        "slices": f"{dataset.n_records:,} ({different:,} without copies)",
        "classes": ", ".join(
            f"{class_name(name)}\u00a0{sum(one.label == name for one in dataset.records):,}" for name in dataset.classes
        ),
        "patients": _patients(len(patients), unknown),
    }
    if dataset.parts:
        counts = Counter(record.split or "no part" for record in dataset.records)
        facts["parts"] = ", ".join(f"{part} {count:,}" for part, count in counts.items())
    if dataset.against is not None:
        others = len(dataset.all_records) - dataset.n_records
        facts["compared with"] = f"{dataset.against.root} ({others:,} slices)"
    return facts


def _patients(known: int, unknown: int) -> str:
    if not known:
        return "unknown"
    return f"{known:,}; unknown for {unknown:,} slices" if unknown else f"{known:,}"


def _show(dataset: Dataset, finding: Finding, rows: dict[str, int], overlays: dict[tuple[int, int], Overlay]) -> _Shown:
    alone = len(finding.members) == 1 or all(len(members) == 1 for members in finding.members)
    groups: list[tuple[tuple[_Picture, ...], int]] = []
    if alone:
        there = [rows[name] for members in finding.members for name in members if name in rows]
        if there:
            draw = _stored if finding.kind in _AS_STORED else _prepared
            pictures = tuple(_picture(dataset, row, draw(dataset, row)) for row in there[:_SINGLES])
            groups.append((pictures, len(there[_SINGLES:])))
    else:
        for there in _mixed([[rows[name] for name in members if name in rows] for members in finding.members], dataset):
            chosen = _spread(dataset, there)
            hows = [_how(overlays.get((min(chosen[0], row), max(chosen[0], row)))) for row in chosen]
            pairs = zip(chosen, hows, strict=True)
            pictures = tuple(_picture(dataset, row, _prepared(dataset, row), how) for row, how in pairs)
            groups.append((pictures, len(there) - len(chosen)))
    return _Shown(
        finding=finding,
        title=title_of(finding.kind),
        groups=tuple(groups),
        wide=alone,
        names=tuple(", ".join(members) for members in finding.members[:_NAMES]),
        members=len(finding.members),
    )


def _mixed(groups: Sequence[list[int]], dataset: Dataset) -> list[list[int]]:
    """Return the first groups with pictures, alternating between the classes."""
    seen: Counter[str] = Counter()
    ranked = []
    for group in groups:
        if group:
            label = dataset.all_records[group[0]].label
            ranked.append((seen[label], group))
            seen[label] += 1
    return [group for _, group in sorted(ranked, key=lambda one: one[0])[:_GROUPS]]


def _how(overlay: Overlay | None) -> str:
    """Return the transformation between two pictures in words; empty where there is none, or it is unknown."""
    if overlay is None:
        return ""
    spelled = {"rotated": f"rotated by {abs(overlay.degrees):.0f}\u00b0"}
    return ", ".join(spelled.get(way, way) for way in ways(overlay))


def _spread(dataset: Dataset, rows: Sequence[int]) -> list[int]:
    """Return the first of ``rows`` of each part, label and data set, but at least two."""
    kinds: dict[tuple[str, str, bool], int] = {}
    for row in rows:
        kinds.setdefault((dataset.all_records[row].split, dataset.all_records[row].label, row < dataset.n_records), row)
    first = list(kinds.values())[:_PICTURES]
    return first if len(first) > 1 else list(rows[:2])


def _prepared(dataset: Dataset, row: int) -> Image.Image:
    """Return the slice as prepared for a model."""
    return Image.fromarray(cv2.resize(dataset.slices[row], (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))


def _stored(dataset: Dataset, row: int) -> Image.Image:
    """Return the picture as stored in its file, or as prepared if that is not an 8-bit picture."""
    if dataset.facts[row].bits == 8:
        with suppress(Exception), Image.open(dataset.all_records[row].path) as file:
            if file.mode in ("L", "P", "RGB", "RGBA"):
                return ImageOps.pad(ImageOps.exif_transpose(file).convert("RGB"), (_SIDE, _SIDE))
    return _prepared(dataset, row)


def _picture(dataset: Dataset, row: int, drawn: Image.Image, how: str = "") -> _Picture:
    buffer = io.BytesIO()
    drawn.save(buffer, format="PNG", optimize=True)
    record = dataset.all_records[row]
    place = record.split if row < dataset.n_records else "other data set"
    return _Picture(inline(buffer.getvalue()), dataset.names[row], class_name(record.label), place, how)
