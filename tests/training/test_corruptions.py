"""Tests of image corruptions: bias field, marks, inverted intensities."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from gadolin.recipe import Corruptions
from gadolin.training.augmentation.corruptions import CorruptionDraw, corrupt, draw_corruptions

SIDE = 32


def nothing(count=1):
    return draw_corruptions(count, Corruptions(), Generator().manual_seed(0))


def even(tone=0.25, count=1):
    return torch.full((count, 1, SIDE, SIDE), tone)


def test_a_configuration_of_zeros_changes_nothing():
    assert torch.equal(corrupt(even(count=3), nothing(3)), even(count=3))


def test_the_same_seed_draws_the_same_and_another_something_else():
    config = Corruptions(bias=0.5, marks=1.0, invert=0.5)
    one, again, other = (draw_corruptions(8, config, Generator().manual_seed(seed)) for seed in (1, 1, 2))

    assert all(torch.equal(first, second) for first, second in zip(one, again, strict=True))
    assert not torch.equal(one.light, other.light)


def test_light_brightens_one_side_and_darkens_the_other():
    ramp = torch.tensor([-0.5, 0.0, 0.5]).expand(1, 1, 3, 3)

    (row,) = corrupt(even(), nothing()._replace(light=ramp))[0, 0, 16:17]

    assert row[0] == pytest.approx(0.25 * 0.6065, abs=1e-3)
    assert row[-1] == pytest.approx(0.25 * 1.6487, abs=1e-3)
    assert (row.diff() > 0).all()


def test_a_mark_covers_its_place_and_no_other():
    bars = torch.zeros(2, 30, 5)
    bars[1, 3] = torch.tensor([0.25, 0.5, 0.5, 1.0, 0.9])

    plain, marked = corrupt(even(count=2), nothing(2)._replace(bars=bars))

    assert torch.equal(plain, even()[0])
    assert torch.allclose(marked[0, 16:, 8:16], torch.tensor(0.9))
    marked[0, 16:, 8:16] = 0.25
    assert torch.equal(marked, even()[0])


def test_turned_tones_are_one_less_the_tone():
    drawn = nothing(2)._replace(turned=torch.tensor([False, True]))

    assert torch.equal(corrupt(even(count=2), drawn), torch.cat([even(), even(0.75)]))


@pytest.mark.parametrize("ground", [False, True])
def test_the_ground_is_turned_with_the_head_or_stays_dark(ground):
    head = even()
    head[..., :16] = 0

    turned = corrupt(head, nothing()._replace(turned=torch.tensor([True]), ground=torch.tensor([ground])))

    assert torch.equal(turned[..., 16:], 1 - head[..., 16:])
    assert torch.equal(turned[..., :14], torch.full((1, 1, SIDE, 14), float(ground)))


def test_marks_are_frames_and_lines_in_about_the_shares_that_are_meant():
    drawn = draw_corruptions(400, Corruptions(marks=0.5), Generator().manual_seed(0))
    assert isinstance(drawn, CorruptionDraw)
    there = drawn.bars[:, :, 2] > drawn.bars[:, :, 0]
    crop_resize = (drawn.bars[:, 0, :3] == torch.tensor([0.0, 0.0, 1.0])).all(dim=1) & there.any(dim=1)

    assert 0.4 < there.any(dim=1).float().mean() < 0.6
    assert 0.25 < crop_resize.sum() / there.any(dim=1).sum() < 0.55
    lines = there.view(400, 5, 6).any(dim=2).sum(dim=1)[there.any(dim=1) & ~crop_resize]
    assert set(lines.tolist()) == {1, 2, 3, 4, 5}
    assert corrupt(even(count=400), drawn).amin() >= 0
    assert corrupt(even(count=400), drawn).amax() <= 1
