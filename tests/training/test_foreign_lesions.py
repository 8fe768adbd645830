"""Tests of painted lesions: on healthy slices, on tissue, equally for every class."""

from __future__ import annotations

import pytest
import torch

from gadolin.training.augmentation.foreign_lesions import draw_foreign, paint_foreign

COUNT, SIDE = 40, 64
KINDS = torch.tensor([1.0, 1.0, 0.0, 1.0])
NONE = torch.tensor([0.0, 0.0, 1.0, 0.0])


def painted(scaled, healthy=True, probability=1.0):
    count = len(scaled)
    lesion, targets = torch.zeros(count, 1, 16, 16), NONE.repeat(count, 1)
    drawn = draw_foreign(count, probability, torch.Generator().manual_seed(3))
    return paint_foreign(scaled, lesion, targets, torch.full((count,), healthy), KINDS, drawn)


def test_a_lesion_is_painted_where_its_outline_says_and_may_be_of_any_kind():
    scaled = torch.full((COUNT, 1, SIDE, SIDE), 0.5)
    changed, lesion, targets = painted(scaled)

    assert torch.allclose(targets, (KINDS / 3).expand(COUNT, 4))
    moved = (changed - scaled).abs()
    large = torch.nn.functional.interpolate(lesion, (SIDE, SIDE))
    assert (lesion.amax(dim=(1, 2, 3)) > 0.5).all()
    assert (moved.amax(dim=(1, 2, 3)) > 0.02).float().mean() > 0.9
    assert moved[large == 0].mean() < 0.01 < moved[large == 1].mean()
    assert changed.min() >= 0
    assert changed.max() <= 1


@pytest.mark.parametrize(("healthy", "probability", "tone"), [(False, 1.0, 0.5), (True, 0.0, 0.5), (True, 1.0, 0.0)])
def test_nothing_is_painted_on_other_slices_or_into_the_air(healthy, probability, tone):
    scaled = torch.full((COUNT, 1, SIDE, SIDE), tone)
    changed, lesion, targets = painted(scaled, healthy, probability)

    assert torch.equal(changed, scaled)
    assert not lesion.any()
    assert torch.equal(targets, NONE.repeat(COUNT, 1))


def test_a_lesion_lies_on_tissue_alone():
    scaled = torch.zeros(COUNT, 1, SIDE, SIDE)
    scaled[..., : SIDE // 2] = 0.5
    changed, _, targets = painted(scaled)

    chosen = targets[:, 0] > 0
    assert 0 < chosen.sum() < COUNT
    assert (changed[..., SIDE // 2 + 8 :] == 0).all()
