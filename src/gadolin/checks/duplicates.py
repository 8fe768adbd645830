"""Checks for copies of files and slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gadolin.checks.dataset import Dataset
from gadolin.checks.wording import WAYS, counted, percent, ways
from gadolin.datasets.labels import class_name
from gadolin.duplicates import COPY_CORRELATION
from gadolin.records import Finding

__all__ = ["byte_identical", "giant_group", "near_copies", "pixel_identical"]


def near_copies(dataset: Dataset) -> list[Finding]:
    """Return a warning with the groups of copies within the data set, and how they are transformed."""
    inside = [_once(dataset, [row for row in rows if row < dataset.n_records]) for rows in dataset.copy_groups]
    groups = [rows for rows in inside if len(rows) > 1]
    if not groups:
        return []
    extra = sum(len(rows) - 1 for rows in groups)
    return [
        Finding(
            kind="near_copies",
            severity="warning",
            message=f"{extra:,} of {counted(dataset.n_records, 'slice')} ({percent(extra, dataset.n_records)}) "
            f"{'is a redundant copy' if extra == 1 else 'are redundant copies'} of another slice, in "
            f"{counted(len(groups), 'group')}"
            f"{_of_one_patient(dataset, groups)}{_how(dataset)}.",
            rule="Any two slices of a group can be registered onto each other, also mirrored, rotated or rescaled, so "
            f"that their fine structure correlates above {COPY_CORRELATION}; the score is the number of redundant "
            "slices.",
            remedy="Keep each group in one part or fold, and count it as one slice.",
            members=tuple(dataset.names_of(rows) for rows in groups),
            score=float(extra),
        )
    ]


def _once(dataset: Dataset, rows: Sequence[int]) -> tuple[int, ...]:
    """Return the rows with each slice once, also where a manifest repeats a row."""
    return tuple({dataset.names[row]: row for row in reversed(rows)}.values())[::-1]


def _of_one_patient(dataset: Dataset, groups: Sequence[Sequence[int]]) -> str:
    """Return how many groups hold different, untransformed pictures of one known patient, as neighbouring slices do."""
    changed = {row for pair in dataset.copies.pairs if ways(pair.overlay) for row in (pair.first, pair.second)}
    alone = 0
    for rows in groups:
        patients = {dataset.records_with_patients[row].patient for row in rows}
        pictures = {dataset.facts[row].pixels for row in rows}
        alone += len(patients) == 1 and "" not in patients and len(pictures) > 1 and changed.isdisjoint(rows)
    return f", {alone:,} of them within one patient: perhaps neighbouring slices" if alone else ""


def _how(dataset: Dataset) -> str:
    """Return the number of pairs with each transformation."""
    pairs = [pair for pair in dataset.copies.pairs if max(pair.first, pair.second) < dataset.n_records]
    kinds = Counter(way for pair in pairs for way in ways(pair.overlay))
    shown = [f"{kinds[way]:,} {way}" for way in WAYS if kinds[way]]
    return f"; of {counted(len(pairs), 'pair')} found, {', '.join(shown)}" if shown else ""


def pixel_identical(dataset: Dataset) -> list[Finding]:
    """Return a warning with the groups of different files that decode to the same picture."""
    groups: dict[str, list[int]] = {}
    for row, facts in enumerate(dataset.facts[: dataset.n_records]):
        groups.setdefault(facts.pixels, []).append(row)
    records = dataset.all_records
    repeated = [rows for rows in groups.values() if len({records[row].key or records[row].name for row in rows}) > 1]
    if not repeated:
        return []
    return [
        Finding(
            kind="pixel_identical",
            severity="warning",
            message=f"{counted(sum(map(len, repeated)), 'slice')} in {counted(len(repeated), 'group')} are "
            "pixel-identical, in files that differ.",
            rule="The decoded pictures have the same size and values; the score is the number of groups. "
            "Byte-identical files are reported separately.",
            remedy="Keep one file of each group.",
            members=tuple(dataset.names_of(rows) for rows in repeated),
            score=float(len(repeated)),
        )
    ]


def byte_identical(dataset: Dataset) -> list[Finding]:
    """Return a warning with byte-identical files, and one with repeated rows of the manifest."""
    groups: dict[str, dict[str, int]] = {}
    for row, record in enumerate(dataset.records):
        groups.setdefault(record.key, {}).setdefault(dataset.names[row], row)
    files = [tuple(names) for key, names in groups.items() if key and len(names) > 1]
    return [*_rows(dataset), *_files(dataset, files)]


def _rows(dataset: Dataset) -> list[Finding]:
    times = Counter(dataset.names[: dataset.n_records])
    repeated = [name for name, count in times.items() if count > 1]
    if not repeated:
        return []
    extra = sum(times[name] - 1 for name in repeated)
    return [
        Finding(
            kind="byte_identical",
            severity="warning",
            message=f"{counted(extra, 'row')} of the manifest {'repeats' if extra == 1 else 'repeat'} the slice of "
            f"another row; {repeated[0]}, for example, occurs {counted(times[repeated[0]], 'time')}.",
            rule="Each slice must have one row; the score is the number of redundant rows.",
            remedy="Remove all rows of a slice but one; if they differ in label or part, find out which is correct.",
            members=tuple((name,) for name in repeated),
            score=float(extra),
        )
    ]


def _files(dataset: Dataset, repeated: Sequence[tuple[str, ...]]) -> list[Finding]:
    if not repeated:
        return []
    extra = sum(len(names) - 1 for names in repeated)
    return [
        Finding(
            kind="byte_identical",
            severity="warning",
            message=f"{extra:,} of {dataset.n_records:,} slices {'is' if extra == 1 else 'are'} redundant: "
            f"byte-identical to another file, in {counted(len(repeated), 'group')}.",
            rule="Files with the same SHA-256 digest are identical; the score is the number of redundant files.",
            remedy="Keep one file of each group; if they are in different parts, keep the one in training.",
            members=tuple(repeated),
            score=float(extra),
        )
    ]


_SHARE = 0.2
_FEWEST = 5


def giant_group(dataset: Dataset) -> list[Finding]:
    """Return a warning for each set of connected copies that holds more than a fifth of a class."""
    whole = Counter(record.label for record in dataset.records)
    found = []
    for rows in dataset.connected:
        members = [row for row in rows if row < dataset.n_records]
        for label, count in sorted(Counter(dataset.all_records[row].label for row in members).items()):
            if count >= _FEWEST and count > _SHARE * whole[label]:
                share = percent(count, whole[label])
                found.append(
                    _finding(
                        f"{counted(count, 'slice')} of {class_name(label)} ({share})",
                        dataset.names_of(members),
                        count / whole[label],
                    )
                )
    return found


def _finding(what: str, members: tuple[str, ...], share: float) -> Finding:
    return Finding(
        kind="giant_group",
        severity="warning",
        message=f"One group of copies holds {what}.",
        rule=f"{_FEWEST} or more slices, over {100 * _SHARE:.0f} % of a class, are copies of one another, directly "
        "or through others; the score is their share of the class.",
        remedy="The whole group must stay in one part, which may leave too few slices for the others; keep only one "
        "of its slices, or check whether they are neighbouring slices of one patient.",
        members=(members,),
        score=share,
    )
