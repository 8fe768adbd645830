from __future__ import annotations

import csv
import io
import shutil

import numpy as np
import pytest

from gadolin.models.predictor import Predictor
from gadolin.phantoms import CLASSES
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, nifti_bytes
from gadolin.readers import read
from gadolin.records import NOTICE

CLASSES_IN_ORDER = tuple(sorted(CLASSES))


def test_predict_prints_a_table_and_the_notice(gadolin, trained, pictures):
    ending = gadolin("predict", *pictures, "--model", trained[1])

    lines = ending.out.splitlines()
    assert ending.code == 0
    assert lines[0].split() == ["slice", "class", "glioma", "meningioma", "no", "tumour", "pituitary"]
    assert [line.split()[0] for line in lines[2:]] == [str(path) for path in pictures]
    assert ending.err == f"{NOTICE}\n"


def test_predict_answers_in_json_as_python_does(gadolin, trained, pictures):
    predictor = Predictor.load(trained[1])

    ending = gadolin("predict", *pictures, "--model", trained[1], "--json")

    assert (ending.code, ending.err) == (0, "")
    said = ending.json
    assert list(said) == [
        "format",
        "notice",
        "model",
        "predictions",
        "errors",
        "errors_by_code",
        "left_out",
        "left_out_by_code",
    ]
    assert (said["notice"], said["model"], said["errors"]) == (NOTICE, predictor.bundle.digest, [])
    answers = predictor.predict([read(path) for path in pictures], [str(path) for path in pictures])
    assert said["predictions"] == [answer.as_json() for answer in answers]
    for answer in said["predictions"]:
        assert list(answer) == [
            *("path", "frame", "probabilities", "label", "abstained", "reason_code", "reason"),
            *("sequence", "header_sequence", "p_tumour", "validated", "series", "orientation", "spacing_mm", "model"),
        ]
        assert tuple(answer["probabilities"]) == CLASSES_IN_ORDER
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_predict_answers_in_csv(gadolin, trained, pictures):
    ending = gadolin("predict", *pictures, "--model", trained[1], "--csv")

    rows = list(csv.DictReader(io.StringIO(ending.out)))
    assert (ending.code, ending.err) == (0, f"{NOTICE}\n")
    assert list(rows[0]) == [
        "path",
        "frame",
        "label",
        "abstained",
        "reason_code",
        "reason",
        *("sequence", "header_sequence", "p_tumour", "validated", "series", "position_mm", "orientation"),
        "model",
        *(f"p_{name}" for name in CLASSES_IN_ORDER),
    ]
    assert [row["path"] for row in rows] == [str(path) for path in pictures]
    assert all(row["label"] in CLASSES and row["abstained"] == "false" for row in rows)


@pytest.mark.parametrize("form", [(), ("--csv",), ("--json",)], ids=["words", "csv", "json"])
def test_predict_answers_for_the_rest_where_a_file_is_bad(form, gadolin, trained, pictures, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")

    ending = gadolin("predict", pictures[0], bad, pictures[1], tmp_path / "absent.png", "--model", trained[1], *form)

    assert ending.code == 1
    told = [line for line in ending.err.splitlines() if line.startswith("gadolin: ")]
    assert [name in line for name, line in zip((bad.name, "absent.png", "2 errors"), told, strict=True)] == [True] * 3
    assert "Traceback" not in ending.err
    assert all(str(path) in ending.out for path in pictures[:2])
    if form == ("--json",):
        assert [each["path"] for each in ending.json["errors"]] == [str(bad), str(tmp_path / "absent.png")]


def test_predict_takes_folders_and_patterns(gadolin, trained, small_phantoms):
    def paths(argument):
        said = gadolin("predict", argument, "--model", trained[1], "--json").json
        return [each["path"] for each in said["predictions"]]

    folder = small_phantoms / "Testing" / "glioma"
    expected = [str(path) for path in sorted(folder.iterdir())]
    assert paths(folder) == expected
    assert paths(f"{folder}/*.png") == expected


def test_a_path_that_names_nothing_does_not_end_the_others(gadolin, trained, pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "gone.png").symlink_to("nowhere.png")
    refused = "x" * 300 + ".png"

    ending = gadolin(
        "predict", tmp_path / "empty", pictures[0], tmp_path / "*.none", tmp_path / "linked", tmp_path / refused,
        "a\0b.png", pictures[1], "--model", trained[1], "--json",
    )  # fmt: skip

    assert ending.code == 1
    assert [each["path"] for each in ending.json["predictions"]] == [str(path) for path in pictures[:2]]
    assert [(each["path"].rpartition("/")[2], each["code"]) for each in ending.json["errors"]] == [
        ("empty", "path_names_nothing"),
        ("*.none", "path_names_nothing"),
        ("gone.png", "broken_link"),
        (refused, "cannot_open"),
        ("a\0b.png", "cannot_open"),
    ]


def test_predict_counts_what_it_leaves_out_of_a_folder(gadolin, trained, pictures, tmp_path):
    for name in ("a.png", "@eaDir/a.png", ".hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(pictures[0], tmp_path / name)
    (tmp_path / "notes.txt").write_text("hello")

    said = gadolin("predict", tmp_path, "--model", trained[1], "--json")
    words = gadolin("predict", tmp_path, "--model", trained[1])

    assert said.code == words.code == 0
    assert [each["path"] for each in said.json["predictions"]] == [str(tmp_path / "a.png")]
    assert said.json["left_out_by_code"] == {"hidden": 1, "housekeeping": 1, "not_a_picture": 1}
    assert {each["path"] for each in said.json["left_out"]} == {
        str(tmp_path / name) for name in (".hidden.png", "@eaDir/a.png", "notes.txt")
    }
    assert "left out: 3 (hidden 1, housekeeping 1, not_a_picture 1)" in words.err


def test_predict_says_when_nothing_is_named(gadolin, trained, tmp_path):
    gadolin("predict", tmp_path, "--model", trained[1]).refused("a path must match one file or more", tmp_path)


def test_predict_reads_standard_input(gadolin_process, trained, pictures):
    ending = gadolin_process("predict", "-", "--model", trained[1], "--json", stdin=pictures[0].read_bytes())

    predictor = Predictor.load(trained[1])
    (expected,) = predictor.predict([read(pictures[0])], ["-"])
    assert (ending.code, ending.err) == (0, "")
    assert ending.json["predictions"] == [expected.as_json()]


@pytest.mark.slow
def test_what_a_decoder_warns_of_stays_out_of_the_terminal(gadolin_process, tmp_path):
    from PIL import Image

    cut_short = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0"
    Image.radial_gradient("L").save(tmp_path / "slice.jpg", exif=cut_short)

    ending = gadolin_process("predict", tmp_path / "slice.jpg", "--json")

    assert (ending.code, ending.err) == (0, "")


def test_predict_marks_true_colours_as_no_slice(gadolin, trained, tmp_path):
    from PIL import Image

    Image.radial_gradient("L").convert("RGB").point([*range(256), *([0] * 512)]).save(tmp_path / "red.png")

    ending = gadolin("predict", tmp_path / "red.png", "--model", trained[1])

    assert ending.code == 0
    assert "abstains" in ending.out
    assert "colour image" in ending.out


def test_predict_is_answered_by_openvino_too(gadolin, trained, pictures):
    pytest.importorskip("openvino")

    ours, theirs = (
        gadolin("predict", pictures[0], "--model", trained[1], "--runtime", name, "--threads", 1, "--json").json
        for name in ("onnxruntime", "openvino")
    )

    first, second = (said["predictions"][0]["probabilities"] for said in (ours, theirs))
    assert first == pytest.approx(second, abs=0.02)


def test_the_run_folder_may_be_moved(gadolin, trained, pictures, tmp_path):
    shutil.copytree(trained[1], tmp_path / "elsewhere")

    before, after = (
        gadolin("predict", pictures[0], "--model", model, "--json").json
        for model in (trained[1], tmp_path / "elsewhere")
    )
    assert before == after


@pytest.fixture
def scans(tmp_path, pictures):
    """Write a series of two files with a localiser, a volume, and a folder of two series."""
    grey = read(pictures[0]).pixels.astype(np.uint16) * 9
    volume = np.ascontiguousarray(np.stack([grey, grey], 2)[::-1, ::-1].transpose(1, 0, 2))
    plan = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    files = {
        "series/b.dcm": dicom_bytes(grey, DicomFacts(position=(0, 0, 1.0), patient_id="ID-4711")),
        "series/a.dcm": dicom_bytes(grey, DicomFacts(position=(0, 0, 9.0), patient_id="ID-4711")),
        "series/plan.dcm": dicom_bytes(grey, DicomFacts(more=plan)),
        "brain.nii.gz": nifti_bytes(volume),
        "two/a.dcm": dicom_bytes(grey, DicomFacts(series="1.1", more={"SeriesNumber": 4})),
        "two/b.dcm": dicom_bytes(grey, DicomFacts(series="1.2", more={"SeriesNumber": 5})),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_predict_answers_for_every_slice_of_a_series_and_a_volume(gadolin, trained, scans):
    ending = gadolin("predict", scans / "series", scans / "brain.nii.gz", "--model", trained[1], "--json")

    assert ending.code == 0
    answers = ending.json["predictions"]
    told = [(each["path"].rpartition("/")[2], each["frame"]) for each in answers]
    assert told == [("b.dcm", None), ("a.dcm", None), ("brain.nii.gz", 0), ("brain.nii.gz", 1)]
    assert len({tuple(each["probabilities"].items()) for each in answers}) == 1, "the same image four times"
    assert [(each["path"], each["code"]) for each in ending.json["left_out"]] == [
        (str(scans / "series" / "plan.dcm"), "localiser")
    ]
    assert "ID-4711" not in ending.out + ending.err


def test_what_accompanies_a_series_is_left_out_where_it_is_named_and_an_error_where_nothing_else_is(
    gadolin, trained, scans
):
    plan = scans / "series" / "plan.dcm"

    among = gadolin("predict", scans / "series" / "a.dcm", plan, "--model", trained[1], "--json")
    alone = gadolin("predict", plan, "--model", trained[1], "--json")

    assert (among.code, len(among.json["predictions"]), among.json["errors"]) == (0, 1, [])
    assert [each["code"] for each in among.json["left_out"]] == ["localiser"]
    assert (alone.code, [each["code"] for each in alone.json["errors"]]) == (1, ["localiser"])


def test_predict_names_the_slices_of_a_volume_in_words_and_in_csv(gadolin, trained, scans):
    path = scans / "brain.nii.gz"
    words = gadolin("predict", path, "--model", trained[1])
    rows = list(csv.DictReader(io.StringIO(gadolin("predict", path, "--model", trained[1], "--csv").out)))

    assert [line.split()[0] for line in words.out.splitlines()[2:]] == [f"{path}#0", f"{path}#1"]
    assert [(row["path"], row["frame"]) for row in rows] == [(str(path), "0"), (str(path), "1")]


def test_predict_wants_one_series_in_a_folder(gadolin, trained, scans):
    def run(*words):
        return gadolin("predict", scans / "two", *words, "--model", trained[1])

    run().refused("series 4 (1 file), series 5 (1 file); choose one with --series", scans / "two")
    run("--series", 6).refused("got 6; choose one: series 4 (1 file)")
    chosen = run("--series", 5, "--json").json["predictions"]
    assert [each["path"] for each in chosen] == [str(scans / "two" / "b.dcm")]


def test_explain_takes_series_and_plane_as_predict_does(gadolin, trained, scans, tmp_path):
    def run(*words):
        return gadolin("explain", *words, "--model", trained[1], "--out", tmp_path / "out")

    run(scans / "two").refused("choose one with --series", scans / "two")
    run(scans / "two", "--series", 6).refused("got 6; choose one: series 4 (1 file)")
    chosen = run(scans / "two", "--series", 5, "--json").json
    assert [each["path"] for each in chosen["explained"]] == [str(scans / "two" / "b.dcm")]
    assert [each["code"] for each in chosen["left_out"]] == ["other_series"]
    run(scans / "brain.nii.gz", "--plane", "axal").refused("the plane must be one of", "did you mean 'axial'?")
    volume = run(scans / "brain.nii.gz", "--plane", "axial", "--json").json
    assert [each["frame"] for each in volume["explained"]] == [0, 1]


def test_predict_suggests_a_plane(gadolin, trained, scans):
    ending = gadolin("predict", scans / "brain.nii.gz", "--plane", "axal", "--model", trained[1])
    ending.refused("the plane must be one of acquired, axial, coronal, sagittal, got 'axal' (did you mean 'axial'?)")


def test_predict_reads_a_scanners_file_from_standard_input(gadolin_process, trained, scans):
    content = (scans / "series" / "a.dcm").read_bytes()
    ending = gadolin_process("predict", "-", "--model", trained[1], "--json", stdin=content)
    assert (ending.code, ending.err, len(ending.json["predictions"])) == (0, "", 1)


def test_predict_tells_of_a_damaged_scanners_file_in_one_line(gadolin_process, trained, scans):
    path = scans / "series" / "a.dcm"
    path.write_bytes(path.read_bytes()[:-900])
    ending = gadolin_process("predict", path, "--model", trained[1])
    ending.refused(path, "the pixels must be complete", "fetch it again", code=1)
    assert ending.err.count(str(path)) == 1
