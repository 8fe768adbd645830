"""Tests of the page in a real browser: dropping files, the list of slices, saving, keys."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from dropping import NAMES, VERDICTS, drop, picture, read, series

from gadolin.records import NOTICE


def test_a_dropped_series_is_read_slice_by_slice_without_a_verdict_of_its_own(page):
    read(page, series())

    assert page.locator("#verdict").inner_text() in VERDICTS
    assert page.locator("#bars dt").all_inner_texts() == NAMES
    assert sum(float(text) for text in page.locator("#bars dd").all_inner_texts() if text) == pytest.approx(1, abs=0.01)
    assert "never validated" in page.locator("#strip-box").inner_text()
    assert page.locator("#viewer-title").inner_text() == "0.dcm"
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#rows tr:nth-child(2)[aria-current=true]")
    assert page.locator("#place").inner_text() == "2 of 5"
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


def test_the_table_is_sorted_filtered_and_saved(page):
    read(page, [*series(3), ("garbage.png", b"no picture")])

    page.click("#summary [data-verdict=unreadable]")
    assert page.locator("#rows tr").count() == 1
    page.click("#summary [data-verdict='']")
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

    page.locator("#plane").select_option("coronal")
    drop(page, [("scan.nii.gz", (tmp_path / "scan.nii.gz").read_bytes())])

    page.locator("#place", has_text="1 of 40").wait_for()
    page.locator("#table").evaluate("(box) => box.scrollTo(0, box.scrollHeight)")
    page.locator("#rows tr[aria-rowindex='41'] button").click()
    page.wait_for_selector("#rows tr[aria-rowindex='41'][aria-current=true]")
    page.wait_for_selector("#stage[aria-busy=false]")
    assert page.locator("#maps").is_visible()


def test_the_strip_has_a_legend_in_words(page):
    drop(page, series())
    page.wait_for_selector("#rows tr:nth-child(5)")

    assert page.locator("#legend li").all_inner_texts() == [*NAMES, "tumour suspected", "declined"]
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

    page.wait_for_selector("#reason.declined")
    assert page.locator("#verdict").inner_text() == "Unreadable"
    assert page.locator("#view").is_hidden(), "there is nothing to view"
    assert "nothing else" in page.locator("#reason").inner_text()
