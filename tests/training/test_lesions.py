"""Tests of lesions that are moved between slices."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from gadolin.recipe import Augmentation
from gadolin.training.augmentation.lesions import Exchange, draw_exchange, exchange

SIDE = 64
ILL, WELL, ANY = 0, 1, -1


def square(row, column, size=12):
    """A mask of one square on the grid of the slices."""
    mask = torch.zeros(1, SIDE, SIDE)
    mask[:, row : row + size, column : column + size] = 1
    return mask


NONE = torch.zeros(1, SIDE, SIDE)
UNKNOWN = torch.full((1, SIDE, SIDE), -1.0)


def batch(*lesions, tones=None):
    """Uniform slices with lesions twice as bright; the class depends on the lesion."""
    lesion = torch.stack(lesions)
    tones = torch.tensor(tones or [0.3] * len(lesions)).view(-1, 1, 1, 1)
    scaled = tones * (1 + lesion.clamp(min=0))
    classes = torch.tensor([ILL if float(one.max()) > 0 else WELL for one in lesions])
    healthy = torch.tensor([float(one.min()) == 0 and float(one.max()) == 0 for one in lesions])
    return scaled, lesion, torch.nn.functional.one_hot(classes, 2).float(), healthy


def named(classes):
    return [int(one.argmax()) if float(one.max()) == 1 else ANY for one in classes]


def swapped(count):
    """Every slice exchanges its lesion with the previous one."""
    return taking(torch.ones(count, dtype=torch.bool), torch.arange(count).roll(1))


def taking(chosen, partner, *, filled=False, elsewhere=False):
    return Exchange(chosen, chosen, partner, torch.full_like(chosen, filled), torch.full_like(chosen, elsewhere))


def test_a_slice_without_a_lesion_gets_the_other_ones_with_its_class_and_contrast():
    scaled, lesion, wanted, healthy = batch(square(20, 20), NONE, tones=[0.3, 0.2])

    changed, now, classes = exchange(scaled, lesion, wanted, healthy, swapped(2))

    assert named(classes) == [ANY, ILL]
    assert torch.equal(now[1], lesion[0])
    assert float(changed[1, 0, 25, 25]) == pytest.approx(0.4, abs=0.02), "twice its surroundings, as in its source"
    assert torch.equal(changed[1, :, 40:], scaled[1, :, 40:])


def test_a_lesion_is_covered_with_tissue_of_a_slice_that_has_none_there():
    scaled, lesion, wanted, healthy = batch(square(20, 20), NONE, square(44, 44))

    changed, now, classes = exchange(scaled, lesion, wanted, healthy, swapped(3))

    assert named(classes) == [ANY, ILL, ANY]
    assert not now[0].any()
    assert torch.allclose(changed[0], torch.full_like(changed[0], 0.3), atol=0.01)


def test_a_lesion_is_not_covered_with_a_lesion():
    scaled, lesion, wanted, healthy = batch(square(20, 20), square(24, 24), NONE)

    changed, now, classes = exchange(
        scaled, lesion, wanted, healthy, taking(torch.tensor([True, False, False]), torch.tensor([1, 0, 2]))
    )

    assert torch.equal(changed, scaled)
    assert torch.equal(now, lesion)
    assert torch.equal(classes, wanted)


def test_a_lesion_is_filled_from_around_it():
    scaled, lesion, wanted, healthy = batch(square(20, 20), NONE, tones=[0.3, 0.5])
    drawn = taking(torch.tensor([True, False]), torch.tensor([1, 0]), filled=True)

    changed, now, classes = exchange(scaled, lesion, wanted, healthy, drawn)

    assert named(classes) == [ANY, WELL]
    assert not now.any()
    assert torch.allclose(changed[0], torch.full_like(changed[0], 0.3), atol=0.01)
    assert torch.equal(changed[1], scaled[1])


def test_a_filled_place_elsewhere_changes_no_lesion_and_no_class():
    scaled, lesion, wanted, healthy = batch(square(20, 20), NONE, square(44, 44))
    scaled[:, :, 46:50, 46:50] += 0.2
    scaled[:, :, 22:26, 22:26] += 0.2
    drawn = taking(torch.ones(3, dtype=torch.bool), torch.tensor([2, 0, 1]), filled=True, elsewhere=True)

    changed, now, classes = exchange(scaled, lesion, wanted, healthy, drawn)

    assert named(classes) == [ILL, WELL, ANY], "the last one's partner has no lesion, so it only loses its own"
    assert torch.equal(now[:2], lesion[:2])
    assert torch.allclose(changed[0, 0, 46:50, 46:50], torch.full((4, 4), 0.3), atol=0.01)
    assert torch.equal(changed[0, 0, 20:32, 20:32], scaled[0, 0, 20:32, 20:32])
    assert torch.allclose(changed[1, 0, 22:26, 22:26], torch.full((4, 4), 0.3), atol=0.01)


def test_a_slice_whose_lesion_is_covered_may_be_of_any_class():
    scaled, lesion, wanted, healthy = batch(square(10, 10), square(44, 44))

    changed, now, classes = exchange(scaled, lesion, wanted, healthy, swapped(2))

    assert torch.equal(classes, torch.full((2, 2), 0.5))
    assert not now.any()
    assert torch.allclose(changed, torch.full_like(changed, 0.3), atol=0.01)


def test_slices_whose_lesion_is_unknown_are_left_alone_and_lend_nothing():
    scaled, lesion, wanted, healthy = batch(UNKNOWN, NONE, square(20, 20))

    changed, now, classes = exchange(scaled, lesion, wanted, healthy, swapped(3))

    assert torch.equal(changed[:2], scaled[:2])
    assert torch.equal(now[:2], lesion[:2])
    assert torch.equal(classes[:2], wanted[:2])


def test_a_lesion_is_not_pasted_into_air():
    scaled, lesion, wanted, healthy = batch(square(20, 20), NONE, tones=[0.3, 0.01])

    _, now, classes = exchange(scaled, lesion, wanted, healthy, swapped(2))

    assert named(classes)[1] == WELL
    assert not now[1].any()


def test_lesions_of_a_coarser_grid_do():
    scaled, lesion, wanted, healthy = batch(square(16, 16, 16), NONE)
    coarse = torch.nn.functional.avg_pool2d(lesion, 4)

    changed, now, classes = exchange(scaled, coarse, wanted, healthy, swapped(2))

    assert now.shape == coarse.shape
    assert named(classes) == [ANY, ILL]
    assert 0.4 < float(changed[1, 0, 24, 24]) < 0.65


def test_what_is_drawn_follows_from_the_generator_and_the_share():
    config = Augmentation(p_lesion_removal=0.3, p_lesion_paste=0.6, p_inpaint=0.2)
    first, again = (draw_exchange(1000, config, Generator().manual_seed(4)) for _ in range(2))

    assert torch.equal(first.chosen, again.chosen)
    assert torch.equal(first.partner, again.partner)
    assert 0.2 < float(first.chosen.float().mean()) < 0.4
    assert 0.1 < float(first.filled.float().mean()) < 0.3
    assert 0.5 < float(first.pasted.float().mean()) < 0.7
    assert sorted(first.partner.tolist()) == list(range(1000))
    nothing = draw_exchange(1000, Augmentation(), Generator().manual_seed(4))
    assert not any(part.any() for part in (nothing.chosen, nothing.pasted, nothing.filled))
