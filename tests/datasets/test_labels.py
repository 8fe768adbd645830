"""Tests of class names: every usual spelling maps to one name; unknown names stay unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.datasets.labels import canonical
from gadolin.phantoms import CLASSES


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ("no_tumor", "notumor"),
        ("No Tumor", "notumor"),
        ("no-tumour", "notumor"),
        ("notumor", "notumor"),
        ("no", "notumor"),
        ("Healthy", "notumor"),
        ("Normal", "notumor"),
        ("glioma_tumor", "glioma"),
        ("Glioma", "glioma"),
        ("meningioma tumour", "meningioma"),
        ("Meningiomas", "meningioma"),
        ("pituitary_tumor", "pituitary"),
        ("Pituitary adenoma", "pituitary"),
        ("yes", "tumor"),
        ("Tumour", "tumor"),
    ],
)
def test_usual_spellings_have_one_name(found, name):
    assert canonical(found) == name


@pytest.mark.parametrize("label", ["Schwannoma", "metastasis", "class 3", "1", "", "腫瘍", "Gliomatosis"])
def test_an_unknown_label_is_left_as_it_is(label):
    assert canonical(label) == label


@pytest.mark.parametrize("label", CLASSES)
def test_the_phantoms_bear_the_usual_names(label):
    assert canonical(label) == label


@given(st.text("aeglimnoptuy _-1", max_size=16))
def test_a_name_that_was_found_is_not_changed_again(label):
    assert canonical(canonical(label)) == canonical(label)
