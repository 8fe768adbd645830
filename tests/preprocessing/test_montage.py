"""Tests of the head counter: it recognises an image of several slices, and no single slice as one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gadolin.phantoms import CLASSES, draw_patient
from gadolin.preprocessing.montage import count_heads, find_grid
from gadolin.records import Slice

LAYOUTS = [(1, 2), (2, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (1, 3), (3, 2), (4, 5), (8, 8)]
PLANES = {"axial": (0, 1, 2), "coronal": (3,), "sagittal": (4, 6)}
"""Patients of the phantoms by the plane that they are drawn in."""


@pytest.fixture(scope="module")
def phantoms():
    """Phantoms (160, 160) uint8 of every class and plane."""
    patients = [number for numbers in PLANES.values() for number in numbers]
    drawn = [draw_patient(label, number, slices=2, size=160) for number in patients for label in CLASSES]
    assert {one.plane for stack in drawn for one in stack} == set(PLANES)
    return [one.pixels for stack in drawn for one in stack]


def shown(pixels, **fields):
    return Slice(np.asarray(pixels, np.float32), **fields)


def tiled(pictures, rows, columns, *, gap=0, tone=0, border=0, label=""):
    side = pictures[0].shape[0]
    page = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap), tone, np.uint8)
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        tile = pictures[7 * number % len(pictures)].copy()
        if border:
            cv2.rectangle(tile, (0, 0), (side - 1, side - 1), 255, border)
        if label:
            cv2.putText(tile, f"{label} {number}", (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
        page[row * (side + gap) :, column * (side + gap) :][:side, :side] = tile
    return page


LOOKS = {
    "no gaps": {},
    "dark gaps": {"gap": 12},
    "white gaps": {"gap": 12, "tone": 255},
    "grey gaps": {"gap": 6, "tone": 110},
    "borders": {"border": 2},
    "labels": {"label": "Im"},
    "all of it": {"gap": 8, "tone": 255, "border": 1, "label": "T1"},
}


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: "x".join(map(str, layout)))
def test_a_grid_of_heads_shows_several(phantoms, layout, look):
    assert count_heads(shown(tiled(phantoms, *layout, **look))) > 1


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: "x".join(map(str, layout)))
@pytest.mark.slow
def test_the_tiles_are_counted(phantoms, layout):
    axial = phantoms[: len(PLANES["axial"]) * len(CLASSES) * 2]

    assert find_grid(shown(tiled(axial, *layout)).pixels)[:2] == layout


def test_a_single_head_is_one(phantoms):
    assert [count_heads(shown(one)) for one in phantoms] == [1] * len(phantoms)


def mirrored(pixels):
    half = pixels[:, : pixels.shape[1] // 2]
    return np.hstack([half, half[:, ::-1]])


def beside_nothing(pixels):
    return np.hstack([pixels, np.zeros_like(pixels)])


CHANGES = {
    "in a bright frame": lambda one: cv2.copyMakeBorder(one, 6, 6, 6, 6, cv2.BORDER_CONSTANT, value=255),
    "on white paper": lambda one: cv2.copyMakeBorder(one, 30, 30, 30, 30, cv2.BORDER_CONSTANT, value=255),
    "between bars": lambda one: cv2.copyMakeBorder(one, 0, 0, 40, 40, cv2.BORDER_CONSTANT, value=230),
    "with text": lambda one: cv2.putText(one.copy(), "Im 12", (3, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1),
    "with a mirrored half": mirrored,
    "beside nothing": beside_nothing,
    "in a wide viewer": lambda one: np.pad(one, ((0, 0), (90, 90))),
    "turned": lambda one: np.ascontiguousarray(np.rot90(one)),
    "inverted": lambda one: 255 - one,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_single_head_is_one_however_it_is_shown(phantoms, change):
    assert [count_heads(shown(change(one))) for one in phantoms[::3]] == [1] * len(phantoms[::3])


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((64, 64)), np.full((300, 20), 255.0), np.zeros((1, 1)), np.zeros((1, 900)), np.eye(40) * 255],
    ids=["black", "white", "one pixel", "one row", "a line"],
)
def test_what_shows_no_head_is_one(pixels):
    assert count_heads(shown(pixels)) == 1


def test_noise_is_one(rng):
    assert count_heads(shown(rng.integers(0, 256, (200, 200)))) == 1


@pytest.mark.parametrize("scale", [1e-3, 16.0, -1000.0])
def test_the_range_of_the_file_does_not_matter(phantoms, scale):
    shifted = scale if scale < 0 else 0.0
    stretched = [tiled(phantoms, 2, 2) * abs(scale) + shifted, phantoms[1] * abs(scale) + shifted]

    assert [count_heads(shown(one, bits=16)) for one in stretched] == [4, 1]


def test_the_pixels_are_left_as_they_are(phantoms):
    page = tiled(phantoms, 2, 2, gap=8, tone=255).astype(np.float32)
    before = page.copy()

    find_grid(page)

    assert np.array_equal(page, before)
