"""Methods scored against outlines that are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from gadolin.errors import DataError, RequestError
from gadolin.explanations import Options
from gadolin.explanations.score import MEASURES, Wish, score_explanations
from gadolin.explanations.summary import by_method_and_class, summarise
from gadolin.explanations.trust import trust
from gadolin.manifest import file_digest
from gadolin.predictor import Predictor
from gadolin.prepare import Preparation
from gadolin.records import Record
from gadolin.report.scored import score_model


@pytest.fixture
def outlined(tmp_path, lit_quadrant, save_slice):
    """Write 24 slices of 12 persons with one bright quadrant, which is also the outline."""
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
    rows = score_explanations(predictor, outlined, Wish(("evidence", "random", "centre")))
    assert len(rows) == 3 * 24
    lines = {(line.method, line.of, line.value): line for line in summarise(rows)}
    evidence = lines["evidence", "all", "all"]
    assert evidence.figures["pointing"].value == 1
    assert evidence.figures["energy"].value > 0.7, "a map of 2 x 2 is blurred over the edge"
    assert (evidence.n, evidence.groups, evidence.below_prior) == (24, 12, False)
    assert 0.1 < lines["random", "all", "all"].figures["auprc"].value < 0.4
    assert lines["evidence", "answer", "right"].n == 24
    assert lines["evidence", "size", "large"].n == 24
    assert lines["evidence", "class", "glioma"].n == 6


def test_curves_are_taken_of_the_slices_that_are_asked_often_or_of_none(predictor, outlined):
    rows = score_explanations(predictor, outlined, Wish(("evidence", "random"), slices=8))
    known = [row for row in rows if row.faithful]
    assert len(known) == 2 * 8
    assert all(0 <= area <= 1 for row in known for area in row.faithful)
    everything = summarise(rows)[0]
    assert everything.n == 24
    assert everything.figures["deletion"].value == pytest.approx(np.mean([row.faithful[0] for row in known[::2]]))
    without = score_explanations(predictor, outlined, Wish(("evidence",), slices=8, faithfulness=False))
    assert not any(row.faithful for row in without)
    assert "deletion" not in summarise(without)[0].figures


def test_methods_that_ask_often_see_some_slices_of_every_class(predictor, outlined):
    rows = score_explanations(predictor, outlined, Wish(("random", "lime"), Options(samples=80, pieces=8), slices=8))
    seen = [row for row in rows if row.method == "lime"]
    assert len(seen) == 8
    assert {row.label for row in seen} == {"glioma", "meningioma", "notumor", "pituitary"}
    assert len({row.group for row in seen}) == 8
    assert sum(row.method == "random" for row in rows) == 24


def test_a_method_below_the_centre_is_marked_and_the_bundle_tells_so(predictor, outlined):
    rows = score_explanations(predictor, outlined, Wish(("evidence", "centre")))
    upside_down = [
        row if row.method == "centre" else type(row)(**{**as_fields(row), "scores": (0.0,) * len(MEASURES)})
        for row in rows
    ]
    lines = summarise(upside_down)
    assert next(line for line in lines if line.method == "evidence").below_prior
    kept = by_method_and_class(lines)
    (predictor.bundle.folder / "explanations.json").write_text(json.dumps({"methods": kept}))
    assert trust(predictor.bundle, "evidence", "glioma").endswith("do not trust it.")
    assert "not measured" in trust(predictor.bundle, "lime", "glioma")


def as_fields(row):
    return {name: getattr(row, name) for name in ("name", "group", "label", "predicted", "size", "method")}


def test_data_without_outlines_and_unknown_methods_are_refused(predictor, outlined):
    bare = [Record(record.path, record.label) for record in outlined]
    with pytest.raises(DataError, match="name none"):
        score_explanations(predictor, bare)
    with pytest.raises(RequestError, match="did you mean 'evidence'"):
        score_explanations(predictor, outlined, Wish(("evidense",)))


def test_a_mask_of_another_size_is_refused(predictor, outlined, tmp_path):
    Image.fromarray(np.full((20, 20), 255, np.uint8)).save(tmp_path / "mask-3.png")
    with pytest.raises(DataError, match="must have the size of its slice"):
        score_explanations(predictor, outlined, Wish(("random",)))


def test_scores_are_written_as_json_and_csv(predictor, outlined, tmp_path):
    from gadolin.manifest import write_manifest

    write_manifest(tmp_path / "outlined.csv", outlined)
    wish = Wish(("evidence", "centre"))
    folder, lines = score_model(predictor, predictor.bundle.folder, tmp_path / "outlined.csv", wish)
    assert folder == predictor.bundle.folder / "explanations-outlined"
    told = json.loads((folder / "explanations.json").read_text())
    assert told["lines"] == json.loads(json.dumps([line.as_json() for line in lines]))
    assert len((folder / "rows.csv").read_text().splitlines()) == 1 + 2 * 24
    assert not (predictor.bundle.folder / "explanations.json").exists(), "no run folder, so nothing is kept"
