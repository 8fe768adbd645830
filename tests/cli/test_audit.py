"""Promises of gadolin audit: one command, verdict first, a page that stands alone."""

from __future__ import annotations

import re
import shutil

import pytest

from gadolin.phantom import PhantomPlan, write_phantoms
from gadolin.records import NOTICE


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited") / "data"
    write_phantoms(folder, PhantomPlan(patients=4, slices=2, size=128, seed=5, faults=("copies", "mirrors")))
    return folder


def test_the_verdict_comes_first_and_the_notice_last(gadolin, spoilt):
    ending = gadolin("audit", spoilt)
    assert ending.code == 0
    assert ending.out.splitlines()[0].endswith("accuracy on it means little.")
    assert "serious: shared_slices:" in ending.out
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


def test_another_data_set_is_compared(gadolin, spoilt, class_folders):
    told = gadolin("audit", class_folders, "--against", spoilt, "--json").json
    assert told["against"].startswith(str(spoilt))


def test_a_report_that_is_a_folder_is_refused_before_the_work(gadolin, spoilt, tmp_path):
    gadolin("audit", spoilt, "--report", tmp_path).refused("the report must be a file")


def test_a_missing_data_set_is_refused(gadolin, tmp_path):
    gadolin("audit", tmp_path / "none").refused("does not exist")


def test_a_missing_model_is_refused_before_the_work(gadolin, spoilt, tmp_path):
    gadolin("audit", spoilt, "--model", tmp_path / "none").refused("a model must be a run folder or a bundle")


def test_an_empty_folder_is_refused(gadolin, tmp_path):
    gadolin("audit", tmp_path).refused("no picture was found")
