"""Tests of ``gadolin dicomweb`` with the packaged model on phantoms, against Orthanc and a server that fails."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from pydicom import dcmread
from pydicom.uid import MRImageStorage

from answered_phantoms import write_answered_series
from gadolin.records import NOTICE
from orthanc_archive import NEEDS_DICOMWEB, Archive
from stub_server import Answer, serving
from waiting import until

pytestmark = pytest.mark.slow

STUDY = "1.2.826.0.1.3680043.8.498.9"  # of phantoms
JSON = {"Content-Type": "application/dicom+json"}


@pytest.fixture(scope="session")
def phantom_files(tmp_path_factory):
    """The files of a series of which the packaged model names the tumour in most slices."""
    return write_answered_series(tmp_path_factory.mktemp("dicomweb-series"))


@pytest.fixture
def orthanc(tmp_path, loopback):
    running = Archive(tmp_path / "orthanc", dicomweb=True)
    try:
        running.start()
        yield running
    finally:
        running.close()


def reports(archive):
    found = [dcmread(io.BytesIO(content)) for content in archive.files().values()]
    return [one for one in found if one.Modality == "SR"]


def numbers(report):
    """Return by image: the numbers of its measurement group, by code."""
    found = {}
    for group in report.ContentSequence[-1].ContentSequence:
        items = group.ContentSequence
        references = [item.ReferencedSOPSequence[0] for item in items if item.ValueType == "IMAGE"]
        (image,) = (one for one in references if one.ReferencedSOPClassUID == MRImageStorage)
        found[image.ReferencedSOPInstanceUID] = {
            item.ConceptNameCodeSequence[0].CodeValue: float(item.MeasuredValueSequence[0].NumericValue)
            for item in items
            if item.ValueType == "NUM"
        }
    return found


@NEEDS_DICOMWEB
def test_the_report_in_the_archive_holds_the_numbers_of_predict_and_a_second_run_adds_nothing(
    gadolin, orthanc, phantom_files, tmp_path
):
    orthanc.send(*phantom_files)
    predicted = gadolin("predict", *phantom_files, "--json").json

    done = gadolin("dicomweb", orthanc.dicomweb, "--study", STUDY, "--json")

    assert (done.code, done.err) == (0, "")
    (report,) = reports(orthanc)
    assert numbers(report) == {
        str(dcmread(one["path"]).SOPInstanceUID): {
            **{f"p-{label}": p for label, p in one["probabilities"].items()},
            "p_tumour": one["p_tumour"],
        }
        for one in predicted["predictions"]
    }
    printed = done.json
    (series,) = printed["series"]
    assert [(one["kind"], one["new"]) for one in series["objects"]] == [("report", True), ("lesions", True)]
    assert series["answered"] == sum(one["label"] is not None for one in predicted["predictions"]) > 0
    assert (printed["notice"], printed["model"]) == (NOTICE, predicted["model"])
    assert orthanc.modalities() == {"MR": 6, "SR": 1, "SEG": 1}
    assert len(orthanc.read("studies")) == len(orthanc.read("patients")) == 1

    before = orthanc.files()
    gadolin("results", *phantom_files, "--out", tmp_path / "results")
    kept = {str(dcmread(path).SOPInstanceUID): path.read_bytes() for path in (tmp_path / "results").iterdir()}
    assert {one["sop_instance_uid"]: before[one["sop_instance_uid"]] for one in series["objects"]} == kept
    again = gadolin("dicomweb", orthanc.dicomweb, "--study", STUDY)
    assert again.code == 0
    assert again.out.count("unchanged") == 2
    assert "0 of 2 objects are new" in again.err
    assert NOTICE in again.err
    assert orthanc.files() == before


@NEEDS_DICOMWEB
def test_a_late_slice_makes_a_new_set_and_the_old_one_is_rejected_with_its_overlays(gadolin, orthanc, phantom_files):
    orthanc.send(*phantom_files[:2])
    first = gadolin("dicomweb", orthanc.dicomweb, "--study", STUDY, "--overlays", "--json").json
    old = {one["sop_instance_uid"] for one in first["series"][0]["objects"]}
    assert {one["kind"] for one in first["series"][0]["objects"]} == {"report", "lesions", "overlay"}
    orthanc.send(phantom_files[2])
    second = gadolin("dicomweb", orthanc.dicomweb, "--study", STUDY, "--overlays", "--json").json
    (note,) = (one for one in second["series"][0]["objects"] if one["kind"] == "rejection")
    content = dcmread(io.BytesIO(orthanc.files()[note["sop_instance_uid"]]))
    items = content.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert {each.ReferencedSOPInstanceUID for item in items for each in item.ReferencedSOPSequence} == old
    third = gadolin("dicomweb", orthanc.dicomweb, "--study", STUDY, "--overlays", "--json").json
    assert not any(one["new"] for one in third["series"][0]["objects"])


@NEEDS_DICOMWEB
def test_a_password_of_the_archive_is_needed(gadolin, tmp_path, loopback, phantom_files):
    settings = {"AuthenticationEnabled": True, "RegisteredUsers": {"me": "secret"}}
    running = Archive(tmp_path / "orthanc", dicomweb=True, settings=settings)
    (tmp_path / "wrong").write_text("Basic bWU6d3Jvbmc=\n")
    (tmp_path / "token").write_text("Basic bWU6c2VjcmV0\n")
    running.launch()
    try:
        while gadolin("dicomweb", running.dicomweb, "--study", STUDY, "--json").json["error"]["code"] != (
            "archive_refused"
        ):
            time.sleep(0.1)
        wrong = gadolin("dicomweb", running.dicomweb, "--study", STUDY, "--token-file", tmp_path / "wrong")
        wrong.refused("status 401", code=1)
        right = gadolin("dicomweb", running.dicomweb, "--study", STUDY, "--token-file", tmp_path / "token", "--json")
        assert (right.code, right.json["error"]["code"]) == (2, "not_in_archive")
    finally:
        running.close()


@NEEDS_DICOMWEB
def test_a_watched_archive_is_answered_while_it_comes_and_goes_until_the_watch_is_ended(
    orthanc, phantom_files, tmp_path
):
    command = [sys.executable, "-m", "gadolin", "dicomweb", orthanc.dicomweb, "--watch", "--every", "1", "--days", "0"]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen([*command, "--json"], stdout=out, stderr=err)
    try:
        until(lambda: b"watching" in (tmp_path / "err").read_bytes())
        orthanc.close()
        until(lambda: b"the archive fails" in (tmp_path / "err").read_bytes())
        orthanc.start()
        orthanc.send(*phantom_files)
        until(lambda: (tmp_path / "out").read_bytes().endswith(b"\n"))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
    lines = (tmp_path / "out").read_text().splitlines()
    found = [json.loads(one) for one in lines]
    assert [(one["slices"], one["errors"], one["notice"]) for one in found] == [(6, [], NOTICE)]
    lines = (tmp_path / "err").read_text().splitlines()
    assert [lines[0], lines[1], lines[3]] == [NOTICE, "watching; Ctrl-C ends it", "the archive answers again"]
    assert len(lines) == 5
    assert STUDY not in "".join(lines)
    assert orthanc.modalities() == {"MR": 6, "SR": 1, "SEG": 1}


@pytest.fixture
def holding(loopback):
    """A server with a study of one image, which it does not send before ``hold`` is set."""
    hold = threading.Event()
    with serving() as server:
        series = {"0020000E": {"Value": ["1.2.3"]}, "00080060": {"Value": ["MR"]}, "00200011": {"Value": [4]}}
        address = f"/studies/{STUDY}/series"
        server.answers[address] = Answer(json.dumps([series]).encode(), JSON)
        image = {"00080018": {"Value": ["1.2.3.4"]}}
        server.answers[f"{address}/1.2.3/instances"] = Answer(json.dumps([image]).encode(), JSON)
        server.answers[f"{address}/1.2.3/instances/1.2.3.4"] = Answer(
            b"DICM", {"Content-Type": "application/dicom"}, hold=hold
        )
        try:
            yield server, hold
        finally:
            hold.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["terminated", "interrupted"])
def test_retrieved_images_are_deleted_if_the_command_is_ended(holding, tmp_path, number):
    server, _ = holding
    command = [sys.executable, "-m", "gadolin", "dicomweb", server.url, "--study", STUDY]
    process = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE)
    try:
        until(lambda: any(one.endswith("1.2.3.4") for one in server.requests))
        (folder,) = tmp_path.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        process.send_signal(number)
        _, messages = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert messages.startswith(b"gadolin: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_no_dicom_file_is_named_without_a_path(gadolin, holding):
    server, hold = holding
    hold.set()
    done = gadolin("dicomweb", server.url, "--study", STUDY)
    done.refused("series 4, image 1", code=2)
    assert "/" not in done.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("http://127.0.0.1:1",), "usage"),
        (("http://127.0.0.1:1", "--study", "1/2"), "uid_invalid"),
        (("http://127.0.0.1:1", "--study", STUDY, "--series", "x"), "uid_invalid"),
        (("nowhere", "--watch"), "archive_address_invalid"),
        (("http://127.0.0.1:1", "--study", STUDY, "--token-file", "missing"), "access_file_unreadable"),
        (("http://archive.example", "--study", STUDY, "--token-variable", "HOME"), "token_needs_https"),
        (("http://127.0.0.1:1", "--watch", "--every", "0"), "usage"),
        (("http://127.0.0.1:1", "--watch", "--model", "missing"), "model_not_found"),
    ],
)
def test_a_request_that_is_wrong_reaches_nothing(gadolin, words, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = gadolin("dicomweb", *words, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, code)


@pytest.mark.parametrize("extra", [(), ("--watch",)])
def test_an_archive_that_refuses_ends_the_command(gadolin, loopback, extra):
    with serving() as server:
        server.answers[f"/studies/{STUDY}/series"] = Answer(b"", status=[401])
        done = gadolin("dicomweb", server.url, "--study", STUDY, *extra)
    assert done.code == 1
    assert "status 401" in done.err
    assert STUDY not in done.err
