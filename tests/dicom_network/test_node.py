"""A whole DICOM node: series come in, results go back, and every outcome is documented."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager

import numpy as np
import pytest
from prometheus_client import generate_latest
from pydicom import dcmread, uid

from benchmarks.service.dicom_peers import ARCHIVE, LOOPBACK, SENDER, Archive, free_port, phantom_series, send
from gadolin.dicom_network.answering import Answerer, answering
from gadolin.dicom_network.config import NodeConfig
from gadolin.dicom_network.node import Node, check_config
from gadolin.dicom_network.spool import Identity, Spool
from gadolin.errors import BundleError, DecoderError, OutputError, RequestError, TooLargeError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("loopback")]


@pytest.fixture
def archive(loopback):
    running = Archive()
    yield running
    running.close()


@pytest.fixture
def archive_of_reports(loopback):
    """An archive that accepts no segmentations."""
    running = Archive(classes=[uid.Comprehensive3DSRStorage, uid.ComprehensiveSRStorage])
    yield running
    running.close()


def config_of(tmp_path, port, *, listen=None, limits=None, **series):
    return NodeConfig.model_validate(
        {
            "spool": tmp_path / "spool",
            "listen": {"port": free_port(), **(listen or {})},
            "callers": [{"ae_title": SENDER, "address": LOOPBACK}],
            "destinations": [{"name": "archive", "ae_title": ARCHIVE, "address": LOOPBACK, "port": port}],
            "series": {"wait_seconds": 0.3, "keep_seconds": 60.0, **series},
            "limits": {"free_bytes": 0, **(limits or {})},
        }
    )


def metrics_of(node):
    return generate_latest(node.metrics.registry).decode()


def uids(paths):
    return frozenset(str(dcmread(one, specific_tags=["SOPInstanceUID"]).SOPInstanceUID) for one in paths)


@contextmanager
def spooled(config, *files):
    """Put files into the spool of a node that is not running."""
    limits = config.limits
    with Spool(
        config.spool,
        instances_per_study=limits.instances_per_study,
        bytes_per_study=limits.bytes_per_study,
        free_bytes=0,
    ) as spool:
        for one in files:
            head = dcmread(one, stop_before_pixels=True)
            spool.store(Identity(head.StudyInstanceUID, head.SeriesInstanceUID, head.SOPInstanceUID), one.read_bytes())
        yield spool


def test_a_series_is_answered_and_a_late_image_makes_new_results_that_reject_the_old(tmp_path, archive):
    images = phantom_series(tmp_path / "series", 1, 3)
    with Node(config_of(tmp_path, archive.port)) as node:
        assert all(send(node.port, one) for one in images[:2])
        until(lambda: len(archive.reports()) == 1)
        (first,) = archive.reports().items()

        assert send(node.port, images[2])
        until(lambda: uids(images) in archive.reports().values())

    assert first[1] == uids(images[:2])
    assert list(archive.reports().values()) == [uids(images)]
    assert archive.count("KO") == 1
    assert first[0] in archive.objects  # it is rejected, not lost


def test_what_was_acknowledged_before_the_node_ended_is_answered_after_the_next_start(tmp_path, archive):
    images = phantom_series(tmp_path / "series", 1, 2)
    config = config_of(tmp_path, archive.port, keep_seconds=0.0)
    with spooled(config, *images):
        pass

    with Node(config) as node:
        until(lambda: archive.reports() and not node.spool.series())

    assert list(archive.reports().values()) == [uids(images)]
    assert list((tmp_path / "spool" / "studies").iterdir()) == []


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")  # of pynetdicom
def test_results_wait_for_a_destination_that_is_away(tmp_path, loopback, caplog):
    images = phantom_series(tmp_path / "series", 1, 1)
    port = free_port()
    config = config_of(tmp_path, port)
    with caplog.at_level(logging.WARNING, "gadolin"), Node(config) as node:
        assert send(node.port, images[0])
        until(lambda: 'sets_failed_total{destination="archive"}' in metrics_of(node))
        assert "gadolin_node_sets_waiting 1.0" in metrics_of(node)
    assert [one.message for one in caplog.records] == [
        "destination archive cannot be reached; results are kept and sent again"
    ]

    running = Archive(port)
    try:
        with Node(config):
            until(running.reports)
    finally:
        running.close()


def test_only_wanted_sequences_are_answered(tmp_path, archive):
    images = phantom_series(tmp_path / "series", 1, 1)  # without a sequence in the header: the model recognises it
    with Node(config_of(tmp_path, archive.port, sequences=["PD"], keep_seconds=0.0)) as node:
        assert send(node.port, images[0])
        until(lambda: 'gadolin_node_series_total{outcome="sequence_not_wanted"} 1.0' in metrics_of(node))
        until(lambda: not node.spool.series())

    assert archive.objects == {}


def test_a_series_that_never_ends_is_answered_after_the_longest_time(tmp_path, archive):
    images = phantom_series(tmp_path / "series", 1, 2)
    with Node(config_of(tmp_path, archive.port, wait_seconds=1e6, longest_seconds=0.5)) as node:
        assert send(node.port, images[0])
        until(archive.reports)
        assert send(node.port, images[1])
        until(lambda: uids(images) in archive.reports().values())


def test_images_of_two_patients_in_one_series_are_not_answered(tmp_path, archive):
    images = phantom_series(tmp_path / "series", 1, 2)
    image = dcmread(images[1])
    image.PatientID = "ANOTHER"
    image.save_as(images[1])
    with Node(config_of(tmp_path, archive.port)) as node:
        assert all(send(node.port, one) for one in images)
        until(lambda: 'series_total{outcome="results_of_several"} 1.0' in metrics_of(node))

    assert archive.objects == {}


def test_damaged_images_do_not_keep_the_others_from_an_answer(tmp_path, archive):
    images = phantom_series(tmp_path / "series", 1, 3)
    damaged, strange = dcmread(images[0]), dcmread(images[1])
    damaged.PixelData = damaged.PixelData[:100]
    damaged.save_as(images[0])
    strange.StudyDate = ["20200101", "20200102"]  # no valid report can copy it
    strange.save_as(images[1])
    with Node(config_of(tmp_path, archive.port)) as node:
        assert all(send(node.port, one) for one in images)
        until(archive.reports)
        shown = metrics_of(node)

    assert list(archive.reports().values()) == [uids(images[2:])]
    assert 'gadolin_node_slices_total{outcome="header_unusable"} 1.0' in shown
    assert 'gadolin_node_series_total{outcome="answered"} 1.0' in shown


def test_enhanced_images_are_answered(tmp_path, archive):
    pixels = np.arange(3 * 64 * 64, dtype=np.uint16).reshape(3, 64, 64)
    path = tmp_path / "enhanced.dcm"
    path.write_bytes(dicom_bytes(pixels, DicomFacts(more={"StudyInstanceUID": "1.2.7"})))
    with Node(config_of(tmp_path, archive.port)) as node:
        assert send(node.port, path)
        until(archive.reports)

    assert list(archive.reports().values()) == [uids([path])]


@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (DecoderError(code="decoder_died", rule="a decoder must survive its file"), 1),
        (TooLargeError(code="out_of_memory", rule="a file must fit into the memory of a decoder"), 0),
    ],
    ids=lambda one: getattr(one, "code", ""),
)
def test_a_series_whose_images_end_the_answer_is_given_up_and_the_next_one_answered(
    tmp_path, archive, monkeypatch, caplog, error, repeated
):
    bad, good = phantom_series(tmp_path / "bad", 1, 2), phantom_series(tmp_path / "good", 2, 1)
    answer = Answerer.answer

    def fatal(self, series, images):
        if len(images) == len(bad):
            self._sandbox.kill()
            raise error
        return answer(self, series, images)

    monkeypatch.setattr(Answerer, "answer", fatal)
    config = config_of(tmp_path, archive.port)
    with spooled(config, *bad):
        pass
    with caplog.at_level(logging.WARNING, "gadolin"), Node(config) as node:
        until(lambda: f'series_total{{outcome="{error.code}"}} 1.0' in metrics_of(node))
        assert send(node.port, good[0])
        until(archive.reports)

    assert sum(f"{error.code}), second attempt" in one.message for one in caplog.records) == repeated
    assert list(archive.reports().values()) == [uids(good)]


def test_logs_metrics_and_folder_names_hold_no_patient_data(tmp_path, archive, caplog):
    images = phantom_series(tmp_path / "series", 1, 2)
    for number, path in enumerate(images):
        image = dcmread(path)
        image.PatientName, image.PatientID = "SECRET^NAME", "SECRET-ID"
        if number:
            image.PixelData = b"12"
        image.save_as(path)
    secrets = ["SECRET", str(image.StudyInstanceUID), str(image.SeriesInstanceUID), str(image.SOPInstanceUID)]
    with caplog.at_level(logging.DEBUG), Node(config_of(tmp_path, archive.port)) as node:
        assert all(send(node.port, one) for one in images)
        until(archive.reports)
        names = "\n".join(str(path) for path in (tmp_path / "spool").rglob("*"))
        shown = metrics_of(node)
        log = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith("gadolin"))

    assert "1 declined" in log or "1 answered" in log
    for secret in secrets:
        assert secret not in shown
        assert secret not in log
        assert secret not in names


def test_a_thread_that_fails_stops_the_node_with_its_exception(tmp_path, archive, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    with Node(config_of(tmp_path, archive.port)) as node:
        monkeypatch.setattr(node.spool, "series", broken)
        with pytest.raises(ZeroDivisionError):
            node.wait()


def test_results_that_cannot_be_written_are_tried_again(tmp_path, archive, monkeypatch, caplog):
    images, failures = phantom_series(tmp_path / "series", 1, 1), []
    with Node(config_of(tmp_path, archive.port)) as node:
        add = node.spool.add_set

        def once_full(*arguments):
            if not failures:
                failures.append(arguments)
                raise OutputError(code="unwritable", rule="cannot write")
            return add(*arguments)

        monkeypatch.setattr(node.spool, "add_set", once_full)
        with caplog.at_level(logging.ERROR, "gadolin"):
            assert send(node.port, images[0])
            until(archive.reports)

    assert "results cannot be made, next attempt in 1 s: cannot write" in caplog.text


def test_a_process_that_does_not_start_costs_no_series(tmp_path, archive, monkeypatch):
    images, failures = phantom_series(tmp_path / "series", 1, 1), []
    answer = Answerer.answer

    def not_started(self, series, found):
        if len(failures) < 2:
            failures.append(series)
            raise DecoderError(code="decoder_not_started", rule="a decoder process must start")
        return answer(self, series, found)

    monkeypatch.setattr(Answerer, "answer", not_started)
    with Node(config_of(tmp_path, archive.port)) as node:
        assert send(node.port, images[0])
        until(archive.reports)

    assert len(failures) == 2


def test_a_set_that_a_destination_refuses_does_not_keep_others_from_it(tmp_path, archive):
    refused, others = phantom_series(tmp_path / "refused", 1, 1), phantom_series(tmp_path / "others", 2, 1)
    archive.refuses = str(dcmread(refused[0]).StudyInstanceUID)
    with Node(config_of(tmp_path, archive.port)) as node:
        assert all(send(node.port, one) for one in (*refused, *others))
        until(archive.reports)
        until(lambda: "gadolin_node_sets_waiting 1.0" in metrics_of(node))
        archive.refuses = ""
        until(lambda: len(archive.reports()) == 2)


def test_an_archive_without_segmentations_gets_the_report(tmp_path, archive_of_reports, caplog):
    images = phantom_series(tmp_path / "series", 1, 1)
    with Node(config_of(tmp_path, archive_of_reports.port)) as node:
        assert send(node.port, images[0])
        until(archive_of_reports.reports)
        until(lambda: "gadolin_node_sets_waiting 0.0" in metrics_of(node))

    assert "destination archive does not accept lesions: these are not sent to it" in caplog.text


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")  # of pynetdicom
def test_a_series_is_kept_from_the_moment_when_its_results_are_sent(tmp_path, loopback):
    images, port = phantom_series(tmp_path / "series", 1, 1), free_port()
    with Node(config_of(tmp_path, port, keep_seconds=1.5)) as node:
        assert send(node.port, images[0])
        until(lambda: node.spool.series()[0].sets)
        time.sleep(2.5)
        running = Archive(port)
        try:
            until(running.reports)
            assert node.spool.series()
            until(lambda: not node.spool.series())
        finally:
            running.close()


def test_a_model_that_is_not_there_is_an_error_at_the_start(tmp_path, archive):
    with pytest.raises(BundleError):
        Node(config_of(tmp_path, archive.port), tmp_path / "none")
    with spooled(config_of(tmp_path, archive.port)):  # the spool is free again
        pass


def test_more_images_than_results_can_be_made_of_are_an_outcome_without_predictions(tmp_path):
    handle = answering({"model": None, "runtime": "onnxruntime"})

    reply = handle({"images": ["none"] * 2001, "sets": [], "sequences": [], "overlays": False}, b"")

    assert reply.facts == {
        "names": [],
        "outcome": "too_many_slices_in_series",
        "slices": {"too_many_slices_in_series": 2001},
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "nonsense"}, "archive_address_invalid"),
        ({"url": "https://archive", "token_file": "none"}, "access_file_unreadable"),
        ({"url": "https://archive"}, None),
    ],
)
def test_a_destination_that_cannot_be_used_is_an_error_of_the_check(tmp_path, change, code):
    values = config_of(tmp_path, 104).model_dump()
    values["destinations"] = [{"name": "web", **change}]
    found = None
    try:
        check_config(NodeConfig.model_validate(values))
    except RequestError as error:
        found = error.code

    assert found == code
    assert not (tmp_path / "spool").exists()
