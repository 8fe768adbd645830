"""What the tests of the page drop on it, and how they read it."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

from gadolin.phantoms import CLASSES, draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes

NAMES = ["no tumour" if name == "notumor" else name for name in CLASSES]
VERDICTS = [name[0].upper() + name[1:] for name in NAMES]
_DROP = """
([files]) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


def drop(page, files):
    """Drop files, (name, bytes) each, on the page."""
    page.evaluate(_DROP, [[[name, base64.b64encode(content).decode()] for name, content in files]])


def read(page, files):
    """Drop files on the page and wait until all are read and the first is shown."""
    drop(page, files)
    page.locator("#status", has_text="predicted").wait_for()
    page.wait_for_selector("#stage[aria-busy=false]")


def picture(label="glioma", size=128, seed=1):
    """Return a phantom slice as PNG."""
    out = io.BytesIO()
    pixels = np.asarray(draw_patient(label, seed, slices=1, size=size)[0].pixels, np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def series(count=5, *, number=1, description="T1 AX", size=96, spacing=6.0):
    """Return the DICOM files of a series, (name, bytes) each; their names are not in the order of their places."""
    stack = draw_patient("meningioma", 2, slices=count, size=size)
    files = [
        dicom_bytes(
            one.pixels,
            DicomFacts(
                position=(0.0, 0.0, spacing * place),
                series=f"1.2.826.0.1.3680043.8.498.{number}",
                more={"SeriesNumber": number, "SeriesDescription": description, "InstanceNumber": place + 1},
            ),
        )
        for place, one in enumerate(stack)
    ]
    return [(f"{place}.dcm", content) for place, content in enumerate(files)]


def answering(page, change):
    """Change each prediction of the service before the page reads it."""

    def route(route):
        told = route.fetch().json()
        for one in told.get("predictions", []):
            change(one)
        route.fulfill(json=told)

    page.route("**/v1/predict", route)


def named(label, p=0.9):
    """Return the fields of a prediction that names ``label``."""
    rest = (1 - p) / (len(CLASSES) - 1)
    probabilities = {name: p if name == label else rest for name in CLASSES}
    return {"label": label, "abstained": False, "reason_code": None, "reason": None, "probabilities": probabilities}


def declined(code="low_confidence"):
    """Return the fields of a prediction that is declined."""
    return {"label": None, "abstained": True, "reason_code": code, "reason": "words that may change"}


def suspected(p=0.98, label="glioma"):
    """Return the fields of a prediction that suspects a tumour and does not name its kind, ``label`` at the most."""
    reason = f"tumour suspected (probability {p:.2f}); its kind was not validated on an unrecognised sequence"
    return named(label) | declined("kind_not_validated") | {"reason": reason, "p_tumour": p}


def shown(page, canvas="#canvas"):
    """Return the pixels of a canvas, (H, W, 3)."""
    raw = page.locator(canvas).first.evaluate("(canvas) => canvas.toDataURL('image/png').split(',')[1]")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(raw))).convert("RGB"), np.int16)


def colours(page, selector, style="backgroundColor"):
    """Return a style of every element, as computed at one moment: a list that is drawn again has other elements."""
    every = "([selector, style]) => [...document.querySelectorAll(selector)].map((one) => getComputedStyle(one)[style])"
    return page.evaluate(every, [selector, style])


def coloured(pixels):
    """Return how many pixels are not grey."""
    return int((pixels.max(axis=2) - pixels.min(axis=2) > 30).sum())


def pretend(page):
    """Answer predictions without the service: every file is a slice of 4 x 4 pixels, every third is declined."""
    pixels = base64.b64encode(np.arange(16, dtype="<u2") * 4096).decode()
    heat = base64.b64encode(np.full(16, 90, np.int8)).decode()
    drawn = {"height": 4, "width": 4, "low": 0.0, "high": 1.0, "window": None, "spacing_mm": None, "data": pixels}
    model = page.locator("body").get_attribute("data-model")
    evidence = {"class": "glioma", "height": 4, "width": 4, "scale": 1.0, "data": heat, "outline": [], "trust": ""}

    def answer(name, number):
        found = (
            declined() | {"probabilities": named("glioma", 0.4)["probabilities"]}
            if number % 3 == 2
            else named("glioma")
        )
        return {"path": name, "frame": None, "model": "m", "picture": drawn, "evidence": evidence} | found

    def route(route):
        names = re.findall(rb'name="files"; filename="([^"]+)"', route.request.post_data_buffer)
        numbers = [int(re.sub(rb"\D", b"", name) or 0) for name in names]
        answers = [answer(name.decode(), number) for name, number in zip(names, numbers, strict=True)]
        route.fulfill(json={"model": model, "predictions": answers, "errors": [], "left_out": []})

    page.route("**/v1/predict", route)


def hold_back(page, content, *, only_first=False):
    """Hold back requests for predictions whose body has ``content``; return the list in which they wait."""
    waiting = []

    def route(route):
        if content in route.request.post_data_buffer and not (only_first and waiting):
            waiting.append(route)
        else:
            route.fallback()

    page.route("**/v1/predict", route)
    return waiting


def keep_running(page):
    """Report jobs as running until they are cancelled, however fast the service is."""
    progress = {"done": 1, "total": 9, "unit": "samples", "what": "shap"}
    cancelled = []

    def route(route):
        if route.request.method == "DELETE":
            cancelled.append(route.request.url)
        if route.request.method == "GET" and route.request.url not in cancelled:
            route.fulfill(json={"id": "a", "kind": "explain", "status": "running", "progress": progress})
        else:
            route.fallback()

    page.route("**/v1/jobs/*", route)
