"""Tests of the heat maps on the page: how they are shown, explained and saved."""

from __future__ import annotations

import numpy as np
from dropping import answering, coloured, declined, hold_back, keep_running, picture, pretend, read, shown, suspected
from PIL import Image


def test_opacity_window_and_zoom_change_what_is_seen(page):
    read(page, [("a.png", picture())])
    page.uncheck("#outline")
    page.click("#maps summary")
    strong = shown(page)

    page.locator("#opacity").fill("0")
    plain = shown(page)
    page.locator("#window").fill("300")
    narrow = shown(page)
    page.locator("#zoom").fill("400")
    near = shown(page)

    assert coloured(strong), "the heat map is coloured"
    assert not coloured(plain), "without a heat map the slice is grey"
    assert (narrow != plain).any()
    assert (near != narrow).any()


def test_heat_is_positive_and_inside_the_head_unless_asked_for(page):
    read(page, [("a.png", picture())])
    page.uncheck("#outline")
    page.click("#maps summary")
    inside = coloured(shown(page))

    page.check("#outside")
    everywhere = coloured(shown(page))
    page.check("#against")

    assert 0 < inside < everywhere
    assert page.locator("#heat-legend").inner_text().count("against") == 1
    page.uncheck("#evidence")
    assert coloured(shown(page)) == 0
    assert page.locator("#heat-legend").is_hidden()


def test_while_a_slice_loads_nothing_is_said_on_the_map_of_the_previous_one(page):
    pretend(page)
    read(page, [(f"{number}.png", b"x" * (number + 1)) for number in range(3)])  # the last one is declined
    assert page.locator("#maps h3").is_visible()
    waiting = hold_back(page, b"picture,evidence")

    page.locator("#rows tr:nth-child(2) button").click()
    page.wait_for_selector("#stage[aria-busy=true]")
    assert page.locator("#maps h3").is_hidden()
    assert page.locator("#trust").inner_text() == ""
    assert page.locator("#heat-legend").is_hidden()
    page.wait_for_timeout(500)
    waiting[0].fallback()
    page.wait_for_selector("#stage[aria-busy=false]")
    assert page.locator("#maps h3").is_visible()
    page.locator("#rows tr:nth-child(3) button").click()

    page.wait_for_selector("#stage[aria-busy=true]")
    assert page.locator("#maps").is_hidden()


def test_window_and_level_have_numbers_and_presets(page):
    read(page, [("a.png", picture())])
    page.uncheck("#evidence")
    own = shown(page)

    page.fill("#level-number", "40")
    page.keyboard.press("Enter")
    by_hand = shown(page)
    assert (own != by_hand).any()
    page.select_option("#preset", "narrow")
    narrow = shown(page)

    assert narrow.mean() < own.mean(), "dark tissue is cut off"
    numbers = [page.locator(name).input_value() for name in ("#level-number", "#window-number")]
    assert numbers[0] != "40"
    for name, value, wrong in zip(("#level-number", "#window-number"), numbers, ("", "-5"), strict=True):
        page.fill(name, wrong)
        page.keyboard.press("Enter")
        assert page.locator(name).input_value() == value
    assert (shown(page) == narrow).all()


def test_lime_runs_to_its_end_and_shap_is_cancelled(page):
    read(page, [("a.png", picture())])
    assert page.locator("#outline").is_enabled()

    assert page.locator("#lime-state").inner_text().startswith("about ")
    page.click("#lime")
    page.wait_for_selector("#map option[value=lime]", state="attached", timeout=60_000)
    assert page.locator("#map").input_value() == "lime"
    assert "lime" in page.locator("#trust").inner_text()
    assert page.locator("#lime-state").inner_text() == "done"
    assert page.locator("#outline").is_disabled(), "only evidence has an outline"
    keep_running(page)
    page.click("#shap")
    page.wait_for_selector("#job:not([hidden])")
    page.click("#cancel")
    page.wait_for_selector("#job", state="hidden")
    assert page.locator("#status").inner_text() == "shap was cancelled."
    assert page.locator("#map option[value=shap]").count() == 0

    page.click("#side")
    captions = page.locator("#panel button").all_inner_texts()
    assert [caption.split(",")[0] for caption in captions] == ["the slice", "evidence", "lime"]
    page.click("#panel button:nth-child(2)")
    assert page.locator("#panel").is_hidden()
    assert page.locator("#canvas").is_visible()
    assert page.locator("#map").input_value() == "evidence"


def test_a_picture_is_saved_with_overlay_legend_verdict_and_notice(page, tmp_path):
    read(page, [("folder/a b.png", picture())])

    with page.expect_download() as saved:
        page.click("#save-picture")

    assert saved.value.suggested_filename == "a-b.png-gadolin.png"
    saved.value.save_as(tmp_path / "saved.png")
    image = np.asarray(Image.open(tmp_path / "saved.png").convert("RGB"), np.int16)
    high, wide = image.shape[:2]
    assert high > wide, "below the square slice are lines of text"
    assert coloured(image[:wide]), "the overlay"
    assert coloured(image[wide:]), "the legend"
    lines = (image[wide:].max(axis=2) < 128).any(axis=1)
    assert (np.diff(lines.astype(int)) == 1).sum() >= 4, "verdict, map, file and notice"


def saved_picture(page, path):
    """Save the picture of the slice and return its pixels (H, W, 3)."""
    with page.expect_download() as saved:
        page.click("#save-picture")
    saved.value.save_as(path)
    return np.asarray(Image.open(path).convert("RGB"), np.int16)


def deciding(decided):
    """Return what puts a decision into a prediction, whose evidence is for glioma."""
    return lambda one: (one.update(decided), one.get("evidence", {}).update({"class": "glioma"}))


def test_where_a_tumour_is_suspected_is_shown_only_on_request_and_its_kind_is_not_named(page, tmp_path):
    answering(page, deciding(suspected()))
    read(page, [("a.png", picture())])

    assert page.locator("#maps").is_hidden()
    assert coloured(shown(page)) == 0
    plain = saved_picture(page, tmp_path / "plain.png")
    assert coloured(plain[: plain.shape[1]]) == 0

    page.check("#where")
    assert "not named" in page.locator("#maps-title").inner_text()
    assert coloured(shown(page))
    assert "glioma" not in page.locator("#maps").inner_text()
    assert page.locator("#lime").is_hidden()
    mapped = saved_picture(page, tmp_path / "mapped.png")
    assert coloured(mapped[: mapped.shape[1]])

    page.evaluate("document.querySelector('#clear').click()")
    assert not page.locator("#where").is_checked()


def test_a_declined_slice_is_saved_without_a_map(page, tmp_path):
    answering(page, deciding(declined("out_of_distribution")))
    read(page, [("a.png", picture())])

    assert page.locator("#where").is_hidden()
    image = saved_picture(page, tmp_path / "saved.png")

    assert coloured(image) < 20, "no map and no legend"


def test_no_picture_is_saved_under_the_name_of_a_slice_that_is_still_loading(page):
    read(page, [("a.png", picture()), ("b.png", picture(seed=4))])
    waiting = []
    page.route("**/v1/predict", lambda route: waiting.append(route))

    page.locator("#rows tr:nth-child(2) button").click()
    page.locator("#viewer-title", has_text="b.png").wait_for()
    assert page.locator("#save-picture").is_disabled()

    page.wait_for_timeout(300)
    for route in waiting:
        route.continue_()
    page.wait_for_selector("#stage[aria-busy=false]")
    assert page.locator("#save-picture").is_enabled()


def test_an_explanation_is_given_up_when_the_list_is_cleared(page):
    keep_running(page)
    read(page, [("a.png", picture())])
    page.click("#shap")
    page.wait_for_selector("#job:not([hidden])")

    page.click("#clear")

    page.locator("#status", has_text="shap was cancelled").wait_for()
    assert page.locator("#lime").is_enabled()


def test_the_progress_of_an_explanation_is_not_taken_for_that_of_another_slice(page):
    keep_running(page)
    read(page, [("a.png", picture()), ("b.png", picture(seed=4))])
    page.click("#shap")
    page.wait_for_selector("#job:not([hidden])")

    page.locator("#rows tr:nth-child(2) button").click()

    page.locator("#shap-state", has_text="of another slice").wait_for()
    page.click("#cancel")
