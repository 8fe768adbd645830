"""Find class folders and split folders in a data folder, and the files outside of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from gadolin.datasets.labels import canonical, is_known
from gadolin.errors import DataError
from gadolin.files.folder_walk import Listing, Walker
from gadolin.readers.file_types import HEAD, is_other
from gadolin.records import Failure

__all__ = [
    "PART_NAMES",
    "Layout",
    "Placed",
    "find_layout",
    "inner_folders",
    "part_of",
    "passes_for_slice",
    "require_open",
]

PART_NAMES = {
    "train": "train", "training": "train", "trainset": "train", "trainingset": "train", "traindata": "train",
    "test": "test", "testing": "test", "testset": "test", "testingset": "test", "testdata": "test",
    "val": "validation", "valid": "validation", "validate": "validation", "validation": "validation",
    "validating": "validation", "valset": "validation", "validationset": "validation", "valdata": "validation",
}  # fmt: skip
_PLAIN_WORDS = {"data", "dataset", "set", "files", "folder", "image", "images", "img", "imgs", "pictures", "slices"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_a-zA-Z]+")


class Placed(NamedTuple):
    """A file in the class folder ``folder``; ``part`` is "train", "test", "validation" or empty."""

    part: str
    folder: str
    path: Path


@dataclass(frozen=True, slots=True)
class Layout:
    """A folder of class folders, or of split folders ("parts") with class folders.

    ``base`` is the folder that contains them: the scanned folder or one inside it. ``placed`` are the files in class
    folders, ``loose`` files beside class folders, ``outside`` files in folders beside the parts. ``failures`` and
    ``left_out`` are the entries that the walk skipped.
    """

    base: Path
    has_parts: bool
    placed: tuple[Placed, ...]
    loose: tuple[Path, ...]
    outside: tuple[Path, ...]
    failures: tuple[Failure, ...]
    left_out: tuple[Failure, ...]


def find_layout(root: Path) -> Layout:
    """Walk ``root`` and assign each file to a class; files are opened only to detect slices in unexpected places.

    If a folder below the class folders contains classes or parts, its layout is used, provided that no other folder
    contains a slice. Otherwise raises DataError, since the classes are ambiguous.
    """
    walker = Walker()
    layout = _laid_out(root, walker)
    nested = _nested(layout)
    if not nested:
        return layout
    inner = nested[0]
    beside = [one.path for one in layout.placed if not one.path.is_relative_to(inner)]
    above = [path for path in beside if inner.is_relative_to(path.parent)]
    other = [path for path in beside if path not in set(above)]
    if len(nested) > 1 or layout.has_parts or _any_slice(other):
        raise _classes_in_class(nested)
    found = _laid_out(inner, walker.again(inner))
    return replace(
        found,
        loose=(*layout.loose, *above, *found.loose),
        outside=(*layout.outside, *other, *found.outside),
        failures=layout.failures,
        left_out=layout.left_out,
    )


def _laid_out(root: Path, walker: Walker) -> Layout:
    listing = walker.listing(root)
    base, loose, beside = root, [*listing.files], list[Path]()
    while (inner := _inner_folder(listing)) is not None:
        beside += [each for each in listing.all_folders if each != inner]
        base, listing = inner, walker.listing(inner)
        loose += listing.files
    parts = [(part, folder) for folder in listing.all_folders if (part := part_of(folder.name))]
    classes = [("", folder) for folder in listing.all_folders]
    if parts:
        beside += [folder for folder in listing.all_folders if not part_of(folder.name)]
        inside = {each: walker.listing(each) for each in (*listing.folders, *listing.linked) if part_of(each.name)}
        classes = [(part, each) for part, folder in parts for each in inside[folder].all_folders]
        loose += [path for _, folder in parts for path in inside[folder].files]
    files = walker.files(*(folder for _, folder in classes))
    outside = walker.files(*beside)
    return Layout(
        base=base,
        has_parts=bool(parts),
        placed=tuple(
            Placed(part, folder.name, path)
            for (part, folder), below in zip(classes, files, strict=True)
            for path in below
        ),
        loose=tuple(loose),
        outside=tuple(path for each in outside for path in each),
        failures=tuple(walker.failures),
        left_out=tuple(walker.left_out()),
    )


def part_of(name: str) -> str:
    """Return the split of a folder name, ignoring case: "train", "test", "validation", or empty.

    Additional words such as "data" and "images" are allowed, numbers are not, since they mean folds.
    """
    joined = PART_NAMES.get(re.sub(r"[\s_-]", "", name.lower()), "")
    words = {word.lower() for word in _WORDS.findall(name)} - _PLAIN_WORDS
    return joined or (PART_NAMES.get(words.pop(), "") if len(words) == 1 else "")


def inner_folders(root: Path) -> list[Path]:
    """Return ``root`` and the nested folders below it, each of which contains only the next."""
    walker = Walker()
    folders = [root]
    while (inner := _inner_folder(walker.listing(folders[-1]))) is not None:
        folders.append(inner)
    return folders


def require_open(folder: Path) -> None:
    """Raise DataError for an inaccessible folder."""
    walker = Walker()
    walker.listing(folder)
    for one in walker.failures:
        if one.path == str(folder):
            raise DataError(**one.error.fields()).at(folder)


def passes_for_slice(path: Path) -> bool:
    """Return whether a file is a slice by its first bytes or its name; raises OSError if it cannot be opened."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return bool(head) and not is_other(path.name, head)


def _inner_folder(listing: Listing) -> Path | None:
    """Return the folder that holds all the data, or None if the listed folder itself does.

    It is the only folder with splits if no other folder holds slices, or the only folder if it holds folders but no
    slice and no slice is beside it. Folders with the name of a split or class are excluded.
    """
    folders = listing.all_folders
    if not folders or any(part_of(each.name) or is_known(each.name) for each in folders):
        return None
    inside = {each: Walker().listing(each) for each in folders}
    parts = {each: sum(bool(part_of(one.name)) for one in held.all_folders) for each, held in inside.items()}
    first = max(folders, key=lambda each: parts[each])
    others = [path for each in folders if each != first for path in inside[each].files]
    if parts[first] > min(1, len(folders) - 1) and sum(map(bool, parts.values())) == 1 and not _any_slice(others):
        return first
    lonely = len(folders) == 1 and inside[first].all_folders
    return first if lonely and not _any_slice((*listing.files, *inside[first].files)) else None


def _nested(layout: Layout) -> list[Path]:
    """Return the topmost folders inside unknown class folders that hold two classes, or splits, sorted."""
    depth = len(layout.base.parts) + 1 + layout.has_parts
    held: dict[Path, set[str]] = defaultdict(set)
    for one in layout.placed:
        if len(one.path.parts) > depth + 1 and not is_known(one.folder):
            for folder in one.path.parents[: len(one.path.parts) - depth - 1]:
                held[folder.parent].add(folder.name)
    found = {folder for folder, names in held.items() if len({canonical(name) for name in names if is_known(name)}) > 1}
    found |= {folder.parent for folder in held if len(folder.parts) > depth and part_of(folder.name)}
    found = {folder.parent if len(folder.parts) > depth and part_of(folder.name) else folder for folder in found}
    return sorted(folder for folder in found if not found & set(folder.parents))


def _classes_in_class(nested: list[Path]) -> DataError:
    more = f" and {len(nested) - 1} more folders do" if len(nested) > 1 else " does"
    return DataError(
        code="classes_in_class",
        rule="a class folder must not contain class or split folders",
        got=f"{nested[0]}{more}",
        remedy="use that folder as the data, or rename the folders that hold classes to train, test and validation",
    )


def _any_slice(files: Iterable[Path]) -> bool:
    for path in files:
        try:
            if passes_for_slice(path):
                return True
        except (OSError, ValueError):
            return True  # it may be one
    return False
