"""Tests of the command that an audit ends with."""

from __future__ import annotations

import pytest

from gadolin.checks import run_checks

TRAIN = [
    {"split": "train", "label": label, "patient": f"{label}{row}"} for label in ("glioma", "notumor") for row in "ab"
]
TEST = [one | {"split": "test", "patient": f"t-{one['patient']}"} for one in TRAIN]


def command(data):
    return run_checks(data).command


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"copy": "same"}, ""),
        ({"copy": "same", "patient": ""}, " --by copies"),
    ],
)
def test_leakage_is_mended_by_another_split(dataset, changes, options):
    leaky = [TRAIN[0] | {"copy": "same"}, *TRAIN[1:], TEST[0] | changes, *TEST[1:]]
    told = command(dataset(*leaky))
    assert told.startswith("gadolin split ")
    assert f"{options} --out " in told
    assert "--one-each" not in told


def test_folds_stay_folds(dataset):
    rows = [{"fold": row % 3, "label": ("glioma", "notumor")[row % 2], "copy": str(row // 2)} for row in range(12)]
    assert " --folds 3 --by copies --out " in command(dataset(*rows))


def test_data_without_such_findings_or_with_one_class_has_none(dataset):
    assert command(dataset(*TRAIN, *TEST)) == ""
    one_class = [one | {"label": "glioma", "copy": "same"} for one in (*TRAIN, *TEST)]
    assert command(dataset(*one_class)) == ""
