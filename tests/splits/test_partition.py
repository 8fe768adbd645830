"""Tests of partitions: patients and duplicates stay together, and dropped slices are reported."""

from __future__ import annotations

import shutil
from dataclasses import replace

import cv2
import pytest

from gadolin.datasets.manifest import file_digest, read_manifest, write_manifest
from gadolin.errors import DamagedFileError, DataError, RequestError
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.splits.partition import SplitConfig, partition

pytestmark = pytest.mark.slow


def whole_groups(records):
    """Return whether no patient and no duplicate group is in two splits."""
    places = {}
    for record in records:
        for bond in {("patient", record.patient), ("group", record.group)}:
            if bond[1] and places.setdefault(bond, (record.split, record.fold)) != (record.split, record.fold):
                return False
    return True


def below(record, folder):
    """Return the path of a record relative to ``folder``."""
    return record.path.relative_to(folder).as_posix() if record.path.is_relative_to(folder) else record.path.as_posix()


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Write two slices of each of four patients per class."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, PhantomPlan(patients=4, slices=2, size=96, seed=1))
    return folder


@pytest.fixture
def collection(phantoms, tmp_path):
    """Write the phantoms' records, changed by ``change``, to a new manifest."""
    records = [replace(one, split="", fold=None) for one in read_manifest(phantoms / "manifest.csv")]

    def write(change=lambda records: records, name="data.csv"):
        write_manifest(tmp_path / name, change(list(records)))
        return tmp_path / name

    return write


@pytest.fixture
def mirrored(tmp_path):
    """Write the mirror image of a record's slice under another name; return its record with changed fields."""

    def make(record, name, **fields):
        picture = cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE)
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), picture[:, ::-1])
        return replace(record, path=path, digest=file_digest(path), **fields)

    return make


def test_folds_by_patient_hold_every_class_and_share_no_patient(collection, tmp_path):
    divided = partition(collection(), SplitConfig(folds=2), cache=tmp_path)
    assert whole_groups(divided.records)
    assert {(one.fold, one.label) for one in divided.records} == {
        (fold, label) for fold in (0, 1) for label in ("glioma", "meningioma", "notumor", "pituitary")
    }
    assert divided.dropped == ()


def test_a_test_part_is_cut_off_by_patient(collection, tmp_path):
    divided = partition(collection(), SplitConfig(test=0.25), cache=tmp_path)
    assert {one.split for one in divided.records} == {"train", "test"}
    assert whole_groups(divided.records)
    assert sum(one.split == "test" for one in divided.records) == 8


def test_the_same_seed_divides_alike_and_another_does_not(collection, tmp_path):
    data = collection()
    first, again, other = (
        partition(data, SplitConfig(folds=2, seed=seed), cache=tmp_path).records for seed in (1, 1, 2)
    )
    assert first == again
    assert [one.fold for one in first] != [one.fold for one in other]


def test_mirror_images_stay_with_their_slices(collection, mirrored, tmp_path):
    def change(records):
        plain = [replace(one, patient="") for one in records]
        return [*plain, *(mirrored(one, f"m{number}") for number, one in enumerate(plain[:6]))]

    divided = partition(collection(change), SplitConfig(folds=2, by="copies"), cache=tmp_path)
    assert len(divided.merged) == 6
    assert all(len(names) == 2 for names in divided.merged)
    folds = {below(one, tmp_path): one.fold for one in divided.records}
    assert all(folds[one] == folds[other] for one, other in divided.merged)


def test_one_picture_of_each_slice_can_be_kept(collection, mirrored, tmp_path):
    data = collection(lambda records: [*records, mirrored(records[0], "again")])
    divided = partition(data, SplitConfig(folds=2, one_each=True), cache=tmp_path)
    (dropped,) = divided.dropped
    assert dropped.path.endswith("again.png")
    assert dropped.code == "duplicate"
    assert len(divided.records) == 32


def test_a_slice_under_two_labels_is_dropped_with_both_names(collection, mirrored, tmp_path):
    data = collection(lambda records: [*records, mirrored(records[0], "odd", label="pituitary", patient="other")])
    divided = partition(data, SplitConfig(folds=2), cache=tmp_path)
    assert len(divided.dropped) == 2
    told = {one.path: one for one in divided.dropped}
    assert {one.code for one in divided.dropped} == {"label_conflict"}
    assert "this one is pituitary" in told["odd.png"].error.got
    assert not any(one.path.name == "odd.png" for one in divided.records)


def test_a_split_by_patient_is_refused_where_one_is_unknown(collection, tmp_path):
    data = collection(lambda records: [replace(records[0], patient=""), *records[1:]])
    with pytest.raises(DataError) as caught:
        partition(data, SplitConfig(folds=2), cache=tmp_path)
    assert caught.value.code == "patients_unknown"
    assert "1 of 32" in caught.value.got


def test_patients_carry_over_from_a_collection_that_knows_them(collection, mirrored, tmp_path):
    known = collection(name="known.csv")

    def change(records):
        return [mirrored(one, f"c{number}", patient="") for number, one in enumerate(records)]

    divided = partition(collection(change), SplitConfig(folds=2), against=known, cache=tmp_path)
    assert divided.carried == 32
    assert whole_groups(divided.records)
    assert [one.patient for one in divided.records] == [one.patient for one in read_manifest(known)]


def test_a_class_of_one_patient_cannot_be_divided(collection, tmp_path):
    def change(records):
        return [replace(one, patient="P" if one.label == "notumor" else one.patient) for one in records]

    with pytest.raises(DataError) as caught:
        partition(collection(change), SplitConfig(folds=2), cache=tmp_path)
    assert caught.value.code == "too_few_groups"
    assert "'notumor'" in caught.value.got
    with pytest.raises(DataError) as caught:
        partition(collection(change), SplitConfig(test=0.2), cache=tmp_path)
    assert caught.value.code == "too_few_groups"
    assert "'notumor'" in caught.value.got


def test_a_file_that_is_no_picture_is_dropped_with_its_reason(phantoms, tmp_path):
    data = tmp_path / "folders"
    for one in read_manifest(phantoms / "manifest.csv"):
        folder = data / one.label
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(one.path, folder / f"{one.patient}-{one.path.name}")
    (data / "glioma" / "broken.png").write_bytes(b"no picture")
    divided = partition(data, SplitConfig(folds=2, by="copies"), cache=tmp_path)
    assert [(one.path, one.code) for one in divided.dropped] == [("glioma/broken.png", "unknown_format")]


def damaged(record, path):
    """Write the first half of a record's file, which fails only when decoded, and return its record."""
    content = record.path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return replace(record, path=path, digest=file_digest(path))


def test_a_damaged_picture_is_dropped_with_its_reason_in_both_data_sets(collection, tmp_path):
    known = collection(lambda records: [*records, damaged(records[1], tmp_path / "there.png")], "known.csv")
    data = collection(lambda records: [*records, damaged(records[0], tmp_path / "here.png")])
    divided = partition(data, SplitConfig(folds=2), against=known, cache=tmp_path)
    assert [(one.path, type(one.error)) for one in divided.dropped] == [
        ("here.png", DamagedFileError),
        ((tmp_path / "there.png").as_posix(), DamagedFileError),
    ]
    assert len(divided.records) == 32


def test_data_without_a_picture_that_can_be_read_is_refused(collection, tmp_path):
    def change(records):
        return [damaged(one, tmp_path / f"{number}.png") for number, one in enumerate(records)]

    with pytest.raises(DataError) as caught:
        partition(collection(change), SplitConfig(folds=2), cache=tmp_path)
    assert caught.value.code == "no_readable_slice"


def test_finer_labels_of_the_other_collection_drop_nothing(collection, tmp_path):
    known = collection(name="known.csv")

    def change(records):
        return [replace(one, label="notumor" if one.label == "notumor" else "tumor") for one in records]

    divided = partition(collection(change), SplitConfig(folds=2), against=known, cache=tmp_path)
    assert divided.dropped == ()
    assert len(divided.records) == 32


def test_what_the_other_collection_contradicts_is_dropped_and_what_it_contradicts_itself_about_is_not(
    collection, mirrored, tmp_path
):
    def change(records):
        twisted = mirrored(records[1], "twisted", label="pituitary")  # under two labels in the other data set
        return [replace(records[0], label="pituitary"), twisted, *records[1:]]

    known = collection(change, "known.csv")
    divided = partition(collection(), SplitConfig(folds=2), against=known, cache=tmp_path)
    (dropped,) = divided.dropped
    assert dropped.path == below(read_manifest(known)[0], tmp_path)
    assert dropped.code == "label_conflict"
    assert "this one is glioma" in dropped.error.got


def test_a_class_that_would_be_dropped_whole_is_refused(collection, tmp_path):
    def change(records):
        return [replace(one, label="glioma" if one.label == "pituitary" else one.label) for one in records]

    with pytest.raises(DataError) as caught:
        partition(collection(), SplitConfig(folds=2), against=collection(change, "known.csv"), cache=tmp_path)
    assert caught.value.code == "class_vanishes"
    assert "'pituitary'" in caught.value.got


def test_groups_of_the_other_collection_are_not_taken_for_those_of_the_data(collection, tmp_path):
    def grouped(step):
        return lambda records: [
            replace(one, group=f"copy-{(row + step) // 2:05d}", patient="") for row, one in enumerate(records)
        ]

    known = collection(lambda records: grouped(2)(records[:8]), "known.csv")
    alone, beside = (
        partition(collection(grouped(0)), SplitConfig(folds=2, by="copies"), against=other, cache=tmp_path)
        for other in (None, known)
    )
    assert [one.fold for one in alone.records] == [one.fold for one in beside.records]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "options_exclude_each_other"),
        ({"folds": 5, "test": 0.2}, "options_exclude_each_other"),
        ({"folds": 1}, "folds_out_of_range"),
        ({"test": 1.0}, "share_out_of_range"),
        ({"folds": 5, "by": "patients"}, "split_rule_unknown"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(fields, code):
    with pytest.raises(RequestError) as caught:
        SplitConfig(**fields)
    assert caught.value.code == code
    assert ("did you mean 'patient'?" in caught.value.got) is (fields.get("by") == "patients")


def test_what_was_done_is_told_as_json(collection, tmp_path):
    told = partition(collection(), SplitConfig(folds=2), cache=tmp_path).as_json()
    assert told["slices"] == 32
    assert told["patients"] == 16
    assert set(told["parts"]) == {"fold 0", "fold 1"}
    assert sum(sum(counts.values()) for counts in told["parts"].values()) == 32
