"""The DICOM node beside a real archive: Orthanc routes series to it and keeps what comes back."""

from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import MRImageStorage

from answered_phantoms import write_answered_series
from benchmarks.service.dicom_peers import LOOPBACK, NODE, free_port
from gadolin.cli import main
from gadolin.dicom_network.config import NodeConfig
from gadolin.dicom_network.node import Node
from orthanc_archive import NEEDS_DICOMWEB, NEEDS_ORTHANC, orthanc
from waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("loopback")]
DEPLOY = Path(__file__).parents[2] / "deploy"
ROUTE = (DEPLOY / "orthanc-route.lua").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The files of a phantom series of which the packaged model names the tumour in most slices."""
    return write_answered_series(tmp_path_factory.mktemp("series"))


def config_of(tmp_path, port, destination):
    """The configuration in deploy/, with other ports and times."""
    values = tomllib.loads((DEPLOY / "node.toml").read_text(encoding="utf-8"))
    values["spool"] = tmp_path / "spool"
    values["listen"] |= {"port": port, "metrics_port": free_port()}
    values["series"] = {"wait_seconds": 1.0, "keep_seconds": 60.0}
    values["destinations"] = [{"name": "orthanc", **destination}]
    values["limits"] = {"free_bytes": 0}
    return NodeConfig.model_validate(values)


def probabilities(report):
    """Return the probabilities in a report by SOP Instance UID and class, and the class of each answered slice."""
    numbers, labels = {}, {}
    for group in _containers(report, "125007"):
        references = [one.ReferencedSOPSequence[0] for one in _all(group) if one.ValueType == "IMAGE"]
        image = next(one.ReferencedSOPInstanceUID for one in references if one.ReferencedSOPClassUID == MRImageStorage)
        for one in _all(group):
            code = one.ConceptNameCodeSequence[0].CodeValue if "ConceptNameCodeSequence" in one else ""
            if one.ValueType == "NUM" and code.startswith("p-"):
                numbers[image, code[2:]] = float(one.MeasuredValueSequence[0].NumericValue)
            elif one.ValueType == "CODE" and code == "class":
                labels[image] = one.ConceptCodeSequence[0].CodeMeaning
    return numbers, labels


def _containers(item, code):
    return [
        one for one in _all(item) if one.ValueType == "CONTAINER" and one.ConceptNameCodeSequence[0].CodeValue == code
    ]


def _all(item):
    found = []
    for one in item.get("ContentSequence", []):
        found += [one, *_all(one)]
    return found


def predicted(images, capsys):
    """Return what ``gadolin predict --json`` prints, in the form of ``probabilities``."""
    import sys
    from unittest import mock

    with mock.patch.object(sys, "argv", ["gadolin", "predict", *map(str, images), "--json"]), pytest.raises(SystemExit):
        main()
    found = json.loads(capsys.readouterr().out)["predictions"]
    uid_of = {str(path): str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in images}
    numbers = {(uid_of[one["path"]], name): p for one in found for name, p in one["probabilities"].items()}
    return numbers, {uid_of[one["path"]]: one["label"] for one in found if one["label"]}


@NEEDS_ORTHANC
def test_a_series_that_orthanc_routes_comes_back_with_the_numbers_of_the_command(tmp_path, images, capsys):
    port = free_port()
    with (
        orthanc(
            tmp_path / "archive", modalities={"gadolin": (NODE, port)}, lua=ROUTE, settings={"StableAge": 2}
        ) as archive,
        Node(config_of(tmp_path, port, {"ae_title": "ORTHANC", "address": LOOPBACK, "port": archive.dicom})) as node,
    ):
        archive.send(*images)
        until(lambda: archive.modalities().get("SR"))
        until(lambda: all(one.is_sent("orthanc") for series in node.spool.series() for one in series.sets))
        stored = [dcmread(io.BytesIO(one)) for one in archive.files().values()]
        studies = archive.read("studies?expand")

    (study,) = studies
    assert study["MainDicomTags"]["StudyInstanceUID"] == str(dcmread(images[0]).StudyInstanceUID)
    assert sorted({one.Modality for one in stored}) == ["MR", "SEG", "SR"]
    (report,) = (one for one in stored if one.Modality == "SR")
    numbers, labels = probabilities(report)
    expected, classes = predicted(images, capsys)
    assert numbers == pytest.approx(expected, abs=5e-7)
    assert labels == classes
    (lesions,) = (one for one in stored if one.Modality == "SEG")
    shown = {one.ReferencedSOPInstanceUID for one in lesions.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert shown <= {uid for uid, _ in numbers}


@NEEDS_DICOMWEB
def test_results_go_back_by_stow(tmp_path, images):
    port = free_port()
    with orthanc(
        tmp_path / "archive", dicomweb=True, modalities={"gadolin": (NODE, port)}, lua=ROUTE, settings={"StableAge": 2}
    ) as archive:
        with Node(config_of(tmp_path, port, {"url": archive.dicomweb})):
            archive.send(*images)
            until(lambda: archive.modalities().get("SR"))
        assert archive.modalities() == {"MR": len(images), "SR": 1, "SEG": 1}
        assert len(archive.read("studies")) == 1
