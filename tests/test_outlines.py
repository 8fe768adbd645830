"""Outlines lie on the grid of the prepared slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gadolin.errors import DataError
from gadolin.outlines import OUTLINE_SIZE, prepared_outlines
from gadolin.prepare import Preparation
from gadolin.records import Record

WHOLE = Preparation(crop=False)


@pytest.fixture
def outlined(tmp_path):
    """A picture of 128 x 128 pixels, and an outline of its upper left quarter."""
    mask = np.zeros((128, 128), np.uint8)
    mask[:64, :64] = 1
    Image.fromarray(np.full((128, 128), 90, np.uint8)).save(tmp_path / "slice.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return Record(tmp_path / "slice.png", "glioma", outline=str(tmp_path / "mask.png"), digest="a")


def test_a_quarter_stays_a_quarter(outlined):
    found = prepared_outlines([outlined], WHOLE)

    assert found is not None
    half = OUTLINE_SIZE // 2
    wanted = np.zeros((OUTLINE_SIZE, OUTLINE_SIZE), np.uint8)
    wanted[:half, :half] = 255
    np.testing.assert_array_equal(found.coverage[0], wanted)


def test_an_outline_moves_with_the_crop_of_its_slice(tmp_path):
    pixels = np.zeros((200, 300), np.uint8)
    pixels[40:140, 150:250] = 120
    Image.fromarray(pixels).save(tmp_path / "slice.png")
    Image.fromarray((pixels > 0).astype(np.uint8)).save(tmp_path / "mask.png")
    record = Record(tmp_path / "slice.png", "glioma", outline=str(tmp_path / "mask.png"), digest="a")

    found = prepared_outlines([record], Preparation(margin=0.0))

    assert found is not None
    assert (found.coverage[0] > 0).mean() > 0.9, "the head fills the cropped picture, and the outline with it"


def test_slices_without_an_outline_are_told_apart(outlined):
    calls = []
    found = prepared_outlines(
        [replace(outlined, outline=""), outlined], WHOLE, progress=lambda done, total: calls.append((done, total))
    )

    assert found is not None
    assert found.known.tolist() == [False, True]
    assert not found.coverage[0].any()
    assert calls == [(1, 1)], "only slices with an outline are work"


def test_where_no_record_names_an_outline_there_are_none(outlined):
    assert prepared_outlines([replace(outlined, outline="")], WHOLE) is None


def test_an_outline_of_another_size_is_refused(outlined, tmp_path):
    Image.fromarray(np.ones((64, 64), np.uint8)).save(tmp_path / "mask.png")

    with pytest.raises(DataError, match=r"mask\.png: an outline must have the size of its slice.*same grid"):
        prepared_outlines([outlined], WHOLE)
