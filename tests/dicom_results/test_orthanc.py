"""Results in a real archive: Orthanc and DCMTK of Debian."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from series_results import headers, made, result_of

from gadolin.dicom_results.objects import reject

ORTHANC, STORESCU = (
    shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin") for name in ("Orthanc", "storescu")
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ORTHANC and STORESCU), reason="Orthanc and DCMTK are not installed"),
]


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


class Archive:
    """An Orthanc on this computer: stores what storescu sends, and tells what it has."""

    def __init__(self, folder):
        self.web, self.dicom = free_port(), free_port()
        settings = {
            "StorageDirectory": str(folder),
            "IndexDirectory": str(folder),
            "HttpPort": self.web,
            "DicomPort": self.dicom,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self.log = (folder / "log.txt").open("w")
        self.process = subprocess.Popen([ORTHANC, folder / "orthanc.json"], stdout=self.log, stderr=self.log)

    def told(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/{path}") as answer:
            return json.load(answer)

    def wait(self):
        for _ in range(300):
            try:
                self.told("system")
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, "Orthanc ended"
                time.sleep(0.1)
            else:
                return
        pytest.fail("Orthanc did not start")

    def send(self, *files):
        subprocess.run([STORESCU, "-R", "127.0.0.1", str(self.dicom), *files], check=True, capture_output=True)

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()


@pytest.fixture
def archive(tmp_path, loopback):
    folder = tmp_path / "archive"
    folder.mkdir()
    running = Archive(folder)
    try:
        running.wait()
        yield running
    finally:
        running.close()


def test_results_are_in_the_study_of_the_images_and_a_second_transfer_adds_nothing(archive, tmp_path):
    sources = headers(tmp_path / "series", more={"PatientName": "Phantom^One"})
    objects = made(result_of(sources))
    objects.append(reject([objects[0].dataset], "test"))
    for one in objects:
        (tmp_path / one.name).write_bytes(one.content)
    results = [tmp_path / one.name for one in objects]

    archive.send(*(one.path for one in sources))
    archive.send(*results)
    archive.send(*results)

    (patient,) = archive.told("patients?expand")
    assert patient["MainDicomTags"]["PatientName"] == "Phantom^One"
    (study,) = archive.told("studies?expand")
    assert study["MainDicomTags"]["StudyInstanceUID"] == sources[0].study
    found = {one["MainDicomTags"]["Modality"]: len(one["Instances"]) for one in archive.told("series?expand")}
    assert found == {"MR": len(sources), "SR": 1, "SEG": 1, "KO": 1}
    stored = {one["MainDicomTags"]["SOPInstanceUID"] for one in archive.told("instances?expand")}
    assert {str(one.dataset.SOPInstanceUID) for one in objects} <= stored
