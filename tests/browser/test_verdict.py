"""Tests of how the page words and colours a verdict, and what it says about the model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dropping import answering, coloured, colours, declined, named, picture, read, series, shown, suspected

REASONS = {
    "colour_image": "does not look like an MRI slice",
    "several_slices": "several slices in one image",
    "out_of_distribution": "does not look like the head MRI slices",
    "low_confidence": "so it is declined",
    "tumour_uncertain": "Neither tumour nor no tumour",
    "sequence_not_validated": "not validated on this sequence",
    "kind_uncertain": "Its kind is not named",
    "kind_not_validated": "Its kind is not named",
}


@pytest.mark.parametrize("code", REASONS)
def test_why_no_class_is_named_is_told_by_its_code_whatever_the_words(code, page):
    answering(page, lambda one: one.update(declined(code)))

    read(page, [("a.png", picture())])

    told = page.locator("#reason.declined").inner_text()
    assert REASONS[code] in told
    assert "words that may change" in told
    assert page.locator("#verdict").inner_text() == ("Tumour suspected" if "kind" in code else "Declined")


def grey(colour):
    """Return whether a CSS colour, rgb(r, g, b), is nearly grey."""
    r, g, b = map(int, re.findall(r"\d+", colour)[:3])
    return max(r, g, b) - min(r, g, b) < 30


def test_a_declined_slice_shows_no_confident_colour(page):
    answering(page, lambda one: one.update({**named("meningioma", 0.97), **declined("out_of_distribution")}))

    read(page, series(3))

    fills = colours(page, "#bars .fill")
    assert len(fills) == 4
    assert all(map(grey, fills))
    assert page.locator("#maps").is_hidden(), "nothing speaks for a class that is not named"
    assert coloured(shown(page)) == 0
    assert coloured(shown(page, "#strip")) == 0
    assert page.locator("#rows td.verdict").all_inner_texts() == ["declined"] * 3
    assert page.locator("#summary").inner_text().split("\n") == ["all 3", "3 declined"]
    page.wait_for_timeout(300)
    assert not re.search(r"\babstain|\breject", page.locator("body").inner_text(), re.IGNORECASE), "one word for it"


def with_threshold(page):
    def route(route):
        route.fulfill(json=route.fetch().json() | {"confidence_threshold": 0.64})

    page.route("**/v1/model", route)


def test_every_bar_has_a_tick_at_the_threshold(make_page):
    page = make_page(prepare=with_threshold)

    read(page, [("a.png", picture())])

    ticks = page.locator("#bars .tick").evaluate_all("(all) => all.map((one) => one.style.left)")
    assert ticks == ["64%"] * 4
    assert "0.64" in page.locator("#tick-note").inner_text()


def test_a_suspected_tumour_and_a_header_that_differs_are_told(page):
    answering(page, lambda one: one.update(suspected(0.97) | {"sequence": "FLAIR", "header_sequence": "T2"}))

    read(page, [("a.png", picture())])

    assert page.locator("#verdict").inner_text() == "Tumour suspected"
    assert "looks like FLAIR, but the header has T2" in page.locator("#reason").inner_text()


def test_what_is_suspected_is_told_once_with_the_reason_of_the_service(page):
    answering(page, lambda one: one.update(suspected()))

    read(page, [("a.png", picture())])

    told = page.locator("#reason").inner_text()
    assert told == (
        "A tumour is suspected (probability 0.98). "
        "Its kind is not named: it was not validated on an unrecognised sequence."
    )


def test_a_suspected_tumour_is_a_verdict_of_its_own_beside_the_declined(page):
    answering(page, lambda one: one.update(suspected() if one["path"] < "3" else declined()))

    read(page, series(5))

    assert page.locator("#summary").inner_text().split("\n") == ["all 5", "3 tumour suspected", "2 declined"]
    page.click("#summary [data-verdict=suspected]")
    assert page.locator("#rows td.verdict").all_inner_texts() == ["tumour suspected"] * 3
    assert page.locator("#rows td.number").all_inner_texts() == ["0.98"] * 3, "of any kind of tumour"
    dots = colours(page, "#rows .dot")
    assert len(dots) == 3
    assert not any(map(grey, dots))
    strip = shown(page, "#strip")
    assert coloured(strip[:, : strip.shape[1] // 5])
    assert not coloured(strip[:, -strip.shape[1] // 5 :])


def test_the_first_bar_is_of_any_tumour_and_the_kinds_are_grey_where_none_is_named(page):
    answering(page, lambda one: one.update(suspected() if one["path"] == "a.png" else named("glioma")))

    read(page, [("a.png", picture())])

    bars = page.locator("#bars")
    assert bars.locator("dt").all_inner_texts()[0] == "tumour"
    assert bars.locator("dd").first.inner_text() == "0.980"
    first, *kinds = colours(page, "#bars .fill")
    assert not grey(first)
    assert len(kinds) == 4
    assert all(map(grey, kinds))

    page.evaluate("document.querySelector('#clear').click()")
    read(page, [("b.png", picture())])
    assert bars.locator("dt").count() == 4, "the model of this prediction gives no probability of a tumour"


def test_a_named_class_is_told_with_what_the_model_does_not_know(page):
    answering(page, lambda one: one.update(named("notumor")))

    read(page, [("a.png", picture())])

    assert page.locator("#verdict").inner_text() == "No tumour"
    told = page.locator("#reason").inner_text()
    assert "It knows only these classes; a metastasis, an abscess or a bleed gets one of these names too" in told


@pytest.mark.parametrize(
    ("phantom", "decided", "told"),
    [
        (1, named("meningioma"), "The model names the class that this phantom was drawn with."),
        (1, named("pituitary"), ""),
        (1, declined("low_confidence"), ""),
        (2, declined("out_of_distribution"), "This phantom is declined on purpose"),
        (2, declined("low_confidence"), ""),
    ],
)
def test_why_a_phantom_is_shown_is_told_only_if_the_model_decides_so(phantom, decided, told, page):
    answering(page, lambda one: one.update(decided))

    for row in range(phantom):
        page.click("#phantom")
        page.locator(f"#rows tr:nth-child({row + 1})").wait_for()
        page.wait_for_selector("#stage[aria-busy=false]")

    reason = page.locator("#reason").inner_text()
    assert told in reason
    assert ("this phantom" in reason.lower()) == bool(told)


def with_scores(number, rate):
    """Return what puts the hit rates of a bundle into the document of the model."""
    scores = {
        "evidence": {"glioma": {"n": number, "pointing": rate}},
        "centre": {"glioma": {"n": number, "pointing": 0.05}},
    }
    metrics = {
        "validation": {"accuracy": 0.84, "slices": 841},
        "new_patients": {"accuracy": 0.903, "slices": 500, "answered": 400},
        "other_hospitals": {"accuracy": 0.71, "slices": 120, "answered": 90},
    }

    def prepare(page):
        page.route(
            "**/v1/model",
            lambda route: route.fulfill(json=route.fetch().json() | {"scores": scores, "metrics": metrics}),
        )
        answering(page, lambda one: (one.update(named("glioma")), one.get("evidence", {}).update({"class": "glioma"})))

    return prepare


def test_the_reliability_of_a_map_is_told_from_the_figures_of_the_bundle(make_page):
    page = make_page(prepare=with_scores(285, 0.81))

    read(page, [("a.png", picture())])

    assert page.locator("#trust").inner_text() == (
        "On 285 outlined slices predicted as glioma the hottest point lay in the tumour in 81 %; "
        "guessing the centre: 5 %."
    )


def test_few_outlined_slices_are_not_measured_well_enough(make_page):
    page = make_page(prepare=with_scores(19, 1.0))

    read(page, [("a.png", picture())])

    assert "not measured well enough" in page.locator("#trust").inner_text()
    assert "%" not in page.locator("#trust").inner_text()


def test_the_header_tells_how_good_the_model_is_and_links_its_card(make_page):
    page = make_page(prepare=with_scores(285, 0.81))

    told = page.locator("#model-line").inner_text()
    assert "On new patients a class is predicted for 80 % of 500 slices, 90 % of these rightly." in told
    assert "On other hospitals tumour or no tumour is answered for 75 % of 120 slices, 71 % of these rightly." in told
    page.click("#card-open")
    assert "glioma 81 % of 285" in page.locator("#card").inner_text()
    assert "not for diagnosis" in page.locator("#card").inner_text()


def test_the_report_tells_how_good_model_and_maps_are_and_numbers_each_series(make_page):
    page = make_page(prepare=with_scores(285, 0.81))
    sequence = {"sequence": "FLAIR"}

    def decide(one):
        one.update((suspected() if one["path"] == "b/1.dcm" else named("glioma")) | sequence)
        one.get("evidence", {}).update({"class": "glioma"})

    answering(page, decide)
    first = [(f"a/{name}", content) for name, content in series(2, description="T1 AX")]
    read(page, first + [(f"b/{name}", content) for name, content in series(2, number=2, description="FLAIR COR")])
    page.select_option("#series", index=2)
    page.wait_for_selector("#stage[aria-busy=false]")

    with page.expect_download() as saved:
        page.click("#report")
    text = Path(saved.value.path()).read_text(encoding="utf-8")

    assert "On new patients a class is predicted for 80 % of 500 slices, 90 % of these rightly." in text
    assert "Series 2 · FLAIR COR · 2 slices · FLAIR" in text
    assert "T1 AX" not in text
    assert re.findall(r"<tr><td>(\d+)</td>", text) == ["1", "2"]
    assert text.count("<td>FLAIR</td>") == 2, "the recognised sequence"
    assert text.count("the hottest point lay in the tumour in 81 %") == 1, "of the slice with a map"
    assert "<td>tumour suspected</td><td>0.980</td>" in text
    assert text.count("not for diagnosis") == 2
