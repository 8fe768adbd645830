from __future__ import annotations

import shutil

import pytest

from behind_nginx import NAME, serving

pytest.importorskip("fastapi")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
]  # fmt: skip


@pytest.fixture(scope="session")
def predictor(make_bundle):
    """A predictor on the quadrant graph."""
    from gadolin.models.predictor import Predictor
    from gadolin.preprocessing.prepare import Preparation

    return Predictor.load(make_bundle(preparation=Preparation(size=64)).folder, threads=1)


@pytest.fixture(scope="module")
def address(predictor):
    """The address of the service on a free local port."""
    from gadolin.server.settings import Settings

    with serving(predictor, Settings(workers=1)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; tests of the page are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this computer")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture
def page(browser, address):
    """The page in a new browser context; script errors fail the test."""
    wrong = []
    context = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(address)
    opened.wait_for_selector("#filter option[value=glioma]", state="attached")
    yield opened
    context.close()
    assert not wrong
