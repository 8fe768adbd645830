"""Tests of ``gadolin explain`` and ``gadolin score-explanations``."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gadolin.datasets import scan
from gadolin.datasets.labels import class_name
from gadolin.datasets.manifest import write_manifest
from gadolin.explanations import METHODS, Options, explain
from gadolin.explanations.scoring.baseline_maps import PRIORS
from gadolin.models.bundle import read_bundle
from gadolin.models.predictor import Predictor
from gadolin.readers import read
from gadolin.records import NOTICE
from gadolin.workflows.explain import ExplainConfig, OutputNames, explain_slices

pytestmark = pytest.mark.slow

FEW = ("--samples", "60", "--pieces", "12")
LIGHT = [name for name, one in METHODS.items() if not one.torch]


@pytest.fixture
def bare(trained, tmp_path):
    """The bundle without its run folder."""
    shutil.copytree(trained[1] / "bundle", tmp_path / "model")
    return tmp_path / "model"


def test_explain_writes_heat_on_the_pixels_and_an_overlay_and_says_how_far_to_trust_it(
    gadolin, trained, pictures, tmp_path
):
    ending = gadolin("explain", pictures[0], "--model", trained[1], "--out", tmp_path / "out")

    stem = pictures[0].stem
    assert (ending.code, ending.err) == (0, f"{NOTICE}\n")
    asked, drawn, trusted = ending.out.splitlines()
    assert asked.startswith(f"{pictures[0]}: evidence for ")
    assert drawn == f"  picture: {tmp_path / 'out' / stem}-evidence.png"
    assert trusted.startswith("  reliability: ")
    assert "was not measured for this model; gadolin score-explanations measures it" in trusted
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{stem}-evidence.npy", f"{stem}-evidence.png", f"{stem}.json"
    }  # fmt: skip
    heat = np.load(tmp_path / "out" / f"{stem}-evidence.npy")
    image = read(pictures[0])
    assert (heat == explain(Predictor.load(trained[1]), image).heat).all()
    assert heat.shape == image.pixels.shape


def test_all_methods_of_a_bare_bundle_are_those_without_torch_and_the_others_are_named(
    gadolin, bare, pictures, tmp_path
):
    ending = gadolin(
        "explain", pictures[0], "--model", bare, "--method", "all", *FEW, "--out", tmp_path / "out", "--json"
    )

    assert ending.code == 0
    assert "gradcam, integrated-gradients, occlusion" in ending.err
    assert "run folder" in ending.err
    said = ending.json
    (one,) = said["explained"]
    assert (said["notice"], said["errors"]) == (NOTICE, [])
    assert [each["method"] for each in one["explanations"]] == LIGHT
    with Image.open(one["panel"]) as panel, Image.open(one["explanations"][0]["overlay"]) as overlay:
        assert panel.width > overlay.width
    assert json.loads((tmp_path / "out" / f"{pictures[0].stem}.json").read_text())["notice"] == NOTICE


def test_a_picture_that_the_model_declines_is_explained_and_said_to_be_declined(gadolin, trained, pictures, tmp_path):
    grey = read(pictures[0]).pixels
    tinted = np.stack([grey, grey * 0.5, 0.7 * grey], axis=-1).astype(np.uint8)
    Image.fromarray(tinted).save(tmp_path / "tinted.png")
    asked = ("explain", tmp_path / "tinted.png", pictures[0], "--model", trained[1], "--out", tmp_path / "out")

    told, plain = gadolin(*asked, "--json").json["explained"]
    ending = gadolin(*asked)

    why = "colour image; MRI slices are greyscale"
    assert (told["label"], told["abstained"], told["reason"]) == (None, True, why)
    assert (plain["label"], plain["abstained"], plain["reason"]) == (plain["explanations"][0]["class"], False, None)
    assert ending.out.splitlines()[:2] == [f"{tmp_path / 'tinted.png'}: the model abstains", f"  reason: {why}"]
    assert ending.out.count("abstains") == 1
    with Image.open(told["explanations"][0]["overlay"]) as one, Image.open(plain["explanations"][0]["overlay"]) as two:
        assert (np.asarray(one)[:20].min(), np.asarray(two)[:20].min()) == (0, 255)


def test_no_slice_is_written_over_the_files_of_another(gadolin, bare, pictures, tmp_path):
    names = (
        "a/s.png",
        "b/s.png",
        "b/S.png",
        "b/s-2.png",
        "b/s.bmp",
        "c/\u00e9.png",
        "c/e\u0301.png",
        f"c/{'y' * 240}.png",
    )
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pictures[0], tmp_path / "in" / name)

    said = gadolin("explain", tmp_path / "in", "--model", bare, "--out", tmp_path / "out", "--json").json

    overlays = [one["explanations"][0]["overlay"] for one in said["explained"]]
    assert len(overlays) == len(names)
    assert len({unicodedata.normalize("NFC", each.casefold()) for each in overlays}) == len(names)
    for one in said["explained"]:
        beside = one["explanations"][0]["overlay"].removesuffix("-evidence.png")
        with open(f"{beside}.json", encoding="utf-8") as file:  # noqa: PTH123
            assert json.load(file)["path"] == one["path"]


def test_verdict_and_evidence_of_a_slice_take_one_run_of_the_network(bare, pictures, tmp_path):
    loaded, runs = Predictor.load(bare), []

    def runtime(prepared):
        runs.append(len(prepared))
        return loaded.run_network(prepared)

    counted = Predictor(loaded.bundle, runtime)
    slices = iter([("a.png", None, read(pictures[0]))])
    (record,) = explain_slices(counted, slices, ExplainConfig(("evidence",)), OutputNames(tmp_path / "out"))
    assert runs == [1]
    assert record["label"] == loaded.predict(str(pictures[0])).label


def test_a_frame_and_a_file_called_like_one_are_written_apart(tmp_path):
    names = OutputNames(tmp_path)
    asked = [("d/a.nii", 1), ("d/a-001.png", None), ("d/a#1.png", None), ("-", None), ("stdin.png", None)]
    assert len({names.of(path, frame, ("evidence",)) for path, frame in asked}) == len(asked)


def test_what_is_written_is_never_one_of_the_inputs(tmp_path):
    names = OutputNames(tmp_path, inputs=[str(tmp_path / "a.png"), str(tmp_path / "a-evidence.png")])
    assert names.of(str(tmp_path / "a.png"), None, ("evidence",)) == str(tmp_path / "a-2")


@pytest.mark.parametrize("name", ["new\nline", "a:b", "dot.. ", "\x1b[31m", "..."])
def test_what_a_file_system_may_refuse_stands_in_no_name(name, tmp_path):
    (tmp_path / "out").mkdir()
    base = OutputNames(tmp_path / "out").of(f"{name}.png", None, ("evidence",))
    assert not set(base.rpartition("/")[2]) & set('\n\x1b:?*<>"|')
    assert not base.endswith((".", " "))


def test_what_cannot_be_drawn_names_the_extra_of_explanations(gadolin, bare, pictures, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "gadolin.explanations.overlays", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ending = gadolin("explain", pictures[0], "--model", bare, "--out", tmp_path / "out")
    ending.refused('[explain]"')


def test_all_methods_of_a_run_are_all(gadolin, trained, pictures, tmp_path):
    ending = gadolin(
        "explain", pictures[0], "--model", trained[1], "--method", "all", *FEW, "--out", tmp_path / "out", "--json"
    )

    assert [each["method"] for each in ending.json["explained"][0]["explanations"]] == list(METHODS)


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_the_command_line_and_python_draw_the_same_map(method, gadolin, bare, pictures, tmp_path):
    gadolin(
        "explain", pictures[0], "--model", bare, "--method", method, *FEW, "--seed", "3", "--class", "pituitary",
        "--out", tmp_path,
    )  # fmt: skip

    wanted = explain(
        Predictor.load(bare),
        read(pictures[0]),
        method=method,
        label="pituitary",
        options=Options(samples=60, pieces=12, seed=3),
    )
    assert (np.load(tmp_path / f"{pictures[0].stem}-{method}.npy") == wanted.heat).all()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--class", "gliomma"), "got 'gliomma' (did you mean 'glioma'?)"),
        (("--method", "lyme"), "got 'lyme' (did you mean 'lime'?)"),
        (("--method", "lime", "--fill", "blurr"), "got 'blurr' (did you mean 'blur'?)"),
        (("--samples", "1"), "2 samples or more, got 1"),
        (("--method", "gradcam"), "is not in a run folder; use evidence, lime, shap"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_nothing_is_written(words, told, gadolin, bare, pictures, tmp_path):
    ending = gadolin("explain", pictures[0], "--model", bare, *words, "--out", tmp_path / "out")

    assert ending.code in (1, 2)
    assert told in ending.err
    assert ending.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_slices_that_cannot_be_explained_are_told_and_the_rest_go_on(gadolin, bare, pictures, tmp_path):
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "black.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    ending = gadolin(
        "explain", tmp_path / "black.png", tmp_path / "broken.png", pictures[0], "--model", bare, "--out",
        tmp_path / "out", "--json",
    )  # fmt: skip

    assert ending.code == 1
    errors = {each["path"]: each["error"] for each in ending.json["errors"]}
    assert "needs a slice with a head" in errors[str(tmp_path / "black.png")]
    assert set(errors) == {str(tmp_path / "black.png"), str(tmp_path / "broken.png")}
    assert [each["path"] for each in ending.json["explained"]] == [str(pictures[0])]


def test_gradients_of_a_run_are_had_from_within_its_bundle(gadolin, trained, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(trained[1] / "bundle")
    ending = gadolin("explain", pictures[0], "--model", ".", "--method", "gradcam", "--out", tmp_path / "out")
    assert ending.code == 0


def test_methods_to_score_that_need_a_run_folder_are_refused_at_once(gadolin, bare, outlined, tmp_path):
    asked = ("score-explanations", bare, outlined, "--methods", "evidence,gradcam", "--out", tmp_path / "o")
    gadolin(*asked).refused("gradcam needs the run folder that the model was trained in", "use evidence, lime, shap")
    assert not (tmp_path / "o").exists()


def test_too_few_samples_for_the_superpixels_are_told(gadolin, bare, pictures, tmp_path):
    ending = gadolin("explain", pictures[0], "--model", bare, "--method", "lime", "--samples", "20", "--out", tmp_path)

    assert ending.code == 1
    assert "samples or more, got 20; use more samples or fewer superpixels" in ending.err


@pytest.fixture
def outlined(small_phantoms, tmp_path):
    """A manifest of the tumour slices of the test part, each with an outline."""
    records = []
    for record in scan(small_phantoms).records:
        if record.split == "test" and record.label != "notumor":
            mask = tmp_path / f"{record.path.stem}-mask.png"
            grey = np.zeros(read(record.path).pixels.shape, np.uint8)
            grey[30:60, 30:60] = 255
            Image.fromarray(grey).save(mask)
            records.append((record, mask))
    path = tmp_path / "outlined.csv"
    write_manifest(path, [replace(record, outline=str(mask)) for record, mask in records])
    return path


def test_scores_are_kept_in_the_bundle_and_told_with_the_next_map(gadolin, run_copy, outlined, pictures, tmp_path):
    ending = gadolin(
        "score-explanations", run_copy, outlined, "--methods", "evidence,lime,centre", "--samples", "80",
        "--slices", "3", "--no-faithfulness", "--json",
    )  # fmt: skip

    assert ending.code == 0
    folder = run_copy / "explanations-outlined"
    assert {"rows.csv", "explanations.json", "explanations.html"} <= {path.name for path in folder.iterdir()}
    methods = {line["method"] for line in ending.json["lines"]}
    assert methods == {"evidence", "lime", "centre"}
    with (folder / "rows.csv").open(newline="") as file:
        named = {row["predicted"] for row in csv.DictReader(file)}
    bundle = read_bundle(run_copy)
    label = named.pop()
    told = gadolin("explain", pictures[0], "--model", bundle.folder, "--class", label, "--out", tmp_path / "out")
    name = class_name(label)
    said = rf"outlined slices predicted as {name}( \(too few to be sure\))?, the hottest pixel of evidence was in the"
    assert re.search(said, told.out)


def test_scores_are_printed_as_a_table_with_the_notice(gadolin, bare, outlined, tmp_path):
    ending = gadolin(
        "score-explanations",
        bare,
        outlined,
        "--methods",
        "evidence,centre",
        "--no-faithfulness",
        "--out",
        tmp_path / "o",
    )

    assert ending.code == 0
    assert ending.out.splitlines()[0].split()[:3] == ["method", "predicted", "n"]
    assert NOTICE in ending.out
    assert f"tables: {tmp_path / 'o'}" in ending.err


def test_a_mask_of_another_size_is_told(gadolin, bare, outlined, tmp_path):
    mask = sorted(tmp_path.glob("*-mask.png"))[0]
    Image.fromarray(np.ones((20, 20), np.uint8)).save(mask)

    gadolin("score-explanations", bare, outlined, "--methods", "evidence", "--out", tmp_path / "o").refused(
        "an outline must have the size of its slice", mask.name
    )


def test_data_without_outlines_are_refused(gadolin, bare, outlined, tmp_path):
    write_manifest(outlined, [replace(record, outline="") for record in scan(outlined).records])

    gadolin("score-explanations", bare, outlined, "--methods", "evidence", "--out", tmp_path / "o").refused(
        "scoring explanations needs outlines, the data has none"
    )


def test_all_methods_of_a_bare_bundle_are_scored_but_those_that_need_torch(gadolin, bare, outlined, tmp_path):
    ending = gadolin(
        "score-explanations", bare, outlined, "--samples", "80", "--slices", "1", "--no-faithfulness", "--out",
        tmp_path / "o", "--json",
    )  # fmt: skip

    assert ending.code == 0
    assert "left out, because they need the run folder and gadolin[train]: gradcam" in ending.err
    assert {line["method"] for line in ending.json["lines"]} == {*LIGHT, *PRIORS}


def test_an_unknown_method_to_score_is_told_with_the_nearest(gadolin, bare, outlined, tmp_path):
    gadolin("score-explanations", bare, outlined, "--methods", "evidense", "--out", tmp_path / "o").refused(
        "did you mean 'evidence'?"
    )
