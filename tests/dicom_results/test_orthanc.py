"""Results in a real archive: Orthanc and DCMTK of Debian."""

from __future__ import annotations

import pytest
from series_results import headers, made, result_of

from gadolin.dicom_results.objects import reject
from orthanc_archive import NEEDS_ORTHANC, orthanc

pytestmark = [pytest.mark.slow, NEEDS_ORTHANC]


@pytest.fixture
def archive(tmp_path, loopback):
    with orthanc(tmp_path / "archive") as running:
        yield running


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

    (patient,) = archive.read("patients?expand")
    assert patient["MainDicomTags"]["PatientName"] == "Phantom^One"
    (study,) = archive.read("studies?expand")
    assert study["MainDicomTags"]["StudyInstanceUID"] == sources[0].study
    assert archive.modalities() == {"MR": len(sources), "SR": 1, "SEG": 1, "KO": 1}
    stored = {one["MainDicomTags"]["SOPInstanceUID"] for one in archive.read("instances?expand")}
    assert {str(one.dataset.SOPInstanceUID) for one in objects} <= stored
