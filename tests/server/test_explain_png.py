"""Tests of explanations as pictures: the client chooses them by its Accept header."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from gadolin.server.accept import prefers_png

PNG = {"Accept": "image/png"}


@pytest.mark.parametrize(
    ("accept", "png"),
    [
        ("image/png", True),
        ("IMAGE/PNG", True),
        ("image/*", True),
        ("image/png, application/json;q=0.5", True),
        ("image/avif,image/png;q=0.9,*/*;q=0.8", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, image/png", False),
        ("image/png;q=0", False),
        ("image/png;q=none", False),
        ("*/*, image/png;q=0.1", False),
        ("text/html", False),
        (",;=", False),
    ],
)
def test_a_picture_is_sent_to_whom_prefers_it(accept, png):
    assert prefers_png(accept) is png


@pytest.mark.parametrize("fields", [{}, {"method": "lime", "samples": 60, "pieces": 12}])
@pytest.mark.slow
def test_the_explanation_of_a_slice_is_sent_as_a_picture(fields, client, png, sent):
    answer = client.post("/v1/explain", files=sent(("a.png", png())), data=fields, headers=PNG)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["vary"] == "Accept"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300


@pytest.mark.slow
def test_a_picture_shows_one_slice(client, png, sent):
    files = sent(("a.png", png()), ("b.png", png(number=1)))
    refused = client.post("/v1/explain", files=files, headers=PNG)

    assert (refused.status_code, refused.json()["code"]) == (422, "one_slice_needed")
    assert "this request holds 2" in refused.json()["detail"]
    chosen = client.post("/v1/explain", files=files, data={"only": "b.png"}, headers=PNG)
    assert chosen.headers["content-type"] == "image/png"


def test_a_file_that_cannot_be_read_counts_as_a_slice(client, png, sent):
    refused = client.post("/v1/explain", files=sent(("a.png", png()), ("b.png", b"none")), headers=PNG)

    assert refused.json()["code"] == "one_slice_needed"


@pytest.mark.parametrize("headers", [PNG, {}])
def test_one_request_has_one_method(headers, client, png, sent):
    files = sent(("a.png", png()))
    refused = client.post("/v1/explain", files=files, data={"method": ["evidence", "lime"]}, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (422, "field_invalid")
    assert "a field must be sent once" in refused.json()["detail"]


def test_a_slice_that_cannot_be_explained_is_a_problem(client, sent):
    out = io.BytesIO()
    Image.new("L", (96, 96)).save(out, "PNG")
    refused = client.post("/v1/explain", files=sent(("a.png", out.getvalue())), headers=PNG)

    assert (refused.status_code, refused.json()["code"]) == (422, "no_head_found")
