"""Tests of refused requests: the right status, one sentence, and the service continues."""

from __future__ import annotations

import gzip
import io
import logging
import tempfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from gadolin.errors import RequestError
from gadolin.server.polyglots import is_something_else
from gadolin.server.problems import ProblemError
from gadolin.server.settings import Limits, Settings


def refused(answer, status, code):
    """Check that a response is a problem of this status and code with a one-line detail; return the detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"type", "title", "status", "code", "detail"}
    assert (told["status"], told["code"]) == (status, code), told["detail"]
    assert "\n" not in told["detail"]
    return told["detail"]


def saved(pixels, form):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format=form)
    return out.getvalue()


def archive(members, packing=zipfile.ZIP_DEFLATED, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as made:
        for name, content in members.items():
            made.writestr(name, content, **options)
    return out.getvalue()


def spoilt(packed):
    """Return an archive whose only member is a damaged deflate stream."""
    raw = bytearray(packed)
    raw[36:44] = b"\xff" * 8
    return bytes(raw)


@pytest.fixture(scope="module")
def damaged(png):
    good = png()
    return {
        "no numbers": (saved(np.full((32, 32), np.nan, np.float32), "TIFF"), 422, "pixels_not_finite"),
        "a volume that unpacks too far": (
            gzip.compress(bytes(344) + b"n+1\0" + bytes(2**27)),
            413,
            "unpacks_too_large",
        ),
        "pictures in an archive after a picture": (
            good + archive({"a": b"", "b": good}, 0),
            415,
            "hides_something_else",
        ),
        "an archive after a BMP": (
            saved(np.zeros((32, 32), np.uint8), "BMP") + archive({"a": b"b"}),
            415,
            "hides_something_else",
        ),
        "a spoilt member": (spoilt(archive({"a.png": bytes(range(256)) * 20})), 422, "archive_damaged"),
        "another packing": (archive({"a.png": good}, zipfile.ZIP_LZMA), 422, "archive_unsupported"),
        "many entries": (archive(dict.fromkeys(map(str, range(200)), b"")), 413, "too_many_files"),
        "text": (b"no picture", 415, "unknown_format"),
        "nothing": (b"", 422, "empty_file"),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', 415, "hides_something_else"),
        "html": (b"<!doctype html><script>alert(1)</script>", 415, "hides_something_else"),
        "a page after a picture": (good + b"<html><script>alert(1)</script></html>", 415, "hides_something_else"),
        "an archive after a picture": (good + archive({"a": b"b"}), 415, "hides_something_else"),
        "a document after a picture": (good + b"%PDF-1.7", 415, "hides_something_else"),
        "cut short": (good[:200], 422, "damaged_file"),
        "a program before a DICOM file": (b"MZ" + bytes(126) + b"DICM" + bytes(200), 415, "hides_something_else"),
        "an archive in an archive": (archive({"a.zip": archive({"b": b"c"})}), 415, "archive_in_archive"),
        "a damaged archive": (archive({"a.png": good})[:300], 422, "archive_damaged"),
        "an empty archive": (archive({}) + b"", 415, "unknown_format"),
        "too much in an archive": (archive({"a.png": bytes(9 * 2**20)}), 413, "unpacks_too_large"),
    }


NAMES = [
    "no numbers", "a volume that unpacks too far", "pictures in an archive after a picture", "an archive after a BMP",
    "a spoilt member", "another packing", "many entries", "text", "nothing",
    "svg", "html", "a page after a picture", "an archive after a picture",
    "a document after a picture", "cut short", "a program before a DICOM file", "an archive in an archive",
    "a damaged archive", "an empty archive", "too much in an archive",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_a_file_that_is_no_slice_is_refused_for_its_reason(name, client, damaged, sent):
    content, status, code = damaged[name]

    refused(client.post("/v1/predict", files=sent(("secret-name.png", content))), status, code)


@pytest.mark.parametrize("place", [45, 60, 100])
def test_an_archive_with_damage_inside_is_refused_too(place, client, png, sent):
    whole = bytearray(archive({"a.png": png()}))
    whole[place : place + 8] = b"\xff" * 8

    refused(client.post("/v1/predict", files=sent(("a.zip", bytes(whole)))), 422, "archive_damaged")


def test_a_picture_is_nothing_else(png):
    assert not is_something_else(png())
    assert not is_something_else(png() + bytes(100)), "padding after an image is common"


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("/v1/predict", {"plane": "sideways"}, "field_invalid"),
        ("/v1/predict", {"frame": "x"}, "field_invalid"),
        ("/v1/predict", {"frame": "7"}, "frame_out_of_range"),
        ("/v1/predict", {"include": "weights"}, "field_invalid"),
        ("/v1/predict", {"only": "another.png"}, "no_files"),
        ("/v1/explain", {"method": "lyme"}, "method_unknown"),
        ("/v1/explain", {"method": "gradcam"}, "method_unknown"),
        ("/v1/explain", {"class": "gliomma"}, "class_unknown"),
        ("/v1/explain", {"samples": "many"}, "field_not_a_number"),
        ("/v1/explain", {"samples": "1000000"}, "samples_out_of_range"),
        ("/v1/explain", {"method": "lime", "fill": "blurr"}, "fill_unknown"),
        ("/v1/jobs", {"kind": "dance"}, "field_invalid"),
        ("/v1/jobs", {"class": "gliomma"}, "class_unknown"),
    ],
)
def test_a_field_that_cannot_be_used_is_told(path, fields, code, client, png, sent):
    answer = client.post(path, files=sent(("a.png", png())), data=fields)

    if answer.status_code == 200:  # an option that is wrong only for this slice is reported with the slice
        assert answer.json()["errors"][0]["code"] == code
    else:
        refused(answer, 422, code)


def test_a_request_that_is_no_form_is_refused(client):
    refused(client.post("/v1/predict", json={}), 415, "not_a_form")
    refused(client.post("/v1/predict", files={"picture": ("a.png", b"x")}), 422, "field_unknown")
    for content in ("no file", b"x" * 5000):  # without a file name it is a form field
        refused(client.post("/v1/predict", files={"files": (None, content)}), 422, "no_files")
    headers = {"Content-Type": "multipart/form-data; boundary=xx"}
    refused(client.post("/v1/predict", content=b"--xx\r\nbroken", headers=headers), 422, "form_damaged")
    refused(client.post("/v1/predict", content=b"garbage", headers=headers), 422, "form_damaged")


def test_a_path_or_method_that_is_not_there_is_a_problem_too(client):
    refused(client.get("/v2/predict"), 404, "not_found")
    refused(client.get("/v1/predict"), 405, "method_not_allowed")
    refused(client.get("/v1/jobs/none"), 404, "job_not_found")
    refused(client.delete("/v1/jobs/none"), 404, "job_not_found")


@pytest.mark.slow
def test_more_files_slices_or_bytes_than_the_limits_are_refused(make_client, png, sent):
    with make_client(limits={"max_files": 2, "max_request_bytes": 200_000, "max_slices": 1}) as client:
        one = ("a.png", png())
        refused(client.post("/v1/predict", files=sent(one, one, one)), 413, "too_many_files")
        refused(client.post("/v1/predict", files=sent(one, one)), 413, "too_many_slices")
        refused(client.post("/v1/predict", files=sent(("a", bytes(300_000)))), 413, "request_too_large")

        def chunks():
            yield b'--xx\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
            for _ in range(10):
                yield bytes(30_000)

        headers = {"Content-Type": "multipart/form-data; boundary=xx"}
        refused(client.post("/v1/predict", content=chunks(), headers=headers), 413, "request_too_large")
        many = {"files": ("a.png", b"x")} | {f"field{number}": (None, "x") for number in range(40)}
        refused(client.post("/v1/predict", files=many), 413, "form_too_large")


@pytest.mark.slow
def test_nothing_that_is_sent_reaches_the_disk_or_a_log(client, png, sent, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        msg = "the service must write no file"
        raise OSError(msg)

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    caplog.set_level(logging.DEBUG)
    large = png() + bytes(50 * 2**20)

    answer = client.post("/v1/predict", files=sent(("SECRET-name.png", large)))

    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == 1
    assert "SECRET" not in caplog.text


def test_a_damaged_form_leaves_no_trace_of_what_it_held(client, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    headers = {"Content-Type": "multipart/form-data; boundary=xx"}

    refused(client.post("/v1/predict", content=b"--xx?SECRET\r\n\r\nSECRET", headers=headers), 422, "form_damaged")

    assert "SECRET" not in caplog.text
    assert "SECRET" not in capfd.readouterr().err
    assert not [one for one in caplog.records if one.name.startswith("python_multipart")]


@pytest.mark.slow
def test_a_picture_is_refused_for_its_size_before_it_is_decoded(make_client, png, sent):
    whole = png()
    unreadable = whole[: whole.index(b"IDAT") + 4] + bytes(len(whole))  # a header without pixels
    with make_client(limits={"max_pixels": 5000}) as client:
        told = refused(client.post("/v1/predict", files=sent(("a.png", unreadable))), 413, "too_many_pixels")
    assert "5,000 pixels" in told
    assert "96 x 96" in told


def test_a_request_that_arrives_too_slowly_makes_room_for_others(monkeypatch):
    import asyncio

    from gadolin.server import uploads

    async def body():
        yield b"--xx\r\n"
        await asyncio.sleep(60)

    monkeypatch.setattr(uploads, "_GRACE", 0.05)
    with pytest.raises(ProblemError) as caught:
        asyncio.run(uploads.read_form("multipart/form-data; boundary=xx", body(), Limits()))
    assert (caught.value.status, caught.value.code) == (408, "request_too_slow")


@pytest.mark.slow
def test_what_was_not_foreseen_is_a_guarded_problem_and_tells_the_log_of_no_file(
    make_client, png, sent, monkeypatch, caplog
):
    from gadolin.models.predictor import Predictor

    def fail(*_):
        msg = "SECRET-name.png"
        raise LookupError(msg)

    with make_client() as client:
        monkeypatch.setattr(Predictor, "decide", fail)
        answer = client.post("/v1/predict", files=sent(("SECRET-name.png", png())))

    refused(answer, 500, "internal_error")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "LookupError in test_refusals.py" in caplog.text
    assert "SECRET" not in caplog.text


def test_the_settings_refuse_what_would_be_unsafe_or_useless():
    for fields, code in (
        ({"host": "0.0.0.0"}, "token_needed"),
        ({"token": "short"}, "token_too_short"),
        ({"port": 70_000}, "setting_out_of_range"),
        ({"workers": 0}, "setting_out_of_range"),
        ({"hosts": ("https://scans.example.org/",)}, "host_invalid"),
        ({"hosts": ("scans example.org",)}, "host_invalid"),
        ({"root_path": "gadolin"}, "root_path_invalid"),
        ({"root_path": "//evil.example"}, "root_path_invalid"),
        ({"root_path": "/../etc"}, "root_path_invalid"),
        ({"root_path": "/v1"}, "root_path_invalid"),
    ):
        with pytest.raises(RequestError) as caught:
            Settings(**fields)
        assert caught.value.code == code, fields
    with pytest.raises(RequestError) as caught:
        Limits(max_files=0)
    assert caught.value.code == "setting_out_of_range"
    assert "0.0.0.0" not in Settings(host="0.0.0.0", token="x" * 16).allowed_hosts
