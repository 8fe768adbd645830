"""Tests of the page under a finger, in a narrow window."""

from __future__ import annotations

import pytest
from dropping import picture, pretend, read

TARGET = 44  # pixels


@pytest.fixture
def finger(phone, browser):
    """Touch the page at points (x, y) one after the other, with one or more fingers."""
    if browser.browser_type.name != "chromium":
        pytest.skip("touches are sent through Chromium's protocol")
    session = phone.context.new_cdp_session(phone)

    def touch(*moments):
        for place, points in enumerate(moments):
            kind = "touchStart" if place == 0 else "touchMove"
            where = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    return touch


def middle(page):
    box = page.locator("#canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def zoom(page):
    return int(page.locator("#zoom").input_value())


def test_a_swipe_goes_to_the_next_slice_and_back(phone, finger):
    pretend(phone)
    read(phone, [(f"{number}.png", b"x" * (number + 1)) for number in range(3)])
    x, y = middle(phone)

    finger([(x + 80, y)], [(x, y + 2)], [(x - 80, y)])
    phone.locator("#place", has_text="2 of 3").wait_for()
    finger([(x - 80, y)], [(x, y + 2)], [(x + 80, y)])
    phone.locator("#place", has_text="1 of 3").wait_for()


def test_one_finger_scrolls_the_page_and_two_zoom(phone, finger):
    read(phone, [("a.png", picture())])
    phone.evaluate("() => window.scrollTo(0, 0)")
    x, y = middle(phone)

    assert phone.locator("#canvas").evaluate("(canvas) => canvas.style.touchAction") == "pan-y"
    finger([(x - 20, y), (x + 20, y)], [(x - 40, y), (x + 40, y)], [(x - 60, y), (x + 60, y)])
    assert zoom(phone) > 200
    assert phone.locator("#canvas").evaluate("(canvas) => canvas.style.touchAction") == "none"
    phone.click("#view-controls summary")
    phone.click("#reset")
    assert zoom(phone) == 100
    phone.evaluate("() => window.scrollTo(0, 0)")
    finger([(x, y)], *([(x, y - far)] for far in range(20, 220, 20)))
    phone.wait_for_timeout(500)
    assert phone.evaluate("() => window.scrollY") > 50


def test_targets_are_large_enough_for_a_finger(phone):
    pretend(phone)
    read(phone, [(f"{number}.png", b"x" * (number + 1)) for number in range(3)])
    phone.click("#view-controls summary")
    phone.click("#more")

    small = phone.evaluate(
        """() => [...document.querySelectorAll("button, select, summary")].flatMap((one) => {
          const { width, height } = one.getBoundingClientRect();
          const seen = one.checkVisibility({ visibilityProperty: true }) && width;
          return seen ? [[one.id || one.textContent, width, height]] : [];
        })"""
    )

    assert len(small) > 15
    assert [one for one in small if min(one[1:]) < TARGET] == []


def test_the_verdict_is_right_under_the_picture_and_the_sliders_are_folded(phone):
    read(phone, [("a.png", picture())])

    viewer, answer = (phone.locator(name).bounding_box() for name in ("#viewer", "#answer"))
    assert 0 <= answer["y"] - viewer["y"] - viewer["height"] < 20
    assert phone.locator("#level").is_hidden()
    phone.click("#view-controls summary")
    assert phone.locator("#level").is_visible()


def test_the_model_card_opens_at_its_top(phone):
    phone.set_viewport_size({"width": 390, "height": 300})

    phone.click("#card-open")

    assert phone.locator("#card").evaluate("(card) => [card.scrollTop, card.scrollHeight > card.clientHeight]") == [
        0,
        True,
    ]
    assert phone.evaluate("document.activeElement.id") == "card-title"


def test_the_page_fits_a_narrow_window(make_page):
    page = make_page(viewport={"width": 360, "height": 740})
    read(page, [("a-name-that-is-rather-long-for-a-narrow-window.png", picture())])

    wide = page.locator("body").evaluate("(body) => [body.scrollWidth, window.innerWidth]")

    assert wide[0] <= wide[1]
