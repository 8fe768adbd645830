"""Files and slices that repeat others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gadolin.checks.dataset import Dataset
from gadolin.checks.wording import WAYS, counted, percent, ways
from gadolin.duplicates import COPY_CORRELATION
from gadolin.records import Finding

__all__ = ["byte_identical", "giant_group", "near_copies", "pixel_identical"]


def near_copies(dataset: Dataset) -> list[Finding]:
    """Return a warning with the groups of copies within the data set, and how the copies were changed."""
    inside = [_once(dataset, [row for row in rows if row < dataset.n_records]) for rows in dataset.copy_groups]
    groups = [rows for rows in inside if len(rows) > 1]
    if not groups:
        return []
    extra = sum(len(rows) - 1 for rows in groups)
    return [
        Finding(
            kind="near_copies",
            severity="warning",
            message=f"{extra:,} of {counted(dataset.n_records, 'slice')} ({percent(extra, dataset.n_records)}) only "
            "repeat another "
            f"slice, in {counted(len(groups), 'group')}{_of_one_patient(dataset, groups)}{_how(dataset)}.",
            rule="Any two slices of a group can be laid over each other, also mirrored, turned or rescaled, so that "
            f"their fine structure correlates above {COPY_CORRELATION}; the score is the number of needless slices.",
            remedy="Keep each group on one side of every split, and count it once when you count slices.",
            members=tuple(dataset.names_of(rows) for rows in groups),
            score=float(extra),
        )
    ]


def _once(dataset: Dataset, rows: Sequence[int]) -> tuple[int, ...]:
    """Return the rows without those that name a slice again, as repeated rows of a manifest do."""
    return tuple({dataset.names[row]: row for row in reversed(rows)}.values())[::-1]


def _of_one_patient(dataset: Dataset, groups: Sequence[Sequence[int]]) -> str:
    """Return how many groups hold different pictures of one known patient that lie alike, as neighbouring slices do."""
    changed = {row for pair in dataset.copies.pairs if ways(pair.overlay) for row in (pair.first, pair.second)}
    alone = 0
    for rows in groups:
        patients = {dataset.records_with_patients[row].patient for row in rows}
        pictures = {dataset.facts[row].pixels for row in rows}
        alone += len(patients) == 1 and "" not in patients and len(pictures) > 1 and changed.isdisjoint(rows)
    return f", {alone:,} of them within one patient: perhaps neighbouring slices" if alone else ""


def _how(dataset: Dataset) -> str:
    """Return how the first slice of each pair lies over the second, in counts of pairs."""
    pairs = [pair for pair in dataset.copies.pairs if max(pair.first, pair.second) < dataset.n_records]
    kinds = Counter(way for pair in pairs for way in ways(pair.overlay))
    told = [f"{kinds[way]:,} {way}" for way in WAYS if kinds[way]]
    return f"; of {counted(len(pairs), 'pair')} that were found, {', '.join(told)}" if told else ""


def pixel_identical(dataset: Dataset) -> list[Finding]:
    """Return a warning with the groups of pictures that were only saved again."""
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
            message=f"{counted(sum(map(len, repeated)), 'slice')} in {counted(len(repeated), 'group')} are the same "
            "picture pixel for pixel, in files that differ.",
            rule="The decoded pictures have the same size and values; the score is the number of groups. Files that "
            "are the same byte for byte are told apart from these.",
            remedy="Keep one file of each group.",
            members=tuple(dataset.names_of(rows) for rows in repeated),
            score=float(len(repeated)),
        )
    ]


def byte_identical(dataset: Dataset) -> list[Finding]:
    """Return a warning with the files that are one file under several names, and one with rows that name one again."""
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
            message=f"{counted(extra, 'row')} of the manifest {'names' if extra == 1 else 'name'} a slice that another "
            f"row names already; {repeated[0]}, for one, stands there {counted(times[repeated[0]], 'time')}.",
            rule="Each slice stands in one row; the score is the number of needless rows.",
            remedy="Remove all rows of a slice but one; where they differ in label or part, find out which is right.",
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
            message=f"{extra:,} of {dataset.n_records:,} slices only repeat another file byte for byte, "
            f"in {len(repeated):,} groups.",
            rule="Files with the same SHA-256 digest are one file; the score is the number of needless files.",
            remedy="Keep one file of each group; where they stand in different parts, keep the one in training.",
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
        own = [row for row in rows if row < dataset.n_records]
        for label, count in sorted(Counter(dataset.all_records[row].label for row in own).items()):
            if count >= _FEWEST and count > _SHARE * whole[label]:
                share = percent(count, whole[label])
                found.append(
                    _finding(
                        f"{counted(count, 'slice')} of {label} ({share})", dataset.names_of(own), count / whole[label]
                    )
                )
    return found


def _finding(what: str, members: tuple[str, ...], share: float) -> Finding:
    return Finding(
        kind="giant_group",
        severity="warning",
        message=f"One group of copies holds {what}.",
        rule=f"Slices that are copies of one another, directly or through others, are {_FEWEST} or more and over "
        f"{100 * _SHARE:.0f} % of a class; the score is their share of it.",
        remedy="The whole group must stay on one side of a split, which may leave too little for the other; drop all "
        "but one of its slices, or check whether they are neighbouring slices of one patient.",
        members=(members,),
        score=share,
    )
