"""Tests of ``POST /v1/dicom``: the objects are those of the command, and the service goes on whatever is sent."""

from __future__ import annotations

import asyncio
import email
import io
import json
import logging
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from test_refusals import refused  # beside this file

from gadolin.cli import main
from gadolin.errors import DamagedFileError, DecoderError
from gadolin.models.predictor import Predictor
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.records import NOTICE
from gadolin.server import schemas
from gadolin.server.decoding import Damaged, DecodeRequest
from gadolin.server.phantoms import EXAMPLES, phantom_picture

pytest.importorskip("highdicom", reason="the extra hospital is not installed")
pytestmark = pytest.mark.slow
RELATED = 'multipart/related; type="application/dicom"'
AXES = (1, 0, 0, 0, 1, 0)


@pytest.fixture(scope="module")
def phantoms():
    """The files of a series of which the packaged model names the tumour in most slices, by name."""
    content, _ = phantom_picture(EXAMPLES[0].label, EXAMPLES[0].seed, 5)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def packaged(make_client):
    """A client of a service with the packaged model."""
    with make_client(predictor=Predictor.load(threads=1), limits={"max_unpacked_bytes": 2**28}) as made:
        yield made


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run ``gadolin results`` on files by name; return the bytes of its objects by name, and its JSON."""

    def run(files, *options):
        folder, out = tmp_path / "series", tmp_path / "results"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        words = ["gadolin", "results", str(folder), "--out", str(out), "--json", *options]
        monkeypatch.setattr(sys, "argv", words)
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main()
        printed = json.loads(capsys.readouterr().out)
        return {Path(one["path"]).name: Path(one["path"]).read_bytes() for one in printed["objects"]}, printed

    return run


def slice_file(number=0, **more):
    """Return a DICOM file with a bright ellipse; ``more`` are elements, ``syntax`` and the number of ``frames``."""
    rows, columns = np.mgrid[:64, :64]
    pixels = (((rows - 32) / 26) ** 2 + ((columns - 32) / 20) ** 2 < 1).astype(np.uint16) * (200 + number)
    syntax, frames = more.pop("syntax", ExplicitVRLittleEndian), more.pop("frames", 1)
    more = {"InstanceNumber": number + 1, "StudyDate": "20240501", **more}
    facts = DicomFacts(syntax, position=(0.0, 0.0, 5.0 * number), axes=AXES, spacing_mm=(1.0, 1.0, 5.0), more=more)
    return dicom_bytes(pixels if frames == 1 else np.stack([pixels] * frames), facts)


def opened(answer):
    """Return the objects of a ZIP response by name, and its results.json."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    return found, json.loads(found.pop("results.json"))


def post(client, files, accept=None, **fields):
    sent = [("files", (name, content)) for name, content in files.items()]
    return client.post("/v1/dicom", files=sent, data=fields, headers={"Accept": accept} if accept else {})


def codes(failures):
    return [(one["path"], one["code"]) for one in failures]


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def parts(answer):
    """Return the objects of a multipart/related response, as any reader of MIME finds them."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.content)
    assert {one.get_content_type() for one in message.get_payload()} == {"application/dicom"}
    return [one.get_payload(decode=True) for one in message.get_payload()]


@pytest.mark.parametrize("overlays", [False, True])
def test_the_objects_are_those_of_the_command_byte_for_byte(overlays, packaged, phantoms, command):
    wanted, printed = command(phantoms, *(["--overlays"] if overlays else []))

    made, document = opened(post(packaged, phantoms, overlays=str(overlays).lower()))

    assert made == wanted
    kinds = [one["kind"] for one in document["objects"]]
    assert kinds == ["report", "lesions", *["overlay"] * (document["answered"] if overlays else 0)]
    for one in printed["objects"]:
        one["path"] = Path(one["path"]).name
    assert document == printed
    schemas.DicomResults.model_validate_json(json.dumps(document), strict=True, extra="forbid")


def test_a_zip_archive_in_any_order_has_the_same_objects(packaged, phantoms):
    plain = post(packaged, phantoms)
    archive = zipped({f"series/{name}": phantoms[name] for name in sorted(phantoms, reverse=True)})
    again = post(packaged, {"a.zip": archive})
    assert opened(again)[0] == opened(plain)[0]
    assert again.content == plain.content, "equal results give equal archives"


@pytest.mark.parametrize(
    "files",
    [
        {f"{number}.dcm": slice_file(number, syntax=ImplicitVRLittleEndian) for number in range(3)},
        {"a.dcm": slice_file(frames=3)},
        {"a.dcm": slice_file(PatientName="Yamada^Tarou=山田^太郎", SpecificCharacterSet=["", "ISO 2022 IR 87"])},
        {"a.dcm": slice_file(PatientWeight="70.50", PatientComments="Grüße", SpecificCharacterSet="ISO_IR 100")},
    ],
    ids=["implicit", "frames", "characters", "decimals"],
)
def test_headers_of_every_form_give_the_bytes_of_the_command(files, packaged, command):
    wanted, _ = command(files)
    assert opened(post(packaged, files))[0] == wanted


def test_a_slice_that_comes_late_rejects_the_earlier_results_in_the_request(packaged, phantoms, command):
    late = sorted(phantoms)[-1]
    few = {name: content for name, content in phantoms.items() if name != late}
    first, _ = opened(post(packaged, few))
    command(few)
    wanted, _ = command(phantoms)

    made, document = opened(post(packaged, phantoms | first))

    assert made == wanted
    assert [one["kind"] for one in document["objects"]] == ["report", "lesions", "rejection"]
    assert all(one["new"] for one in document["objects"])
    assert (document["errors"], document["left_out"]) == ([], [])


def test_results_that_were_rejected_come_again_as_other_objects(packaged, phantoms, command, tmp_path):
    first, _ = opened(post(packaged, phantoms))
    again, document = opened(post(packaged, phantoms | first))
    assert again == first
    assert not any(one["new"] for one in document["objects"])

    (tmp_path / "old").mkdir()
    for name, content in first.items():
        (tmp_path / "old" / name).write_bytes(content)
    from gadolin.dicom_results.objects import reject, results_among

    note = reject(results_among([str(tmp_path / "old")]), "wrong").content
    renewed, document = opened(post(packaged, phantoms | first | {"note.dcm": note}))

    assert set(renewed).isdisjoint(first)
    assert [one["kind"] for one in document["objects"]] == ["report", "lesions"]


def test_multipart_related_holds_the_same_objects_and_the_counts(packaged, phantoms):
    wanted, document = opened(post(packaged, phantoms | {"cut.dcm": b"\0" * 300}))

    answer = post(packaged, phantoms | {"cut.dcm": b"\0" * 300}, RELATED)

    assert answer.headers["content-type"].startswith(f"{RELATED}; boundary=")
    assert parts(answer) == list(wanted.values())
    lists = ("objects", "errors", "left_out")
    summary = json.loads(answer.headers["gadolin-results"])
    assert summary == {name: value for name, value in document.items() if name not in lists}
    assert summary["errors_by_code"] == {"not_dicom": 1}
    assert summary["notice"] == NOTICE
    assert "cut.dcm" not in str(answer.headers)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_the_objects_of_an_archive_pass_dciodvfy(packaged, phantoms, tmp_path):
    made, _ = opened(post(packaged, phantoms, overlays="true"))
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
        done = subprocess.run(["dciodvfy", "-new", tmp_path / name], capture_output=True, text=True, check=False)
        assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []


def test_no_cache_keeps_the_answer_and_its_name_is_the_same_for_everyone(client):
    answer = post(client, {"doe-john.dcm": slice_file()})
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == 'attachment; filename="gadolin-results.zip"'
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ({}, 422, "no_files"),
        ({"a.dcm": slice_file(Modality="CT")}, 422, "not_mr"),
        ({"a.dcm": slice_file(0), "b.dcm": slice_file(1, SeriesInstanceUID="1.2.3")}, 422, "results_of_several"),
        ({"a.dcm": slice_file(0), "b.dcm": slice_file(1, StudyInstanceUID="1.2.3")}, 422, "results_of_several"),
        ({"a.dcm": slice_file(0), "b.dcm": slice_file(1, PatientID="OTHER")}, 422, "results_of_several"),
        ({"a.png": b"\x89PNG\r\n\x1a\n" + bytes(99)}, 422, "not_dicom"),
        ({"a.dcm": slice_file()[:-2000]}, 422, "file_not_whole"),
        ({"a.dcm": b""}, 422, "empty_file"),
        ({"a.dcm": slice_file(SeriesInstanceUID="")}, 422, "dicom_identity_missing"),
        ({"a.dcm": slice_file(PatientComments="<script>")}, 415, "hides_something_else"),
        ({f"{number}.dcm": b"x" for number in range(41)}, 413, "too_many_files"),
        ({"a.dcm": slice_file(frames=61)}, 413, "too_many_slices"),
        ({"a.dcm": slice_file(frames=40), "b.dcm": slice_file(1, frames=40)}, 413, "too_many_slices"),
        ({"a/b.dcm": slice_file(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])}, 422, "localiser"),
        ({"a.zip": b"PK\x03\x04"}, 422, "archive_damaged"),
    ],
    ids=str,
)
def test_what_cannot_have_results_is_refused_with_a_code(files, status, code, client):
    if not files:
        refused(client.post("/v1/dicom", files={"overlays": (None, "true")}), status, code)
    else:
        refused(post(client, files), status, code)


def test_other_values_of_overlays_and_other_bodies_are_refused(client):
    refused(post(client, {"a.dcm": slice_file()}, overlays="maybe"), 422, "field_invalid")
    refused(client.post("/v1/dicom", json={}), 415, "not_a_form")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/zip"),
        ("*/*", "application/zip"),
        ("application/zip", "application/zip"),
        (f"{RELATED}, application/zip", "application/zip"),
        (f"{RELATED}, application/zip;q=0.5", RELATED),
        ("multipart/related; type=application/dicom; transfer-syntax=*", RELATED),
        ("multipart/related, */*; q=0.1", RELATED),
        ("application/*;q=0.2, multipart/*", RELATED),
        ('multipart/related; type="application/dicom+json", */*;q=0.1', "application/zip"),
        ('multipart/related; type="application/dicom+json"', None),
        ("application/dicom", None),
        ("text/html", None),
        ("application/zip;q=0", None),
        ("application/zip;q=much", None),
    ],
)
def test_the_client_chooses_the_form_of_the_answer(accept, kind, client):
    answer = post(client, {"a.dcm": slice_file()}, accept)
    if kind is None:
        refused(answer, 406, "not_acceptable")
    else:
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition("; boundary")[0] == kind


def test_files_that_cannot_be_used_are_listed_and_the_others_answered(client):
    files = {
        "a.dcm": slice_file(0), "b.dcm": slice_file(1)[:-2000], "c.dcm": slice_file(0),
        "d.dcm": slice_file(2, Modality="CT"), "e.dcm": b"none", "f/README.txt": b"read me", "f/.hidden": b"x",
        "f/g.dcm": slice_file(3, Modality="SR"),
    }  # fmt: skip
    _, document = opened(post(client, files))
    assert document["slices"] == 1
    assert codes(document["errors"]) == [
        ("b.dcm", "file_not_whole"), ("c.dcm", "duplicate_instance"), ("d.dcm", "not_mr"), ("e.dcm", "not_dicom"),
    ]  # fmt: skip
    assert sorted(codes(document["left_out"])) == [
        ("f/.hidden", "hidden"), ("f/README.txt", "not_dicom"), ("f/g.dcm", "accompanying_object"),
    ]  # fmt: skip
    assert document["errors_by_code"]["duplicate_instance"] == 1


def test_an_intact_copy_counts_where_the_first_is_damaged(client):
    _, document = opened(post(client, {"a.dcm": slice_file(0)[:-2000], "b.dcm": slice_file(0)}))
    assert document["slices"] == 1
    assert codes(document["errors"]) == [("a.dcm", "file_not_whole")]


def test_results_without_images_are_refused(client):
    made, _ = opened(post(client, {"a.dcm": slice_file()}))
    refused(post(client, made), 422, "no_slice_to_answer")


def test_an_earlier_result_without_identity_is_an_error_of_its_file(client):
    ((name, content),) = opened(post(client, {"a.dcm": slice_file(0)}))[0].items()
    result = dcmread(io.BytesIO(content))
    del result.SOPClassUID
    file = io.BytesIO()
    result.save_as(file, enforce_file_format=False)
    made, document = opened(post(client, {"a.dcm": slice_file(0), "b.dcm": slice_file(1), name: file.getvalue()}))
    assert codes(document["errors"]) == [(name, "dicom_identity_missing")]
    assert len(made) == 1


def test_a_result_of_which_the_process_dies_is_an_error_of_its_file(client, monkeypatch):
    made, _ = opened(post(client, {"a.dcm": slice_file(0)}))

    def dying(_):
        raise DecoderError(code="decoder_died", rule="it died")

    monkeypatch.setattr(client.app.state.dicom.maker, "recognise", dying)
    _, document = opened(post(client, {"a.dcm": slice_file(0), **made}))
    assert codes(document["errors"]) == [(*made, "accompanying_object")]


def test_objects_of_others_are_no_earlier_results(client):
    ((name, content),) = opened(post(client, {"a.dcm": slice_file(0)}))[0].items()
    other = content.replace(b"Gadolin ", b"Another ")
    _, document = opened(post(client, {"a.dcm": slice_file(0), "b.dcm": slice_file(1), name: other}))
    assert codes(document["errors"]) == [(name, "accompanying_object")]
    assert [one["kind"] for one in document["objects"]] == ["report"]


@pytest.mark.parametrize("more", [{"PatientName": ["A^B", "C"]}, {"StudyDate": ["20200101", "20200102"]}], ids=str)
def test_headers_that_make_no_valid_object_are_refused(more, client):
    refused(post(client, {"a.dcm": slice_file(**more)}), 422, "header_unusable")


def test_a_header_that_allows_no_object_costs_one_image(client):
    bad = slice_file(0, StudyDate=["20200101", "20200102"])
    made, document = opened(post(client, {"a.dcm": bad, "b.dcm": slice_file(1), "c.dcm": slice_file(2)}))
    assert codes(document["errors"]) == [("a.dcm", "header_unusable")]
    assert document["slices"] == 2
    assert made == opened(post(client, {"b.dcm": slice_file(1), "c.dcm": slice_file(2)}))[0]


def nested(depth):
    """Return a DICOM file with sequences within sequences."""
    content = slice_file(1)
    place = content.index(struct.pack("<HH", 0x0010, 0x0010))
    opening = struct.pack("<HH2sHIHHI", 0x0008, 0x1110, b"SQ", 0, 2**32 - 1, 0xFFFE, 0xE000, 2**32 - 1)
    closing = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return content[:place] + opening * depth + closing * depth + content[place:]


@pytest.mark.parametrize(("depth", "slices"), [(100, 2), (100_000, 1)])
def test_a_hostile_header_costs_only_its_file(depth, slices, client):
    _, document = opened(post(client, {"a.dcm": slice_file(0), "b.dcm": nested(depth)}))
    assert document["slices"] == slices
    assert codes(document["errors"]) == [("b.dcm", "damaged_file")] * (2 - slices)


def test_no_log_metric_or_problem_holds_what_the_header_says(make_client, caplog):
    caplog.set_level(logging.DEBUG)
    private = {"PatientName": "Doe^Jane", "PatientID": "MRN-4711", "PatientBirthDate": "19700101"}
    with make_client(access_log=True) as client:
        good = post(client, {"doe-jane.dcm": slice_file(**private)})
        bad = post(client, {"doe-jane.dcm": slice_file(**private | {"PatientName": ["Doe^Jane", "Doe"]})})
        metrics = client.get("/metrics").text
    report = dcmread(io.BytesIO(next(iter(opened(good)[0].values()))))
    assert (report.PatientName, report.PatientID) == ("Doe^Jane", "MRN-4711")
    assert bad.status_code == 422
    assert "POST /v1/dicom 200" in caplog.text
    for place in (caplog.text, metrics, bad.text, str(good.headers), str(bad.headers)):
        for secret in ("Doe", "doe", "Jane", "4711", "19700101"):
            assert secret not in place


def test_predictions_of_the_route_are_counted(make_client):
    with make_client() as client:
        opened(post(client, {"a.dcm": slice_file(0), "b.dcm": slice_file(0), "c.dcm": slice_file(1)}))
        lines = client.get("/metrics").text.splitlines()
    counted = [float(line.rpartition(" ")[2]) for line in lines if line.startswith("gadolin_predictions_total{")]
    assert sum(counted) == 2


def test_without_the_extra_the_route_tells_how_to_install_it_and_the_rest_works(client, monkeypatch, png, sent):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    detail = refused(post(client, {"a.dcm": slice_file()}), 501, "missing_package")
    assert "[hospital]" in detail
    assert client.post("/v1/predict", files=sent(("a.png", png()))).status_code == 200


def test_more_slices_than_a_report_takes_are_refused(client, monkeypatch):
    monkeypatch.setattr("gadolin.server.dicom.MOST_SLICES", 2)
    files = {f"{number}.dcm": slice_file(number) for number in range(3)}
    refused(post(client, files), 422, "too_many_slices_in_series")


def test_more_overlays_than_memory_takes_are_refused(packaged, phantoms, monkeypatch):
    monkeypatch.setattr("gadolin.server.dicom._MOST_OVERLAYS", 1)
    refused(post(packaged, phantoms, overlays="true"), 422, "too_many_overlays")
    assert post(packaged, phantoms).status_code == 200


def test_more_objects_than_memory_takes_are_refused(make_client):
    with make_client(limits={"max_unpacked_bytes": 10_000}) as client:
        refused(post(client, {"a.dcm": slice_file()}), 413, "results_too_large")


def maker_of(client):
    return client.app.state.dicom.maker


def in_thread(work):
    """Call a function in a thread; return the thread and the list that gets its result."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


def test_predictions_go_on_while_objects_are_made(client, png, sent):
    assert post(client, {"a.dcm": slice_file()}).status_code == 200
    process = maker_of(client).pid
    os.kill(process, signal.SIGSTOP)
    try:
        thread, found = in_thread(lambda: post(client, {"a.dcm": slice_file()}))
        for _ in range(3):
            assert client.post("/v1/predict", files=sent(("a.png", png()))).status_code == 200
        assert found == []
    finally:
        os.kill(process, signal.SIGCONT)
    thread.join(60)
    assert found[0].status_code == 200


def test_a_process_that_dies_costs_one_request_and_is_replaced(client):
    assert post(client, {"a.dcm": slice_file()}).status_code == 200
    process = maker_of(client).pid
    os.kill(process, signal.SIGSTOP)
    thread, found = in_thread(lambda: post(client, {"a.dcm": slice_file()}))
    while maker_of(client)._sandbox._lock.acquire(blocking=False):  # until the request has reached the process
        maker_of(client)._sandbox._lock.release()
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    thread.join(60)
    refused(found[0], 503, "results_not_made")
    assert found[0].headers["retry-after"] == "1"
    assert post(client, {"a.dcm": slice_file()}).status_code == 200
    assert maker_of(client).pid != process


def test_a_client_that_leaves_gets_no_answer_and_its_work_is_cancelled(client, monkeypatch):
    monkeypatch.setattr("gadolin.server.dicom._POLL_SECONDS", 0)
    waiting, answered = [], []
    monkeypatch.setattr(client.app.state.dicom, "respond", lambda *_, **__: waiting_for(waiting))
    request = client.build_request("POST", "/v1/dicom", files=[("files", ("a.dcm", slice_file()))])
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/dicom", "query_string": b"", "headers": headers}
    messages = iter([{"type": "http.request", "body": request.read()}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    async def send(message):
        answered.append(message)

    client.portal.call(client.app, scope, receive, send)
    assert (waiting, answered) == (["begun", "cancelled"], [])


async def waiting_for(events):
    events.append("begun")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        events.append("cancelled")
        raise


def test_frames_that_cannot_be_decoded_are_listed(client, monkeypatch):
    decoded = client.app.state.engine.decoders.submit(slice_file(frames=2), DecodeRequest(pictures=True, header=True))
    whole = decoded.result(60)
    error = DamagedFileError(code="damaged_file", rule="a frame must be whole")
    damaged = Future()
    damaged.set_result(replace(whole, slices=(Damaged(0, error), whole.slices[1])))
    monkeypatch.setattr(client.app.state.engine.decoders, "submit", lambda *_: damaged)
    _, document = opened(post(client, {"a.dcm": slice_file(frames=2)}))
    assert document["slices"] == 1
    assert [(one["frame"], one["code"]) for one in document["errors"]] == [(0, "damaged_file")]


def test_the_service_itself_parses_no_header(tmp_path):
    """Neither pydicom nor highdicom is imported by the process that has the network's port."""
    (tmp_path / "a.dcm").write_bytes(slice_file())
    program = """if True:
        import sys
        from fastapi.testclient import TestClient
        from gadolin.models.predictor import Predictor
        from gadolin.server.app import create_app
        from gadolin.server.settings import Settings
        app = create_app(Predictor.load(threads=1), Settings(workers=1, hosts=("testserver",)))
        with TestClient(app) as client:
            files = [("files", ("a.dcm", open(sys.argv[1], "rb").read()))]
            print(client.post("/v1/dicom", files=files, data={"overlays": "true"}).status_code)
        print(sorted({"pydicom", "highdicom"} & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.dcm"], capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n")[:2] == ["200", "[]"], done.stderr
