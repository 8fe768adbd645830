from __future__ import annotations

import shutil
import threading
import time

import pytest

pytest.importorskip("fastapi")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def address(make_bundle):
    """The service on a free port of this computer, over a model that looks at quadrants."""
    import socket

    import uvicorn

    from gadolin.predictor import Predictor
    from gadolin.prepare import Preparation
    from gadolin.serve.app import create_app
    from gadolin.serve.settings import Settings

    predictor = Predictor.load(make_bundle(preparation=Preparation(size=64)).folder, threads=1)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(predictor, Settings(workers=1)), log_config=None, access_log=False)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; without one, tests of the page are skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this computer")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture
def page(browser, address):
    """The page in a window of its own; what goes wrong in its scripts fails the test."""
    wrong = []
    context = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(address)
    opened.wait_for_selector("#filter option[value=glioma]", state="attached")
    yield opened
    context.close()
    assert not wrong
