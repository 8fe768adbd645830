"""Promises of many files: what paths name, one answer each, in order, and a bad file among good ones."""

from __future__ import annotations

import io
import os
import sys
from types import SimpleNamespace

import pytest

from gadolin.errors import RequestError
from gadolin.files import expand, predict_files
from gadolin.phantom import CLASSES
from gadolin.predictor import Predictor
from gadolin.records import Failure, Prediction


@pytest.fixture(scope="module")
def predictor(make_bundle):
    return Predictor.load(make_bundle().folder, threads=1)


@pytest.fixture
def tree(tmp_path):
    """Make files b, a, sub/c and hidden ones, all ending in .png, and a text."""
    for name in ("b.png", "a.png", "sub/c.png", ".hidden.png", "sub/.hidden.png", ".cache/d.png", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def names(found, root):
    return [os.path.relpath(each, root) for each in found]


def test_a_folder_names_its_files_in_depth_and_in_order_without_hidden_ones(tree):
    assert names(expand([str(tree)]), tree) == ["a.png", "b.png", "notes.txt", "sub/c.png"]


def test_a_folder_inside_a_hidden_one_may_be_named_itself(tree):
    assert names(expand([str(tree / ".cache")]), tree) == [".cache/d.png"]


def test_a_pattern_names_the_files_that_match(tree):
    assert names(expand([f"{tree}/*.png"]), tree) == ["a.png", "b.png"]
    assert names(expand([f"{tree}/**/*.png"]), tree) == ["a.png", "b.png", "sub/c.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tree):
    odd = tree / "slice[1].png"
    odd.touch()
    assert expand([str(odd)]) == [str(odd)]


def test_paths_keep_the_order_in_which_they_were_given(tree):
    given = [f"{tree}/sub", "-", f"{tree}/b.png", f"{tree}/a*", f"{tree}/b.png"]
    assert names(expand(given), tree) == ["sub/c.png", os.path.relpath("-", tree), "b.png", "a.png", "b.png"]


def test_a_plain_path_that_does_not_exist_stays(tree):
    assert expand([f"{tree}/gone.png"]) == [f"{tree}/gone.png"]


def test_a_dash_stays_even_where_a_folder_bears_the_name(tree, monkeypatch):
    (tree / "-").mkdir()
    monkeypatch.chdir(tree)
    assert expand(["-"]) == ["-"]


@pytest.mark.parametrize("path", ["*.jpg", "empty"])
def test_a_pattern_or_folder_that_names_nothing_is_refused(tree, path):
    (tree / "empty").mkdir()
    with pytest.raises(RequestError) as caught:
        expand([f"{tree}/{path}"])
    assert str(caught.value) == f"a path must name one file or more, {tree}/{path} names none; check it"


def test_a_folder_of_hidden_files_names_nothing(tree):
    (tree / "sub" / "c.png").unlink()
    with pytest.raises(RequestError, match="names none; check it"):
        expand([f"{tree}/sub"])


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
    assert answers[1].error.startswith(f"{bad}: a file must be a PNG")
    assert answers[3].error.startswith(f"{gone}: cannot be opened")
    assert answers[1].as_json() == {"path": str(bad), "frame": None, "error": answers[1].error}


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
    assert answer == Failure("-", "a file must hold bytes, this one is empty; remove it or fetch it again")
