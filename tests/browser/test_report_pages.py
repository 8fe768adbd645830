"""Tests of the pages in files: reports of an evaluation, an audit and scored explanations, and a model card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from test_accessibility import barriers

from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.explanations.scoring.score import FAITHFUL, MEASURES
from gadolin.explanations.scoring.summary import Line
from gadolin.metrics.bootstrap import Interval
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.reports.scored_page import write_scores_page
from gadolin.workflows.audit import audit
from gadolin.workflows.card import write_cards
from gadolin.workflows.evaluate import evaluate

PAGES = ("report", "audit", "explanations", "model-card")
HIDDEN_ON_PAPER = """() => [...document.querySelectorAll('main *')].filter(
    one => !one.closest('.screen') && !one.checkVisibility({contentVisibilityAuto: true})
).map(one => one.outerHTML.slice(0, 100))"""


def line(method, of="all", value="all"):
    figures = {name: Interval(0.5, 0.4, 0.6) for name in (*MEASURES, *FAITHFUL)}
    return Line(method, of, value, 20, 10, figures, method == "lime")


@pytest.fixture(scope="module")
def folder(leaky_data, make_bundle, write_run, tmp_path_factory):
    """Write the four pages to a folder."""
    folder = tmp_path_factory.mktemp("pages")
    bundle = make_bundle(folder / "bundle", confidence_threshold=0.3)
    evaluation = evaluate(Predictor.load(bundle.folder), leaky_data)
    evaluation.write_html(folder / "report.html")
    audit(leaky_data).write_html(folder / "audit.html")
    lines = [line("evidence"), line("lime"), line("centre"), line("evidence", "class", "glioma")]
    write_scores_page(folder / "explanations.html", "Explanations scored on phantoms", {"Model": "abc"}, lines)
    records = read_manifest(leaky_data / "manifest.csv")
    write_manifest(folder / "manifest.csv", [replace(one, source=f"long source {one.label}") for one in records])
    write_run(folder, epochs=1, chosen_epoch=1)
    write_cards(RunFolder(folder), evaluation)
    return folder


@pytest.fixture
def open_page(browser, folder):
    """Open a page in a new browser context; a request for anything else fails the test."""
    contexts, asked = [], []

    def opened(name, *, width=1200, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / f"{name}.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert all(url.startswith(("data:", folder.as_uri())) for url in asked)


def width_of(page):
    return page.evaluate("() => document.documentElement.scrollWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_serious_barrier_and_no_part_wider_than_the_screen(name, width, scheme, open_page):
    page = open_page(name, width=width, scheme=scheme)
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert width_of(page) == width
    assert not barriers(page)


@pytest.mark.parametrize("name", PAGES)
def test_the_verdict_is_in_sight_and_every_link_of_the_contents_leads_to_what_it_names(name, open_page):
    page = open_page(name)
    assert page.locator("main h2").first.bounding_box()["y"] < 300
    links = page.locator("nav.contents a").all()
    assert len(links) > 1
    for link in links:
        link.click()
        target = page.locator(link.get_attribute("href"))
        assert target.evaluate("one => one.checkVisibility() && one.getBoundingClientRect().top < innerHeight")


@pytest.mark.parametrize("name", PAGES)
def test_paper_shows_what_is_folded_and_fits_its_width(name, open_page):
    page = open_page(name, width=688)  # 182 mm, A4 less its margins
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.evaluate(HIDDEN_ON_PAPER)
    assert width_of(page) == 688
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_page_is_small(folder):
    sizes = {name: (Path(folder) / f"{name}.html").stat().st_size for name in PAGES}
    assert max(sizes.values()) < 1_000_000
    assert sizes["model-card"] < 50_000
