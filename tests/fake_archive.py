"""An archive in memory with the methods of ``DicomWebArchive``, and series for it."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
from pydicom import dcmread

from gadolin.dicom_network.dicomweb import FoundInstance, FoundSeries
from gadolin.dicom_results.slices import MANUFACTURER
from gadolin.phantoms.encode import DicomFacts, dicom_bytes

STUDY = "1.2.3"
PLANES = ((1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1))


def series_of(count=3, *, number=1, quadrant=0, study=STUDY, planes=False, **more):
    """Return the files of an MR series with one bright quadrant; with ``planes`` it is a localiser."""
    pixels = np.zeros((64, 64), np.uint16)
    row, column = divmod(quadrant, 2)
    pixels[row * 32 : (row + 1) * 32, column * 32 : (column + 1) * 32] = 1000
    series = f"{study}.{number}"
    facts = {"StudyInstanceUID": study, "SeriesNumber": number, "StudyDate": "20240501"}
    found = []
    for place in range(1, count + 1):
        own = {"InstanceNumber": place, "SOPInstanceUID": f"{series}.{place}"}
        axes = PLANES[place % 3] if planes else PLANES[0]
        placed = DicomFacts(series=series, axes=axes, position=(0, 0, 5.0 * place), more=facts | own | more)
        found.append(dicom_bytes(pixels, placed))
    return found


class FakeArchive:
    """Keeps files by SOP Instance UID. ``failing`` maps the name of a method to the error that it raises.

    ``sent`` holds the UIDs that each call of ``store`` sent; ``calls`` counts the calls by method.
    """

    def __init__(self, *files):
        self.files = {}
        self.failing = {}
        self.sent = []
        self.calls = Counter()
        self.counts_series = True
        self.seen_since = None
        self.add(*files)

    def add(self, *files):
        for content in files:
            self.files[str(dcmread(io.BytesIO(content), stop_before_pixels=True).SOPInstanceUID)] = content

    def headers(self, study):
        found = [dcmread(io.BytesIO(one), stop_before_pixels=True) for one in self.files.values()]
        return [one for one in found if study in (None, str(one.StudyInstanceUID))]

    def series(self, study=None, *, modality=None, since=None):
        self._called("series")
        self.seen_since = since
        found = {}
        for one in self.headers(study):
            if modality in (None, one.Modality):
                found.setdefault((str(one.StudyInstanceUID), str(one.SeriesInstanceUID)), []).append(one)
        return [
            FoundSeries(
                *uids, each[0].Modality, str(each[0].SeriesNumber or ""), len(each) if self.counts_series else None
            )
            for uids, each in found.items()
        ]

    def instances(self, study, series, *, most=None, with_manufacturer=False):
        self._called("instances")
        found = [one for one in self.headers(study) if str(one.SeriesInstanceUID) == series]
        return [
            FoundInstance(str(one.SOPInstanceUID), str(one.get("InstanceNumber", "")), None) for one in found[:most]
        ]

    def retrieve(self, study, series, instance, path):
        self._called("retrieve")
        path.write_bytes(self.files[instance])

    def results(self, study):
        self._called("results")
        return [one for one in self.headers(study) if one.get("Manufacturer") == MANUFACTURER]

    def store(self, contents):
        self._called("store")
        found = list(contents)
        self.add(*found)
        self.sent.append([str(dcmread(io.BytesIO(one)).SOPInstanceUID) for one in found])

    def _called(self, name):
        self.calls[name] += 1
        if name in self.failing:
            raise self.failing[name]
