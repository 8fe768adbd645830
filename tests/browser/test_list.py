"""Tests of the list of slices: many rows, thumbnails, the summary, natural order, files that are dropped again."""

from __future__ import annotations

import base64
import os
import re

from dropping import colours, drop, hold_back, picture, pretend, read, shown
from PIL import Image

from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes

BRIGHT = """
() => [...document.querySelectorAll("#rows .thumb")].map((one) => {
  const canvas = new OffscreenCanvas(48, 48);
  const context = canvas.getContext("2d");
  context.drawImage(one, 0, 0);
  return context.getImageData(40, 40, 1, 1).data[0] > 100;
})
"""


def numbers(page):
    return [int(re.sub(r"\D", "", name)) for name in page.locator("#rows tr button").all_inner_texts()]


def test_of_two_thousand_slices_only_the_rows_in_sight_are_drawn_and_few_pictures_are_kept(page):
    pretend(page)
    read(page, [(f"{number}.png", b"x" * (number + 1)) for number in range(2000)])

    assert page.locator("#place").inner_text() == "1 of 2000"
    assert page.locator("#rows tr").count() < 60
    page.locator("#table").evaluate("(box) => box.scrollTo(0, box.scrollHeight)")
    page.locator("#rows tr[aria-rowindex='2001'] button").click()
    page.wait_for_selector("#rows tr[aria-rowindex='2001'][aria-current=true]")
    assert page.locator("#rows tr").count() < 60
    assert page.locator("#place").inner_text() == "2000 of 2000"
    page.locator("#rows tr[aria-current=true]").wait_for()


def test_pictures_are_forgotten_but_for_the_last_ones(page):
    pretend(page)

    kept = page.evaluate("""async () => {
      const { Pictures } = await import(new URL("static/pictures.js", location.href));
      const pictures = new Pictures();
      const items = Array.from({ length: 150 }, (_, number) => (
        { path: `${number}.png`, frame: null, source: { name: `${number}.png`, file: new Blob(["x"]) } }));
      for (const item of items) await pictures.show(item, () => items[0]);
      const kept = items.filter((item) => item.picture);
      return [kept.length, kept.includes(items[0]), items.every((item) => item.thumb)];
    }""")

    assert kept == [60, True, True]


def test_the_summary_counts_and_filters(page):
    pretend(page)
    read(page, [(f"{number}.png", b"x" * (number + 1)) for number in range(5)])

    assert page.locator("#summary").inner_text().split("\n") == ["all 5", "4 glioma", "1 declined"]
    page.click("#summary [data-verdict=declined]")
    assert numbers(page) == [2]
    assert page.locator("#verdict").inner_text() == "Declined", "the slice that is shown is one of the list"
    page.click("#summary [data-verdict=declined]")
    assert numbers(page) == [0, 1, 2, 3, 4]


def test_rows_have_thumbnails_in_the_colour_of_their_verdict(page):
    pretend(page)
    read(page, [(f"{number}.png", b"x" * (number + 1)) for number in range(3)])

    page.wait_for_function("() => document.querySelectorAll('#rows .thumb[src]').length === 3")
    assert page.evaluate(BRIGHT) == [True] * 3
    dots = colours(page, "#rows .dot")
    assert dots[0] == dots[1] != dots[2]


def test_a_row_stays_in_place_when_its_thumbnail_arrives(page):
    pretend(page)
    waiting = hold_back(page, b"\r\n\r\npicture\r\n")
    read(page, [(f"{number}.png", b"x" * (number + 1)) for number in range(3)])
    page.locator("#rows tr:nth-child(3) button").hover()

    page.mouse.down()
    waiting[0].fallback()
    page.wait_for_function("(one) => one.src", arg=page.query_selector("#rows tr:nth-child(3) .thumb"))
    page.mouse.up()

    page.locator("#place", has_text="3 of 3").wait_for()


def test_files_of_which_none_can_be_read_have_a_reason_each(page):
    read(page, [("one.txt", b"hello"), ("two.png", picture()[:300]), ("three.dcm", bytes(128) + b"DICM")])

    reasons = set()
    for row in (1, 2, 3):
        page.locator(f"#rows tr:nth-child({row}) button").click()
        reasons.add(page.locator("#reason").inner_text())

    assert len(reasons) == 3


def localiser():
    """Return a localiser as a DICOM file."""
    (pixels,) = (one.pixels for one in draw_patient("glioma", 1, slices=1, size=96))
    kind = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    return dicom_bytes(pixels, DicomFacts(position=(0.0, 0.0, 0.0), series="1.2.826.0.1.3680043.8.498.9", more=kind))


def test_files_of_a_folder_that_are_left_out_are_told_with_their_reasons(page):
    beside = [("scans/README", b"hello"), ("scans/plan.dcm", localiser())]

    read(page, [("scans/a.png", picture()), *beside])

    assert page.locator("#status").inner_text() == "1 slice predicted, 2 files left out (other format, localiser)."
    assert page.locator("#rows tr button").all_inner_texts() == ["a.png"]


def test_a_folder_without_a_slice_has_no_rows_but_for_files_that_look_like_slices(page):
    files = [("README", b"hello"), ("plan.dcm", localiser()), ("Thumbs.db", b"x"), ("empty.txt", b"")]

    drop(page, [(f"scans/{name}", content) for name, content in files])
    page.locator("#status", has_text="predicted").wait_for()
    told = page.locator("#status").inner_text()
    assert told == "0 slices predicted, 4 files left out (other format, localiser, housekeeping, empty file)."
    assert page.locator("#batch").is_hidden()
    drop(page, [("more/README", b"again"), ("more/b.png", b"no picture"), ("more/0001", b"")])
    page.locator("#status", has_text="unreadable").wait_for()

    assert page.locator("#status").inner_text() == "0 slices predicted, 2 unreadable, 1 file left out (other format)."
    titles = page.locator("#rows tr button").evaluate_all("(all) => all.map((one) => one.title)")
    assert sorted(titles) == ["more/0001", "more/b.png"]


def test_an_entry_that_the_browser_cannot_read_is_told_and_the_rest_is_read(page):
    page.evaluate(
        """(data) => {
          const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
          const refused = (_, reject) => reject(new DOMException("no", "NotReadableError"));
          const file = (name) => ({ isFile: true, name, file: (resolve) => resolve(new File([bytes], name)) });
          const folder = (name, readEntries) => ({ name, createReader: () => ({ readEntries }) });
          const locked = { isFile: true, name: "locked.png", file: refused };
          const parts = [[locked, folder("closed", refused), file("a.png")], []];
          const scans = folder("scans", (resolve) => resolve(parts.shift()));
          const drop = new Event("drop", { cancelable: true });
          drop.dataTransfer = { items: [{ webkitGetAsEntry: () => scans }], files: [] };
          window.dispatchEvent(drop);
        }""",
        base64.b64encode(picture()).decode(),
    )
    page.locator("#status", has_text="predicted").wait_for()

    assert page.locator("#status").inner_text() == "1 slice predicted, 2 unreadable."
    assert page.locator("#rows tr button").all_inner_texts() == ["a.png", "closed", "locked.png"]
    page.locator("#rows tr:nth-child(3) button").click()
    assert "The browser could not read it" in page.locator("#reason").inner_text()


def test_files_that_are_too_many_for_one_request_are_read_in_several(page):
    pretend(page)

    def refuse(route):
        if route.request.post_data_buffer.count(b'name="files"') > 2:
            route.fulfill(status=413, json={"status": 413, "code": "too_many_slices", "detail": "too many"})
        else:
            route.fallback()

    page.route("**/v1/predict", refuse)

    read(page, [(f"{number}.nii", b"x" * (number + 1)) for number in range(7)])

    assert page.locator("#status").inner_text() == "7 slices predicted."


def test_names_that_a_form_would_change_are_not_confused(page):
    read(page, [('a"b.png', picture()), ("a%22b.png", picture(seed=4))])
    pictures = []
    for row in (1, 2):
        page.locator(f"#rows tr:nth-child({row}) button").click()
        page.wait_for_timeout(300)
        page.wait_for_selector("#stage[aria-busy=false]")
        pictures.append(shown(page))

    assert (pictures[0] != pictures[1]).any()
    titles = page.locator("#rows tr button").evaluate_all("(all) => all.map((one) => one.title)")
    assert sorted(titles) == ['a"b.png', "a_22b.png"]


def test_folders_are_in_natural_order(page):
    pretend(page)
    names = ["b/2.png", "b/10.png", "a/3.png", "b10/1.png", "b9/1.png", "a/20.png"]
    read(page, [(name, b"x" * (place + 1)) for place, name in enumerate(names)])

    titles = page.locator("#rows tr button").evaluate_all("(all) => all.map((one) => one.title)")
    assert titles == ["a/3.png", "a/20.png", "b/2.png", "b/10.png", "b9/1.png", "b10/1.png"]


def test_what_is_typed_while_files_are_read_is_kept(page):
    pretend(page)
    waiting = hold_back(page, b'filename="100.png"', only_first=True)
    drop(page, [(f"{number}.png", b"x" * (number + 1)) for number in range(101)])
    page.wait_for_selector("#rows tr:nth-child(2)")
    page.fill("#search", "10")
    page.wait_for_timeout(200)
    waiting[0].fallback()
    page.locator("#status", has_text="predicted").wait_for()

    assert page.locator("#search").input_value() == "10"
    assert page.evaluate("() => document.activeElement.id") == "search"
    assert numbers(page) == [10, 100]


def test_the_same_file_again_is_not_a_second_row(page):
    read(page, [("a.png", picture())])

    drop(page, [("folder/a.png", picture()), ("b.png", picture(seed=5))])
    page.locator("#status", has_text="there already").wait_for()

    assert page.locator("#rows tr button").all_inner_texts() == ["a.png", "b.png"]
    assert page.locator("#status").inner_text() == "1 slice predicted, 1 file was there already."
    drop(page, [("a.png", picture(seed=7))])
    page.wait_for_selector("#rows tr:nth-child(3)")


def test_a_file_that_has_changed_on_disk_is_read_again(page, tmp_path):
    path = tmp_path / "a.bmp"
    for place, level in enumerate((0, 9)):
        Image.new("L", (64, 64), level).save(path)
        os.utime(path, times=(0, 10**9 + 100 * place))
        page.set_input_files("#file-input", path)
        page.locator(f"#rows tr:nth-child({place + 1})").wait_for()

    assert page.locator("#rows tr").count() == 2


def test_once_there_are_slices_the_drop_zone_is_one_line(page):
    before = page.locator("#drop").bounding_box()["height"]

    read(page, [("a.png", picture())])

    after = page.locator("#drop").bounding_box()["height"]
    assert after < 60 < before
    page.click("#more")
    assert page.locator("#plane").is_visible()


def test_the_list_is_printed_whole_without_controls(page):
    pretend(page)
    read(page, [(f"{number}.png", b"x" * (number + 1)) for number in range(200)])

    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")

    assert page.locator("#rows tr").count() == 200
    for control in ("#choose", "#csv", "#next", "#view-controls", "#lime", "#theme", "#summary", "#search"):
        assert page.locator(control).is_hidden(), control
    assert page.locator("#verdict").is_visible()
    assert page.locator("footer").is_visible()
    style = "(one, name) => getComputedStyle(one).getPropertyValue(name)"
    kept = page.locator("#after")
    assert kept.evaluate(style, "display") == "table-footer-group", "room for the notice at the end of each page"
    assert kept.bounding_box()["height"] > page.locator("footer").bounding_box()["height"]
    assert page.locator("#bars .fill").first.evaluate(style, "print-color-adjust") == "exact"
