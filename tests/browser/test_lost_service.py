"""Tests of the page without its service for a while, and in browsers of the last four years."""

from __future__ import annotations

import re
from pathlib import Path

from dropping import drop, picture, read, series

import gadolin

PAGE = Path(gadolin.__file__).parent / "server" / "page"
NEWER = {  # than four years, in one of the large browsers
    "js": r"(Map|Object)\.groupBy|\.to(Sorted|Reversed|Spliced)\(|Promise\.(withResolvers|try)|Array\.fromAsync",
    "css": r":has\(|color-mix|@container|@layer|@starting-style|\d[dsl]v[hw]\b|text-wrap|^\s+&",
}


def test_a_lost_service_is_told_and_reading_goes_on_when_it_is_back(page):
    for path in ("**/v1/predict", "**/health"):
        page.route(path, lambda route: route.abort("connectionrefused"))

    drop(page, [("a.png", picture())])
    page.wait_for_selector("#lost:not([hidden])")
    assert "does not respond" in page.locator("#lost").inner_text()
    for path in ("**/v1/predict", "**/health"):
        page.unroute(path)

    page.wait_for_selector("#maps:not([hidden])")
    assert page.locator("#lost").is_hidden()
    assert page.locator("#status").inner_text() == "1 slice predicted."


def test_a_busy_service_is_asked_again(page):
    refused = []

    def busy(route):
        if refused:
            route.fallback()
        else:
            refused.append(route.request.url)
            route.fulfill(status=429, json={"status": 429, "code": "too_many_requests", "detail": "retry"})

    page.route("**/v1/predict", busy)

    read(page, [("a.png", picture())])

    assert len(refused) == 1
    assert page.locator("#status").inner_text() == "1 slice predicted."


def test_a_service_that_is_back_with_another_model_reads_the_files_again(page):
    read(page, [("a.png", picture())])
    page.route("**/v1/model", lambda route: route.fulfill(json=route.fetch().json() | {"model": "another"}))
    page.route("**/v1/predict", lambda route: route.abort("connectionrefused"))
    page.route("**/health", lambda route: route.abort("connectionrefused"))
    drop(page, [("b.png", picture(seed=4))])
    page.wait_for_selector("#lost:not([hidden])")
    page.unroute("**/health")
    page.route("**/v1/predict", lambda route: route.fulfill(json=route.fetch().json() | {"model": "another"}))

    page.wait_for_selector("body[data-model=another]")
    page.wait_for_selector("#rows tr:nth-child(2)")
    assert page.locator("#rows tr button").all_inner_texts() == ["a.png", "b.png"], "also the one that was being read"
    assert "another" in page.locator("#model-line").inner_text()


def test_an_answer_of_another_model_reads_the_files_again(page):
    read(page, [("a.png", picture()), ("b.png", picture(seed=4))])
    another = {"model": "another", "classes": ["mass", "none"]}

    def answer(route):
        told = route.fetch().json()
        for one in told["predictions"]:
            one.update(label="mass", abstained=False, probabilities={"mass": 0.9, "none": 0.1})
            if "evidence" in one:
                one["evidence"]["class"] = "mass"
        route.fulfill(json=told | {"model": "another"})

    page.route("**/v1/model", lambda route: route.fulfill(json=route.fetch().json() | another))
    page.route("**/v1/predict", answer)

    drop(page, [("c.png", picture(seed=5))])  # no request has failed

    page.wait_for_selector("body[data-model=another]")
    page.locator("#status", has_text="3 slices predicted.").wait_for()
    page.wait_for_selector("#stage[aria-busy=false]")
    assert page.locator("#rows tr button").all_inner_texts() == ["a.png", "b.png", "c.png"]
    assert page.locator("#verdict").inner_text() == "Mass"
    assert page.locator("#bars dt").all_inner_texts() == ["mass", "no tumour"]


def test_the_page_needs_nothing_newer_than_four_years(make_page):
    for path in PAGE.iterdir():
        pattern = NEWER.get(path.suffix.removeprefix("."))
        if pattern:
            text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            assert re.search(pattern, text, re.MULTILINE) is None, path.name

    script = "delete Map.groupBy; delete Object.groupBy; delete Array.prototype.toSorted; delete Promise.withResolvers;"
    page = make_page(prepare=lambda opened: opened.add_init_script(script))
    read(page, series(3))
    assert page.locator("#place").inner_text() == "1 of 3"


def test_the_files_of_the_page_are_short():
    long = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PAGE.iterdir()}
    assert {name: lines for name, lines in long.items() if lines >= 400} == {}
