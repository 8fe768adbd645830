"""Tests of the page in a real browser: dropping files, showing predictions, starting and cancelling explanations."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gadolin.phantoms import CLASSES, draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.records import NOTICE

AXE = Path(__file__).with_name("axe.min.js")
NAMES = ["no tumour" if name == "notumor" else name for name in CLASSES]
DROP = """
async ([files]) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


def drop(page, files):
    page.evaluate(DROP, [[[name, base64.b64encode(content).decode()] for name, content in files]])


def picture(label="glioma", size=128):
    out = io.BytesIO()
    Image.fromarray(np.asarray(draw_patient(label, 1, slices=1, size=size)[0].pixels, np.uint8)).save(out, "PNG")
    return out.getvalue()


def series(count=5):
    stack = draw_patient("meningioma", 2, slices=count, size=96)
    return [
        (f"{number}.dcm", dicom_bytes(one.pixels, DicomFacts(position=(0.0, 0.0, 6.0 * number))))
        for number, one in enumerate(stack)
    ]


def shown(page):
    """Return the pixels of the canvas."""
    raw = page.locator("#canvas").evaluate("(canvas) => canvas.toDataURL('image/png').split(',')[1]")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(raw))).convert("RGB"), np.int16)


def test_a_dropped_series_is_read_slice_by_slice_without_a_verdict_of_its_own(page):
    drop(page, series())

    page.wait_for_selector("#rows tr:nth-child(5)")
    page.wait_for_selector("#maps:not([hidden])")
    assert page.locator("#verdict").inner_text() in NAMES
    assert page.locator("#bars dt").all_inner_texts() == NAMES
    assert sum(float(text) for text in page.locator("#bars dd").all_inner_texts() if text) == pytest.approx(1, abs=0.01)
    assert "never validated" in page.locator("#strip-box").inner_text()
    assert page.locator("#viewer-title").inner_text() == "0.dcm"
    page.locator("#canvas").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#rows tr:nth-child(2)[aria-current=true]")
    assert "1.dcm" in page.locator("#canvas").get_attribute("aria-label")


def test_the_window_and_the_focus_stay_from_slice_to_slice(page):
    drop(page, series())
    page.wait_for_selector("#rows tr:nth-child(5)")
    page.wait_for_selector("#maps:not([hidden])")
    page.locator("#window").fill("300")

    page.locator("#rows tr:nth-child(3) button").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#rows tr:nth-child(3)[aria-current=true]")
    page.wait_for_selector("#stage[aria-busy=false]")

    assert page.locator("#rows tr:nth-child(3) button").evaluate("(button) => button === document.activeElement")
    assert float(page.locator("#window").input_value()) < 500


def test_the_notice_is_in_sight_on_every_view(page):
    for view in ("empty", "slice"):
        if view == "slice":
            page.click("#phantom")
            page.wait_for_selector("#maps:not([hidden])")
        assert page.locator("footer").inner_text() == NOTICE
        assert page.locator("footer").is_visible()


def test_opacity_window_and_zoom_change_what_is_seen(page):
    drop(page, [("a.png", picture())])
    page.wait_for_selector("#maps:not([hidden])")
    page.uncheck("#outline")
    strong = shown(page)

    page.locator("#opacity").fill("0")
    plain = shown(page)
    page.locator("#window").fill("300")
    narrow = shown(page)
    page.locator("#zoom").fill("400")
    near = shown(page)

    assert np.abs(strong[..., 0] - strong[..., 2]).max() > 20, "the heat map is coloured"
    assert np.abs(plain[..., 0] - plain[..., 2]).max() == 0, "without a heat map the slice is grey"
    assert (narrow != plain).any()
    assert (near != narrow).any()


def test_lime_runs_to_its_end_and_shap_is_cancelled(page):
    drop(page, [("a.png", picture())])
    page.wait_for_selector("#maps:not([hidden])")

    page.click("#lime")
    page.wait_for_selector("#map option[value=lime]", state="attached", timeout=60_000)
    assert page.locator("#map").input_value() == "lime"
    assert "lime" in page.locator("#trust").inner_text()
    page.click("#shap")
    page.wait_for_selector("#job:not([hidden])")
    page.click("#cancel")
    page.wait_for_selector("#job", state="hidden")
    assert page.locator("#status").inner_text() == "shap was cancelled."
    assert page.locator("#map option[value=shap]").count() == 0
    page.click("#side")
    captions = page.locator("#panel figcaption").all_inner_texts()
    assert captions[0] == "the slice"
    assert len(captions) >= 3


def test_the_table_is_sorted_filtered_and_saved(page):
    drop(page, [*series(3), ("garbage.png", b"no picture")])
    page.wait_for_selector("#rows tr:nth-child(4)")

    page.select_option("#filter", "error")
    assert page.locator("#rows tr").count() == 1
    page.select_option("#filter", "")
    page.fill("#search", "dcm")
    assert page.locator("#rows tr").count() == 3
    page.fill("#search", "")
    page.click("[data-sort=name]")
    page.click("[data-sort=name]")
    assert page.locator("#rows tr:first-child button").inner_text() == "garbage.png"
    with page.expect_download() as saved:
        page.click("#csv")
    rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8"))))
    assert [row["path"] for row in rows] == ["garbage.png", "2.dcm", "1.dcm", "0.dcm"]
    assert rows[0]["error"]
    assert rows[0]["code"] == "unknown_format"
    assert set(rows[1]) >= {"path", "frame", "label", "abstained", "reason_code", "reason", "model", "p_glioma"}
    with page.expect_download() as report:
        page.click("#report")
    text = Path(report.value.path()).read_text(encoding="utf-8")
    assert text.count("data:image/jpeg") == 3, "each slice has a thumbnail"
    assert NOTICE in text
    assert "garbage.png" in text
    assert "<script" not in text


def test_a_volume_is_cut_in_the_plane_that_is_asked_for(page, tmp_path):
    import nibabel

    volume = np.zeros((48, 40, 24), np.int16)
    volume[8:40, 8:32] = np.arange(1, 25) * 100
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([1.0, 1.0, 5.0, 1.0])), tmp_path / "scan.nii.gz")

    page.select_option("#plane", "coronal")
    drop(page, [("scan.nii.gz", (tmp_path / "scan.nii.gz").read_bytes())])

    page.wait_for_selector("#rows tr:nth-child(40)")
    assert page.locator("#rows tr").count() == 40
    page.locator("#rows tr:nth-child(20) button").click()
    page.wait_for_selector("#rows tr:nth-child(20)[aria-current=true]")
    page.wait_for_selector("#stage[aria-busy=false]")
    assert page.locator("#maps").is_visible()


def test_the_strip_has_a_legend_in_words(page):
    drop(page, series())
    page.wait_for_selector("#rows tr:nth-child(5)")

    assert page.locator("#legend li").all_inner_texts() == NAMES
    assert "glioma 0." in page.locator("#strip").get_attribute("aria-valuetext")


def test_clearing_while_files_are_read_leaves_nothing_behind(page):
    page.route("**/v1/predict", lambda route: (page.wait_for_timeout(300), route.continue_()))
    drop(page, [("a.png", picture())])
    page.wait_for_selector("#reading:not([hidden])")

    page.locator("#clear").evaluate("(button) => button.click()")
    page.wait_for_timeout(1500)

    assert page.locator("#rows tr").count() == 0
    assert page.locator("#reading").is_hidden()
    assert page.locator("#status").inner_text() == "Cleared."


def test_an_outline_is_offered_where_there_is_one(page):
    drop(page, [("a.png", picture())])
    page.wait_for_selector("#maps:not([hidden])")
    assert page.locator("#outline").is_enabled()

    page.click("#lime")
    page.wait_for_selector("#map option[value=lime]", state="attached", timeout=60_000)

    assert page.locator("#outline").is_disabled()


def test_the_keys_are_told_at_a_question_mark(page):
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    assert page.locator("#intro").is_visible(), "before the first slice the page shows what it is doing"
    page.click("#phantom")
    page.wait_for_selector("#maps:not([hidden])")
    assert page.locator("#intro").is_hidden()


def test_garbage_is_told_in_a_sentence(page):
    drop(page, [("garbage.png", b"<svg onload=alert(1)></svg>")])

    page.wait_for_selector("#reason.abstained")
    assert page.locator("#verdict").inner_text() == "Unreadable"
    assert "nothing else" in page.locator("#reason").inner_text()


REASONS = {
    "colour_image": "does not look like an MRI slice",
    "several_slices": "several slices in one image",
    "out_of_distribution": "does not look like the head MRI slices",
    "low_confidence": "so the model abstains",
    "tumour_uncertain": "Neither tumour nor no tumour",
    "sequence_not_validated": "not validated on this sequence",
    "kind_uncertain": "no tumour type is certain enough",
    "kind_not_validated": "its type is not given",
}


@pytest.mark.parametrize("code", REASONS)
def test_why_no_class_is_named_is_told_by_its_code_whatever_the_words(code, page):
    def abstaining(route):
        told = route.fetch().json()
        for one in told["predictions"]:
            one |= {"label": None, "abstained": True, "reason_code": code, "reason": "words that may change"}
        route.fulfill(json=told)

    page.route("**/v1/predict", abstaining)
    drop(page, [("a.png", picture())])

    page.wait_for_selector("#maps:not([hidden])")
    page.wait_for_selector("#reason.abstained")
    assert REASONS[code] in page.locator("#reason").inner_text()
    assert "words that may change" in page.locator("#reason").inner_text()


def test_a_suspected_tumour_and_a_header_that_differs_are_told(page):
    def suspecting(route):
        told = route.fetch().json()
        for one in told["predictions"]:
            one |= {"label": None, "abstained": True, "reason_code": "kind_not_validated", "reason": "why"}
            one |= {"sequence": "FLAIR", "header_sequence": "T2", "p_tumour": 0.97}
        route.fulfill(json=told)

    page.route("**/v1/predict", suspecting)
    drop(page, [("a.png", picture())])

    page.wait_for_selector("#reason.abstained")
    assert page.locator("#verdict").inner_text() == "Tumour suspected"
    assert "looks like FLAIR, but the header has T2" in page.locator("#reason").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_serious_barrier(scheme, browser, address):
    context = browser.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(address)
    page.click("#phantom-series")
    page.wait_for_selector("#rows tr:nth-child(12)", timeout=60_000)
    page.wait_for_selector("#maps:not([hidden])")
    page.click("#side")
    page.add_script_tag(path=AXE)

    found = page.evaluate("() => axe.run()")

    context.close()
    barriers = [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert not barriers


def test_the_page_fits_a_narrow_window(browser, address):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(address)
    page.click("#phantom")
    page.wait_for_selector("#maps:not([hidden])")
    wide = page.locator("body").evaluate("(body) => [body.scrollWidth, window.innerWidth]")
    context.close()
    assert wide[0] <= wide[1]
