"""Tests of exchanging styles between slices."""

from __future__ import annotations

import pytest
import torch

from gadolin.training.augmentation.styles import Styles, draw_styles, mix_styles


@pytest.fixture
def slices():
    """Return a dark slice and a bright one with different content, (2, 1, 64, 64)."""
    torch.manual_seed(0)
    return torch.stack([0.2 + 0.1 * torch.rand(1, 64, 64), 0.6 + 0.1 * torch.rand(1, 64, 64)])


def exchanged(share):
    return Styles(torch.tensor([1, 0]), torch.tensor([share, 0.0]))


def test_a_look_is_taken_in_the_share_that_was_drawn(slices):
    for share in (0.5, 1.0):
        mixed = mix_styles(slices, exchanged(share))
        wanted = (1 - share) * slices[0].mean() + share * slices[1].mean()
        assert mixed[0].mean() == pytest.approx(float(wanted), abs=0.01)


def test_what_a_slice_shows_stays(slices):
    mixed = mix_styles(slices, exchanged(1.0))
    ours, before, other = (one.flatten() - one.mean() for one in (mixed[0], slices[0], slices[1]))
    assert torch.corrcoef(torch.stack([ours, before]))[0, 1] > 0.95
    assert torch.corrcoef(torch.stack([ours, other]))[0, 1].abs() < 0.2


def test_slices_without_a_share_are_not_touched(slices):
    mixed = mix_styles(slices, exchanged(1.0))
    assert torch.equal(mixed[1], slices[1])
    assert mix_styles(slices, exchanged(0.0)) is slices


def test_looks_are_drawn_as_often_as_the_recipe_says_and_alike_for_one_seed():
    drawn, again = (draw_styles(4000, 0.3, torch.Generator().manual_seed(5)) for _ in range(2))
    assert (drawn.share > 0).float().mean() == pytest.approx(0.3, abs=0.03)
    assert drawn.share.max() <= 1
    assert sorted(drawn.partner.tolist()) == list(range(4000))
    assert all(torch.equal(one, other) for one, other in zip(drawn, again, strict=True))
