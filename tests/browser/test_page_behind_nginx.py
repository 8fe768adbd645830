"""Tests of the page behind nginx in a real browser: below a path, through TLS, with a token."""

from __future__ import annotations

import io

import numpy as np
import pytest
from dropping import VERDICTS, drop, keep_running, picture, series
from PIL import Image

from behind_nginx import NAME, NGINX, OPENSSL, documented, nginx, serving

pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: nginx-light)"),
    pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed"),
]
TOKEN = "a-token-of-some-length"


def noise(kilobytes, seed=0):
    """Return a PNG of about this many kilobytes."""
    side = int((1024 * kilobytes) ** 0.5)
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def site(predictor, tmp_path_factory):
    """The address of the page behind the documented nginx."""
    from gadolin.server.settings import Settings

    folder = tmp_path_factory.mktemp("nginx")
    settings = Settings(workers=1, token=TOKEN, hosts=(NAME,), root_path="/gadolin")
    with (
        serving(predictor, settings) as service,
        nginx(folder, lambda port: documented(folder, port, service)) as running,
    ):
        yield f"https://{NAME}:{running.port}/gadolin"


@pytest.fixture(scope="module")
def plain(predictor, tmp_path_factory):
    """The address of the page behind an nginx that knows only the address of the service."""
    from gadolin.server.settings import Settings

    text = "server {{ listen 127.0.0.1:{port}; location /scans/ {{ proxy_pass http://127.0.0.1:{service}/; }} }}"
    with (
        serving(predictor, Settings(workers=1)) as service,
        nginx(tmp_path_factory.mktemp("plain"), lambda port: text.format(port=port, service=service)) as running,
    ):
        yield f"http://127.0.0.1:{running.port}/scans"


@pytest.fixture
def opened(browser):
    """Open a page in a new browser context; script errors and missing resources fail the test."""
    wrong, contexts = [], []

    def open_(address):
        context = browser.new_context(viewport={"width": 1400, "height": 900}, ignore_https_errors=True)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("response", lambda one: wrong.append(one.url) if one.status in (401, 403, 404, 421) else None)
        page.goto(address)
        page.wait_for_selector("body[data-model]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not wrong


def test_a_link_with_the_token_opens_the_page_and_everything_works(site, opened):
    page = opened(f"{site}?token={TOKEN}")
    assert page.url == f"{site}/", "the token does not stay in the address bar"

    drop(page, series(3))
    page.wait_for_selector("#rows tr:nth-child(3)")
    page.wait_for_selector("#maps:not([hidden])")
    assert page.locator("#verdict").inner_text() in VERDICTS
    page.click("#lime")
    page.wait_for_selector("#map option[value=lime]", state="attached", timeout=60_000)
    keep_running(page)
    page.click("#shap")
    page.wait_for_selector("#job:not([hidden])")
    page.click("#cancel")
    page.wait_for_selector("#job", state="hidden")
    assert page.locator("#status").inner_text() == "shap was cancelled."
    page.click("#more")
    page.click("#phantom-series")
    page.wait_for_selector("#rows tr:nth-child(15)", timeout=60_000)
    page.reload()
    page.wait_for_selector("body[data-model]")


def test_behind_a_server_with_little_room_fewer_files_are_sent_at_a_time(plain, opened):
    page = opened(f"{plain}/")

    drop(page, [(f"{number}.png", noise(400, number)) for number in range(5)])

    page.wait_for_selector("#rows tr:nth-child(5)", timeout=60_000)
    page.wait_for_selector("#reading", state="hidden", timeout=60_000)
    assert page.locator("#status").inner_text() == "5 slices predicted."


def test_a_file_that_a_server_on_the_way_refuses_is_told_in_a_sentence(plain, opened):
    page = opened(f"{plain}/")

    drop(page, [("large.png", noise(1500)), ("small.png", picture())])

    page.wait_for_selector("#rows tr:nth-child(2)", timeout=60_000)
    page.wait_for_selector("#reading", state="hidden", timeout=60_000)
    assert page.locator("#status").inner_text() == "1 slice predicted, 1 unreadable."
    page.click("#rows tr:nth-child(1) button")
    assert "client_max_body_size" in page.locator("#reason").inner_text()


def test_a_server_that_answers_in_place_of_the_service_is_told_of(plain, opened):
    page = opened(f"{plain}/")

    def answering(status):
        return lambda route: route.fulfill(status=status, content_type="text/html", body="<html></html>")

    for status, words in ((502, "cannot reach the service"), (504, "did not wait"), (200, "Another server responded")):
        page.route("**/v1/predict", answering(status))
        drop(page, [(f"{status}.png", picture())])
        page.wait_for_selector("#reason.declined")
        assert words in page.locator("#reason").inner_text()
        page.click("#clear")
