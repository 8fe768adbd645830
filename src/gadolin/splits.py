"""Splits that keep what belongs together on one side: patients, and copies of one slice, mirrored or not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.records import Record

__all__ = ["COPY_CORRELATION", "copied_from", "copy_groups", "cut", "grouping_keys", "join_copies"]

COPY_CORRELATION = 0.97
_THUMBNAIL = 48
_BLOCK = 1024


def copy_groups(slices: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return (N,) group numbers: prepared slices that show one slice, identical or mirrored left-right, share one.

    ``slices`` is (N, H, W) uint8. Two are copies where their 48 x 48 thumbnails correlate above
    ``COPY_CORRELATION``; groups are the connected components, numbered by first appearance.
    Memory grows with N, not with its square.
    """
    straight, mirrored = _thumbnails(slices)
    parent = {index: index for index in range(len(slices))}
    for start in range(0, len(slices), _BLOCK):
        block = straight[start : start + _BLOCK]
        for other in (straight, mirrored):
            correlation = block @ other[start:].T
            for row, column in np.argwhere(correlation > COPY_CORRELATION):
                low, high = sorted((_root(parent, start + int(row)), _root(parent, start + int(column))))
                parent[high] = low
    return np.array([_root(parent, index) for index in range(len(slices))], np.int64)


def join_copies(records: Sequence[Record], groups: NDArray[np.int64]) -> list[Record]:
    """Return the records with ``group`` naming their copy group, joined with any group that they already had.

    Joined groups bear the name that was there first; one that had none is named after its copies.
    """
    numbers = groups.tolist()
    names = {number: f"copy-{count:05d}" for count, number in enumerate(dict.fromkeys(numbers))}
    pairs = enumerate(zip(records, numbers, strict=True))
    joined = list(records)
    for members in _connected({index: [("group", one.group), ("copy", str(number))] for index, (one, number) in pairs}):
        name = next((records[index].group for index in members if records[index].group), names[numbers[members[0]]])
        for index in members:
            joined[index] = replace(records[index], group=name)
    return joined


def grouping_keys(records: Sequence[Record]) -> list[str]:
    """Return for each record the group that intervals resample by: all that share a patient or a copy group.

    A group is named after the patient, else the copy group, else the picture of its first record.
    """
    keys = [""] * len(records)
    for members in _connected({i: _bonds(record) for i, record in enumerate(records)}):
        first = records[members[0]]
        for index in members:
            keys[index] = first.patient or first.group or first.key or first.name
    return keys


def _bonds(record: Record) -> list[tuple[str, str]]:
    """Return what ties a record to others: its patient and its copy group."""
    return [("patient", record.patient), ("group", record.group)]


def cut(records: Sequence[Record], fraction: float, *, part: str, seed: int) -> list[Record]:
    """Move about ``fraction`` of the train records of each class to ``part``; none shares a patient or group.

    Whole groups move, drawn in an order fixed by ``seed``; a class whose groups are all too large for its share gives
    its smallest one. Records of other parts stay. Raises DataError where a class would be left without slices on
    either side.
    """
    train = [index for index, record in enumerate(records) if record.split in ("", "train")]
    groups = _connected({i: _bonds(records[i]) for i in train})
    there = Counter(records[i].label for i in train)
    quota = {label: fraction * count for label, count in there.items()}
    order = np.random.default_rng(seed).permutation(len(groups))
    moved: set[int] = set()
    taken: Counter[str] = Counter()
    for number in order:
        members = groups[number]
        classes = Counter(records[index].label for index in members)
        if all(taken[label] + count / 2 <= quota[label] for label, count in classes.items()):
            moved.update(members)
            taken.update(classes)
    for label in quota:
        if not taken[label]:
            smallest = min((g for g in groups if any(records[i].label == label for i in g)), key=len)
            moved.update(smallest)
            taken.update(records[index].label for index in smallest)
    for label, count in there.items():
        if taken[label] == count:
            msg = (
                f"a split needs two groups or more of each class, {label!r} cannot be divided by patient and copy; "
                "add slices of other patients or mark the parts in a manifest"
            )
            raise DataError(msg)
    return [
        replace(record, split=part if index in moved else "train") if record.split in ("", "train") else record
        for index, record in enumerate(records)
    ]


def copied_from(records: Sequence[Record], part: str = "test") -> dict[str, str]:
    """Tell for each picture of ``part``, by its key, what it shares with the pictures that were learned from.

    "copied": its slice is there too, identical or mirrored; "slice-new": the slice is new, its patient is not or is
    unknown; "patient-new": both are new.
    """
    learned = [record for record in records if record.split in ("train", "validation")]
    groups = {record.group for record in learned if record.group}
    patients = {record.patient for record in learned if record.patient}
    told = {}
    for record in records:
        if record.split != part:
            continue
        if record.group in groups:
            told[record.key] = "copied"
        else:
            new = bool(record.patient) and record.patient not in patients
            told[record.key] = "patient-new" if new else "slice-new"
    return told


def _connected(bonds: Mapping[int, Sequence[tuple[str, str]]]) -> list[list[int]]:
    """Return lists of indices: those that share a bond (kind, name), directly or through others; no name, no bond."""
    by_bond: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, own in bonds.items():
        for kind, name in own:
            if name:
                by_bond[kind, name].append(index)
    parent = {index: index for index in bonds}
    for members in by_bond.values():
        for other in members[1:]:
            parent[_root(parent, other)] = _root(parent, members[0])
    joined: dict[int, list[int]] = defaultdict(list)
    for index in bonds:
        joined[_root(parent, index)].append(index)
    return list(joined.values())


def _root(parent: dict[int, int], index: int) -> int:
    """Return the member that stands for the group of ``index``, shortening the way there."""
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _thumbnails(slices: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (N, 2304) float32 unit vectors with zero mean, of each slice and of its mirror image."""
    size = (_THUMBNAIL, _THUMBNAIL)
    small = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in slices]).astype(np.float32)

    def unit(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        flat = pictures.reshape(len(pictures), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        return np.asarray(flat / np.maximum(length, 1e-6), np.float32)

    return unit(small), unit(small[:, :, ::-1])
