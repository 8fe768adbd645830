"""Tests of the two halves that make DICOM objects: what the sandbox computes, and what the service accepts from it."""

from __future__ import annotations

import io

import numpy as np
import pytest

from gadolin.errors import DataError, TooLargeError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.preprocessing.prepare import Preparation
from gadolin.readers.sandbox.messages import Message
from gadolin.records import Prediction, Series
from gadolin.server.decoding import DecodeRequest, decode
from gadolin.server.object_maker import ImageAnswer, ObjectMaker, SliceAnswer, making
from gadolin.server.problems import ProblemError
from gadolin.server.settings import Limits

pytest.importorskip("highdicom", reason="the extra hospital is not installed")
pytestmark = pytest.mark.slow  # it imports highdicom


def image(number=0):
    """Return the answer for a slice with a lesion and a picture of it."""
    more = {"InstanceNumber": number + 1, "PatientName": "Doe^Jane"}
    facts = DicomFacts(
        position=(0.0, 0.0, 5.0 * number), axes=(1, 0, 0, 0, 1, 0), spacing_mm=(1.0, 1.0, 5.0), more=more
    )
    pixels = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48) + number
    decoded = decode(dicom_bytes(pixels, facts), DecodeRequest(header=True), Preparation(size=64))
    outline = np.zeros((64, 48), bool)
    outline[10:20, 5:15] = True
    prediction = Prediction(
        path="doe.dcm",
        probabilities={"glioma": 0.900001, "notumor": 0.099999},
        label="glioma",
        abstained=False,
        reason=None,
        reason_code=None,
        model="0123456789abcdef",
        p_tumour=0.95,
        series=Series("abc", 1, "T1", 5.1 * number, number + 1),
        spacing_mm=(0.1, 0.7),
    )
    return ImageAnswer(decoded.header, (SliceAnswer(None, prediction, outline),))


@pytest.fixture
def here(monkeypatch):
    """An ObjectMaker whose other half runs in this process; ``sent`` are its requests."""
    sent = []

    def run(_self, facts, content, *, cpu_seconds):
        sent.append((facts, content, cpu_seconds))
        return making({})(facts, content)

    monkeypatch.setattr("gadolin.server.object_maker.Sandbox.run", run)
    maker = ObjectMaker(Limits(max_seconds=7))
    maker.sent = sent
    return maker


def test_what_goes_to_the_sandbox_gives_the_objects_that_are_made_directly(here):
    from gadolin.dicom_results.objects import result_objects
    from gadolin.dicom_results.series import result_of
    from gadolin.dicom_results.slices import SliceResult
    from gadolin.dicom_results.source import source_from_bytes

    images = [image(0), image(1)]
    direct = [
        SliceResult(source_from_bytes(one.header.content, "x"), None, one.slices[0].prediction, one.slices[0].outline)
        for one in images
    ]

    made = here.make(images, [], "0123456789abcdef")

    wanted = [(one.kind, one.name, one.content) for one in result_objects(result_of(direct, "0123456789abcdef"))]
    assert [(one.entry.kind, str(one.entry.path), one.content) for one in made.objects] == wanted
    assert [one.entry.kind for one in made.objects] == ["report", "lesions"]
    assert (made.lesions_without_geometry, {one.entry.is_new for one in made.objects}) == (0, {True})


def test_no_file_name_goes_to_the_sandbox_and_time_grows_with_the_slices(here):
    here.make([image(0), image(1)], [], "m")
    ((facts, _, seconds),) = here.sent
    assert "doe" not in str(facts)
    assert seconds == pytest.approx(7.4)


def test_earlier_results_are_recognised_and_rejected_once(here):
    first = here.make([image(0)], [], "m").objects
    known = [here.recognise(one.content) for one in first]
    assert None not in known

    second = here.make([image(0), image(1)], known, "m").objects
    assert [one.entry.kind for one in second] == ["report", "lesions", "rejection"]
    third = here.make([image(0), image(1)], [*known, *(here.recognise(one.content) for one in second)], "m").objects
    assert [(one.entry.kind, one.entry.is_new) for one in third] == [("report", False), ("lesions", False)]


@pytest.mark.parametrize(
    "content", [b"", b"none", bytes(128) + b"DICM" + bytes(99), dicom_bytes(np.zeros((32, 32), np.uint16))]
)
def test_other_files_are_no_results(content, here):
    assert here.recognise(content) is None


def test_pictures_become_secondary_captures(here):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(file, "PNG")
    one = image(0)
    drawn = SliceAnswer(None, one.slices[0].prediction, one.slices[0].outline, file.getvalue())
    made = here.make([ImageAnswer(one.header, (drawn,))], [], "m")
    assert [each.entry.kind for each in made.objects] == ["report", "lesions", "overlay"]


def test_more_than_fits_into_memory_is_refused(here, monkeypatch):
    with pytest.raises(TooLargeError) as refused:
        ObjectMaker(Limits(max_unpacked_bytes=1000)).make([image(0)], [], "m")
    assert refused.value.code == "results_too_large"

    def full(*_):
        raise MemoryError

    monkeypatch.setattr("gadolin.server.object_maker._slices", full)
    with pytest.raises(TooLargeError):
        here.make([image(0)], [], "m")


def test_an_earlier_result_without_a_class_is_refused(here):
    from gadolin.dicom_results.source import Source, source_from_bytes

    (first, *_) = here.make([image(0)], [], "m").objects
    header = source_from_bytes(here.recognise(first.content), "").header
    del header.SOPClassUID
    with pytest.raises(DataError) as refused:
        here.make([image(0), image(1)], [Source("", header).as_bytes()], "m")
    assert refused.value.code == "earlier_results_unusable"


@pytest.mark.parametrize(
    "one",
    [
        {"kind": "report", "instance": "../../etc", "series": "1.2", "new": True},
        {"kind": "report", "instance": "1.2", "series": "", "new": True},
        {"kind": "../report", "instance": "1.2", "series": "1.2", "new": True},
        {"kind": "report"},
        None,
    ],
    ids=str,
)
def test_an_answer_of_the_sandbox_that_is_none_is_refused(one, monkeypatch):
    refuse_reply(monkeypatch, {"objects": [one]})


@pytest.mark.parametrize("changed", [{"failures": [[1, {}]]}, {"failures": [[-1, {}]]}, {"slices": None}], ids=str)
def test_numbers_of_the_sandbox_that_fit_no_request_are_refused(changed, monkeypatch):
    refuse_reply(monkeypatch, changed)


def refuse_reply(monkeypatch, changed):
    """Check that a reply of the sandbox is refused because of the facts that are changed."""
    valid = {"kind": "report", "instance": "1.2", "series": "1.3", "new": True}
    error = DataError(code="header_unusable", rule="a header must be usable").as_json()
    facts = {"objects": [valid], "slices": 1, "answered": 1, "lesions_without_geometry": 0, "failures": [[0, error]]}
    replies = [facts, facts | changed]
    if "failures" in changed:
        replies[1]["failures"] = [[number, error] for number, _ in changed["failures"]]
    array = np.zeros(3, np.uint8)
    monkeypatch.setattr("gadolin.server.object_maker.Sandbox.run", lambda *_, **__: Message(replies.pop(0), (array,)))
    maker = ObjectMaker(Limits())
    assert maker.make([image(0)], [], "m").failures[0][1].code == "header_unusable"
    with pytest.raises(ProblemError) as refused:
        maker.make([image(0)], [], "m")
    assert (refused.value.status, refused.value.code) == (503, "results_not_made")


def test_the_header_has_no_pixels_and_the_numbers_of_its_frames():
    stack = np.stack([np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)] * 3)
    content = dicom_bytes(stack, DicomFacts(more={"PatientID": "MRN"}))
    found = decode(content, DecodeRequest(header=True), Preparation(size=64)).header
    assert found.frames == (1, 2, 3)
    assert found.identity.patient == "MRN"
    assert len(found.content) < 2000
    assert "MRN" not in repr(found)
    assert decode(content, DecodeRequest(), Preparation(size=64)).header is None
