"""Plant typical faults of real data sets, so that an audit can be tested against known faults."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from gadolin.files.atomic import write_bytes
from gadolin.phantoms.patient import CLASSES

__all__ = ["FAULTS", "Row", "plant"]

FAULTS: Final = ("copies", "labels", "mirrors", "unreadable")

_SHARE: Final = 0.05
_FEWEST: Final = 2
_STREAM: Final = 0xFA0175  # separates the random stream of faults from that of patients

Planted = dict[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the manifest; the fields are its columns, in order."""

    path: str
    label: str
    patient: str
    group: str = ""
    source: str = "phantom"
    split: str = ""
    fold: str = ""
    outline: str = ""
    digest: str = ""


def plant(
    folder: Path, rows: Sequence[Row], faults: Collection[str], *, seed: int
) -> tuple[list[Row], dict[str, list[Planted]]]:
    """Plant ``faults`` in the slices of ``rows`` below ``folder``; return the new rows and the faults.

    The number of each kind is 5 % of the slices in Testing, at least two. Copies and mirrored copies of
    Training slices go to Testing under names without a patient, but keep their true patient in the manifest;
    a mislabelled slice has the label of its folder; unreadable files are not in the manifest. The faults are
    listed by kind: each entry has "path", and "of", "true_label" or "how".
    """
    rng = np.random.default_rng((_STREAM, seed))
    training = [row for row in rows if row.split == "train"]
    testing = [row for row in rows if row.split == "test"]
    count = max(_FEWEST, round(_SHARE * len(testing)))
    shuffled = [training[int(index)] for index in rng.permutation(len(training))]
    moved = [testing[int(index)] for index in rng.permutation(len(testing))][:count]
    changed = list(rows)
    planted: dict[str, list[Planted]] = {}
    if "copies" in faults:
        planted["copies"] = _repeat(folder, changed, shuffled[:count], name="copy", change=_same)
    if "mirrors" in faults:
        chosen = shuffled[-count:]
        planted["mirrors"] = _repeat(folder, changed, chosen, name="mirror", change=_flipped)
    if "labels" in faults:
        planted["labels"] = _mislabel(folder, changed, moved, rng)
    if "unreadable" in faults:
        planted["unreadable"] = _break(folder, shuffled[0], count)
    return changed, planted


def _same(content: bytes) -> bytes:
    return content


def _flipped(content: bytes) -> bytes:
    pixels = np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE))
    return cv2.imencode(".png", pixels[:, ::-1])[1].tobytes()


def _repeat(
    folder: Path, rows: list[Row], chosen: Sequence[Row], *, name: str, change: Callable[[bytes], bytes]
) -> list[Planted]:
    planted = []
    for number, row in enumerate(chosen):
        path = f"Testing/{row.label}/{name}-{number:03d}.png"
        content = change((folder / row.path).read_bytes())
        write_bytes(folder / path, content)
        outline = ""
        if row.outline:
            outline = f"outlines/{name}-{number:03d}.png"
            write_bytes(folder / outline, change((folder / row.outline).read_bytes()))
        digest = hashlib.sha256(content).hexdigest()
        rows.append(replace(row, path=path, split="test", outline=outline, digest=digest))
        planted.append({"path": path, "of": row.path})
    return planted


def _mislabel(folder: Path, rows: list[Row], chosen: Sequence[Row], rng: np.random.Generator) -> list[Planted]:
    planted = []
    for row in chosen:
        others = [label for label in CLASSES if label != row.label]
        label = others[int(rng.integers(len(others)))]
        path = f"Testing/{label}/{Path(row.path).name}"
        (folder / row.path).rename(folder / path)
        rows[rows.index(row)] = replace(row, path=path, label=label)
        planted.append({"path": path, "true_label": row.label})
    return planted


def _break(folder: Path, example: Row, count: int) -> list[Planted]:
    whole = (folder / example.path).read_bytes()
    kinds: Mapping[str, tuple[str, bytes]] = {
        "truncated": (".png", whole[: len(whole) // 3]),
        "empty": (".png", b""),
        "text": (".jpg", b"This is not a picture.\n"),
    }
    planted = []
    for number in range(count):
        how = list(kinds)[number % len(kinds)]
        suffix, content = kinds[how]
        path = f"Testing/{CLASSES[number % len(CLASSES)]}/broken-{number:03d}{suffix}"
        write_bytes(folder / path, content)
        planted.append({"path": path, "how": how})
    return planted
