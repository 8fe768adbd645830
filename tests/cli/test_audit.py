"""Tests of ``gadolin audit``: one command, the verdict first, a self-contained page."""

from __future__ import annotations

import base64
import io
import re
import shlex
import shutil
from html import escape

import pytest
from PIL import Image

from gadolin.errors import OutputError
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.records import NOTICE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited") / "data"
    write_phantoms(folder, PhantomPlan(patients=4, slices=2, size=128, seed=5, faults=("copies", "mirrors")))
    return folder


def test_the_verdict_comes_first_and_the_notice_last(gadolin, spoilt):
    ending = gadolin("audit", spoilt)
    assert ending.code == 0
    assert ending.out.splitlines()[0].endswith("accuracy on it is misleading.")
    assert "Leakage: slices in two parts (serious; shared_slices)\n" in ending.out
    assert ending.out.splitlines()[-1] == NOTICE


def test_json_is_one_document_and_nothing_else(gadolin, spoilt):
    told = gadolin("audit", spoilt, "--json").json
    assert told["data"].startswith(str(spoilt))
    assert {"shared_slices", "shared_patients"} <= {one["kind"] for one in told["findings"]}


def test_the_page_stands_alone_and_shows_the_pictures_of_each_finding(gadolin, spoilt, tmp_path):
    page = tmp_path / "audit.html"
    ending = gadolin("audit", spoilt, "--report", page)
    assert ending.code == 0
    assert str(page) in ending.err
    html = page.read_text(encoding="utf-8")
    told = gadolin("audit", spoilt, "--json").json
    assert html.index(told["verdict"]) < html.index("finding-1")
    assert html.count(NOTICE) == 2
    assert html.count("data:image/png;base64,") >= 8
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", html)
    assert "http" not in re.sub(r"<dd>.*?</dd>", "", html)
    for one in told["findings"]:
        for name in (one["members"] or [[]])[0][:1]:
            assert name in html


def test_names_in_the_page_are_text_and_never_markup(gadolin, spoilt, tmp_path):
    data = tmp_path / "data"
    for label in ("glioma", "notumor"):
        (data / label).mkdir(parents=True)
        for path in sorted((spoilt / "Training" / label).iterdir())[:2]:
            shutil.copy(path, data / label)
    shutil.copy(path, data / "notumor" / "<b>&x.png")
    assert gadolin("audit", data, "--report", tmp_path / "a.html").code == 0
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<b>&x" not in html
    assert "&lt;b&gt;&amp;x.png" in html


def test_what_is_not_taken_is_counted_and_what_cannot_be_entered_or_read_ends_with_1(gadolin, class_folders):
    shutil.copytree(class_folders / "glioma", class_folders / "glioma" / "@eaDir")
    (class_folders / "README.txt").write_text("hello")
    whole = gadolin("audit", class_folders, "--json")
    (class_folders / "glioma" / "gone.png").symlink_to(".git/annex/objects/aa")
    broken, words = gadolin("audit", class_folders, "--json"), gadolin("audit", class_folders)

    assert whole.code == 0
    assert (whole.json["errors_by_code"], whole.json["left_out_by_code"]) == (
        {},
        {"housekeeping": 3, "not_a_picture": 1},
    )
    assert broken.code == words.code == 1
    assert broken.json["errors_by_code"] == {"broken_link": 1}
    assert [(one["path"], one["code"]) for one in broken.json["errors"]] == [("glioma/gone.png", "broken_link")]
    assert broken.json["slices"] == whole.json["slices"]
    assert "cannot be read: 1 (broken_link 1)" in words.out
    assert "left out: 4 (housekeeping 3, not_a_picture 1)" in words.out


def test_another_data_set_is_compared(gadolin, spoilt, class_folders):
    told = gadolin("audit", class_folders, "--against", spoilt, "--json").json
    assert told["against"].startswith(str(spoilt))


def test_a_report_that_is_a_folder_is_refused_before_the_work(gadolin, spoilt, tmp_path):
    gadolin("audit", spoilt, "--report", tmp_path).refused("the result must be a file")


def test_a_missing_data_set_is_refused(gadolin, tmp_path):
    gadolin("audit", tmp_path / "none").refused("does not exist")


def test_a_missing_model_is_refused_before_the_work(gadolin, spoilt, tmp_path):
    gadolin("audit", spoilt, "--model", tmp_path / "none").refused("a model must be a run folder or a bundle")


def test_an_empty_folder_is_refused(gadolin, tmp_path):
    gadolin("audit", tmp_path).refused("no image was found")


def test_a_page_that_cannot_be_written_is_refused_before_the_work(gadolin, spoilt, tmp_path):
    (tmp_path / "file").write_text("")
    gadolin("audit", spoilt, "--report", tmp_path / "file" / "audit.html").refused("cannot write", code=1)


def test_the_verdict_is_told_where_the_page_cannot_be_written_in_the_end(gadolin, spoilt, tmp_path, monkeypatch):
    def fail(_path, _content):
        raise OutputError(code="unwritable", rule="cannot write: No space left on device", remedy="free space")

    monkeypatch.setattr("gadolin.reports.audit_page.write_bytes", fail)
    ending = gadolin("audit", spoilt, "--report", tmp_path / "audit.html")
    assert ending.out.splitlines()[0].endswith("accuracy on it is misleading.")
    assert ending.code != 0
    assert "No space left" in ending.err


def test_the_page_tells_what_was_not_looked_for_apart_and_no_empty_cells(gadolin, spoilt, tmp_path):
    gadolin("audit", spoilt, "--report", tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    found, asked = html.split('id="quiet-title"')[1].split('id="skipped-title"')
    assert "Drift from the training data" not in found
    assert "(no model was given)" in asked
    assert '<td class="number"></td>' not in html


def test_pictures_of_the_other_data_set_are_its_own_and_say_so(gadolin, class_folders, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(class_folders, other)
    first, second = sorted((other / "glioma").iterdir())[:2]
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    (other / "notumor" / first.name).write_bytes(kept)
    gadolin("audit", class_folders, "--against", other, "--report", tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    (figure,) = [one for one in html.split("<figure>") if f"<code>other:notumor/{first.name}</code>" in one]
    assert "<strong>no tumour</strong> · other data set" in figure


def test_pictures_in_colour_are_shown_in_colour(gadolin, class_folders, tmp_path):
    data = class_folders
    with Image.open(next((data / "glioma").iterdir())) as grey:
        tinted = Image.merge(
            "RGB", [grey.convert("L"), grey.convert("L").point(lambda tone: tone // 3), grey.convert("L")]
        )
    tinted.save(data / "glioma" / "tinted.png")
    gadolin("audit", data, "--report", tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    shown_under_colour = html.split(">Colour images <span")[1]
    figure = next(one for one in shown_under_colour.split("<figure>") if "<code>glioma/tinted.png</code>" in one)
    source = figure.split("data:image/png;base64,")[1].split('"')[0]
    with Image.open(io.BytesIO(base64.b64decode(source))) as shown:
        assert shown.mode == "RGB"
        assert shown.size == (160, 160)


def test_checks_are_chosen_by_name(gadolin, small_phantoms):
    ending = gadolin("audit", small_phantoms, "--only", "tiny", "--only", "blank", "--skip", "blank", "--json")
    assert ending.json["checks"] == ["tiny"]
    assert len(ending.json["not_looked"]) > 20


def test_an_unknown_check_is_refused_before_the_work(gadolin, small_phantoms):
    gadolin("audit", small_phantoms, "--skip", "tinny").refused("'tinny'", "'tiny'")


def test_each_condition_is_said_once(gadolin, spoilt, tmp_path):
    data = shutil.copytree(spoilt, tmp_path / "data")
    (data / "Testing" / "glioma" / "broken.png").write_bytes(b"\x89PNG broken")
    ending = gadolin("audit", data)
    verdict = ending.out.splitlines()[0]
    assert ending.out.count(verdict.partition(" of the test part")[0] + " of the test part") == 1
    assert ending.out.count("broken.png") == 1
    assert ending.err == ""
    assert ending.code == 1
    assert "notumor" not in ending.out


@pytest.mark.parametrize("patients", [True, False])
def test_it_ends_with_the_command_that_mends_it(gadolin, spoilt, tmp_path, monkeypatch, patients):
    data = shutil.copytree(spoilt, tmp_path / "my data")
    if not patients:
        (data / "manifest.csv").unlink()
    monkeypatch.chdir(tmp_path)
    before = gadolin("audit", "my data")
    *_, command, empty, notice = before.out.splitlines()
    assert (empty, notice) == ("", NOTICE)
    assert command.startswith("to mend this: gadolin split 'my data")
    assert ("--by copies" in command) is not patients
    words = shlex.split(command.partition(": ")[2])[1:]
    assert gadolin(*words).code == 0
    after = gadolin("audit", words[-1])
    assert after.out.startswith("No slice")
    assert "shared_slices" not in after.out


def test_a_patient_rule_stays_in_the_command(gadolin, spoilt, tmp_path, monkeypatch):
    data = shutil.copytree(spoilt, tmp_path / "data")
    (data / "manifest.csv").unlink()
    monkeypatch.chdir(tmp_path)
    rule = r"([^/]+)-\d+\.png"
    page = tmp_path / "audit.html"
    command = gadolin("audit", "data", "--patient-from", rule, "--report", page).out.splitlines()[-3]
    assert command.endswith(f"--out data-split.csv --patient-from '{rule}'")
    command = command.partition(": ")[2]
    assert gadolin("audit", "data", "--patient-from", rule, "--json").json["command"] == command
    assert f"<code>{escape(command).replace('&#x27;', '&#39;')}</code>" in page.read_text(encoding="utf-8")
    assert gadolin(*shlex.split(command)[1:]).code == 0


def test_a_command_is_not_broken_on_a_narrow_terminal(gadolin, spoilt, monkeypatch):
    monkeypatch.setattr("gadolin.cli.audit.wrapped", lambda text, stream: text.replace(" ", "\n"))
    command = gadolin("audit", spoilt).out.splitlines()[-3]
    assert command.startswith("to mend this: gadolin split ")
    assert command.endswith("-split.csv")


def test_clean_data_needs_no_command(gadolin, small_phantoms):
    assert "to mend this" not in gadolin("audit", small_phantoms).out
    assert gadolin("audit", small_phantoms, "--json").json["command"] is None
