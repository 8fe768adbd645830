"""Tests of the selection of checks: checks that did not run are listed with the reason and report nothing."""

from __future__ import annotations

import pytest

from gadolin.checks import CHECKS, Selection, read_dataset, run_checks
from gadolin.errors import RequestError


@pytest.fixture(scope="module")
def phantoms(small_phantoms):
    return read_dataset(small_phantoms)


@pytest.mark.slow
def test_only_the_requested_checks_run(phantoms):
    found = run_checks(phantoms, Selection(only=("tiny", "blank")))
    assert set(found.looked) == {"tiny", "blank"}
    assert {one.kind for one in found.findings} == {"tiny"}
    assert set(found.skipped) == set(CHECKS) - {"tiny", "blank"}
    assert len(set(found.skipped.values())) == 1


def test_a_skipped_check_is_listed_with_the_reason(phantoms):
    found = run_checks(phantoms, Selection(only=("tiny", "blank"), skip=("tiny",)))
    assert found.looked == ("blank",)
    assert "skipped" in found.skipped["tiny"]
    assert {"check": "tiny", "reason": found.skipped["tiny"]} in found.as_json()["not_looked"]


def test_the_verdict_claims_nothing_that_was_not_checked(phantoms):
    independent = run_checks(phantoms, Selection(only=("shared_slices", "shared_patients"))).verdict
    assert independent.startswith("No slice and no patient of the test part")
    for name in ("shared_slices", "shared_patients"):
        verdict = run_checks(phantoms, Selection(skip=(name, "shortcuts", "label_errors"))).verdict
        assert "was not checked" in verdict


def test_unknown_names_are_one_error_with_suggestions():
    with pytest.raises(RequestError) as caught:
        Selection(only=("tinny",), skip=("blanck", "tiny"))
    assert caught.value.code == "check_unknown"
    assert "'tiny'" in caught.value.got
    assert "'blank'" in caught.value.got


def test_an_audit_without_a_check_is_refused():
    with pytest.raises(RequestError) as caught:
        Selection(only=("tiny",), skip=("tiny",))
    assert caught.value.code == "no_check_left"
