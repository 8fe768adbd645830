"""Tests of ``gadolin card``."""

from __future__ import annotations

from pathlib import Path

from gadolin.records import NOTICE


def test_card_keeps_what_a_person_wrote_and_counts_what_is_left(gadolin, run_copy):
    card = run_copy / "model-card.md"
    first = gadolin("card", run_copy, "--json").json
    assert first["notice"] == NOTICE
    assert next(Path(one["text"]) for one in first["files"]) == card
    assert all(Path(one[kind]).is_file() for one in first["files"] for kind in ("text", "page"))
    assert first["to_fill"] == sum(one["to_fill"] for one in first["files"]) > 1

    card.write_text("# Mine\n\n## Use\n\n**TO FILL:** Who?\n", encoding="utf-8")
    ending = gadolin("card", run_copy)
    assert (ending.code, ending.out) == (0, "")
    assert f"{card}: 1 item to fill" in ending.err
    assert f"page: {card.with_suffix('.html')}" in ending.err
    assert card.read_text(encoding="utf-8") == "# Mine\n\n## Use\n\n**TO FILL:** Who?\n"
    assert "<h1>Mine</h1>" in card.with_suffix(".html").read_text(encoding="utf-8")


def test_card_of_a_folder_without_a_run_is_refused(gadolin, tmp_path):
    gadolin("card", tmp_path).refused("a run folder must contain a run")
