"""Tests of upload names: returned as the client means them, in every encoding of the header."""

from __future__ import annotations

import pytest

from gadolin.server.content_disposition import disposition

HEAD = b'form-data; name="files"; '
NAMES = [
    (b'filename="a.png"', "a.png"),
    (b"filename=a.png", "a.png"),
    (b'FileName = "a.png"', "a.png"),
    (b"filename*=UTF-8''na%C3%AFve%20scan.png", "na\u00efve scan.png"),
    (b"filename*=utf-8'en'%e2%82%ac.png", "\u20ac.png"),
    (b"filename*=ISO-8859-1''na%EFve.png", "na\u00efve.png"),
    (b"filename=\"fallback.png\"; filename*=UTF-8''%E8%84%91.png", "\u8111.png"),
    (b"filename*=UTF-8''%E8%84%91.png; filename=\"fallback.png\"", "\u8111.png"),
    (b"filename=\"fallback.png\"; filename*=KLINGON''a.png", "fallback.png"),
    (b'filename="fallback.png"; filename*=nothing', "fallback.png"),
    ('filename="Schädel 脳.png"'.encode(), "Sch\u00e4del \u8133.png"),
    (b'filename="a%22b.png"', 'a"b.png'),
    (b'filename="a%0D%0Ab.png"', "a\r\nb.png"),
    (b'filename="100%25 sure %41.png"', "100%25 sure %41.png"),
    (b'filename="a\\"b.png"', 'a"b.png'),
    (b'filename="a\\\\b.png"', "a\\b.png"),
    (b'filename="a;b=c.png"', "a;b=c.png"),
    (b'filename="folder/a.png"', "folder/a.png"),
    (b'filename="../../etc/passwd"', "../../etc/passwd"),
    (b'filename="C:\\scans\\a.png"', "C:\\scans\\a.png"),
    (b"filename*=UTF-8''a%2Fb%00%1B.png", "a/b\x00\x1b.png"),
    (b'filename="\xff\xfe.png"', "\ufffd\ufffd.png"),
    (b"filename*=UTF-8''%FF.png", "\ufffd.png"),
    (b'filename="unclosed.png', "unclosed.png"),
    (b'filename=""', ""),
    (b'filename="first.png"; filename="second.png"', "first.png"),
]


@pytest.mark.parametrize(("written", "meant"), NAMES, ids=[ascii(written) for written, _ in NAMES])
def test_a_name_is_read_as_it_is_meant(written, meant):
    told = disposition(HEAD + written)

    assert told["name"] == "files"
    assert told["filename"] == meant


@pytest.mark.parametrize(
    "header", [b"", b"form-data", b";;;", b"form-data; =x; name", b'form-data; name="a', b"\xff;*=\x00"]
)
def test_a_header_that_is_none_has_no_names(header):
    assert "filename" not in disposition(header)


@pytest.mark.parametrize(("written", "meant"), [one for one in NAMES if one[1]], ids=lambda one: ascii(one))
@pytest.mark.slow
def test_a_name_comes_back_with_the_answer(written, meant, client, png):
    body = b"--xx\r\nContent-Disposition: " + HEAD + written + b"\r\n\r\n" + png() + b"\r\n--xx--\r\n"

    answer = client.post(
        "/v1/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=xx"}
    ).json()

    assert [one["path"] for one in answer["predictions"]] == [meant]


def test_a_name_without_end_is_refused(client):
    name = b'; a="' * 4000
    body = b"--xx\r\nContent-Disposition: " + HEAD + name + b"\r\n\r\nx\r\n--xx--\r\n"

    answer = client.post("/v1/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=xx"})

    assert (answer.status_code, answer.json()["code"]) in ((413, "form_too_large"), (422, "form_damaged"))


@pytest.mark.parametrize("written", [b"; filename*=KLINGON''a.png", b'; filename*0="a"; filename*1=".png"'])
def test_a_file_without_a_name_that_can_be_read_is_answered_as_unnamed(written, client, png):
    body = b'--xx\r\nContent-Disposition: form-data; name="files"' + written + b"\r\n\r\n" + png() + b"\r\n--xx--\r\n"

    answer = client.post("/v1/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=xx"})

    assert [one["path"] for one in answer.json()["predictions"]] == ["unnamed"]
