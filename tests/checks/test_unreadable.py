"""Tests of the check for unreadable files."""

from __future__ import annotations

from gadolin.checks.files import unreadable


def test_unreadable_files_among_good_ones_are_one_finding_and_no_end(small_phantoms, lay_out, kinds):
    whole = next((small_phantoms / "Training" / "glioma").iterdir()).read_bytes()
    more = {"glioma/cut.png": whole[: len(whole) // 3], "notumor/empty.png": b"", "notumor/text.jpg": b"no picture"}
    (found,) = kinds(lay_out(more=more))["unreadable"]
    assert {name for (name,) in found.members} == set(more)
    assert found.score == 3
    assert "(1 file)" in found.remedy, "the remedy depends on the file; it is not to remove them all"


def test_a_manifest_that_names_an_unreadable_file_is_told_too(lay_out, kinds, tmp_path):
    root = lay_out(more={"glioma/bad.png": b"no picture"})
    rows = [f"{path.relative_to(root)},{path.parent.name}" for path in sorted(root.rglob("*.png"))]
    (root / "manifest.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    (found,) = kinds(root)["unreadable"]
    assert found.members == (("glioma/bad.png",),)


def test_readable_files_are_fine(dataset):
    assert unreadable(dataset({}, {})) == []
