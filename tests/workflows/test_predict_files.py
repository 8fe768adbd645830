"""Tests of predicting many files: expansion of paths, one prediction each in order, and bad files among good ones."""

from __future__ import annotations

import io
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from gadolin.errors import RequestError
from gadolin.models.predictor import Predictor
from gadolin.phantoms import CLASSES
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, nifti_bytes
from gadolin.readers import content_of
from gadolin.records import Failure, Omitted, Prediction
from gadolin.workflows.predict_files import expand, predict_files
from nobody import as_nobody, closed, shared_folder


@pytest.fixture(scope="module")
def predictor(make_bundle):
    return Predictor.load(make_bundle().folder, threads=1)


@pytest.fixture
def tree(tmp_path):
    """Write files b, a, sub/c and hidden ones, all with .png, and a text file."""
    for name in ("b.png", "a.png", "sub/c.png", ".hidden.png", "sub/.hidden.png", ".cache/d.png", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def names(found, root):
    return [os.path.relpath(each, root) for each in found.files]


def left_out(found, root):
    return [(os.path.relpath(one.path, root), one.code) for one in found.left_out]


def test_a_folder_names_its_files_in_depth_and_in_order_without_hidden_ones(tree):
    found = expand([str(tree)])
    assert names(found, tree) == ["a.png", "b.png", "sub/c.png"]
    assert left_out(found, tree) == [
        (".cache/d.png", "hidden"),
        (".hidden.png", "hidden"),
        ("notes.txt", "not_a_picture"),
        ("sub/.hidden.png", "hidden"),
    ]


def test_a_folder_inside_a_hidden_one_may_be_named_itself(tree):
    assert names(expand([str(tree / ".cache")]), tree) == [".cache/d.png"]


def test_a_pattern_names_the_files_that_match(tree):
    assert names(expand([f"{tree}/*.png"]), tree) == ["a.png", "b.png"]
    assert names(expand([f"{tree}/**/*.png"]), tree) == ["a.png", "b.png", "sub/c.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tree):
    odd = tree / "slice[1].png"
    odd.touch()
    assert expand([str(odd)]).files == (str(odd),)


def test_paths_keep_the_order_in_which_they_were_given(tree):
    given = [f"{tree}/sub", "-", f"{tree}/b.png", f"{tree}/a*", f"{tree}/b.png"]
    assert names(expand(given), tree) == ["sub/c.png", os.path.relpath("-", tree), "b.png", "a.png", "b.png"]


def test_a_plain_path_that_does_not_exist_stays(tree):
    assert expand([f"{tree}/gone.png"]).files == (f"{tree}/gone.png",)


def test_a_dash_stays_even_where_a_folder_bears_the_name(tree, monkeypatch):
    (tree / "-").mkdir()
    monkeypatch.chdir(tree)
    assert expand(["-"]).files == ("-",)


@pytest.mark.parametrize("path", ["*.jpg", "empty"])
def test_a_pattern_or_folder_that_names_nothing_is_refused(tree, path):
    (tree / "empty").mkdir()
    with pytest.raises(RequestError) as caught:
        expand([f"{tree}/{path}"])
    assert str(caught.value) == f"a path must match one file or more, {tree}/{path} matches none; check the path"


def test_a_folder_of_hidden_files_names_nothing(tree):
    (tree / "sub" / "c.png").unlink()
    with pytest.raises(RequestError) as caught:
        expand([f"{tree}/sub"])
    assert caught.value.code == "path_names_nothing"
    assert "1 hidden" in caught.value.got


def test_every_file_has_one_answer_in_order(predictor, lit_quadrant, save_slice, tmp_path):
    order = [2, 0, 3, 1] * 10
    paths = [str(save_slice(lit_quadrant(quadrant), tmp_path / f"{n}.png")) for n, quadrant in enumerate(order)]
    answers = list(predict_files(predictor, paths))
    assert [answer.path for answer in answers] == paths
    assert [answer.label for answer in answers] == [CLASSES[quadrant] for quadrant in order]


def test_a_bad_file_among_good_ones_is_a_failure_in_its_place(predictor, lit_quadrant, save_slice, tmp_path):
    good = str(save_slice(lit_quadrant(1), tmp_path / "good.png"))
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    gone = tmp_path / "gone.png"
    answers = list(predict_files(predictor, [good, str(bad), good, str(gone)]))
    assert [type(answer) for answer in answers] == [Prediction, Failure, Prediction, Failure]
    assert [answer.path for answer in answers] == [good, str(bad), good, str(gone)]
    assert answers[0] == answers[2]
    assert [answers[1].code, answers[3].code] == ["unknown_format", "cannot_open"]
    assert answers[1].as_json() == {
        "path": str(bad), "frame": None, "code": "unknown_format", "error": str(answers[1].error)
    }  # fmt: skip


def test_bad_files_alone_are_failures_and_no_error(predictor, tmp_path):
    (answer,) = predict_files(predictor, [str(tmp_path / "gone.png")])
    assert isinstance(answer, Failure)


def test_no_files_have_no_answers(predictor):
    assert list(predict_files(predictor, [])) == []


def test_answers_come_before_all_files_are_asked_for(predictor, lit_quadrant, save_slice, tmp_path):
    path = str(save_slice(lit_quadrant(1), tmp_path / "a.png"))

    def endless():
        while True:
            yield path

    answers = predict_files(predictor, endless())
    assert next(answers).label == CLASSES[1]
    answers.close()


def feed(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def test_a_dash_reads_one_picture_from_standard_input(predictor, lit_quadrant, save_slice, tmp_path, monkeypatch):
    feed(monkeypatch, save_slice(lit_quadrant(3), tmp_path / "a.png").read_bytes())
    (answer,) = predict_files(predictor, ["-"])
    assert (answer.path, answer.label) == ("-", CLASSES[3])


def test_an_empty_standard_input_is_a_failure(predictor, monkeypatch):
    feed(monkeypatch, b"")
    (answer,) = predict_files(predictor, ["-"])
    assert isinstance(answer, Failure)
    assert (answer.path, answer.code) == ("-", "empty_file")


def lit_volume(lit_quadrant, order):
    """Return a volume (H, W, N) whose axial slices, from foot to head, each have one bright quadrant.

    Neighbouring pixels differ slightly, as in an image and unlike in a label map.
    """
    seen = np.stack([lit_quadrant(quadrant).pixels for quadrant in order], 2).astype(np.uint8)
    seen = np.where(seen > 0, seen - np.arange(seen.size).reshape(seen.shape) % 23, 0).astype(np.uint8)
    return np.ascontiguousarray(seen[::-1, ::-1].transpose(1, 0, 2))


@pytest.fixture
def series(lit_quadrant, tmp_path):
    """Write a shuffled series and a localiser; slice n has quadrant n lit."""
    folder = tmp_path / "series"
    folder.mkdir()
    for number, name in enumerate("cadb"):
        facts = DicomFacts(position=(0, 0, 5.0 * number), series="1.2", more={"SeriesNumber": 3})
        (folder / f"{name}.dcm").write_bytes(dicom_bytes(lit_quadrant(number).pixels.astype(np.uint8), facts))
    facts = DicomFacts(series="1.9", more={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesNumber": 1})
    (folder / "0.dcm").write_bytes(dicom_bytes(lit_quadrant(0).pixels.astype(np.uint8), facts))
    return folder


def test_a_volume_has_one_answer_a_slice_numbered_from_the_foot(predictor, lit_quadrant, save_slice, tmp_path):
    order = [2, 0, 3, 1] * 10
    path = tmp_path / "brain.nii.gz"
    path.write_bytes(nifti_bytes(lit_volume(lit_quadrant, order)))
    single = str(save_slice(lit_quadrant(1), tmp_path / "a.png"))
    answers = list(predict_files(predictor, [single, str(path), single]))
    assert [answer.frame for answer in answers] == [None, *range(40), None]
    assert [answer.label for answer in answers[1:-1]] == [CLASSES[quadrant] for quadrant in order]
    assert {answer.path for answer in answers[1:-1]} == {str(path)}
    assert answers[3].as_json()["frame"] == 2


def test_a_damaged_slice_of_a_volume_is_a_failure_with_its_number(predictor, lit_quadrant, tmp_path):
    volume = lit_volume(lit_quadrant, [0, 1, 2]).astype(np.float64)
    volume[5, 5, 1] = 1e39  # beyond float32
    path = tmp_path / "brain.nii"
    path.write_bytes(nifti_bytes(volume, compress=False))
    answers = list(predict_files(predictor, [str(path)]))
    assert [type(answer) for answer in answers] == [Prediction, Failure, Prediction]
    assert answers[1].frame == 1
    assert str(answers[1]).startswith(f"{path}: ")
    assert str(answers[1]).count(str(path)) == 1


def test_a_plane_is_cut_as_asked(predictor, tmp_path):
    path = tmp_path / "brain.nii"
    path.write_bytes(nifti_bytes(np.zeros((16, 20, 24), np.uint8), compress=False))
    counts = [
        len(list(predict_files(predictor, [str(path)], plane=plane))) for plane in ("axial", "coronal", "sagittal")
    ]
    assert counts == [24, 20, 16]


def test_a_series_is_answered_in_anatomical_order_and_its_localiser_is_left_out(predictor, series):
    found = expand([str(series)])
    answers = list(predict_files(predictor, found.files))
    assert [answer.label for answer in answers] == [CLASSES[number] for number in range(4)]
    assert [answer.frame for answer in answers] == [None] * 4
    assert left_out(found, series) == [("0.dcm", "localiser")]


def test_a_localiser_that_is_named_itself_is_told_apart_from_what_is_wrong(predictor, series):
    (answer,) = predict_files(predictor, [str(series / "0.dcm")])
    assert isinstance(answer, Omitted)
    assert (answer.path, answer.code) == (str(series / "0.dcm"), "localiser")


def test_a_series_is_chosen_by_its_number(series):
    assert names(expand([str(series)], series="3"), series) == ["c.dcm", "a.dcm", "d.dcm", "b.dcm"]
    with pytest.raises(RequestError) as caught:
        expand([str(series)], series="1")
    assert "series 3 (4 files)" in caught.value.remedy
    assert caught.value.code == "series_unknown"


def test_only_some_files_are_open_at_a_time(predictor, lit_quadrant, tmp_path):
    opened = []

    def content(path):
        opened.append(path)
        return content_of(path)

    path = tmp_path / "brain.nii"
    path.write_bytes(nifti_bytes(lit_volume(lit_quadrant, [0] * 40), compress=False))
    answers = predict_files(predictor, [str(path)] * 20, content=content)
    next(answers)
    answers.close()
    assert 0 < len(opened) <= 8


def test_a_folder_that_may_not_be_entered_is_a_failure_in_its_place_and_the_rest_is_found():
    with shared_folder() as root:
        for name in ("shut", "open"):
            (root / name).mkdir()
            (root / name / "a.png").write_bytes(b"x")

        def work():
            found = expand([str(root)])
            return [each if isinstance(each, str) else [each.path, each.code] for each in found.files]

        assert work() == [str(root / "open" / "a.png"), str(root / "shut" / "a.png")]
        with closed(root / "shut"):
            assert as_nobody(work) == [str(root / "open" / "a.png"), [str(root / "shut"), "cannot_enter"]]


def test_a_folder_that_matches_a_pattern_is_told_but_of_a_search_in_depth(tree):
    assert left_out(expand([f"{tree}/*"]), tree) == [("sub", "folder_matches_pattern")]
    assert not expand([f"{tree}/**"]).left_out


def test_a_pipe_an_empty_path_and_a_closed_input_are_told_and_the_rest_go_on(
    predictor, tmp_path, lit_quadrant, save_slice, monkeypatch
):
    os.mkfifo(tmp_path / "pipe.png")
    good = save_slice(lit_quadrant(0), tmp_path / "a.png")
    monkeypatch.setattr(sys, "stdin", None)
    answers = list(predict_files(predictor, [str(tmp_path / "pipe.png"), "", "-", str(good)]))
    assert [one.code for one in answers[:3]] == ["special_file", "cannot_open", "cannot_open"]
    assert isinstance(answers[3], Prediction)


@pytest.mark.parametrize("given", [None, 3, b"a.png", [None], [3], np.zeros((20, 20), np.uint8), [b"a.png"]])
def test_what_is_no_path_is_one_clear_line(predictor, given):
    with pytest.raises(RequestError) as caught:
        list(predict_files(predictor, given))
    assert caught.value.code == "input_unfit"
