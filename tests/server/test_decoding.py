"""Tests of the decoders: processes that die, take too long or run out of memory are replaced."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from io import FileIO
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from gadolin.errors import TooLargeError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import read_bytes
from gadolin.readers.sandbox.messages import Message, receive, send
from gadolin.readers.sandbox.sandbox import has_limits
from gadolin.records import Slice
from gadolin.server import decoding
from gadolin.server.decoder_pool import Decoders
from gadolin.server.decoding import Damaged, Decoded, DecodeRequest, as_message, decode, from_message
from gadolin.server.problems import ProblemError, status_of

SMALL = Preparation(size=64)


def travelled(answer):
    """Return a result after it has passed through a pipe."""
    near, far = os.pipe()
    with FileIO(near, "rb") as reading, FileIO(far, "wb") as writing:
        sending = threading.Thread(target=send, args=(writing, as_message(answer)))
        sending.start()
        message = receive(reading, 2**24)
        sending.join()
    return from_message(message)


def test_a_slice_is_prepared_as_everywhere(png):
    (found,) = decode(png(), DecodeRequest(), SMALL).slices

    np.testing.assert_array_equal(found.prepared, prepare(read_bytes(png()), SMALL))
    assert found.picture is None


def test_an_answer_comes_out_of_the_pipe_as_it_went_in(png):
    answer = decode(png(), DecodeRequest(pictures=True), SMALL)

    (one,), (other,) = answer.slices, travelled(answer).slices

    np.testing.assert_array_equal(one.prepared, other.prepared)
    np.testing.assert_array_equal(one.picture.pixels, other.picture.pixels)
    assert (one.frame, one.colour, one.picture.bits) == (other.frame, other.colour, other.picture.bits)


def test_a_picture_of_several_slices_is_one_after_the_pipe_too(save_slice, tmp_path):
    one = draw_patient("glioma", 0, slices=3, size=160)[1].pixels
    path = save_slice(Slice(np.hstack([one, one]).astype(np.float32)), tmp_path / "two.png")

    (found,) = travelled(decode(path.read_bytes(), DecodeRequest(), SMALL)).slices

    assert found.several


def test_errors_and_places_come_out_of_the_pipe_too(rng):
    file = dicom_bytes(rng.integers(0, 255, (32, 32)).astype(np.uint16), DicomFacts(position=(0.0, 0.0, 4.0)))
    placed = decode(file, DecodeRequest(), SMALL)

    assert travelled(placed).place == placed.place
    error = TooLargeError(code="too_many_pixels", rule="a rule", got="got more", remedy="send less")
    first = travelled(Decoded((Damaged(2, error), *placed.slices))).slices[0]
    assert (type(first.error), first.frame, first.error.fields()) == (TooLargeError, 2, error.fields())
    assert type(travelled(Decoded(error=error)).error) is TooLargeError


def test_every_fact_of_a_slice_comes_out_of_the_pipe(png):
    (found,) = decode(png(), DecodeRequest(), SMALL).slices

    turned = replace(found, **{name: not getattr(found, name) for name in decoding._FACTS})

    assert "colour" in decoding._FACTS
    (other,) = travelled(Decoded((turned,))).slices
    for name in decoding._FACTS:
        assert getattr(other, name) is getattr(turned, name)


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        (DecodeRequest(frame=5), 422, "frame_out_of_range"),
        (DecodeRequest(most=0), 413, "too_many_slices"),
        (DecodeRequest(max_pixels=10), 413, "too_many_pixels"),
    ],
)
def test_what_a_request_may_not_hold_is_told_with_its_status(wanted, status, code, png):
    error = decode(png(), wanted, SMALL).error

    assert (status_of(error), error.code) == (status, code)


@pytest.mark.parametrize(
    "facts",
    [{}, {"slices": [{"frame": None}]}, {"slices": [{"frame": 0, "error": {}}]}, {"slices": 1}],
    ids=str,
)
def test_an_answer_that_is_none_is_refused(facts):
    rest = {"place": None, "whole": None, "omit": False} if facts else {}
    with pytest.raises((KeyError, TypeError, ValueError, StopIteration)):
        from_message(Message(facts | rest))


@pytest.fixture
def decoders(settings):
    made = Decoders(replace(settings, workers=1, limits=replace(settings.limits, max_seconds=5.0)), SMALL)
    yield made
    made.close()


@pytest.mark.slow
def test_a_decoder_that_died_is_replaced(decoders, png):
    assert decoders.submit(png(), DecodeRequest()).result(60).slices
    (before,) = decoders.processes()

    os.kill(before, signal.SIGKILL)
    with pytest.raises(ProblemError) as caught:
        decoders.submit(png(), DecodeRequest()).result(60)

    assert (caught.value.status, caught.value.code, caught.value.retry_seconds) == (503, "decoder_died", 1)
    assert decoders.submit(png(), DecodeRequest()).result(60).slices
    assert decoders.processes() != [before]


@pytest.mark.slow
def test_jpeg_ls_is_decoded_in_a_sandbox_within_the_sandbox(decoders, rng):
    """An endless native decoder costs one second; the process around it continues."""
    pixels = rng.integers(0, 4000, (64, 64)).astype(np.uint16)
    plain, packed = (dicom_bytes(pixels, DicomFacts(syntax)) for syntax in (ExplicitVRLittleEndian, JPEGLSLossless))
    (one,), (other,) = (decoders.submit(each, DecodeRequest()).result(60).slices for each in (plain, packed))
    np.testing.assert_array_equal(one.prepared, other.prepared)
    if has_limits():
        (pid,) = decoders.processes()
        assert len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()) == 1


@pytest.mark.slow
def test_a_file_that_takes_too_long_is_given_up(settings, png):
    made = Decoders(replace(settings, workers=1, limits=replace(settings.limits, max_seconds=2.0)), SMALL)
    try:
        assert made.submit(png(), DecodeRequest()).result(60).slices
        os.kill(made.processes()[0], signal.SIGSTOP)
        with pytest.raises(ProblemError) as caught:
            made.submit(png(), DecodeRequest()).result(60)
        assert (caught.value.status, caught.value.code) == (503, "decoder_too_slow")
        assert made.submit(png(), DecodeRequest()).result(60).slices
    finally:
        made.close()


@pytest.mark.slow
def test_a_decoder_is_replaced_after_many_files(settings, png, monkeypatch):
    monkeypatch.setattr("gadolin.server.decoder_pool._FILES_EACH", 2)
    decoders = Decoders(replace(settings, workers=1), SMALL)
    first = decoders.processes()

    assert decoders.submit(png(), DecodeRequest()).result(60).slices
    assert decoders.processes() == first
    assert decoders.submit(png(), DecodeRequest()).result(60).slices
    decoders.close()
    assert decoders.processes() == []


@pytest.mark.slow
def test_a_service_that_stops_gives_up_what_is_decoded_and_leaves_no_process(settings, png):
    made = Decoders(settings, SMALL)
    assert made.submit(png(), DecodeRequest()).result(60).slices
    (process,) = made.processes()
    os.kill(process, signal.SIGSTOP)
    given_up = made.submit(png(), DecodeRequest())
    while not given_up.running():
        time.sleep(0.01)

    made.close()

    with pytest.raises(ProblemError) as caught:
        given_up.result(0)
    assert caught.value.code == "decoder_died"
    assert made.processes() == []
    assert not Path(f"/proc/{process}").exists()
