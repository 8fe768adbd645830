from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Generator

from gadolin.recipe import Augmentation, named_recipe
from gadolin.training.augmentation.transforms import Draw, apply, draw, mix, move

OPTIONS = {
    "rotate_degrees": 30,
    "shift": 0.2,
    "zoom": 0.3,
    "shear": 0.3,
    "flip": 1,
    "tone": 1,
    "gamma": 2,
    "contrast": 0.5,
    "noise": 0.2,
    "blur": 1,
    "elastic": 0.1,
}
IDENTITY = Draw(
    matrix=None, displacement=None, tone=None, gamma=None, contrast=None, noise=None, blur=None, noise_seed=0
)


def seed(number=0):
    return Generator().manual_seed(number)


@pytest.fixture
def scaled():
    return torch.rand(4, 1, 48, 48, generator=seed(7))


def drawn(**fields):
    return dataclasses.replace(IDENTITY, **fields)


def moved(*rows):
    return drawn(matrix=torch.tensor([rows], dtype=torch.float32))


def same(first, second):
    return all(
        torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
        for one, other in zip(
            (getattr(first, field.name) for field in dataclasses.fields(Draw)),
            (getattr(second, field.name) for field in dataclasses.fields(Draw)),
            strict=True,
        )
    )


def test_every_option_but_mixing_is_tried_here():
    assert {field.name for field in dataclasses.fields(Augmentation)} == {
        *OPTIONS,
        "mixup",
        "p_lesion_removal",
        "p_lesion_paste",
        "p_style",
        "p_foreign",
        "p_inpaint",
    }


def test_a_configuration_without_values_draws_the_identity(scaled):
    nothing = draw(4, Augmentation(), seed())

    assert dataclasses.replace(nothing, noise_seed=0) == IDENTITY
    assert torch.equal(apply(scaled, nothing), scaled)


def test_the_same_seed_draws_the_same_and_another_seed_something_else():
    config = named_recipe("default").augmentation

    assert same(draw(4, config, seed(5)), draw(4, config, seed(5)))
    assert not same(draw(4, config, seed(5)), draw(4, config, seed(6)))


def test_one_option_does_not_change_what_another_draws():
    """Switching a step off does not change the random numbers of the others, so that ablations are comparable."""
    first = draw(4, Augmentation(gamma=2, noise=0.2), seed())
    second = draw(4, Augmentation(gamma=2, blur=1), seed())

    assert torch.equal(first.gamma, second.gamma)


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_alone_changes_slices_and_keeps_shape_type_and_range(option, scaled):
    untouched = scaled.clone()

    changed = apply(scaled, draw(4, Augmentation(**{option: OPTIONS[option]}), seed()))

    assert all(not torch.equal(one, other) for one, other in zip(changed, scaled, strict=True))
    assert changed.shape == scaled.shape
    assert changed.dtype == torch.float32
    assert 0 <= changed.min() <= changed.max() <= 1
    assert torch.equal(scaled, untouched)


@pytest.mark.parametrize("option", OPTIONS)
def test_applying_leaves_nothing_to_chance(option, scaled):
    parameters = draw(4, Augmentation(**{option: OPTIONS[option]}), seed())

    first = apply(scaled, parameters)
    torch.rand(3)

    assert torch.equal(apply(scaled, parameters), first)


@pytest.mark.parametrize("number", range(5))
def test_a_batch_is_changed_as_each_of_its_slices_alone(number, scaled):
    config = dataclasses.replace(named_recipe("default").augmentation, noise=0, blur=0.5, elastic=0.1)
    parameters = draw(4, config, seed(number))

    together = apply(scaled, parameters)

    for row in range(4):
        own = {
            field.name: getattr(parameters, field.name)[row : row + 1]
            for field in dataclasses.fields(Draw)
            if isinstance(getattr(parameters, field.name), torch.Tensor)
        }
        alone = apply(scaled[row : row + 1], dataclasses.replace(parameters, **own))
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=0)


def test_flipping_with_certainty_mirrors_left_and_right(scaled):
    flipped = apply(scaled, draw(4, Augmentation(flip=1), seed()))

    torch.testing.assert_close(flipped, scaled.flip(3), atol=1e-5, rtol=0)


def test_shifting_by_a_quarter_moves_every_pixel_and_lets_black_in(scaled):
    """Shifts are in coordinates from -1 to 1: 0.5 is a quarter of the side."""
    shifted = apply(scaled[:1], moved((1, 0, 0.5), (0, 1, 0)))

    torch.testing.assert_close(shifted[..., :36], scaled[:1, ..., 12:], atol=1e-5, rtol=0)
    assert not shifted[..., 36:].any()


def test_turning_by_a_right_angle_turns_the_picture(scaled):
    turned = apply(scaled[:1], moved((0, -1, 0), (1, 0, 0)))

    torch.testing.assert_close(turned, scaled[:1].rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_turning_by_thirty_degrees_puts_a_dot_where_geometry_says():
    """Output (x, y) samples the rotated input: a dot right of the centre moves up by the angle."""
    angle, size, radius = math.radians(30), 101, 30
    picture = torch.zeros(1, 1, size, size)
    picture[0, 0, 49:52, 49 + radius : 52 + radius] = 1
    cos, sin = math.cos(angle), math.sin(angle)

    turned = apply(picture, moved((cos, -sin, 0), (sin, cos, 0)))[0, 0]

    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centre = [float((each * turned).sum() / turned.sum()) - 50 for each in (columns, rows)]
    assert centre == pytest.approx([radius * cos, -radius * sin], abs=0.1)
    assert float(turned.sum()) == pytest.approx(9, rel=0.02)


def test_drawn_rotations_turn_without_stretching():
    matrix = draw(200, Augmentation(rotate_degrees=30), seed()).matrix
    turned = matrix[:, :, :2]

    torch.testing.assert_close(turned @ turned.mT, torch.eye(2).expand(200, 2, 2), atol=1e-5, rtol=0)
    angles = torch.rad2deg(torch.atan2(turned[:, 1, 0], turned[:, 0, 0]))
    assert angles.abs().max() <= 30
    assert angles.min() < -20
    assert angles.max() > 20


def test_gamma_raises_to_a_power():
    half = torch.full((1, 1, 8, 8), 0.5)

    torch.testing.assert_close(apply(half, drawn(gamma=torch.tensor([2.0]))), half / 2)


def test_a_tone_becomes_the_mean_of_the_tissue_whatever_it_was_and_air_stays_dark():
    dark, bright = torch.full((2, 1, 8, 8), 0.2), torch.full((2, 1, 8, 8), 0.5)
    scaled = torch.cat([dark, bright])
    scaled[:, :, :2] = 0

    changed = apply(scaled, drawn(tone=torch.tensor([0.4, 0.0, 0.4, 0.2])))

    assert changed[:, 0, 4, 4].tolist() == pytest.approx([0.4, 0.2, 0.4, 0.2], abs=1e-3)
    assert float(changed[:, :, :2].max()) == 0


def test_black_stays_black_under_the_steepest_tone_and_gamma():
    scaled = torch.full((1, 1, 8, 8), 0.1)
    scaled[:, :, :2] = 0

    changed = apply(scaled, drawn(tone=torch.tensor([0.55]), gamma=torch.tensor([0.5])))

    assert float(changed[:, :, :2].max()) == 0


def test_contrast_stretches_about_the_mean():
    picture = torch.tensor([0.4, 0.6]).view(1, 1, 1, 2)

    stretched = apply(picture, drawn(contrast=torch.tensor([2.0])))

    torch.testing.assert_close(stretched, torch.tensor([0.3, 0.7]).view(1, 1, 1, 2))


def test_blur_spreads_a_dot_evenly_and_leaves_unblurred_slices_alone():
    picture = torch.zeros(2, 1, 9, 9)
    picture[:, :, 4, 4] = 1

    blurred = apply(picture, drawn(blur=torch.tensor([1.0, 0.0])))

    assert float(blurred[0].sum()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(blurred[0], blurred[0].mT)
    assert float(blurred[0, 0, 4, 5] / blurred[0, 0, 4, 4]) == pytest.approx(math.exp(-0.5), abs=1e-4)
    torch.testing.assert_close(blurred[1], picture[1])


def test_noise_has_the_standard_deviation_that_was_drawn():
    grey = torch.full((1, 1, 200, 200), 0.5)

    noisy = apply(grey, drawn(noise=torch.tensor([0.05])))

    assert float(noisy.std()) == pytest.approx(0.05, rel=0.05)
    assert float(noisy.mean()) == pytest.approx(0.5, abs=0.002)


def test_a_uniform_displacement_is_a_shift(scaled):
    """Elastic displacement is a fraction of the side: an eighth of 48 pixels is six."""
    field = torch.zeros(1, 2, 4, 4)
    field[:, 0] = 1 / 8

    displaced = apply(scaled[:1], drawn(displacement=field))

    torch.testing.assert_close(displaced[..., :42], scaled[:1, ..., 6:], atol=1e-4, rtol=0)


def test_outlines_of_another_size_move_with_their_slices():
    parameters = moved((1, 0, 0.5), (0, 1, 0))
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 8:12] = 1

    shifted = move(mask, parameters)

    torch.testing.assert_close(shifted[..., 4:8], torch.ones(1, 1, 16, 4), atol=1e-4, rtol=0)
    assert float(shifted.sum()) == pytest.approx(64, abs=1e-2)


def test_mixing_with_zero_is_the_identity(scaled):
    targets = torch.eye(4)

    mixed, wanted = mix(scaled, targets, 0.0, seed())

    assert mixed is scaled
    assert wanted is targets


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_mixing_keeps_targets_shares_and_gives_the_larger_one_to_the_slice_itself(alpha, scaled):
    targets = torch.eye(4)

    mixed, wanted = mix(scaled, targets, alpha, seed())

    share = float(wanted[0, 0])
    assert 0.5 <= share <= 1
    torch.testing.assert_close(wanted.sum(dim=1), torch.ones(4))
    torch.testing.assert_close(mixed, share * scaled + (1 - share) * scaled.roll(1, 0))
