"""Tests of the check for outlines that cannot be those of a lesion."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from gadolin.checks.annotations import bad_outlines
from gadolin.checks.registry import Skipped
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation

HEAD = np.zeros((256, 256), np.uint8)
cv2.ellipse(HEAD, (128, 128), (88, 110), 0, 0, 360, 1, -1)
LESION = np.zeros((256, 256), np.uint8)
cv2.circle(LESION, (150, 110), 25, 1, -1)


@pytest.fixture
def outlined(dataset, heads, tmp_path):
    """Return a dataset of drawn heads with these masks; a mask is an array or the bytes of a file."""

    def make(*masks):
        records = []
        plain = dataset(*({} for _ in masks))
        for row, (record, picture, mask) in enumerate(zip(plain.records, heads(len(masks)), masks, strict=True)):
            Image.fromarray(picture).save(tmp_path / f"{row}.png")
            outline = tmp_path / f"{row}-mask.png"
            if isinstance(mask, bytes):
                outline.write_bytes(mask)
            elif mask is not None:
                Image.fromarray(mask).save(outline)
            records.append(
                replace(record, path=tmp_path / f"{row}.png", outline="" if mask is None else str(outline), digest="")
            )
        prepared = prepared_slices(records, Preparation(), tmp_path / "cache")
        return replace(plain, all_records=tuple(records), slices=prepared.slices)

    return make


def told(found):
    return {
        one.message.split(") ", 1)[1][:30]: {int(name.split(".")[0][-1]) for (name,) in one.members} for one in found
    }


def test_outlines_of_lesions_are_fine(outlined):
    large = np.zeros_like(LESION)
    cv2.circle(large, (120, 120), 55, 1, -1)
    assert bad_outlines(outlined(LESION, large, LESION * 255, None)) == []


@pytest.mark.slow
def test_each_kind_of_outline_that_does_not_fit_is_one_finding(outlined):
    smooth = cv2.GaussianBlur(LESION * 255, (9, 9), 0)
    found = bad_outlines(
        outlined(HEAD, 1 - LESION, np.zeros_like(LESION), smooth, LESION[:99], b"no picture", LESION, HEAD + 1)
    )
    assert {one.kind for one in found} == {"bad_outlines"}
    assert told(found) == {
        "have an outline that cannot be used; /"[:30]: {4, 5},
        "have an outline that marks the background"[:30]: {1, 7},
        "have an outline that covers over 50 % of the head"[:30]: {0},
        "have an empty outline."[:30]: {2},
        "have a mask with many grey levels"[:30]: {3},
    }
    assert [one.severity for one in found] == ["warning"] * 4 + ["note"]
    assert [one.score for one in found] == [2, 2, 1, 1, 1]


def test_without_outlines_nothing_is_looked_at(dataset):
    assert isinstance(bad_outlines(dataset({}, {})), Skipped)


@pytest.mark.slow
def test_one_mask_of_another_size_ends_no_audit(lay_out, kinds):
    root = lay_out(more={"mask.png": np.ones((30, 40))})
    rows = [f"{path.relative_to(root)},{path.parent.name},mask.png" for path in sorted(root.glob("*/*.png"))]
    (root / "manifest.csv").write_text("\n".join(["path,label,outline", *rows]) + "\n")
    (found,) = kinds(root)["bad_outlines"]
    assert found.score == len(rows)
    assert "must have the size of its slice" in found.message
