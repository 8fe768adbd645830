from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from gadolin.errors import DataError, MissingExtraError
from gadolin.metrics import Decisions, Table, measure, read_table
from gadolin.metrics.bootstrap import Interval
from gadolin.records import NOTICE
from gadolin.reports import Mistake, ReportContext, figures, worst_mistakes, write_report
from gadolin.reports.drawings import Drawing, load
from gadolin.reports.wording import caution, findings, joined, resampling, spelled, unscored, verdict

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=alert(1)>&\"'.png"
CLASSES = ("glioma", "notumor")
FIGURES = ("classes", "confusion", "precision-recall", "reliability", "risk-coverage", "roc", "training")


def decisions(answer, declined):
    labels = [CLASSES[k] if row >= declined else "" for row, k in enumerate(answer)]
    return Decisions(tuple(labels), tuple("" if label else "low_confidence" for label in labels))


def make_table(rows=120, wrong=12, **fields):
    truth = np.arange(rows) % 2
    answer = truth.copy()
    answer[:wrong] = 1 - answer[:wrong]
    probabilities = np.full((rows, 2), 0.1)
    probabilities[np.arange(rows), answer] = 0.9
    usual = {
        "classes": CLASSES,
        "probabilities": probabilities,
        "truth": truth,
        "paths": tuple(f"{row}.png" for row in range(rows)),
        "groups": tuple(f"patient {row // 2}" for row in range(rows)),
        "parts": ("duplicate",) * 60 + ("new_slice",) * (rows - 60),
        "digests": ("",) * rows,
        "decisions": decisions(answer, declined=20),
    }
    return Table(**{**usual, **fields})


def make_context(**fields):
    picture = np.arange(48, dtype=np.uint8).reshape(6, 8)
    usual = {
        "title": "Evaluation <of a model>",
        "model": "sha256:abc",
        "created": "2026-01-02",
        "facts": {"recipe": "standard", "weights <b>": "imagenet & more"},
        "history": [
            {"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": None},
            {"epoch": 2, "train_loss": 0.5, "train_accuracy": 0.8, "validation_loss": 0.7},
        ],
        "mistakes": [Mistake(HOSTILE, "glioma", "notumor", 0.912, picture, "low_confidence")],
        "notes": ["Copies are scored apart."],
    }
    return ReportContext(**{**usual, **fields})


class Page(HTMLParser):
    """Collect tags with attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def after(self, heading):
        """Return the text after the last occurrence of a heading, which the contents list has too."""
        return self.text[self.text.rindex(heading) :]

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new"
    table = make_table()
    write_report(folder, table, measure(table, resamples=100), context=make_context())
    return folder, table, (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def page(written):
    return Page(written[2])


def test_folder_holds_numbers_rows_figures_and_page(written):
    folder, table, _ = written
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == [
        *(f"figures/{name}.png" for name in FIGURES),
        "metrics.json",
        "predictions.csv",
        "report.html",
    ]
    assert json.loads((folder / "metrics.json").read_text())["n"] == 120
    assert read_table(folder / "predictions.csv").paths == table.paths


def test_page_loads_nothing_and_runs_nothing(written, page):
    assert not re.search(r"https?://|@import|url\(", written[2])
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object"})
    sources = [attributes["src"] for attributes in page.all("img")]
    assert len(sources) == 8
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_notice_stands_first_and_last(page):
    assert page.text.count(NOTICE) == 2
    assert page.text.index(NOTICE) < page.text.index("Summary")


def test_verdict_names_n_and_interval(page):
    assert "Of 120 slices, 108 were classified correctly: 90.0\u00a0% (95\u00a0% interval " in page.text
    assert "bootstrap intervals over 60 groups" in page.text
    assert page.text.index("Summary") < page.text.index("Results by subset")


def test_subsets_with_slices_are_beside_the_verdict_and_others_are_not(page):
    table = page.text[page.text.index("Results by subset") : page.text.index("Contents")]
    for word in ("duplicate", "new slice", "80.0\u00a0%", "30 groups"):
        assert word in table
    assert "new patient" not in table
    assert "no slices" not in table


def test_the_contents_list_links_to_every_section(page):
    links = [attributes["href"] for attributes in page.all("a")]
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert len(links) == len(set(links)) == len(page.all("section")) - 1
    assert {link.removeprefix("#") for link in links} <= ids
    assert page.text.index("Summary") < page.text.index("Contents") < page.text.rindex("Limitations")


def test_every_scored_part_has_every_figure_and_n_of_each_class(page):
    table = page.after("All metrics")
    head = table[: table.index("slices of")]
    assert head.index("all") < head.index("duplicate") < head.index("new slice")
    assert "new patient" not in head
    assert "duplicate minus new slice: accuracy" in page.text


def test_hostile_names_are_shown_and_never_obeyed(written, page):
    assert HOSTILE not in written[2]
    assert HOSTILE in page.text
    assert "Evaluation <of a model>" in page.text
    assert "weights <b>" in page.text


def test_page_can_be_read_without_eyes(page):
    assert page.all("html")[0]["lang"] == "en"
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for attributes in page.all("th"))
    assert len(page.all("h1")) == 1
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {attributes["aria-labelledby"] for attributes in page.all("section")} <= ids


def test_page_fits_dark_screens_narrow_ones_and_paper(written):
    for rule in ("prefers-color-scheme: dark", "max-width: 34rem", "@media print", 'name="viewport"'):
        assert rule in written[2]


def test_figures_are_pictures_of_a_page_width(written):
    for path in (written[0] / "figures").iterdir():
        with Image.open(path) as picture:
            assert 800 <= picture.width <= 2000
            assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
            assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 10


def test_same_report_twice_is_the_same_bytes(written, tmp_path):
    table = make_table()
    write_report(tmp_path, table, measure(table, resamples=100), context=make_context())
    assert (tmp_path / "report.html").read_text() == written[2]


def test_report_without_history_mistakes_or_a_class_is_whole(tmp_path):
    table = make_table(rows=60, wrong=0, truth=np.zeros(60, dtype=int), probabilities=np.tile([0.9, 0.1], (60, 1)))
    context = make_context(history=(), mistakes=(), facts={}, notes=())
    write_report(tmp_path, table, measure(table, resamples=20), context=context)
    text = Page((tmp_path / "report.html").read_text()).text
    assert "Of 60 slices, 60 were classified correctly" in text
    assert "There are no slices of true class no tumour." in text
    assert "Most confident mistakes" not in text
    assert "slices of no tumour" not in text
    assert not (tmp_path / "figures" / "training.png").exists()


def test_mistakes_without_pictures_are_counted(tmp_path, monkeypatch):
    blank = {name: Drawing(name, name, name, name, b"") for name in FIGURES}
    monkeypatch.setattr("gadolin.reports.page.draw", lambda *_: blank)
    table = make_table()
    write_report(tmp_path, table, measure(table, resamples=0), context=make_context(mistakes=()))
    text = Page((tmp_path / "report.html").read_text()).text
    assert "No pictures are available for the 12 mistakes among 120 slices" in text
    assert "(no interval)" in text


def test_pictures_of_mistakes_are_shown_unchanged(page):
    source = next(one["src"] for one in page.all("img") if one["alt"].startswith("Slice of"))
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as picture:
        assert (np.asarray(picture) == np.arange(48).reshape(6, 8)).all()


def test_measurement_of_another_table_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        write_report(tmp_path, make_table(), measure(make_table(rows=80), resamples=0), context=make_context())
    assert caught.value.code == "measurement_of_other_table"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("picture", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)])
def test_picture_of_another_form_is_refused(picture):
    with pytest.raises(DataError) as caught:
        Mistake("x.png", "a", "b", 0.5, picture)
    assert caught.value.code == "shape_mismatch"


@pytest.mark.parametrize("package", ["matplotlib", "seaborn", "jinja2"])
def test_missing_package_names_its_extra(package):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import numpy as np, pathlib, gadolin.reports as report, gadolin.metrics as evaluate\n"
        "names = tuple('abcd')\n"
        "half, truth = np.full((4, 2), 0.5), np.array([0, 1, 0, 1])\n"
        "table = evaluate.Table(('x', 'y'), half, truth, names, names, names, names)\n"
        "measured = evaluate.measure(table, resamples=0)\n"
        "context = report.ReportContext('t', 'm', '2026-01-01')\n"
        "try: report.write_report(pathlib.Path('never'), table, measured, context=context)\n"
        "except ImportError as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"MissingExtraError this needs the package '{package}'" in done.stdout
    assert '[report]"' in done.stdout


def test_nothing_is_written_where_the_extra_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    table = make_table()
    with pytest.raises(MissingExtraError) as caught:
        write_report(tmp_path, table, measure(table, resamples=0), context=make_context())
    assert caught.value.code == "missing_package"
    assert "'jinja2'" in caught.value.rule
    assert not list(tmp_path.iterdir())
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load("gadolin.no_such_module")


@pytest.mark.slow
def test_drawing_leaves_pyplot_and_settings_alone():
    code = (
        "import matplotlib\n"
        "before = dict(matplotlib.rcParams)\n"
        "import gadolin.reports.figures as figures, matplotlib.pyplot as pyplot\n"
        "figures.history_curves([{'epoch': 1, 'train_loss': 1.0}])\n"
        "assert pyplot.get_fignums() == [] and dict(matplotlib.rcParams) == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_worst_mistakes_are_the_most_confident_wrong_ones():
    probabilities = np.asarray([[0.6, 0.4], [0.9, 0.1], [0.8, 0.2], [0.99, 0.01]])
    table = make_table(rows=4, probabilities=probabilities, truth=np.asarray([1, 1, 1, 0]), parts=("",) * 4, wrong=0)
    assert worst_mistakes(table) == (1, 2, 0)
    assert worst_mistakes(table, most=2) == (1, 2)


@pytest.mark.parametrize(
    ("name", "one", "words"),
    [
        ("accuracy", Interval(0.93, 0.904, 0.9532), ("93.0\u00a0%", "90.4 to 95.3")),
        ("roc_auc", Interval(0.9912, 0.985, 0.9961), ("0.991", "0.985 to 0.996")),
        ("brier", Interval(0.1), ("0.100", "no interval")),
        ("f1", Interval(None), ("not defined", "")),
    ],
)
def test_figures_are_spelled_with_their_interval(name, one, words):
    assert spelled(name, one) == words
    assert joined("f1", Interval(None)) == "not defined"


def test_findings_say_what_to_know_before_trusting():
    table = make_table()
    text = " ".join(findings(table, measure(table, resamples=50)))
    assert "Always predicting one class would be correct for 50.0\u00a0%" in text
    assert "6 of 60 slices of true class “glioma” were predicted as “no tumour”" in text
    assert "Of its 12 mistakes, 12 had a confidence of at least 90\u00a0%" in text


def test_the_most_frequent_class_is_named_if_there_is_one():
    table = make_table(rows=121)
    text = " ".join(findings(table, measure(table, resamples=0)))
    assert "Always predicting “glioma”, the most frequent class, would be correct for 50.4\u00a0%" in text


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            ("duplicate",) * 60 + ("new_slice",) * 60,
            "60 of 120 slices are duplicates of training slices: the result on them is too optimistic. On slices that "
            "are not in the training data, of unknown patients: 100.0\u00a0% of 60 correct (no interval).",
        ),
        (
            ("known_patient", "duplicate") + ("new_patient",) * 118,
            "1 of 120 slices is a duplicate of training slices: the result on it is too optimistic. 1 of 120 slices is "
            "a new slice of a patient in the training data: the result on it is not valid for new patients. On "
            "patients who are not in the training data: 91.5\u00a0% of 118 correct (no interval).",
        ),
        (
            ("new_slice",) * 120,
            "The patients are unknown: the result is valid for new slices only, not for new patients.",
        ),
        (
            ("new_patient",) * 120,
            "None of the patients is in the training data. The result is not valid for other hospitals or scanners.",
        ),
        (
            ("",) * 120,
            "It is not known which of these slices, or other slices of their patients, the model was trained on: the "
            "result may be too optimistic.",
        ),
    ],
    ids=["duplicates", "known patients", "unknown patients", "new patients", "unknown"],
)
def test_the_caution_states_how_far_the_result_holds(parts, words):
    assert caution(measure(make_table(parts=parts), resamples=0)) == words


def test_a_subset_with_few_slices_is_counted():
    parts = ("new_slice",) * 100 + ("new_patient",) * 20
    assert unscored(measure(make_table(parts=parts), resamples=0)) == ()
    parts = ("new_slice",) * 101 + ("new_patient",) * 19
    found = unscored(measure(make_table(parts=parts), resamples=0))
    assert found == ("new patient: not scored, too few slices: 19, at least 20 needed.",)


def test_few_groups_are_owned_up_to():
    measurement = measure(make_table(groups=("one", "two") * 60))
    assert verdict(measurement.overall).endswith("90.0\u00a0% (no interval).")
    assert "valid intervals need at least 10 groups" in resampling(measurement)


def test_the_page_says_what_is_answered_and_declined_and_why(written, page):
    summary = page.text[page.text.index("Summary") : page.text.index("Results by subset")]
    assert "With abstention, as in gadolin predict: 100 answered, 100 of them right (100.0\u00a0%" in summary
    assert "20 declined." in summary
    section = page.text[page.text.rindex("Abstention") : page.text.rindex("Confusion matrix")]
    for word in ("Abstention", "By true class", "no tumour", "Reasons for declining", "low confidence in every class"):
        assert word in section
    assert "16.7\u00a0%" in section, "20 of 120"
    assert "declined: low confidence in every class" in page.after("Most confident mistakes")
    told = json.loads((written[0] / "metrics.json").read_text())
    assert (told["never_declines"], told["abstention"]["declined"]) == (False, 20)


def test_the_page_never_shows_the_short_name_of_the_class_without_lesion(written, page):
    assert "notumor" not in page.text
    assert not any("notumor" in attributes.get("alt", "") for attributes in page.all("img"))
    assert "notumor" in (written[0] / "predictions.csv").read_text()


def test_a_page_of_a_table_without_decisions_has_no_answers(tmp_path, monkeypatch):
    blank = {name: Drawing(name, name, name, name, b"") for name in FIGURES}
    monkeypatch.setattr("gadolin.reports.page.draw", lambda *_: blank)
    table = make_table(decisions=None)
    write_report(tmp_path, table, measure(table, resamples=0), context=make_context(never_declines=True))
    text = Page((tmp_path / "report.html").read_text()).text
    assert "With abstention" not in text
    assert "Reasons for declining" not in text


def test_the_operating_point_is_drawn():
    table = make_table()
    scores = measure(table, resamples=0).overall
    with_point = figures.risk_coverage_curve(table, scores.abstention)
    assert with_point != figures.risk_coverage_curve(table, None)
