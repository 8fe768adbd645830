"""Tests of methods scored against known outlines."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from gadolin.datasets.manifest import file_digest
from gadolin.errors import DataError, RequestError
from gadolin.explanations import Explanation, Options
from gadolin.explanations.scoring.journal import Journal
from gadolin.explanations.scoring.score import FAITHFUL, MEASURES, Row, ScoringConfig, score_explanations
from gadolin.explanations.scoring.summary import Line, by_method_and_class, summarise
from gadolin.explanations.trust import explanation_json, is_reliable, trust
from gadolin.metrics.bootstrap import Interval
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.prepare import Preparation
from gadolin.records import NOTICE, Record, Slice
from gadolin.reports.scored_page import write_scores_page
from gadolin.workflows.score_explanations import score_model

pytestmark = pytest.mark.slow


@pytest.fixture
def outlined(tmp_path, lit_quadrant, save_slice):
    """Write 24 slices of 12 patients with one bright quadrant, which is also the outline."""
    records = []
    for number in range(24):
        quadrant = number % 4
        image = lit_quadrant(quadrant, value=200)
        mask = np.where(image.pixels > 0, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / f"mask-{number}.png")
        path = save_slice(image, tmp_path / f"{number}.png")
        label = ("glioma", "meningioma", "notumor", "pituitary")[quadrant]
        outline = str(tmp_path / f"mask-{number}.png")
        records.append(Record(path, label, patient=f"p{number // 2}", outline=outline, digest=file_digest(path)))
    return records


@pytest.fixture
def predictor(make_bundle, tmp_path):
    return Predictor.load(make_bundle(tmp_path / "model", preparation=Preparation(size=64, crop=False)).folder)


def test_a_model_that_looks_at_the_lesion_scores_full_and_chance_does_not(predictor, outlined):
    rows = score_explanations(predictor, outlined, ScoringConfig(("evidence", "random", "centre")))
    assert len(rows) == 3 * 24
    lines = {(line.method, line.of, line.value): line for line in summarise(rows)}
    evidence = lines["evidence", "all", "all"]
    assert evidence.figures["pointing"].value == 1
    assert evidence.figures["energy"].value > 0.7, "a map of 2 x 2 is interpolated across the edge"
    assert (evidence.n, evidence.groups, evidence.below_prior) == (24, 12, False)
    assert 0.1 < lines["random", "all", "all"].figures["auprc"].value < 0.4
    assert lines["evidence", "answer", "right"].n == 24
    assert lines["evidence", "size", "large"].n == 24
    assert lines["evidence", "class", "glioma"].n == 6


def test_curves_are_taken_of_the_slices_that_are_asked_often_or_of_none(predictor, outlined):
    rows = score_explanations(predictor, outlined, ScoringConfig(("evidence", "random"), slices=8))
    known = [row for row in rows if row.faithful]
    assert len(known) == 2 * 8
    assert all(0 <= area <= 1 for row in known for area in row.faithful)
    everything = summarise(rows)[0]
    assert everything.n == 24
    assert everything.figures["deletion"].value == pytest.approx(np.mean([row.faithful[0] for row in known[::2]]))
    without = score_explanations(predictor, outlined, ScoringConfig(("evidence",), slices=8, faithfulness=False))
    assert not any(row.faithful for row in without)
    assert "deletion" not in summarise(without)[0].figures


def test_methods_that_ask_often_see_some_slices_of_every_class(predictor, outlined):
    rows = score_explanations(
        predictor, outlined, ScoringConfig(("random", "lime"), Options(samples=80, pieces=8), slices=8)
    )
    seen = [row for row in rows if row.method == "lime"]
    assert len(seen) == 8
    assert {row.label for row in seen} == {"glioma", "meningioma", "notumor", "pituitary"}
    assert len({row.group for row in seen}) == 8
    assert sum(row.method == "random" for row in rows) == 24


def test_a_method_below_the_centre_is_marked_and_the_bundle_tells_so(predictor, outlined):
    rows = score_explanations(predictor, outlined, ScoringConfig(("evidence", "centre")))
    upside_down = [
        row if row.method == "centre" else type(row)(**{**as_fields(row), "scores": (0.0,) * len(MEASURES)})
        for row in rows
    ]
    lines = summarise(upside_down)
    assert next(line for line in lines if line.method == "evidence").below_prior
    kept = by_method_and_class(upside_down, lines)
    (predictor.bundle.folder / "explanations.json").write_text(json.dumps({"methods": kept}))
    assert trust(predictor.bundle, "evidence", "glioma").endswith("do not trust it.")
    assert "not measured" in trust(predictor.bundle, "lime", "glioma")


def test_sizes_of_lesions_are_told_apart_where_enough_were_scored(predictor):
    def row(size, hit):
        return Row("a", "p", "glioma", "glioma", size, "lime", (hit,) * len(MEASURES))

    rows = [row("small", 0.0)] * 8 + [row("small", 1.0)] * 2 + [row("large", 1.0)] * 10 + [row("middle", 1.0)] * 9
    kept = by_method_and_class(rows, summarise(rows))
    assert kept["lime"]["glioma"]["sizes"]["middle"] == {"n": 9, "pointing": 1.0}
    (predictor.bundle.folder / "explanations.json").write_text(json.dumps({"methods": kept}))
    assert trust(predictor.bundle, "lime", "glioma") == (
        "On 29 outlined slices predicted as glioma, the hottest pixel of lime was in the lesion in 72 % "
        "(small 20 %, large 100 %)."
    )


def test_a_method_that_was_scored_on_few_slices_says_so(predictor):
    scored = {"methods": {"lime": {"glioma": {"n": 5, "pointing": 1.0}}}}
    (predictor.bundle.folder / "explanations.json").write_text(json.dumps(scored))
    assert trust(predictor.bundle, "lime", "glioma") == (
        "On 5 outlined slices predicted as glioma (too few to be sure), "
        "the hottest pixel of lime was in the lesion in 100 %."
    )


@pytest.mark.parametrize(
    ("n", "hit", "centre", "reliable"),
    [
        (20, 0.5, 0.1, True),
        (19, 1.0, 0.1, False),
        (20, 0.49, 0.1, False),
        (200, 0.6, 0.6, False),
        (20, 0.6, None, True),
    ],
)
def test_outlines_of_a_class_are_reliable_if_enough_hits_were_measured(predictor, n, hit, centre, reliable):
    scored = {"evidence": {"glioma": {"n": n, "pointing": hit}}}
    if centre is not None:
        scored["centre"] = {"glioma": {"n": n, "pointing": centre}}
    (predictor.bundle.folder / "explanations.json").write_text(json.dumps({"methods": scored}))
    assert is_reliable(predictor.bundle, "evidence", "glioma") is reliable
    assert not is_reliable(predictor.bundle, "evidence", "meningioma")
    assert not is_reliable(predictor.bundle, "lime", "glioma")


def test_a_map_that_is_zero_everywhere_has_no_hottest_place_and_no_share(predictor):
    scored = {"methods": {"evidence": {"notumor": {"n": 40, "pointing": 0.9}}}}
    (predictor.bundle.folder / "explanations.json").write_text(json.dumps(scored))
    nothing = explanation_json(
        predictor.bundle,
        Explanation(
            "evidence", "notumor", np.zeros((5, 7), np.float32), 0.9, 1, {}, Slice(np.zeros((5, 7), np.float32))
        ),
    )
    assert nothing["hottest"] is None
    assert nothing["trust"] == (
        "The evidence map is zero everywhere: no region of this slice is evidence for or against no tumour. "
        "This class is predicted if there is little evidence for the others."
    )
    heat = np.zeros((5, 7), np.float32)
    heat[3, 2] = 0.5
    something = explanation_json(predictor.bundle, Explanation("evidence", "notumor", heat, 0.9, 1, {}, Slice(heat)))
    assert something["hottest"] == [3, 2]
    assert "in 90 %" in something["trust"]


def as_fields(row):
    return {name: getattr(row, name) for name in ("name", "group", "label", "predicted", "size", "method")}


def test_data_without_outlines_and_unknown_methods_are_refused(predictor, outlined):
    bare = [Record(record.path, record.label) for record in outlined]
    with pytest.raises(DataError) as caught:
        score_explanations(predictor, bare)
    assert caught.value.code == "no_outlines"
    with pytest.raises(RequestError) as caught:
        score_explanations(predictor, outlined, ScoringConfig(("evidense",)))
    assert caught.value.code == "method_unknown"
    assert "'evidence'" in caught.value.got


def test_a_mask_of_another_size_is_refused(predictor, outlined, tmp_path):
    Image.fromarray(np.full((20, 20), 255, np.uint8)).save(tmp_path / "mask-3.png")
    with pytest.raises(DataError) as caught:
        score_explanations(predictor, outlined, ScoringConfig(("random",)))
    assert caught.value.code == "outline_size_differs"
    assert caught.value.path == str(tmp_path / "mask-3.png")


def test_scores_are_written_as_json_and_csv(predictor, outlined, tmp_path):
    from gadolin.datasets.manifest import write_manifest

    write_manifest(tmp_path / "outlined.csv", outlined)
    wish = ScoringConfig(("evidence", "centre"))
    folder, lines = score_model(predictor, predictor.bundle.folder, tmp_path / "outlined.csv", wish)
    assert folder == predictor.bundle.folder / "explanations-outlined"
    told = json.loads((folder / "explanations.json").read_text())
    assert told["lines"] == json.loads(json.dumps([line.as_json() for line in lines]))
    assert len((folder / "rows.csv").read_text().splitlines()) == 1 + 2 * 24
    page = (folder / "explanations.html").read_text()
    assert NOTICE in page
    assert page.count("data:image/png;base64,") == 1
    assert "Explanations scored on outlined" in page
    assert not (predictor.bundle.folder / "explanations.json").exists(), "without a run folder no reading is kept"


def test_an_interrupted_scoring_goes_on_where_it_stood(predictor, outlined, tmp_path):
    from gadolin.datasets.manifest import write_manifest

    write_manifest(tmp_path / "outlined.csv", outlined)
    wish, out = ScoringConfig(("evidence", "centre")), tmp_path / "scores"

    def interrupt(done, total, what):
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_model(predictor, predictor.bundle.folder, tmp_path / "outlined.csv", wish, out=out, progress=interrupt)
    journal = out / "scoring.jsonl"
    text = journal.read_text().replace('"glioma"', '"pituitary"', 1)
    assert len(text.splitlines()) == 1 + 10
    journal.write_text(text + '{"place": 10, "ro')
    score_model(predictor, predictor.bundle.folder, tmp_path / "outlined.csv", wish, out=out)
    labels = [line.split(",")[2] for line in (out / "rows.csv").read_text().splitlines()[1:]]
    assert labels.count("pituitary") == 2 * 6 + 1, "recorded scores are not computed again"
    assert len(labels) == 2 * 24
    assert not journal.exists()


def test_a_journal_of_other_wishes_is_begun_anew(tmp_path):

    row = Row("a", "p1", "glioma", "glioma", "small", "lime", (0.5, 0.25), (0.125, 1.0))
    Journal(tmp_path / "scoring.jsonl", {"seed": 0}).keep(3, [row])
    assert Journal(tmp_path / "scoring.jsonl", {"seed": 0}).rows(3) == [row]
    assert Journal(tmp_path / "scoring.jsonl", {"seed": 0}).rows(2) is None
    assert Journal(tmp_path / "scoring.jsonl", {"seed": 1}).rows(3) is None


def line_of(method, of, value, share, *, below):
    told = {name: Interval(share, share - 0.05, share + 0.05) for name in (*MEASURES, *FAITHFUL)}
    return Line(method, of, value, 40, 10, told, below)


def test_the_page_says_which_method_to_trust_and_which_not(tmp_path):
    lines = [
        line_of("evidence", "all", "all", 0.9, below=False),
        line_of("lime", "all", "all", 0.3, below=False),
        line_of("centre", "all", "all", 0.2, below=False),
        line_of("lime", "class", "glioma", 0.1, below=True),
        line_of("random", "class", "glioma", 0.01, below=True),
    ]
    page = write_scores_page(tmp_path / "page.html", "Scores", {"Model": "abc"}, lines).read_text()
    assert "In 90.0 % (85.0-95.0) of 40 slices, the hottest pixel of the map by evidence is in the lesion" in page
    assert "the centre of the head is in it in 20.0 % (15.0-25.0)." in page
    assert "Do not trust lime for glioma: it points" in page
    assert "Do not trust random" not in page
    assert page.count("below the centre") == 1
    assert "By lesion size" not in page


def test_a_page_of_priors_alone_says_so(tmp_path):
    lines = [line_of("centre", "all", "all", 0.2, below=False)]
    assert "No method was scored" in write_scores_page(tmp_path / "page.html", "Scores", {}, lines).read_text()
