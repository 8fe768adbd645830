"""Tests of the check for slices in two splits."""

from __future__ import annotations

import pytest

from gadolin.checks import run_checks
from gadolin.checks.leakage import shared_slices


def parts(*codes):
    """Return rows such as "train a glioma": split, duplicate group, label."""
    return [dict(zip(("split", "copy", "label"), code.split(), strict=True)) for code in codes]


SPOILT = parts(
    "train a glioma", "train b notumor", "test a glioma", "test a glioma", "test b notumor", "test c notumor"
)


def test_the_share_of_the_test_part_is_told_with_the_counts_of_each_class(dataset):
    (found,) = shared_slices(dataset(*SPOILT))
    assert found.message == (
        "75 % of the test part (3 of 4 slices) is also in the training part, so accuracy on it is misleading: "
        "glioma 2 of 2, no tumour 1 of 2."
    )
    assert found.score == pytest.approx(0.75)
    assert found.members == (("2.png", "3.png", "0.png"), ("4.png", "1.png"))


def test_it_is_the_verdict(dataset):
    assert run_checks(dataset(*SPOILT)).verdict == (
        "75 % of the test part (3 of 4 slices) is also in the training part, so accuracy on it is misleading."
    )


def test_a_single_shared_slice_of_many_is_in_the_verdict(dataset):
    rows = parts("train a glioma", "test a glioma", *(f"test own-{number} notumor" for number in range(300)))
    told = run_checks(dataset(*rows, *parts(*(f"train other-{number} notumor" for number in range(20)))))
    assert "0.3 % of the test part (1 of 301 slices) is also in the training part" in told.verdict


def test_a_test_part_without_training_is_not_called_clean(dataset):
    verdict = run_checks(dataset(*parts("test a glioma", "test b notumor"))).verdict
    assert verdict.startswith("There is a test part but no training part to compare it with")


def test_a_shared_validation_part_is_not_told_as_a_shared_test_part(dataset):
    rows = parts("train a glioma", "validation a glioma", "test b glioma", "train c notumor", "validation d notumor")
    assert run_checks(dataset(*rows, *parts("test e notumor"))).verdict.startswith("50 % of the validation part")


def test_the_counts_of_the_parts_say_the_same(dataset):
    counts = {(one.part, one.label): one for one in run_checks(dataset(*SPOILT)).parts}
    assert (counts["test", ""].duplicate, counts["test", ""].new_slice) == (3, 1)
    assert counts["test", "notumor"].duplicate == 1
    assert counts["train", ""].duplicate is None


def test_copies_within_one_part_are_no_leak(dataset):
    assert shared_slices(dataset(*parts("train a glioma", "train a glioma", "test b notumor"))) == []


def test_validation_is_compared_with_training_and_the_test_with_both(dataset):
    rows = parts("train a glioma", "validation a glioma", "validation b glioma", "test b glioma", "test c glioma")
    test, validation = shared_slices(dataset(*rows))
    assert test.members == (("3.png", "2.png"),)
    assert validation.members == (("1.png", "0.png"),)


def test_a_copy_in_another_fold_is_told(dataset):
    rows = [{"fold": 0, "copy": "a"}, {"fold": 1, "copy": "a"}, {"fold": 1}]
    (found,) = shared_slices(dataset(*rows))
    assert found.members == (("0.png", "1.png"),)
    assert found.score == pytest.approx(2 / 3)


def test_a_proved_pair_in_two_folds_is_told_though_its_slices_are_of_different_groups(dataset):
    (found,) = shared_slices(dataset({"fold": 0}, {"fold": 1}, {"fold": 1}, pairs=[(0, 1, True, 3.0, 1.0)]))
    assert found.members == (("0.png", "1.png"),)


def test_the_ends_of_a_chain_are_not_taken_for_copies(dataset):
    chain = dataset({}, {}, {}, pairs=[(0, 1, False, 3.0, 1.0), (1, 2, False, 3.0, 1.0)])
    assert chain.copies.among([0], [1, 2]) == {0: [1]}
