"""The page with many slices: frames while the list scrolls, and memory, by Chromium's own trace.

    python -m benchmarks run page [--slices 2000] [--write]

Phantoms with different noise are read on the page. The list is then scrolled in 300 steps: by 3 rows a frame, faster
than a wheel, and from top to bottom and back, as by a drag of the scroll bar. The frames of the trace are compared with
those of the page without slices, whose brightness changes 300 times.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.publish import markdown, publish
from benchmarks.service.serve import service
from gadolin.models.bundle import SHIPPED
from gadolin.phantoms import CLASSES, draw_patient

FRAMES = 300
ROWS = 3  # a frame
SIDE = 96
CATEGORIES = ["disabled-by-default-devtools.timeline.frame", "devtools.timeline"]
SCROLL = f"""
(rows) => new Promise((done) => {{
  const list = document.querySelector(".table");
  const whole = list ? list.scrollHeight - list.clientHeight : 0;
  const way = rows ? Math.min(whole, rows * 52 * {FRAMES} / 2) : whole;
  const step = (number) => {{
    if (number > {FRAMES}) return done();
    const share = number / {FRAMES} * 2;
    if (way > 0) list.scrollTop = way * (share < 1 ? share : 2 - share);
    else document.body.style.opacity = number % 2 ? 1 : 0.99; // else no frame is drawn
    requestAnimationFrame(() => step(number + 1));
  }};
  step(0);
}})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=2000)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, service(SHIPPED) as running:
        files = phantoms(Path(folder), arguments.slices)
        rows = measured(f"http://127.0.0.1:{running.port}", files)
    head = ["page", "frames a second", "dropped", "slowest of 100 frames, ms", "JavaScript memory, MiB"]
    publish("page", "Scrolling the web page with 2,000 slices", markdown(head, rows), write=arguments.write)


def phantoms(folder: Path, count: int) -> list[Path]:
    """Write ``count`` different slices, and return their files."""
    random = np.random.default_rng(0)
    drawn = [one.pixels for label in CLASSES for one in draw_patient(label, 1, slices=10, size=SIDE)]
    files = []
    for number in range(count):
        noisy = drawn[number % len(drawn)] + random.normal(0, 2, (SIDE, SIDE))
        files.append(folder / f"{number:04d}.png")
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(files[-1])
    return files


def measured(address: str, files: list[Path]) -> list[list[str]]:
    """Return a row for the page without slices, and one for each of three scrolls through the list."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(address)
        page.wait_for_selector("body[data-model]")
        rows = [row("without slices", page, browser, ROWS)]
        page.set_input_files("#file-input", files)
        page.locator("#status", has_text=f"{len(files)} slices predicted").wait_for(timeout=1_200_000)
        for number in (1, 2, 3):
            rows.append(row(f"{len(files):,} slices, {ROWS} rows a frame, {number}", page, browser, ROWS))
        rows.append(row(f"{len(files):,} slices, the whole list twice", page, browser, 0))
        browser.close()
    return rows


def row(name: str, page: Any, browser: Any, rows: int) -> list[str]:
    """Scroll the list by ``rows`` a frame (0: all of it) while Chromium traces frames; return the cells of a row."""
    browser.start_tracing(page=page, categories=CATEGORIES)
    page.evaluate(SCROLL, rows)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    states = {}
    for one in events:
        frame = one.get("args", {}).get("frame_reporter")
        if one["name"] == "PipelineReporter" and frame:
            states.setdefault(frame["frame_sequence"], {})[frame["state"]] = one["ts"] / 1e6
    shown = np.sort([found["STATE_PRESENTED_ALL"] for found in states.values() if "STATE_PRESENTED_ALL" in found])
    dropped = sum("STATE_PRESENTED_ALL" not in found and "STATE_DROPPED" in found for found in states.values())
    between = np.diff(shown)
    heap = page.evaluate("() => performance.memory.usedJSHeapSize") / 2**20
    return [
        name,
        f"{len(between) / (shown[-1] - shown[0]):.1f}",
        f"{100 * dropped / len(states):.0f} %",
        f"{1000 * np.quantile(between, 0.99):.0f}",
        f"{heap:.1f}",
    ]


if __name__ == "__main__":
    main()
