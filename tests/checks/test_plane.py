"""Tests of planes: read from DICOM, otherwise estimated by a proxy that is labelled as one."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from gadolin.checks.shortcuts import plane, plane_of, uneven
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.records import NO_LESION

AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)


@pytest.fixture
def in_planes(dataset, tmp_path):
    """Make a dataset of DICOM files, 12 of each class; ``axes`` gives the plane of (class, number)."""

    def make(axes):
        rows = []
        for number in range(24):
            label = ("glioma", "notumor")[number % 2]
            path = tmp_path / f"{number}.dcm"
            pixels = np.full((64, 64), number, np.uint16)
            path.write_bytes(dicom_bytes(pixels, DicomFacts(axes=axes(label, number // 2))))
            rows.append({"label": label, "path": str(path), "facts": {"format": "DICOM"}})
        return dataset(*rows)

    return make


@pytest.mark.parametrize(
    ("direction", "plane"),
    [
        ((0, 0, 1), "axial"),
        ((0, -1, 0), "coronal"),
        ((-1, 0, 0), "sagittal"),
        ((0, 0.4, 0.9), "axial"),
        ((0, 1, 1), "oblique"),
        ((0, 0, 0), ""),
    ],
)
def test_a_plane_is_told_by_its_normal(direction, plane):
    assert plane_of(direction) == plane


def test_the_largest_share_that_would_have_to_change_plane_is_told():
    planes = ["axial"] * 10 + ["axial"] * 5 + ["coronal"] * 5
    assert uneven(planes, ["a"] * 10 + ["b"] * 10)[0] == 0.5
    assert uneven(["axial", "axial", "coronal", "coronal"] * 2, ["a", "b"] * 4)[0] == 0
    assert uneven(["axial"] * 3, ["a"] * 3) == (0.0, "")


def test_a_class_cut_in_another_plane_is_serious_and_both_planes_are_named(in_planes):
    (found,) = plane(in_planes(lambda label, number: AXIAL if label == "glioma" else SAGITTAL))
    assert (found.kind, found.severity, found.score) == ("plane", "serious", 1.0)
    assert "axial 0 % against 100 %" in found.message or "axial 100 % against 0 %" in found.message


def test_planes_shared_out_evenly_are_fine(in_planes):
    assert plane(in_planes(lambda label, number: (AXIAL, CORONAL, SAGITTAL)[number % 3])) == []


@pytest.mark.slow
def test_files_that_cannot_be_opened_again_tell_no_plane(in_planes):
    one = in_planes(lambda label, number: AXIAL)
    for record in one.records:
        record.path.unlink()
    assert plane(one) == []


@pytest.fixture
def lopsided(heads):
    """Draw 120 heads; every second one is cut off at the side."""
    pictures = heads(120)
    for row in range(1, 120, 2):
        cv2.rectangle(pictures[row], (128, 20), (200, 250), 0, -1)
    return pictures


@pytest.mark.slow
def test_pictures_of_another_symmetry_are_a_warning_that_says_it_is_a_proxy(dataset, lopsided):
    rows = [{"label": ("glioma", "pituitary")[row % 2], "patient": f"p{row}"} for row in range(120)]
    (found,) = plane(replace(dataset(*rows), slices=lopsided))
    assert found.severity == "warning"
    assert found.rule.startswith("A proxy")
    assert found.score > 0.9


@pytest.mark.slow
def test_a_tumour_beside_none_is_no_more_than_a_note(dataset, lopsided):
    rows = [{"label": ("notumor", "glioma")[row % 2]} for row in range(120)]
    (found,) = plane(replace(dataset(*rows), slices=lopsided))
    assert found.severity == "note"
    assert "some patients are unknown" in found.message


@pytest.mark.slow
def test_slices_without_a_tumour_are_left_out_beside_two_classes_that_have_one(dataset, lopsided):
    rows = [{"label": ("notumor", ("glioma", "pituitary")[row // 2 % 2])[row % 2]} for row in range(120)]
    assert plane(replace(dataset(*rows), slices=lopsided)) == []


@pytest.mark.parametrize("fields", [{"label": "Normal"}, {"label": "control", "outline": NO_LESION}])
@pytest.mark.slow
def test_a_class_without_a_tumour_is_known_by_its_name_or_its_outlines(dataset, lopsided, fields):
    rows = [fields if row % 2 == 0 else {"label": ("astro", "oligo")[row // 2 % 2]} for row in range(120)]
    assert plane(replace(dataset(*rows), slices=lopsided)) == []


@pytest.mark.slow
def test_a_class_of_an_unknown_name_counts_as_one_with_a_tumour(dataset, lopsided):
    rows = [{"label": "control" if row % 2 == 0 else ("astro", "oligo")[row // 2 % 2]} for row in range(120)]
    assert plane(replace(dataset(*rows), slices=lopsided))[0].severity == "warning"


def test_too_few_groups_are_not_guessed_from(dataset, heads):
    told = plane(replace(dataset({}, {}), slices=heads(2)))
    assert "files do not give the plane" in told.reason


@pytest.mark.slow
def test_heads_of_one_shape_give_no_finding(dataset, heads):
    rows = [{"label": ("glioma", "notumor")[row % 2]} for row in range(120)]
    assert plane(replace(dataset(*rows), slices=heads(120))) == []
