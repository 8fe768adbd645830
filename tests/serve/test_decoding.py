"""Promises of the decoders: processes that may die, take too long or run out of memory, and are replaced."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from gadolin.errors import TooLargeError
from gadolin.phantom import draw_patient
from gadolin.phantom.encode import DicomFacts, dicom_bytes
from gadolin.prepare import Preparation, prepare
from gadolin.readers import read_bytes
from gadolin.records import Slice
from gadolin.serve import decoder
from gadolin.serve.decoder import Damaged, Decoded, Found, Wanted, decode, packed, unpacked
from gadolin.serve.decoders import Decoders
from gadolin.serve.problems import ProblemError, status_of

SMALL = Preparation(size=64)


def travelled(answer):
    """Return an answer after its way through a pipe."""
    near, far = Pipe()
    for piece in packed(answer):
        near.send_bytes(piece)
    return unpacked(far)


def test_a_slice_is_prepared_as_everywhere(png):
    (found,) = decode(png(), Wanted(), SMALL).slices

    np.testing.assert_array_equal(found.prepared, prepare(read_bytes(png()), SMALL))
    assert found.picture is None


def test_an_answer_comes_out_of_the_pipe_as_it_went_in(png):
    answer = decode(png(), Wanted(pictures=True), SMALL)

    (one,), (other,) = answer.slices, travelled(answer).slices

    np.testing.assert_array_equal(one.prepared, other.prepared)
    np.testing.assert_array_equal(one.picture.pixels, other.picture.pixels)
    assert (one.frame, one.colour, one.picture.bits) == (other.frame, other.colour, other.picture.bits)


def test_a_picture_of_several_slices_is_one_after_the_pipe_too(save_slice, tmp_path):
    one = draw_patient("glioma", 0, slices=3, size=160)[1].pixels
    path = save_slice(Slice(np.hstack([one, one]).astype(np.float32)), tmp_path / "two.png")

    (found,) = travelled(decode(path.read_bytes(), Wanted(), SMALL)).slices

    assert found.several


def test_errors_and_places_come_out_of_the_pipe_too(rng):
    file = dicom_bytes(rng.integers(0, 255, (32, 32)).astype(np.uint16), DicomFacts(position=(0.0, 0.0, 4.0)))
    placed = decode(file, Wanted(), SMALL)

    assert travelled(placed).place == placed.place
    error = TooLargeError(code="too_many_pixels", rule="a rule", got="got more", remedy="send less")
    first = travelled(Decoded((Damaged(2, error), *placed.slices))).slices[0]
    assert (type(first.error), first.frame, first.error.fields()) == (TooLargeError, 2, error.fields())
    assert type(travelled(Decoded(error=error)).error) is TooLargeError


def test_every_fact_of_a_slice_comes_out_of_the_pipe(png):
    (found,) = decode(png(), Wanted(), SMALL).slices

    turned = replace(found, **{name: not getattr(found, name) for name in decoder._FACTS})

    assert "colour" in decoder._FACTS
    (other,) = travelled(Decoded((turned,))).slices
    for name in decoder._FACTS:
        assert getattr(other, name) is getattr(turned, name)


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        (Wanted(frame=5), 422, "frame_out_of_range"),
        (Wanted(most=0), 413, "too_many_slices"),
        (Wanted(max_pixels=10), 413, "too_many_pixels"),
    ],
)
def test_what_a_request_may_not_hold_is_told_with_its_status(wanted, status, code, png):
    error = decode(png(), wanted, SMALL).error

    assert (status_of(error), error.code) == (status, code)


def test_the_process_answers_until_its_pipe_is_closed(png, monkeypatch):
    monkeypatch.setattr(decoder, "_limit", lambda most: None)
    monkeypatch.setattr(decoder, "_hush", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    near, far = Pipe()
    working = threading.Thread(target=decoder.serve_files, args=(far, SMALL.as_json(), 2**30))
    working.start()

    assert near.recv_bytes() == b"ready"
    near.send_bytes(decoder.as_request(Wanted()))
    near.send_bytes(png())
    assert isinstance(unpacked(near).slices[0], Found)
    for failure, status in ((MemoryError(), 413), (RuntimeError("x"), 422)):

        def fail(*_, failure=failure):
            raise failure

        with monkeypatch.context() as patch:
            patch.setattr(decoder, "decode", fail)
            near.send_bytes(decoder.as_request(Wanted()))
            near.send_bytes(b"x")
            assert status_of(unpacked(near).error) == status
    near.close()
    working.join(10)
    assert not working.is_alive()


@pytest.fixture
def decoders(settings):
    made = Decoders(replace(settings, workers=1, limits=replace(settings.limits, max_seconds=5.0)), SMALL)
    yield made
    made.close()


def test_a_decoder_that_died_is_replaced(decoders, png):
    assert decoders.submit(png(), Wanted()).result(60).slices
    (before,) = decoders.processes()

    os.kill(before, signal.SIGKILL)
    with pytest.raises(ProblemError) as caught:
        decoders.submit(png(), Wanted()).result(60)

    assert (caught.value.status, caught.value.code, caught.value.retry_seconds) == (503, "decoder_died", 1)
    assert decoders.submit(png(), Wanted()).result(60).slices
    assert decoders.processes() != [before]


def test_a_file_that_takes_too_long_is_given_up(settings, png):
    made = Decoders(replace(settings, workers=1, limits=replace(settings.limits, max_seconds=2.0)), SMALL)
    try:
        assert made.submit(png(), Wanted()).result(60).slices
        os.kill(made.processes()[0], signal.SIGSTOP)
        with pytest.raises(ProblemError) as caught:
            made.submit(png(), Wanted()).result(60)
        assert (caught.value.status, caught.value.code) == (503, "decoder_too_slow")
        assert made.submit(png(), Wanted()).result(60).slices
    finally:
        made.close()


def test_a_decoder_is_replaced_after_many_files(decoders, png, monkeypatch):
    monkeypatch.setattr("gadolin.serve.decoders._FILES_EACH", 2)
    first = decoders.processes()

    assert decoders.submit(png(), Wanted()).result(60).slices
    assert decoders.processes() == first
    assert decoders.submit(png(), Wanted()).result(60).slices
    assert decoders.processes() != first
    assert decoders.submit(png(), Wanted()).result(60).slices


def test_a_service_that_stops_gives_up_what_is_decoded_and_leaves_no_process(settings, png):
    made = Decoders(settings, SMALL)
    assert made.submit(png(), Wanted()).result(60).slices
    (process,) = made.processes()
    os.kill(process, signal.SIGSTOP)
    given_up = made.submit(png(), Wanted())
    while not given_up.running():
        time.sleep(0.01)

    made.close()

    with pytest.raises(ProblemError) as caught:
        given_up.result(0)
    assert caught.value.code == "decoder_died"
    assert made.processes() == [process]
    assert not Path(f"/proc/{process}").exists()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux")
def test_a_decoder_has_little_memory_and_writes_no_file(settings, tmp_path):
    import subprocess
    import sys

    code = f"""
import json, numpy as np
from gadolin.serve import decoder
decoder._warm({SMALL.as_json()!r})
decoder._limit(64 * 2**20)
told = []
try:
    np.ones(2**28)
except MemoryError:
    told.append("memory")
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open({str(tmp_path / "file")!r}, "wb") as file:
        file.write(b"x" * 10)
except OSError:
    told.append("file")
print(json.dumps(told))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["memory", "file"]


def test_a_decoder_says_nothing_of_a_file(tmp_path):
    import subprocess
    import sys

    code = """
import logging, os, sys, warnings
from gadolin.serve import decoder
decoder._hush()
logging.getLogger("pydicom").error("SECRET")
warnings.warn("SECRET")
print("SECRET", file=sys.stderr, flush=True)
os.write(1, b"SECRET")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
