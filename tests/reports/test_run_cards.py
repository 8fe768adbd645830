"""Tests of the model card and the datasheets of a run, with counts that can be checked by hand."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image

from gadolin.datasets import SOURCES
from gadolin.datasets.manifest import file_digest, write_manifest
from gadolin.errors import DataError, printable
from gadolin.metrics import Decisions, Table, measure
from gadolin.metrics.table import write_table
from gadolin.models.provenance import TRAINING_DATA
from gadolin.models.run_folder import RunFolder
from gadolin.records import NO_LESION, NOTICE, Record
from gadolin.reports import ReportContext
from gadolin.reports.card import CardFacts, model_card
from gadolin.reports.card_limits import limits, recognisable
from gadolin.reports.card_page import document_page
from gadolin.reports.data_sources import data_name, data_sources
from gadolin.reports.datasheet import datasheet
from gadolin.reports.evaluation import Evaluation
from gadolin.reports.file_counts import count_files
from gadolin.reports.markdown import count_to_fill, document, plain, table, to_fill
from gadolin.workflows.card import write_cards

HOSTILE = "a|b <img src=x onerror=alert(1)> *c* _d_ [e](http://f) `g` &amp; #1 **TO FILL:** h"
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def records(*rows, **fields):
    """Return a record for each (label, split, patient, source)."""
    names = ("label", "split", "patient", "source")
    return [Record(Path(f"{n}.png"), **dict(zip(names, row, strict=False)), **fields) for n, row in enumerate(rows)]


def predicted(classes=("glioma", "notumor"), rows=40, wrong=4, part="new_patient", **fields):
    """Return a table whose first ``wrong`` rows are misclassified."""
    truth = np.arange(rows) % len(classes)
    answer = truth.copy()
    answer[:wrong] = (answer[:wrong] + 1) % len(classes)
    probabilities = np.full((rows, len(classes)), 0.1 / (len(classes) - 1))
    probabilities[np.arange(rows), answer] = 0.9
    labels = tuple(classes[number] for number in answer)
    usual = {
        "classes": classes,
        "probabilities": probabilities,
        "truth": truth,
        "paths": tuple(f"{row}.png" for row in range(rows)),
        "groups": tuple(f"patient {row // 2}" for row in range(rows)),
        "parts": (part,) * rows,
        "digests": ("",) * rows,
        "decisions": Decisions(labels, ("",) * rows),
    }
    return Table(**usual | fields)


@pytest.fixture
def make_card(make_bundle, write_run, tmp_path):
    """Make the model card of records and a table; keywords replace fields of the provenance."""

    def make(listed, predictions=None, *, never_declines=False, notes=(), bundle_facts=None, **changes):
        facts = {"epochs": 3, "chosen_epoch": 2, "versions": {"gadolin": "0.1.0"}, "data": "scans/manifest.csv"}
        known = RunFolder(write_run(tmp_path / "run", **facts | changes)).read()
        predictions = predictions or predicted()
        return model_card(
            CardFacts(
                provenance=known,
                bundle=make_bundle(confidence_threshold=0.6, facts=bundle_facts or {}),
                records=listed,
                sources=data_sources(listed, "scans"),
                table=predictions,
                measurement=measure(predictions, resamples=0),
                notes=notes,
                never_declines=never_declines,
                created="2026-01-02",
            )
        )

    return make


@pytest.mark.slow
@given(st.text())
def test_escaped_text_is_shown_as_it_is(text):
    shown = printable(text.replace("\u00a0", " "))
    (paragraph,) = [one for one in MARKDOWN.parse(f"x{plain(text)}x") if one.type == "inline"]
    assert {child.type for child in paragraph.children} <= {"text", "text_special"}
    assert "".join(child.content for child in paragraph.children) == f"x{shown}x"
    cells = MARKDOWN.render(table(["head", "n"], [[f"x{plain(text)}x", 1]]))
    assert f"<td>x{shown}x</td>" in unescape(cells)
    assert cells.count("<td") == 2


@pytest.mark.slow
@given(st.lists(st.text(max_size=30), max_size=4), st.integers(0, 4))
def test_items_to_fill_are_counted_and_text_that_looks_like_one_is_not(texts, items):
    blocks = [*(f"Name: {plain(text)}" for text in [*texts, HOSTILE]), *[to_fill("what?")] * items]
    assert count_to_fill(document("title", [], [("section", blocks)])) == items


def test_a_source_that_no_other_class_has_reveals_the_class():
    found = recognisable(
        records(
            ("glioma", "train", "", "a"),
            ("glioma", "train", "", "b"),
            ("meningioma", "train", "", "b"),
            ("notumor", "train", "", "c"),
            ("notumor", "train", "", "d"),
        ),
        "source",
    )
    assert found == {"notumor": ("c", "d")}
    some_unknown = records(("glioma", "train", "", "a"), ("notumor", "train", "", ""))
    assert recognisable(some_unknown, "source") == {"glioma": ("a",)}


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["", "a", "b", "c"])), max_size=12))
def test_every_slice_of_a_revealing_value_is_of_its_class(rows):
    listed = records(*((label, "train", "", source) for label, source in rows))
    for label, values in recognisable(listed, "source").items():
        assert {one.label for one in listed if one.source in values} == {label}
        assert {one.source for one in listed if one.label == label} == set(values)


def test_limits_follow_from_the_facts():
    one_source_each = [("glioma", "train", "p1", "a"), ("notumor", "train", "", "b"), ("notumor", "test", "p2", "b")]
    few = measure(predicted(rows=30, groups=("one", "two") * 15), resamples=0)
    text = "\n".join(limits(records(*one_source_each), few, never_declines=True))
    assert "The patient of 1 of 3 slices is unknown." in text
    assert "The data source reveals the class (glioma: a; no tumour: b, and no other class" in text
    assert "No other source or hospital was held out" in text
    assert "The model has no thresholds" in text
    assert "The test part has 2 patients or groups of copies" in text
    assert "fewer than 20 test slices: glioma 15, no tumour 15." in text

    held_out = [("glioma", "train", "p1", "a"), ("notumor", "train", "p2", "a"), ("glioma", "test", "p3", "b")]
    assert limits(records(*held_out), measure(predicted(), resamples=0), never_declines=False) == []


def test_limits_without_patients_and_sources():
    listed = records(("glioma", "train"), ("notumor", "train"), ("glioma", "test"))
    text = "\n".join(limits(listed, measure(predicted(), resamples=0), never_declines=False))
    assert "No patient is known." in text
    assert "valid for new slices only, not for new patients" in text
    assert "The source of the slices is not recorded." in text
    assert "reveals" not in text


def test_the_card_states_figures_data_and_limits(make_card):
    listed = records(
        ("glioma", "train", "p1", "a"),
        ("glioma", "validation", "p2", "a"),
        ("notumor", "train", "p3", "a"),
        ("notumor", "test", "p4", "a"),
    )
    card = make_card(listed, left_out={"hidden": 3}, notes=["Colour images: 2 (secret/patient.png, b.png)."])
    assert card.startswith("# Model card: recipe tiny, trained on scans\n")
    assert card.index(NOTICE) < card.index("**Of 40 slices, 36 were classified correctly: 90.0 % (no interval).**")
    assert "| glioma | 1 | 1 | 0 | 2 | 2 |" in card
    assert "| all classes | 2 | 1 | 1 | 4 | 4 |" in card
    assert "| new patient | 40 | 20 | 90.0\u00a0% (no interval) |" in card
    assert "| glioma | 18 | 2 |" in card, "confusion matrix"
    assert "| lowest probability of an answer | 0.600 |" in card
    assert "hidden 3" in card
    assert "Colour images: 2." in card
    assert "secret" not in card
    assert "gadolin train --repeat RUN" in card
    assert "| what | digest |" in card
    assert f"{count_to_fill(card)} items to fill" in card
    assert count_to_fill(card) == 5


def test_a_card_of_several_processes_names_no_command_that_repeats_it(make_card):
    card = make_card(records(("glioma", "train"), ("notumor", "test")), processes=2)
    assert "2 processes" in card
    assert "--repeat" not in card


def test_a_card_of_a_model_that_started_from_packaged_weights_has_their_licence(make_card):
    own = make_card(records(("glioma", "train"), ("notumor", "test")))
    assert "CC BY-NC-SA" not in own
    digest = next(reversed(TRAINING_DATA))
    tuned = make_card(records(("glioma", "train"), ("notumor", "test")), bundle_facts={"finetuned_from": [digest]})
    assert "whose licence is CC BY-NC-SA 4.0" in tuned


def test_names_with_markup_are_text_in_card_and_page(make_card):
    listed = records((HOSTILE, "train", "p", HOSTILE), ("notumor", "test", "q", "b"))
    predictions = predicted(classes=(HOSTILE, "notumor"))
    card = make_card(listed, predictions, recipe_name=HOSTILE, data=f"{HOSTILE}/manifest.csv")
    page = document_page(card)
    assert count_to_fill(card) == 5
    assert "<img" not in page
    assert "http://f" not in page.replace("(http://f)", "")
    assert HOSTILE in unescape(page)


def test_the_page_has_contents_scrolling_tables_and_marked_items():
    text = document("Card <1>", ["Lead."], [("First", [table(["a", "b"], [["x", 1]])]), ("Second", [to_fill("Who?")])])
    page = document_page(
        text + "\n[other](other.md) [far](far.md) ![picture](http://x/y.png) <b>raw</b>", pages=["other.md"]
    )
    assert page.count(NOTICE) == 2
    assert "<h1>Card &lt;1&gt;</h1>" in page
    assert '<a href="#part-2">Second</a>' in page
    assert '<div class="scroll" role="region" aria-label="First: a" tabindex="0">' in page
    assert '<th scope="row">x</th>' in page
    assert '<td class="number">1</td>' in page
    assert "1 item is left to fill." in page
    assert '<strong class="fill">TO FILL:</strong> Who?' in page
    assert 'href="other.html"' in page
    assert 'href="far.md"' in page
    assert "<img" not in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("1. **TO FILL:** x", 1),
        ("> **TO FILL:** y", 1),
        ("```\n**TO FILL:** z\n```", 0),
        ("TO FILL: w", 1),
        ("- __TO FILL__: a\n- *TO FILL: b*", 2),
        ("**TO FILL:** a\n**TO FILL:** b", 2),
        ("What is **TO FILL:** here?", 0),
    ],
)
def test_items_to_fill_are_counted_and_marked_alike(text, items):
    text = f"# Card\n\n## Section\n\n{text}\n"
    assert count_to_fill(text) == items
    page = document_page(text)
    assert page.count('class="fill"') == items
    assert ("left to fill" in page) is bool(items)


@pytest.mark.parametrize(
    "text", ["", "words", "# Only a title\n\nwords", "## Only a section", "> # Title\n\n## Section"]
)
def test_a_text_without_title_or_sections_is_no_card(text):
    with pytest.raises(DataError) as caught:
        document_page(text)
    assert caught.value.code == "card_incomplete"


def test_a_second_title_begins_a_section():
    page = document_page("# Card\n\n## First\n\na\n\n# Second\n\nb\n")
    assert page.count("<h1") == 1
    assert '<a href="#part-2">Second</a>' in page


def test_tables_of_one_section_have_different_names():
    blocks = [table(["a", "n"], [["x", 1]]), table(["b", "n"], [["y", 2]])]
    page = document_page(document("Card", [], [("First", blocks)]))
    assert 'aria-label="First: a"' in page
    assert 'aria-label="First: b"' in page


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("/my/br35h-2.1", "br35h-2.1"),
        ("/my/cohort-2.1.csv", "cohort-2.1"),
        ("/my/scans/manifest.csv", "scans"),
        ("/home/split.csv", "scans"),
        ("/run/manifest.csv", "scans"),
        ("scans/manifest.csv", "scans"),
        ("manifest.csv", "scans"),
        (".", "scans"),
    ],
)
def test_a_data_set_has_the_name_of_its_folder_or_of_its_slices(data, name):
    listed = [Record(Path(f"/my/scans/Training/{label}/0.png"), label) for label in ("glioma", "notumor")]
    assert data_name(data, listed) == name


@pytest.mark.slow
@given(st.text(max_size=200))
def test_any_text_that_a_person_writes_becomes_a_page(text):
    page = document_page(f"# Card\n\n## Section\n\n{text}")
    assert page.count(NOTICE) >= 2
    assert "<script" not in page
    assert "<img" not in page


def pictures(folder, names, side=32):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((side, side + 8), np.uint8)).save(folder / name)


def test_the_datasheet_counts_classes_patients_copies_files_and_sizes(tmp_path):
    pictures(tmp_path, ["0.png", "1.png"])
    pictures(tmp_path, ["2.jpg"], side=16)
    fields = {"sequence": "T1c", "institution": "H"}
    listed = [
        Record(tmp_path / "0.png", "glioma", "p1", "g1", "mine", "train", outline="0.png", **fields),
        Record(tmp_path / "1.png", "glioma", "p1", "g1", "mine", "test", **fields),
        Record(tmp_path / "2.jpg", "notumor", "", "g2", "mine", "train", outline=NO_LESION),
    ]
    (source,) = data_sources(listed, "data")
    sheet = datasheet(source, left_out={"unknown_format": 2})
    assert source.file_name == "datasheet-mine.md"
    assert "# Datasheet of mine" in sheet
    assert "3 slices of 2 classes (glioma, no tumour). 1 known patient; the patient of 1 slice is unknown." in sheet
    assert "| glioma | 1 | 1 | 2 | 1 |" in sheet
    assert "| no tumour | 1 | 0 | 1 | unknown |" in sheet
    assert "MRI sequence: T1c 2, not recorded 1." in sheet
    assert "Hospital: H 2, not recorded 1." in sheet
    assert "2 slices in 1 group; groups in several parts: 1." in sheet
    assert "Slices with an outline of the lesion: 1; known to have no lesion: 1." in sheet
    assert "Files: PNG 2, JPEG 1;" in sheet
    assert "40 x 32 (2), 24 x 16 (1)." in sheet
    assert "| unknown\\_format | 2 |" in sheet
    assert f"{count_to_fill(sheet)} items to fill" in sheet
    assert count_to_fill(sheet) == 8


@pytest.mark.parametrize(("group", "words"), [("", "not searched for."), ("g", "none.")])
def test_copies_that_were_not_searched_for_are_not_called_none(group, words):
    (source,) = data_sources(records(("glioma", "train"), group=group), "data")
    assert f"mirrored or re-saved): {words}" in datasheet(source)


def test_missing_files_are_not_counted(tmp_path):
    found = count_files([Record(tmp_path / "away.png", "glioma")])
    assert (found.formats, found.sizes, found.measured) == ({}, {}, 0)


@pytest.mark.parametrize("name", ["figshare", "br35h"])
def test_licence_and_citation_of_a_known_source_are_filled_in(name):
    release = SOURCES.get(name).release
    (source,) = data_sources(records(("glioma", "train", "p", release.name)), "data")
    sheet = datasheet(source)
    assert plain(release.citation) in sheet
    assert release.url in sheet
    known = not release.licence.startswith("see")
    assert (f"Licence: {release.licence}" in sheet) == known
    assert ("Which licence does the page state?" in sheet) == (not known)
    assert (source.licence == release.licence) == known
    assert "did the patients consent" in sheet


@pytest.mark.slow
def test_a_release_without_a_source_column_is_recognised_by_its_counts():
    counts = SOURCES.get("figshare").release.counts
    rows = [(label, "train") for (_, label), count in counts.items() for _ in range(count)]
    (source,) = data_sources(records(*rows), "cheng")
    assert source.release is SOURCES.get("figshare").release
    (less,) = data_sources(records(*rows[1:]), "cheng")
    assert less.release is None


def test_phantoms_need_nothing_filled_in():
    (source,) = data_sources(records(("glioma", "train", "s0p0001", "phantom")), "data")
    assert source.synthetic
    assert count_to_fill(datasheet(source)) == 0
    (other,) = data_sources(records(("glioma", "train", "Smith", "phantom")), "data")
    assert not other.synthetic


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6, unique=True))
def test_every_source_has_a_file_name_of_its_own(names):
    found = data_sources(records(*(("glioma", "train", "", name) for name in names)), "data")
    files = [one.file_name for one in found]
    assert len({name.lower() for name in files}) == len(names)
    assert all(name.startswith("datasheet-") and name.isascii() and "/" not in name for name in files)


@pytest.fixture
def run(make_bundle, write_run, tmp_path):
    """A finished run of two sources."""
    folder = tmp_path / "run"
    make_bundle(folder / "bundle")
    pictures(tmp_path, ["0.png", "1.png"])
    listed = [
        Record(
            tmp_path / f"{n}.png", label, f"p{n}", "", f"source {n}", part, digest=file_digest(tmp_path / f"{n}.png")
        )
        for n, (label, part) in enumerate([("glioma", "train"), ("notumor", "test")])
    ]
    write_manifest(folder / "manifest.csv", listed)
    write_run(folder, epochs=1, chosen_epoch=1, versions={"gadolin": "0.1.0"})
    return RunFolder(folder)


def evaluation():
    predictions = predicted()
    return Evaluation(predictions, measure(predictions, resamples=0), ReportContext("t", "m", "2026-01-02"))


@pytest.mark.slow
def test_cards_are_written_for_the_run_and_each_source(run):
    cards = write_cards(run, evaluation())
    names = [path.name for path in cards.to_fill]
    assert names == ["model-card.md", "datasheet-source-0.md", "datasheet-source-1.md"]
    assert cards.total == 5 + 8 + 8
    page = (run.path / "model-card.html").read_text(encoding="utf-8")
    assert 'href="datasheet-source-1.html"' in page
    assert (run.path / "datasheet-source-1.html").is_file()


@pytest.mark.slow
def test_text_of_a_person_is_kept_and_its_page_is_made_again(run):
    cards = write_cards(run, evaluation())
    text = cards.card.read_text(encoding="utf-8")
    first = next(line for line in text.splitlines() if line.startswith("**TO FILL:**"))
    cards.card.write_text(text.replace(first, "For the study of Dr Müller."), encoding="utf-8")
    before = cards.card.read_bytes()
    again = write_cards(run, evaluation())
    assert again.card.read_bytes() == before
    assert again.total == cards.total - 1
    assert "Dr Müller" in cards.card.with_suffix(".html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_card_that_is_missing_is_written_from_the_files_of_the_run(run):
    whole = evaluation()
    whole.save(run.evaluation)
    cards = write_cards(run)
    assert "36 were classified correctly" in cards.card.read_text(encoding="utf-8")


@pytest.mark.parametrize("notes", ["abc", [1], None])
def test_a_card_needs_the_whole_evaluation(notes, run):
    run.evaluation.mkdir()
    codes = []
    for step in ("gone", "no metrics", "notes"):
        if step == "no metrics":
            write_table(run.predictions, predicted())
        if step == "notes":
            (run.evaluation / "metrics.json").write_text(json.dumps({"notes": notes}))
        with pytest.raises(DataError) as caught:
            write_cards(run)
        codes.append((caught.value.code, Path(caught.value.path).name))
    where = ["predictions.csv", "metrics.json", "metrics.json"]
    assert codes == [("card_without_evaluation", name) for name in where]


@pytest.mark.slow
def test_a_foreign_text_in_place_of_the_card_is_refused_with_its_path(run):
    run.card.write_text("words", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        write_cards(run, evaluation())
    assert (caught.value.code, caught.value.path) == ("card_incomplete", str(run.card))
    assert not run.card.with_suffix(".html").exists()


@pytest.mark.slow
def test_a_run_that_is_not_finished_and_a_text_that_is_not_utf8_are_refused(run, write_run):
    write_cards(run, evaluation())
    (run.path / "model-card.md").write_bytes("Müller".encode("latin-1"))
    with pytest.raises(DataError) as caught:
        write_cards(run, evaluation())
    assert caught.value.code == "card_unreadable"
    assert (run.path / "model-card.md").read_bytes() == "Müller".encode("latin-1")
    write_run(run.path, finished=False)
    with pytest.raises(DataError) as caught:
        write_cards(run, evaluation())
    assert caught.value.code == "run_unfinished"
    assert json.loads((run.path / "run.json").read_text())["finished"] is False
