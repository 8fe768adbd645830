"""Photograph the page of the service: run from the repository root where playwright and Chromium are installed.

Phantoms alone are shown.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from gadolin.models.bundle import SHIPPED
from gadolin.models.predictor import Predictor
from gadolin.server.run import listen
from gadolin.server.settings import Settings

HERE = Path(__file__).parent
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Write page-*.png beside this file."""
    with sync_playwright() as driver:
        path = next(filter(None, map(shutil.which, BROWSERS)))
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        address = serving()
        with window(browser, address) as page:
            photograph(page, "empty")
            until_named(page, series)
            photograph(page, "series")
        with window(browser, address) as page:
            until_named(page, slice_of_its_own)
            page.click("#lime")
            page.wait_for_selector("#map option[value=lime]", state="attached", timeout=600_000)
            page.click("#side")
            photograph(page, "explanation")
            page.set_input_files("#file-input", not_a_slice())
            page.wait_for_selector("#verdict[data-verdict=unreadable]")
            photograph(page, "error")
        with window(browser, address, scheme="dark") as page:
            until_named(page, series)
            photograph(page, "dark")
        with window(browser, address, size=NARROW) as page:
            until_named(page, slice_of_its_own)
            photograph(page, "narrow")
        browser.close()


def serving() -> str:
    """Start the service on a free port and return its address."""
    addresses: list[str] = []
    there = threading.Event()

    def announce(found: list[str]) -> None:
        addresses.extend(found)
        there.set()

    arguments = (Predictor.load(SHIPPED), Settings(port=0))
    threading.Thread(
        target=listen, args=arguments, kwargs={"browser": False, "announce": announce}, daemon=True
    ).start()
    there.wait(60)
    for _ in range(100):
        try:
            urlopen(f"{addresses[0]}ready", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            break
    return addresses[0]


@contextmanager
def window(browser: Browser, address: str, *, size: dict[str, int] = WIDE, scheme: str = "light") -> Iterator[Page]:
    """A window with the page in it, ready."""
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-model]")
    yield page
    context.close()


def series(page: Page) -> None:
    """Read a phantom series and show its middle."""
    if page.locator("#more").is_visible():
        page.click("#more")
    page.click("#phantom-series")
    page.locator("#place", has_text="of 12").wait_for()
    page.locator("#rows tr:nth-child(7) button").click()
    page.wait_for_selector("#rows tr:nth-child(7)[aria-current=true]")
    page.wait_for_selector("#stage[aria-busy=false]")


def slice_of_its_own(page: Page) -> None:
    """Read one phantom."""
    page.click("#phantom")
    page.wait_for_selector("#maps:not([hidden])")


def until_named(page: Page, read: Callable[[Page], None]) -> None:
    """Read phantoms until a tumour is named."""
    for _ in range(12):
        read(page)
        if named(page):
            return
        page.click("#clear")


def named(page: Page) -> bool:
    """Return whether a tumour is named."""
    return page.locator("#verdict").inner_text() in ("Glioma", "Meningioma", "Pituitary")


def not_a_slice() -> Path:
    """Return a file that is none."""
    path = Path(tempfile.mkdtemp()) / "notes.txt"
    path.write_text("no slice")
    return path


def photograph(page: Page, name: str) -> None:
    """Write what is in sight to a file."""
    page.wait_for_timeout(400)
    seen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    seen.quantize(256, Image.Quantize.MAXCOVERAGE).save(HERE / f"page-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
