from __future__ import annotations

import os
import shutil
from pathlib import Path

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


def _installed():
    """Return the engines that are on this computer; playwright has its own Firefox and WebKit."""
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    return ["chromium", *(name for name in ("firefox", "webkit") if any(folder.glob(f"{name}-*")))]


@pytest.fixture(scope="module", params=_installed())
def browser(request):
    """A headless browser; tests of the page are skipped where there is no Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    if request.param == "chromium" and CHROMIUM is None:
        pytest.skip("there is no Chromium on this computer")
    with playwright.sync_playwright() as driver:
        options = {"executable_path": CHROMIUM, "args": OPTIONS} if request.param == "chromium" else {}
        running = getattr(driver, request.param).launch(**options)
        yield running
        running.close()


@pytest.fixture
def make_page(browser, address):
    """Make the page in new browser contexts with these options; script errors fail the test."""
    wrong, contexts = [], []

    def make(*, prepare=None, **options):
        wide = {"width": 1400, "height": 900}
        context = browser.new_context(**({"viewport": wide, "accept_downloads": True} | options))
        contexts.append(context)
        opened = context.new_page()
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        if prepare is not None:
            prepare(opened)
        opened.goto(address)
        opened.wait_for_selector("body[data-model]")
        return opened

    yield make
    for context in contexts:
        for opened in context.pages:
            opened.unroute_all(behavior="ignoreErrors")  # thumbnails may still be on their way
        context.close()
    assert not wrong


@pytest.fixture
def page(make_page):
    """The page in a new browser context."""
    return make_page()


@pytest.fixture
def phone(make_page):
    """The page in a narrow window under a finger."""
    return make_page(viewport={"width": 390, "height": 844}, has_touch=True)
