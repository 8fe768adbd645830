"""Tests of the check for images beside a manifest that does not list them."""

from __future__ import annotations

import pytest

from gadolin.checks.files import unlisted
from gadolin.checks.registry import Skipped
from gadolin.phantoms import PhantomPlan, write_phantoms


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Draw phantoms with a broken file and a good one, neither of which the manifest lists."""
    folder = tmp_path_factory.mktemp("broken") / "data"
    write_phantoms(folder, PhantomPlan(patients=2, slices=2, size=128, seed=1, faults=("unreadable",)))
    (folder / "extra.png").write_bytes(next((folder / "Training" / "glioma").glob("s*.png")).read_bytes())
    return folder


@pytest.mark.slow
def test_a_picture_that_the_manifest_does_not_name_is_a_note(kinds, broken):
    (found,) = kinds(broken)["unlisted"]
    assert (found.severity, found.members) == ("note", (("extra.png",),))


@pytest.mark.slow
def test_a_damaged_one_is_told_as_unreadable(kinds, broken):
    (found,) = kinds(broken)["unreadable"]
    assert any("broken" in name for (name,) in found.members)


@pytest.mark.slow
def test_a_manifest_that_is_named_itself_answers_for_its_rows_alone(kinds, broken):
    assert not {"unlisted", "unreadable"} & set(kinds(broken / "manifest.csv"))


def test_a_folder_without_a_manifest_cannot_hide_pictures(dataset):
    assert isinstance(unlisted(dataset({})), Skipped)
