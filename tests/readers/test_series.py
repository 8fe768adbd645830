"""Tests of a series: files in anatomical order, one series at a time, localisers left out."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from nibabel import Nifti1Image

from gadolin.errors import RequestError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, nifti_bytes
from gadolin.readers import open_bytes, read
from gadolin.readers import series as series_module

SLICES = np.stack([each.pixels for each in draw_patient("glioma", 3, seed=1, slices=6, size=64)]).astype(np.uint16) * 9
NAMES = ["c", "f", "a", "e", "b", "d"]
STEP = 6.0
PLANES = {  # directions of rows, columns and stack: foot to head, back to front, or left to right
    "axial": ((1, 0, 0, 0, 1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0, 0, 0, -1), (0, -1, 0)),
    "sagittal": ((0, 1, 0, 0, 0, -1), (-1, 0, 0)),
    "tilted axial": ((1, 0, 0, 0, 0.8, 0.6), (0, -0.6, 0.8)),
    "steep coronal": ((1, 0, 0, 0, 0.6, -0.8), (0, -0.8, -0.6)),
    "tilted sagittal": ((0.28, 0.96, 0, 0, 0, -1), (-0.96, 0.28, 0)),
}


def in_order(paths, **options):
    return series_module.in_order(paths, **options).files


def left_out(paths, **options):
    return [(path_of(one), one.code) for one in series_module.in_order(paths, **options).left_out]


def path_of(failure):
    return Path(failure.path)


def written(folder, plane="axial", *, reversed_=False, **more):
    """Write a series whose file names do not show its order; return the files in anatomical order."""
    axes, upwards = PLANES[plane]
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, pixels in enumerate(SLICES):
        place = tuple(40.0 - 7 * side + side * number * STEP for side in upwards)
        facts = {"SeriesNumber": 1, "InstanceNumber": 6 - number if reversed_ else number} | more
        path = folder / f"{NAMES[::-1][number] if reversed_ else NAMES[number]}.dcm"
        series = f"1.2.3.{facts['SeriesNumber']}"
        content = DicomFacts(position=place, axes=tuple(map(float, axes)), series=series, more=facts)
        path.write_bytes(dicom_bytes(pixels, content))
        files.append(path)
    return files


@pytest.mark.parametrize("reversed_", [False, True])
@pytest.mark.parametrize("plane", PLANES)
def test_files_come_in_anatomical_order_whatever_they_are_called(plane, reversed_, tmp_path):
    files = written(tmp_path, plane, reversed_=reversed_)
    ordered = in_order(sorted(tmp_path.iterdir()))
    assert ordered == files
    for path, pixels in zip(ordered, SLICES, strict=True):
        np.testing.assert_array_equal(read(path).pixels, pixels)


def test_pictures_and_damaged_files_stay_where_they_are_and_what_is_none_of_ours_is_left_out(tmp_path):
    files = written(tmp_path / "series")
    (tmp_path / "series" / "a.txt").write_text("hello")
    (tmp_path / "series" / "z.png").write_text("hello")
    (tmp_path / "series" / "b2.dcm").write_bytes(files[0].read_bytes()[:300])
    shown = [path.name for path in in_order(sorted((tmp_path / "series").iterdir()))]
    assert "a.txt" not in shown
    assert left_out(sorted((tmp_path / "series").iterdir())) == [(tmp_path / "series" / "a.txt", "not_a_picture")]
    assert [name for name in shown if name in {"b2.dcm", "z.png"}] == ["b2.dcm", "z.png"]
    assert [name for name in shown if name in {path.name for path in files}] == [path.name for path in files]


def test_folders_are_ordered_apart(tmp_path):
    first, second = written(tmp_path / "a"), written(tmp_path / "b", SeriesNumber=2, reversed_=True)
    assert in_order([*sorted(first), *sorted(second)]) == [*first, *second]


def test_a_localiser_is_left_out_and_told(tmp_path):
    files = written(tmp_path)
    localiser = tmp_path / "0.dcm"
    facts = DicomFacts(series="9.9", more={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesNumber": 9})
    localiser.write_bytes(dicom_bytes(SLICES[0], facts))
    assert in_order(sorted(tmp_path.iterdir())) == files
    assert left_out(sorted(tmp_path.iterdir())) == [(localiser, "localiser")]


def test_several_series_in_a_folder_are_a_failure_with_their_numbers_and_other_folders_go_on(tmp_path):
    written(tmp_path / "mri")
    for path in written(tmp_path / "more", SeriesNumber=7, SeriesDescription="T1 AX")[:2]:
        path.rename(tmp_path / "mri" / f"other-{path.name}")
    others = written(tmp_path / "one")
    several, *rest = in_order([*sorted((tmp_path / "mri").iterdir()), *sorted((tmp_path / "one").iterdir())])
    assert rest == others
    assert (several.path, several.code) == (str(tmp_path / "mri"), "several_series")
    assert str(several) == (
        f"{tmp_path / 'mri'}: a folder must hold one series, this one holds series 1 (6 files), "
        "series 7, T1 AX (2 files); choose one with --series or move them to separate folders"
    )


def test_one_of_several_series_may_be_chosen(tmp_path):
    files = written(tmp_path / "mri")
    others = [path.rename(tmp_path / "mri" / f"0{path.name}") for path in written(tmp_path / "more", SeriesNumber=7)]
    found = sorted((tmp_path / "mri").iterdir())
    assert in_order(found, series="1") == files
    assert in_order(found, series="7") == others
    assert left_out(found, series="7") == [(path, "other_series") for path in sorted(files)]


def test_one_number_chooses_a_series_of_each_folder(tmp_path):
    for patient in ("p1", "p2"):
        for number in (5, 6):
            facts = DicomFacts(series=f"{patient[1]}.{number}", more={"SeriesNumber": number})
            (tmp_path / patient).mkdir(exist_ok=True)
            (tmp_path / patient / f"{number}.dcm").write_bytes(dicom_bytes(SLICES[0], facts))
    files = sorted(tmp_path.rglob("*.dcm"))
    assert in_order(files, series="5") == [tmp_path / "p1" / "5.dcm", tmp_path / "p2" / "5.dcm"]
    (tmp_path / "p2" / "5.dcm").unlink()
    assert in_order([path for path in files if path.is_file()], series="5") == [tmp_path / "p1" / "5.dcm"]
    assert (tmp_path / "p2" / "6.dcm", "other_series") in left_out(
        [each for each in files if each.is_file()], series="5"
    )
    files[2].write_bytes(files[0].read_bytes())
    with pytest.raises(RequestError) as caught:
        in_order(files, series="7")
    there = "series 5 (1 file), series 6 (1 file) in"
    assert str(caught.value) == (
        "--series must be the number of an existing series, got 7; choose one: "
        f"{there} {tmp_path / 'p1'}; {there} {tmp_path / 'p2'}"
    )


def test_a_series_that_there_is_not_is_refused_with_those_that_there_are(tmp_path):
    written(tmp_path)
    with pytest.raises(RequestError) as caught:
        in_order(sorted(tmp_path.iterdir()), series="4")
    assert str(caught.value) == (
        "--series must be the number of an existing series, got 4; choose one: series 1 (6 files)"
    )


def test_the_pixels_of_a_folder_are_not_held_while_it_is_ordered(tmp_path):
    large = np.zeros((1024, 1024), np.uint16)
    for number in range(12):
        content = dicom_bytes(large, DicomFacts(position=(0, 0, float(-number))))
        (tmp_path / f"{number:02}.dcm").write_bytes(content)
    files = sorted(tmp_path.iterdir())
    in_order(files[:1])
    tracemalloc.start()
    try:
        assert in_order(files) == files[::-1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * large.nbytes


@pytest.mark.parametrize("kind", [np.uint16, np.uint8])
def test_a_volume_gives_the_same_slices_as_series_enhanced_file_and_nifti(kind, tmp_path):
    volume = (SLICES // 9).astype(kind) if kind == np.uint8 else SLICES
    spacing = (0.75, 0.5, STEP)
    for number, pixels in enumerate(volume):
        facts = DicomFacts(position=(0, 0, number * STEP), spacing_mm=spacing)
        (tmp_path / f"{NAMES[number]}.dcm").write_bytes(dicom_bytes(pixels, facts))
    series = [read(path) for path in in_order(sorted(tmp_path.iterdir()))]
    enhanced = open_bytes(dicom_bytes(volume, DicomFacts(spacing_mm=spacing)))
    upright = volume[:, ::-1, ::-1].transpose(2, 1, 0)
    nifti = open_bytes(nifti_bytes(np.ascontiguousarray(upright), affine=np.diag([0.5, 0.75, STEP, 1])))
    assert enhanced.slices == nifti.slices == len(series) == len(volume)
    for number, one in enumerate(series):
        for other in (enhanced.decode(number), nifti.decode(number)):
            np.testing.assert_array_equal(one.pixels, other.pixels)
            assert one.spacing_mm == pytest.approx(other.spacing_mm)
            assert one.bits == other.bits == (8 if kind == np.uint8 else 16)


def test_a_series_whose_orientation_is_rounded_here_and_there_is_one(tmp_path):
    for number, pixels in enumerate(SLICES):
        axes = (1.0, 0.0, (-1) ** number * 1e-7, 0.0, 1.0, 0.0)
        facts = DicomFacts(position=(0.0, 0.0, STEP * number), axes=axes, more={"SeriesNumber": 1})
        (tmp_path / f"{NAMES[number]}.dcm").write_bytes(dicom_bytes(pixels, facts))
    assert [path.stem for path in in_order(sorted(tmp_path.iterdir()))] == NAMES


def test_two_series_with_one_number_are_told_apart_and_chosen_by_what_the_error_calls_them(tmp_path):
    for letter, series in (("a", "1.2.3"), ("b", "1.2.4")):
        facts = DicomFacts(series=series, more={"SeriesNumber": 7})
        (tmp_path / f"{letter}.dcm").write_bytes(dicom_bytes(SLICES[0], facts))
    files = sorted(tmp_path.iterdir())
    (several,) = in_order(files)
    names = re.findall(r"series (\w+) \(1 file\)", str(several))
    assert len(set(names)) == 2
    assert sorted(in_order(files, series=name)[0].name for name in names) == ["a.dcm", "b.dcm"]
    with pytest.raises(RequestError) as caught:
        in_order(files, series="7")
    assert caught.value.code == "series_unknown"


def test_files_without_a_position_come_as_they_were_acquired(tmp_path):
    for number, name in enumerate(NAMES):
        more = {"InstanceNumber": number + 1, "ImagePositionPatient": None}
        (tmp_path / f"{name}.dcm").write_bytes(dicom_bytes(SLICES[number], DicomFacts(more=more)))
    assert [path.stem for path in in_order(sorted(tmp_path.iterdir()))] == NAMES


def test_a_series_in_two_planes_comes_plane_by_plane(tmp_path):
    for number, name in enumerate(NAMES):
        axes, upwards = PLANES["axial" if number % 2 else "sagittal"]
        place = tuple(side * STEP * number for side in upwards)
        facts = DicomFacts(position=place, axes=tuple(map(float, axes)))
        (tmp_path / f"{name}.dcm").write_bytes(dicom_bytes(SLICES[number], facts))
    ordered = [NAMES.index(path.stem) for path in in_order(sorted(tmp_path.iterdir()))]
    assert [number % 2 for number in ordered] in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])
    assert [number for number in ordered if number % 2] == [1, 3, 5]


@pytest.mark.parametrize("count", [1, 3])
def test_a_series_of_a_few_slices_in_three_planes_at_right_angles_plans_a_scan(tmp_path, count):
    kept = written(tmp_path, SeriesNumber=2)
    plan = []
    for plane in ("axial", "coronal", "sagittal"):
        axes, upwards = PLANES[plane]
        for number in range(count):
            path = tmp_path / f"{plane}{number}.dcm"
            place = tuple(9.0 * number * side for side in upwards)
            path.write_bytes(dicom_bytes(SLICES[0], DicomFacts(position=place, axes=axes, series="9.1")))
            plan.append(path)
    ordered = series_module.in_order(sorted(tmp_path.iterdir()))
    assert ordered.files == kept
    assert [(each.path, each.code) for each in ordered.left_out] == [(str(path), "localiser") for path in sorted(plan)]


@pytest.mark.parametrize("side", [0.95, 0.999, 1.04])
def test_an_orientation_of_few_digits_is_one_plane_in_a_folder_and_in_one_file(tmp_path, side):
    axes = (side, 0.0, 0.0, 0.0, side, 0.0)
    for number, pixels in enumerate(SLICES):
        facts = DicomFacts(position=(0.0, 0.0, STEP * (6 - number)), axes=axes, more={"SeriesNumber": 1})
        (tmp_path / f"{NAMES[number]}.dcm").write_bytes(dicom_bytes(pixels, facts))
    assert [path.stem for path in in_order(sorted(tmp_path.iterdir()))] == NAMES[::-1]
    volume = dicom_bytes(SLICES[:2], DicomFacts(spacing_mm=(0.5, 0.5, -STEP), axes=axes))
    np.testing.assert_array_equal(open_bytes(volume).decode(0).pixels, SLICES[1])


VOLUME = np.arange(20 * 24 * 18, dtype=np.int16).reshape(20, 24, 18)
EDGES = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}


@pytest.mark.parametrize("plane", PLANES)
def test_each_slice_knows_its_series_its_position_and_its_edges(tmp_path, plane):
    files = written(tmp_path, plane, SeriesDescription="T1 AX +C", SeriesNumber=301)
    slices = [read(path) for path in files]
    assert {(one.series.number, one.series.description) for one in slices} == {(301, "T1 AX +C")}
    assert len({one.series.key for one in slices}) == 1
    assert "1.2.3" not in slices[0].series.key
    np.testing.assert_allclose(np.diff([one.series.position_mm for one in slices]), STEP, atol=1e-2)
    assert {one.orientation for one in slices} == {EDGES[plane.split()[-1]]}
    assert slices[0].header.series == slices[0].series


def test_two_series_have_two_keys(tmp_path):
    (one, *_), (other, *_) = (written(tmp_path / str(number), SeriesNumber=number) for number in (3, 4))
    assert read(one).series.key != read(other).series.key


def test_a_file_without_a_series_or_geometry_says_nothing_of_them():
    image = open_bytes(dicom_bytes(SLICES[0], DicomFacts(series="", axes=(0.0,) * 6))).decode(0)
    assert (image.series, image.orientation) == (None, "")


@pytest.mark.parametrize("plane", EDGES)
def test_volumes_and_series_name_their_edges_alike(plane):
    assert open_bytes(nifti_bytes(VOLUME), plane=plane).decode(0).orientation == EDGES[plane]


def test_a_volume_that_declares_no_orientation_names_no_edges():
    image = Nifti1Image(VOLUME, None)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    assert open_bytes(image.to_bytes()).decode(0).orientation == ""
