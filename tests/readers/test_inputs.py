"""Tests of a predictor's inputs: one result for one, a list for a list, and a clear error for other input."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gadolin.errors import ReadError, RequestError, TooLargeError
from gadolin.models.predictor import Predictor
from gadolin.phantoms import CLASSES
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, nifti_bytes
from gadolin.readers import read
from gadolin.records import Prediction, Slice
from gadolin.workflows.predict_files import predict_files


@pytest.fixture(scope="module")
def predictor(make_bundle):
    return Predictor.load(make_bundle().folder, threads=1)


@pytest.fixture
def path(lit_quadrant, save_slice, tmp_path):
    return save_slice(lit_quadrant(2), tmp_path / "a.png")


def refused(predictor, given, kind=RequestError):
    with pytest.raises(kind) as caught:
        predictor.predict(given)
    assert "\n" not in str(caught.value)
    return caught.value


def test_one_gives_one_and_a_list_gives_a_list(predictor, path, lit_quadrant):
    image = lit_quadrant(2)
    for one in (path, str(path), image, image.pixels.astype(np.uint8)):
        alone = predictor.predict(one)
        assert isinstance(alone, Prediction)
        (first,) = predictor.predict([one])
        assert first == alone
        assert alone.label == CLASSES[2]


def test_paths_slices_and_arrays_may_be_mixed_and_a_path_is_kept(predictor, path, lit_quadrant):
    image = lit_quadrant(0)
    answers = predictor.predict((str(path), image, path, image.pixels.astype(np.uint8)))
    assert [answer.label for answer in answers] == [CLASSES[2], CLASSES[0], CLASSES[2], CLASSES[0]]
    assert [answer.path for answer in answers] == [str(path), "", str(path), ""]


def test_what_a_glob_yields_is_taken(predictor, path):
    assert [answer.path for answer in predictor.predict(path.parent.glob("*.png"))] == [str(path)]


def test_names_may_be_given_for_all(predictor, path, lit_quadrant):
    assert predictor.predict(lit_quadrant(0), "mine").path == "mine"
    assert predictor.predict(path, ["mine"]).path == "mine"
    assert [one.path for one in predictor.predict([path, lit_quadrant(0)], ["a", "b"])] == ["a", "b"]


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], "ab"])
def test_names_must_be_one_for_each(predictor, lit_quadrant, names):
    with pytest.raises(RequestError) as caught:
        predictor.predict([lit_quadrant(0), lit_quadrant(1)], names)
    assert caught.value.code == "names_differ"


def test_an_array_of_uint8_is_the_picture_that_a_file_of_it_is(predictor, path):
    array = np.asarray(Image.open(path))
    assert predictor.predict(array).probabilities == predictor.predict(read(path)).probabilities


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.int32, np.float16, np.float32, np.float64, ">u2"])
def test_a_deeper_array_is_scaled_as_a_deep_file_is(predictor, lit_quadrant, kind):
    pixels = lit_quadrant(3, 900, size=96).pixels
    wanted = predictor.predict(Slice(pixels, bits=16)).probabilities
    assert predictor.predict(pixels.astype(kind)).probabilities == wanted
    assert wanted[CLASSES[3]] > 0.9


def test_the_range_of_a_floating_array_does_not_matter(predictor, lit_quadrant):
    pixels = lit_quadrant(3).pixels.astype(np.float64)
    answers = predictor.predict([pixels / 255, pixels, pixels * 1e6 - 7])
    for answer in answers:
        assert answer.probabilities == pytest.approx(answers[0].probabilities, abs=1e-3)


def test_the_array_is_left_as_it_was(predictor, rng):
    array = rng.random((64, 64)).astype(np.float32)
    before = array.copy()
    predictor.predict(array)
    np.testing.assert_array_equal(array, before)
    array.setflags(write=False)
    predictor.predict(array)


@pytest.mark.parametrize(
    "shape", [(), (0,), (64,), (64, 64, 3), (3, 64, 64), (1, 64, 64), (1, 1, 64, 64)], ids=lambda shape: str(shape)
)
def test_an_array_of_another_shape_is_refused_with_its_shape(predictor, shape):
    error = refused(predictor, np.zeros(shape))
    assert error.code == "array_shape_unfit"
    assert str(shape) in error.got


@pytest.mark.parametrize("kind", [bool, np.complex64, object, "U3", "M8[s]", [("a", "f4")]], ids=str)
def test_an_array_of_another_type_is_refused_with_its_type(predictor, kind):
    assert refused(predictor, np.zeros((64, 64), kind)).code == "array_type_unfit"


def test_a_masked_array_is_refused_for_what_lies_under_the_mask_is_unknown(predictor):
    masked = np.ma.masked_less(np.arange(4096.0).reshape(64, 64), 9)
    assert refused(predictor, masked).code == "array_type_unfit"
    assert isinstance(predictor.predict(np.ma.asarray(np.arange(4096.0).reshape(64, 64))), Prediction)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_an_array_that_is_not_finite_is_refused(predictor, value):
    array = np.zeros((64, 64))
    array[3, 4] = value
    assert refused(predictor, array, ReadError).code == "pixels_not_finite"


@pytest.mark.parametrize("shape", [(0, 0), (0, 64), (64, 0), (15, 64), (64, 1)])
def test_an_array_that_shows_nothing_is_refused(predictor, shape):
    assert refused(predictor, np.zeros(shape), ReadError).code == "too_few_pixels"


def test_an_enormous_array_is_refused_before_it_is_copied(predictor):
    assert refused(predictor, np.broadcast_to(np.uint8(0), (70_000, 70_000)), TooLargeError).code == "too_many_pixels"


@pytest.mark.parametrize(
    "pixels", [np.zeros((64, 64, 3), np.float32), np.full((64, 64), np.nan, np.float32), [[0.0] * 64] * 64]
)
def test_a_slice_made_by_hand_is_checked_as_an_array_is(predictor, pixels):
    with pytest.raises(RequestError) as caught:
        predictor.predict(Slice(pixels))
    assert caught.value.code in ("array_shape_unfit", "pixels_not_finite")


def test_a_slice_keeps_what_is_known_of_it(predictor, lit_quadrant):
    image = lit_quadrant(0, colour=True)
    wide = Slice(image.pixels.astype(np.float64), colour=True)
    assert predictor.predict(wide).reason_code == predictor.predict(image).reason_code == "colour_image"


@pytest.mark.parametrize(
    "given",
    [
        None,
        3,
        2.5,
        {},
        {"a": 1},
        {1, 2},
        b"bytes",
        bytearray(b"x"),
        memoryview(b"x"),
        object(),
        Image.new("L", (64, 64)),
    ],
    ids=lambda given: type(given).__name__,
)
def test_anything_else_is_one_line_that_names_its_type(predictor, given):
    error = refused(predictor, given)
    assert error.code == "input_unfit"
    assert type(given).__name__ in error.got


def test_the_place_of_what_is_wrong_in_a_list_is_named(predictor, lit_quadrant):
    error = refused(predictor, [lit_quadrant(0), None])
    assert (error.code, error.got) == ("input_unfit", "item 1 is NoneType")
    assert refused(predictor, [lit_quadrant(0), np.zeros(3)]).got == "item 1 is (3,)"
    assert refused(predictor, [[lit_quadrant(0)]]).code == "input_unfit"


def test_nothing_gives_nothing(predictor):
    assert predictor.predict([]) == predictor.predict(()) == predictor.predict(iter([])) == []


def test_a_file_of_several_slices_is_refused_with_the_function_for_it(predictor, tmp_path):
    volume = tmp_path / "brain.nii.gz"
    volume.write_bytes(nifti_bytes(np.zeros((32, 32, 5), np.uint8)))
    error = refused(predictor, volume, ReadError)
    assert (error.code, error.path) == ("frame_needed", str(volume))
    assert "predict_files" in error.remedy


def test_a_localiser_is_refused_as_it_is_elsewhere(predictor, tmp_path):
    facts = DicomFacts(more={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    (tmp_path / "plan.dcm").write_bytes(dicom_bytes(np.zeros((64, 64), np.uint16), facts))
    error = refused(predictor, tmp_path / "plan.dcm", ReadError)
    assert (error.code, error.path) == ("localiser", str(tmp_path / "plan.dcm"))


def test_a_path_that_is_none_is_named(predictor, path, tmp_path):
    assert refused(predictor, tmp_path / "gone.png", ReadError).code == "cannot_open"
    assert refused(predictor, tmp_path, ReadError).code == "path_is_a_folder"
    assert refused(predictor, "https://example.org/a.png", ReadError).code == "path_is_a_url"
    assert refused(predictor, "a\0b.png", ReadError).code == "cannot_open"
    assert refused(predictor, "", ReadError).code in ("cannot_open", "path_is_a_folder")
    (tmp_path / "bad.png").write_text("no picture")
    error = refused(predictor, [path, tmp_path / "bad.png"], ReadError)
    assert (error.code, error.path) == ("unknown_format", str(tmp_path / "bad.png"))


def test_one_path_and_paths_of_pathlib_are_taken_for_many_files_too(predictor, path, tmp_path):
    for given in (path, str(path), [path], iter([str(path)])):
        (answer,) = predict_files(predictor, given)
        assert (answer.path, answer.label) == (str(path), CLASSES[2])
    (failure,) = predict_files(predictor, tmp_path / "gone.png")
    assert failure.as_json()["path"] == str(tmp_path / "gone.png")


def test_whatever_says_which_path_it_is_will_do(predictor, path):
    class Remote(os.PathLike):
        def __fspath__(self):
            return str(path)

    assert predictor.predict(Remote()).path == str(path)
    assert isinstance(path, Path)


def test_a_pipe_and_an_empty_path_are_refused_and_not_waited_for(predictor, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refused(predictor, tmp_path / "pipe", ReadError).code == "special_file"
    assert refused(predictor, "", ReadError).code == "cannot_open"


def test_names_become_plain_text_and_what_is_no_list_of_them_is_refused(predictor, path):
    assert type(predictor.predict(np.str_(path)).path) is str
    assert predictor.predict([path], [Path("mine")])[0].path == "mine"
    assert predictor.predict(path, Path("mine")).path == "mine"
    for names in (3, iter(["mine"]), "mine"):
        with pytest.raises(RequestError) as caught:
            predictor.predict([path, path], names)
        assert caught.value.code == "names_differ"
