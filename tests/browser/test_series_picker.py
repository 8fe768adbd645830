"""Tests of series and volumes on the page: order, picker, strip, orientation and scale."""

from __future__ import annotations

import itertools
import random

import numpy as np
from dropping import answering, coloured, named, picture, read, series, shown


def positions(page):
    """Return the last parts of the names in the list, as numbers."""
    return [int(name.split(".")[0].split("-")[-1]) for name in page.locator("#rows tr button").all_inner_texts()]


def shuffled(files, seed=0):
    """Return files with random names in random order; each name ends with the place of the slice."""
    source = random.Random(seed)
    renamed = [(f"{source.randrange(10**6)}-{place}.dcm", content) for place, (_, content) in enumerate(files)]
    source.shuffle(renamed)
    return renamed


def test_shuffled_files_of_a_series_are_sorted_by_position_also_across_requests(page):
    read(page, shuffled(series(104, size=64)))

    assert page.locator("#place").inner_text() == "1 of 104"
    (title,) = page.locator("#series option").all_inner_texts()
    assert title.startswith("1 · T1 AX · 104 slices")
    assert positions(page)[:8] == list(range(8))
    page.locator("#table").evaluate("(box) => box.scrollTo(0, box.scrollHeight)")
    page.wait_for_selector("#rows tr[aria-rowindex='105']")
    assert positions(page)[-8:] == list(range(96, 104))


def test_two_interleaved_series_have_a_picker_and_a_strip_each(page):
    answering(page, lambda one: one.update(named("glioma") | {"sequence": "T1c"}))
    first, second = series(4, number=301, description="T1 AX +C"), series(3, number=7, description="FLAIR", size=80)
    both = [(f"{place}-{one[0]}", one[1]) for place, one in enumerate(first + second)]
    random.Random(0).shuffle(both)

    read(page, [*both, ("alone.png", picture())])

    assert page.locator("#series option").all_inner_texts() == [
        "all · 8 slices",
        "7 · FLAIR · 3 slices · T1c",
        "301 · T1 AX +C · 4 slices · T1c",
    ]
    assert page.locator("#strip").get_attribute("aria-valuemax") == "3", "the strip is that of the current series"
    page.select_option("#series", label="301 · T1 AX +C · 4 slices · T1c")
    assert page.locator("#strip").get_attribute("aria-valuemax") == "4"
    assert positions(page) == list(range(4))
    assert page.locator("#place").inner_text() == "1 of 4"
    assert page.locator("#summary").inner_text().split("\n") == ["all 4", "4 glioma"]


def test_pictures_that_belong_together_by_nothing_get_no_strip(page):
    read(page, [(f"{number}.png", picture(seed=number)) for number in range(3)])

    assert page.locator("#strip-box").is_hidden()
    assert page.locator("#series-box").is_hidden()


def test_positions_that_the_service_gives_decide(page):
    place = itertools.count()

    def change(one):
        at = float(-next(place))
        one["series"] = {"key": "k", "number": None, "description": "", "position_mm": at}

    answering(page, change)

    read(page, [(f"{number}.png", picture(seed=number)) for number in range(3)])

    assert positions(page) == [2, 1, 0]


def test_the_planes_of_a_series_are_not_mixed(page):
    def change(one):
        place = int(one["path"].split(".")[0])
        one["orientation"] = ("RLAP", "RLSI")[place % 2]
        one["series"] = {"key": "k", "number": None, "description": "", "position_mm": float(place)}

    answering(page, change)

    read(page, [(f"{number}.png", picture(seed=number)) for number in range(5)])

    assert positions(page) == [0, 2, 4, 1, 3]


def test_orientation_and_scale_are_drawn_where_they_are_known(page):
    answering(page, lambda one: one.update({"orientation": "RLAP", "spacing_mm": [0.9, 0.9]}))
    read(page, [("a.png", picture())])
    page.uncheck("#evidence")
    marked = shown(page)
    page.click("#clear")
    page.unroute("**/v1/predict")
    answering(page, lambda one: one.update({"orientation": None, "spacing_mm": None}))
    read(page, [("a.png", picture())])
    plain = shown(page)

    different = (marked != plain).any(axis=2)
    high, wide = different.shape
    (rows, columns) = np.nonzero(different)
    assert rows.min() < high / 8, "a letter at the top"
    assert rows.max() > 7 * high / 8, "a letter at the bottom, and the bar"
    assert columns.max() > wide / 2
    assert not different[high // 4 : high // 3, int(wide * 0.45) : int(wide * 0.55)].any()
    assert coloured(marked) == 0
