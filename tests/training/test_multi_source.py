"""Tests of the loss and the sampling of slices from several sources."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gadolin.datasets.labels import lesion_classes
from gadolin.errors import DataError
from gadolin.records import Record
from gadolin.training.multi_source import (
    class_names,
    draw_chances,
    kindless,
    kinds_known,
    sequence_names,
)

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


def record(label, source="", sequence="", split="train"):
    return Record(Path("slice.png"), label, source=source, sequence=sequence, split=split)


def several(count, *values):
    return [record(*values)] * count


MANY = [
    *several(16, "glioma", "all kinds", "T1c"),
    *several(4, "meningioma", "all kinds", "T1c"),
    *several(9, "pituitary", "all kinds", "T1"),
    *several(25, "glioma", "gliomas alone", "T1c"),
    *several(4, "notumor", "gliomas alone", "T1c"),
    *several(1, "tumor", "no kinds"),
]


def test_a_tumour_of_any_kind_is_no_class_where_kinds_are_mixed():
    assert class_names(MANY, "mixed") == CLASSES
    assert class_names(MANY, "all") == (*CLASSES, "tumor")


def test_classes_with_lesions_are_those_that_are_not_named_as_without():
    assert lesion_classes(CLASSES) == (0, 1, 3)


def test_a_kind_is_taught_only_where_a_source_has_two_kinds_of_one_sequence():
    known = kinds_known(MANY, "mixed")

    told = Counter((one.label, one.source) for one, teaches in zip(MANY, known, strict=True) if teaches)
    assert told == {("glioma", "all kinds"): 16, ("meningioma", "all kinds"): 4, ("notumor", "gliomas alone"): 4}


def test_every_slice_teaches_its_label_where_the_recipe_does_not_ask():
    assert kinds_known(MANY, "all") is None
    assert not kindless(MANY, "all")


def test_slices_that_name_no_kind_can_only_be_learned_from():
    assert kindless(MANY, "mixed") == {len(MANY) - 1}
    with pytest.raises(DataError) as refused:
        kinds_known([*MANY, record("tumor", "no kinds", split="test")], "mixed")
    assert refused.value.code == "kind_unknown_where_held_out"


@pytest.mark.parametrize(
    "records", [several(3, "glioma", "one") + several(3, "meningioma", "other") + several(2, "notumor", "one")]
)
def test_sources_of_one_kind_each_teach_no_kind_at_all(records):
    with pytest.raises(DataError) as refused:
        kinds_known(records, "mixed")
    assert refused.value.code == "kinds_missing"


def test_one_kind_alone_needs_no_such_rule():
    with pytest.raises(DataError) as refused:
        class_names([record("glioma"), record("notumor")], "mixed")
    assert refused.value.code == "kinds_missing"


def test_sources_are_drawn_by_the_square_root_of_their_slices():
    chances = draw_chances(MANY, None, 0.5)

    assert chances.sum() == pytest.approx(1)
    assert chances[:16].sum() / chances[16:20].sum() == pytest.approx(4 / 2)
    assert chances[29:54].sum() / chances[-1] == pytest.approx(5)


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_tumours_that_teach_their_kind_have_the_share_that_is_asked_for(share):
    chances = draw_chances(MANY, kinds_known(MANY, "mixed"), share)

    assert chances.sum() == pytest.approx(1)
    assert chances[:20].sum() == pytest.approx(share)


def test_the_share_means_nothing_where_every_slice_teaches_a_kind():
    same = several(4, "glioma", "one") + several(4, "meningioma", "one")
    np.testing.assert_allclose(draw_chances(same, kinds_known(same, "mixed"), 0.1), 1 / 8)


def test_sequences_are_learned_where_the_train_part_names_two_and_they_weigh_anything():
    held_out = [record("glioma", "other", "PD", split="test")]
    assert sequence_names([*MANY, *held_out], 0.3) == ("T1", "T1c")
    assert sequence_names(MANY, 0.0) == ()
    assert sequence_names(several(3, "glioma", "one", "T2"), 0.3) == ()
