"""The client of archives with DICOMweb: against a server that fails in every way, and against Orthanc."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import NEEDS_OPENSSL, authority, certificate
from gadolin.dicom_network import dicomweb, dicomweb_study, web_session
from gadolin.dicom_network.dicomweb import Access, DicomWebArchive, FoundInstance, FoundSeries
from gadolin.dicom_results.multipart import Parts, boundary_of, first_part
from gadolin.errors import ArchiveError, RequestError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from orthanc_archive import NEEDS_DICOMWEB, Archive
from stub_server import Answer, serving

STUDY, SERIES, IMAGE = "1.2.3", "1.2.3.4", "1.2.3.4.5"
OF_STUDY = f"/studies/{STUDY}/series"
OF_SERIES = f"{OF_STUDY}/{SERIES}/instances"
OF_IMAGE = f"{OF_SERIES}/{IMAGE}"
FILE = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
LIMIT = 2**16


def element(value):
    return {"vr": "LO", "Value": [value]}


def listed(**more):
    """Return a search result for a series as JSON."""
    row = {"0020000E": SERIES, "0020000D": STUDY, "00080060": "MR", "00200011": 3, "00201209": 2} | more
    return {tag: element(value) for tag, value in row.items()}


def stored(count, *reasons):
    """Return the answer of an archive that stored ``count`` objects and refused others for ``reasons``."""
    failed = [{"00081197": {"vr": "US", "Value": [reason]}} for reason in reasons]
    return json.dumps({"00081199": {"Value": [{}] * count}, "00081198": {"Value": failed}}).encode()


@pytest.fixture
def server(loopback):
    with serving() as running:
        yield running


def code_of(action):
    with pytest.raises(ArchiveError) as raised:
        action()
    assert STUDY not in str(raised.value), "an error must not hold a UID"
    return raised.value.code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "archive_refused"),
        (403, "archive_refused"),
        (404, "archive_lacks_object"),
        (500, "archive_failed"),
        (503, "archive_failed"),
    ],
)
def test_each_status_of_failure_has_its_code_and_is_not_tried_again(server, status, code):
    server.answers[OF_STUDY] = Answer(b"no", status=[status])
    assert code_of(lambda: DicomWebArchive(server.url).series(STUDY)) == code
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "content",
    [b"<html>", b'"text"', b"null", b"[1]", b"[{}]", b'{"error": "x"}', b"[" * 100_000, b"\xff"],
    ids=["html", "text", "null", "number", "empty", "other", "deep", "bytes"],
)
def test_an_answer_that_is_not_dicom_json_is_an_error(server, content):
    server.answers[OF_STUDY] = Answer(content)
    assert code_of(lambda: DicomWebArchive(server.url).series(STUDY)) == "archive_answer_invalid"


def test_an_empty_answer_is_a_search_without_results(server):
    server.answers[OF_STUDY] = Answer(b"", status=[204])
    assert DicomWebArchive(server.url).series(STUDY) == []


def test_an_answer_over_the_limit_is_not_read(server, monkeypatch):
    monkeypatch.setattr(web_session, "_MOST_BYTES", 100)
    server.answers[OF_STUDY] = Answer(b"[" + b" " * 10_000 + b"]")
    assert code_of(lambda: DicomWebArchive(server.url).series(STUDY)) == "archive_answer_too_large"


def test_an_answer_that_takes_too_long_is_cut_off(server, monkeypatch):
    monkeypatch.setattr(web_session, "_LONGEST_SECONDS", -1.0)
    server.answers[OF_STUDY] = Answer(b"[]")
    assert code_of(lambda: DicomWebArchive(server.url).series(STUDY)) == "archive_too_slow"


@pytest.mark.slow
def test_a_silent_archive_is_cut_off(server, tmp_path):
    hold = threading.Event()
    server.answers[OF_STUDY] = Answer(b"[]", hold=hold)
    server.answers[OF_IMAGE] = Answer(b"", hold=hold)
    server.answers["/studies"] = Answer(b"", hold=hold)
    archive = DicomWebArchive(server.url, Access(timeout=0.1))
    try:
        assert code_of(lambda: archive.series(STUDY)) == "archive_too_slow"
        assert code_of(lambda: archive.retrieve(STUDY, SERIES, IMAGE, tmp_path / "x")) == "archive_too_slow"
        assert code_of(lambda: archive.store([b"x"])) == "archive_too_slow"
    finally:
        hold.set()


def test_an_archive_that_no_one_listens_at_is_unreachable(loopback):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert code_of(lambda: DicomWebArchive(f"http://127.0.0.1:{port}").series(STUDY)) == "archive_unreachable"


def test_a_connection_that_breaks_off_is_an_error(server, tmp_path):
    server.answers[OF_IMAGE] = Answer(b"--b\r\n\r\n" + b"x" * 1000, FILE, break_after=[500])
    archive = DicomWebArchive(server.url)
    assert code_of(lambda: archive.retrieve(STUDY, SERIES, IMAGE, tmp_path / "x")) == "archive_unreachable"


def test_no_redirect_is_followed_so_that_the_token_stays_with_the_archive(server, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    with serving() as other:
        server.answers[OF_STUDY] = Answer(b"", {"Location": f"{other.url}{OF_STUDY}"}, status=[302])
        archive = DicomWebArchive(server.url, Access(token_file=tmp_path / "token"))
        with pytest.raises(ArchiveError) as raised:
            archive.series(STUDY)
        assert other.requests == []
    assert raised.value.code == "archive_redirects"
    assert other.url in raised.value.got
    assert STUDY not in str(raised.value)
    assert server.headers[0]["Authorization"] == "Bearer secret"


def test_proxies_and_passwords_of_the_environment_are_not_used(server, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    for name, value in {
        "HOME": str(tmp_path),
        "http_proxy": "http://127.0.0.1:1",
        "REQUESTS_CA_BUNDLE": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    server.answers[OF_STUDY] = Answer(json.dumps([listed()]).encode())
    assert DicomWebArchive(server.url).series(STUDY) == [FoundSeries(STUDY, SERIES, "MR", "3", 2)]
    assert "Authorization" not in server.headers[0]


def test_the_host_of_a_request_has_its_port(server):
    server.answers[OF_STUDY] = Answer(b"[]")
    DicomWebArchive(server.url).series(STUDY)
    assert server.headers[0]["Host"] == server.url.removeprefix("http://")


def test_a_token_is_read_again_for_each_request(server, tmp_path):
    path = tmp_path / "token"
    path.write_text("first")
    server.answers[OF_STUDY] = Answer(b"[]")
    archive = DicomWebArchive(server.url, Access(token_file=path))
    archive.series(STUDY)
    path.write_text("Basic c2Vjb25k")
    archive.series(STUDY)
    assert [one["Authorization"] for one in server.headers] == ["Bearer first", "Basic c2Vjb25k"]


def test_a_token_that_is_gone_later_is_an_error_of_the_archive_that_may_pass(server, tmp_path):
    path = tmp_path / "token"
    path.write_text("first")
    archive = DicomWebArchive(server.url, Access(token_file=path))
    path.unlink()
    assert code_of(lambda: archive.series(STUDY)) == "token_gone"
    assert server.requests == []
    assert "token_gone" in dicomweb_study.OF_THE_ARCHIVE


def test_a_token_may_be_in_a_variable(monkeypatch):
    monkeypatch.setenv("ARCHIVE_TOKEN", "abc")
    assert Access(token_variable="ARCHIVE_TOKEN").authorization() == "Bearer abc"
    assert Access().authorization() is None


@pytest.mark.parametrize("content", ["", " \n", "one\ntwo", "tok\u00e9n"], ids=["empty", "blank", "lines", "not ASCII"])
def test_a_token_that_is_none_is_refused_at_once(content, tmp_path):
    path = tmp_path / "token"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(RequestError) as raised:
        DicomWebArchive("https://archive.example", Access(token_file=path))
    assert raised.value.code == "token_invalid"
    assert content.strip() == "" or content not in str(raised.value)


@pytest.mark.parametrize("name", ["token_file", "certificate", "key", "authorities"])
def test_a_missing_file_of_the_access_is_refused_at_once(name, tmp_path):
    with pytest.raises(RequestError) as raised:
        DicomWebArchive("https://archive.example", Access(**{name: tmp_path / "missing"}))
    assert raised.value.code == "access_file_unreadable"
    assert raised.value.path == str(tmp_path / "missing")


@pytest.mark.parametrize(
    "url",
    ["archive", "ftp://archive", "http://", "https://a:99999", "https://[::1", "https://me:pass@a", "https://a/?b=c"],
)
def test_an_address_that_is_none_or_holds_a_password_is_refused(url):
    with pytest.raises(RequestError) as raised:
        DicomWebArchive(url)
    assert raised.value.code == "archive_address_invalid"
    assert "pass@" not in str(raised.value)


def test_a_token_goes_to_another_computer_over_https_only(tmp_path):
    path = tmp_path / "token"
    path.write_text("secret")
    for url in ("http://127.0.0.1:8042", "http://[::1]/dicom-web", "http://localhost", "https://archive.example"):
        DicomWebArchive(url, Access(token_file=path))
    DicomWebArchive("http://archive.example", Access(token_file=path, plain_http=True))
    DicomWebArchive("http://archive.example")
    with pytest.raises(RequestError) as raised:
        DicomWebArchive("http://archive.example", Access(token_file=path))
    assert raised.value.code == "token_needs_https"


@pytest.fixture
def tls(tmp_path):
    """The context of a server that wants a client certificate of the same authority, and the authority."""
    signer = authority(tmp_path)
    own = certificate(tmp_path, "server", signer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    context.load_verify_locations(signer.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    return context, signer


@pytest.mark.slow
@NEEDS_OPENSSL
def test_both_sides_show_certificates(tls, tmp_path, loopback):
    context, signer = tls
    client = certificate(tmp_path, "client", signer)
    with serving(context) as server:
        server.answers[OF_STUDY] = Answer(json.dumps([listed()]).encode())
        access = Access(certificate=client.certificate, key=client.key, authorities=signer.certificate)
        assert len(DicomWebArchive(server.url, access).series(STUDY)) == 1
        both = tmp_path / "both.pem"
        both.write_text(client.certificate.read_text() + client.key.read_text())
        access = Access(certificate=both, authorities=signer.certificate)
        assert len(DicomWebArchive(server.url, access).series(STUDY)) == 1

        unknown = DicomWebArchive(server.url, Access(certificate=both))
        assert code_of(lambda: unknown.series(STUDY)) == "archive_tls_failed"
        wrong = DicomWebArchive(server.url, Access(certificate=signer.certificate, key=client.key))
        assert code_of(lambda: wrong.series(STUDY)) == "archive_tls_failed"
        nobody = DicomWebArchive(server.url, Access(authorities=signer.certificate))
        assert code_of(lambda: nobody.series(STUDY)) in ("archive_tls_failed", "archive_unreachable")
        assert len(server.requests) == 2


def test_an_archive_that_ignores_the_offset_is_searched_to_its_end(server):
    rows = [listed(**{"0020000E": f"1.2.{number}"}) for number in range(dicomweb._PAGE)]
    server.answers[OF_STUDY] = Answer(json.dumps(rows).encode())
    assert len(DicomWebArchive(server.url).series(STUDY)) == dicomweb._PAGE
    assert [one.rpartition("offset=")[2] for one in server.requests] == ["0", str(dicomweb._PAGE)]


def test_an_archive_that_ignores_the_modality_gives_no_other_series(server):
    rows = [listed(), listed(**{"0020000E": "1.2.9", "00080060": "CT"})]
    server.answers["/series"] = Answer(json.dumps(rows).encode())
    assert [one.series for one in DicomWebArchive(server.url).series(modality="MR")] == [SERIES]


def test_a_number_of_instances_that_is_not_stated_is_unknown(server):
    row = listed()
    del row["00201209"]
    server.answers[OF_STUDY] = Answer(json.dumps([row]).encode())
    assert DicomWebArchive(server.url).series(STUDY)[0].instances is None


def test_a_uid_that_is_a_path_is_never_part_of_an_address(server, tmp_path):
    archive = DicomWebArchive(server.url)
    for uids in (
        ("..", SERIES, IMAGE),
        (STUDY, "1/2", IMAGE),
        (STUDY, SERIES, "../x"),
        (STUDY, SERIES, "1." * 40 + "1"),
    ):
        assert code_of(lambda uids=uids: archive.retrieve(*uids, tmp_path / "x")) == "archive_answer_invalid"
    assert code_of(lambda: archive.series("1.2#")) == "archive_answer_invalid"
    assert server.requests == []


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"--b\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--b--", FILE),
        (b"\r\n--b\r\n\r\nDICM\r\n--b\r\n\r\nsecond\r\n--b--", FILE),
        (b"DICM", {"Content-Type": "application/dicom"}),
    ],
    ids=["multipart", "without headers", "single"],
)
def test_a_file_is_retrieved_as_the_archive_keeps_it(server, tmp_path, content, headers):
    server.answers[OF_IMAGE] = Answer(content, headers)
    DicomWebArchive(server.url).retrieve(STUDY, SERIES, IMAGE, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"DICM"
    assert "transfer-syntax=*" in server.headers[0]["Accept"]


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"--b\r\n\r\nDICM", FILE),
        (b"--c\r\n\r\nDICM\r\n--c--", FILE),
        (b"x" * 100_000, FILE),
        (b"", FILE),
        (b"<html>", {"Content-Type": "text/html"}),
        (b"DICM", {}),
        (b"DICM", {"Content-Type": "multipart/related"}),
    ],
    ids=["no end", "other boundary", "no head", "empty", "html", "no type", "no boundary"],
)
def test_an_answer_that_is_no_file_is_an_error(server, tmp_path, content, headers):
    server.answers[OF_IMAGE] = Answer(content, headers)
    archive = DicomWebArchive(server.url)
    assert code_of(lambda: archive.retrieve(STUDY, SERIES, IMAGE, tmp_path / "x")) == "archive_answer_invalid"


def test_a_file_over_the_limit_is_cut_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(dicomweb, "MAX_BYTES", 2 * LIMIT)
    server.answers[OF_IMAGE] = Answer(b"--b\r\n\r\n" + b"x" * 20 * LIMIT + b"\r\n--b--", FILE)
    archive = DicomWebArchive(server.url)
    assert code_of(lambda: archive.retrieve(STUDY, SERIES, IMAGE, tmp_path / "x")) == "archive_answer_too_large"
    assert (tmp_path / "x").stat().st_size <= 2 * LIMIT


@given(content=st.binary(max_size=300), boundary=st.text("ab", min_size=1, max_size=3), step=st.integers(1, 50))
def test_the_first_part_of_a_message_is_found_wherever_it_is_cut(content, boundary, step):
    mark = b"\r\n--" + boundary.encode()
    if mark in content + mark[:-1]:
        return
    message = b"--" + boundary.encode() + b"\r\nA: b\r\n\r\n" + content + mark + b"--"
    pieces = [message[at : at + step] for at in range(0, len(message), step)]
    assert b"".join(first_part(pieces, boundary.encode())) == content


@given(contents=st.lists(st.binary(max_size=50), min_size=1, max_size=3))
def test_a_message_to_store_has_its_length_and_holds_the_files(contents):
    parts = Parts(contents)
    message = b"".join(parts)
    assert len(message) == len(parts)
    boundary = boundary_of(parts.content_type)
    assert b"".join(first_part([message], boundary)) == contents[0]
    assert message.count(boundary) == len(contents) + 1


def test_files_are_stored_with_their_bytes_and_a_length(server):
    server.answers["/studies"] = Answer(stored(2))
    DicomWebArchive(server.url).store([b"DICM-one", b"DICM-two"])
    (body,) = server.bodies
    assert b"\r\n\r\nDICM-one\r\n" in body
    assert b"\r\n\r\nDICM-two\r\n" in body
    assert server.headers[0]["Content-Length"] == str(len(body))
    assert server.headers[0]["Accept"] == "application/dicom+json"


def test_nothing_is_sent_where_nothing_is_to_be_stored(server):
    DicomWebArchive(server.url).store([])
    assert server.requests == []


def test_many_bytes_are_stored_in_several_requests(server, monkeypatch):
    monkeypatch.setattr(dicomweb, "_BATCH", 10)
    server.answers["/studies"] = Answer(stored(2))
    DicomWebArchive(server.url).store([b"1234", b"5678", b"9abcdefghijkl"][:2])
    server.answers["/studies"] = Answer(stored(1))
    DicomWebArchive(server.url).store([b"123456789abc", b"def", b"ghijklmn"])
    assert len(server.requests) == 4


@pytest.mark.parametrize("reason", [0x0111, 0xB00E])
def test_an_object_that_the_archive_has_counts_as_stored(server, reason):
    server.answers["/studies"] = Answer(stored(1, reason), status=[409])
    DicomWebArchive(server.url).store([b"one", b"two"])


@pytest.mark.parametrize("status", [200, 202, 409])
def test_a_refusal_of_some_objects_is_one_error_with_their_number_and_the_reason(server, status):
    server.answers["/studies"] = Answer(stored(1, 0xA700, 0x0111), status=[status])
    with pytest.raises(ArchiveError) as raised:
        DicomWebArchive(server.url).store([b"one", b"two", b"three"])
    assert raised.value.code == "archive_stored_partly"
    assert "2 of 3" in raised.value.got
    assert "0xa700" in raised.value.got


def test_an_archive_that_reports_fewer_objects_than_were_sent_stored_them_partly(server):
    server.answers["/studies"] = Answer(stored(1))
    assert code_of(lambda: DicomWebArchive(server.url).store([b"one", b"two"])) == "archive_stored_partly"


@pytest.mark.parametrize("status", [200, 202, 409])
@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"3"])
def test_an_answer_to_stored_objects_must_say_what_was_stored(server, status, content):
    server.answers["/studies"] = Answer(content, status=[status])
    assert code_of(lambda: DicomWebArchive(server.url).store([b"one"])) == "archive_answer_invalid"


@pytest.mark.parametrize("status", [400, 404, 413, 500])
def test_a_store_that_fails_is_an_error(server, status):
    server.answers["/studies"] = Answer(b"no", status=[status])
    assert code_of(lambda: DicomWebArchive(server.url).store([b"one"])) == "archive_failed"


@pytest.mark.parametrize("modality", ["SR", "SEG", "KO", "OT"])
@pytest.mark.parametrize("answer", [Answer(b"DICM", {"Content-Type": "application/dicom"}), Answer(b"<html>"), None])
def test_what_cannot_be_read_is_no_earlier_result_unless_the_archive_states_so(server, modality, answer):
    server.answers[OF_STUDY] = Answer(json.dumps([listed(**{"00080060": modality})]).encode())
    instance = {"00080018": element(IMAGE)}
    server.answers[OF_SERIES] = Answer(json.dumps([instance]).encode())
    for path in (OF_IMAGE, f"{OF_STUDY}/{SERIES}/metadata"):
        server.answers |= {path: answer} if answer else {}
    archive = DicomWebArchive(server.url)
    assert archive.results(STUDY) == []
    assert len(server.requests) == 3
    instance["00080070"] = element("Other")
    server.answers[OF_SERIES].content = json.dumps([instance]).encode()
    assert archive.results(STUDY) == []
    assert len(server.requests) == 5
    if answer is None:
        instance["00080070"] = element("Gadolin")
        server.answers[OF_SERIES].content = json.dumps([instance]).encode()
        assert code_of(lambda: archive.results(STUDY)) == "archive_lacks_object"


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    running = Archive(tmp_path_factory.mktemp("orthanc"), dicomweb=True)
    running.launch()
    yield running
    running.close()


@pytest.fixture
def orthanc(launched, loopback):
    launched.wait()
    return launched


def images(count, study, **more):
    """Return the files of a series of ``study``; the pixels are those of no head."""
    pixels = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)
    facts = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1"} | more
    own = [
        {"InstanceNumber": number, "SOPInstanceUID": f"{facts['SeriesInstanceUID']}.{number}"}
        for number in range(1, count + 1)
    ]
    return [dicom_bytes(pixels, DicomFacts(more=facts | one)) for one in own]


@pytest.mark.slow
@NEEDS_DICOMWEB
def test_what_is_stored_is_found_and_retrieved_with_the_same_bytes(orthanc, tmp_path):
    archive, study = DicomWebArchive(f"{orthanc.dicomweb}/"), "1.2.3.1"
    files = images(2, study)
    archive.store(files)
    archive.store(files)
    assert archive.series(study) == [FoundSeries(study, f"{study}.1", "MR", "1", 2)]
    found = archive.instances(study, f"{study}.1")
    assert sorted(one.number for one in found) == ["1", "2"]
    for one in found:
        archive.retrieve(study, f"{study}.1", one.uid, tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == files[int(one.number) - 1]


@pytest.mark.slow
@NEEDS_DICOMWEB
def test_more_instances_than_fit_into_a_page_are_all_found(orthanc):
    archive, study = DicomWebArchive(orthanc.dicomweb), "1.2.3.2"
    archive.store(images(dicomweb._PAGE + 5, study))
    found = archive.instances(study, f"{study}.1")
    assert len({one.uid for one in found}) == dicomweb._PAGE + 5
    assert len(archive.instances(study, f"{study}.1", most=7)) == dicomweb._PAGE


@pytest.mark.slow
@NEEDS_DICOMWEB
def test_series_are_searched_by_modality_and_date(orthanc):
    archive = DicomWebArchive(orthanc.dicomweb)
    archive.store(images(1, "1.2.3.3", StudyDate="20240101"))
    archive.store(images(1, "1.2.3.4", StudyDate="20240301", Modality="CT"))
    archive.store(images(1, "1.2.3.5", StudyDate="20240301"))
    found = archive.series(modality="MR", since=date(2024, 2, 1))
    assert [one.study for one in found] == ["1.2.3.5"]
    assert archive.series("1.2.3.6") == []


@pytest.mark.slow
@NEEDS_DICOMWEB
def test_only_results_of_gadolin_are_earlier_results(orthanc):
    archive, study = DicomWebArchive(orthanc.dicomweb), "1.2.3.7"
    for number, (modality, manufacturer) in enumerate(
        [("SR", "Gadolin"), ("SEG", "Gadolin"), ("KO", "Gadolin"), ("OT", "Gadolin"),
         ("SR", "Other"), ("OT", "Other"), ("KO", ""), ("MR", "Gadolin")]
    ):  # fmt: skip
        more = {"Modality": modality, "Manufacturer": manufacturer, "SeriesInstanceUID": f"{study}.{number}"}
        archive.store(images(2, study, **more))
    found = archive.results(study)
    assert sorted(one.Modality for one in found) == ["KO", "KO", "OT", "OT", "SEG", "SEG", "SR", "SR"]
    assert {one.Manufacturer for one in found} == {"Gadolin"}
    listed = archive.instances(study, f"{study}.4", with_manufacturer=True)
    assert {one.manufacturer for one in listed} == {"Other"}
    assert isinstance(listed[0], FoundInstance)
