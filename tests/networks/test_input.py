from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gadolin.networks.input import InputLayer, area_matrix


@given(wide=st.integers(1, 300), narrow=st.integers(1, 300))
@settings(max_examples=50, deadline=None)
@pytest.mark.slow
def test_every_row_of_an_area_matrix_sums_to_one(wide, narrow):
    matrix = area_matrix(wide, narrow)

    assert matrix.shape == (narrow, wide)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(narrow), atol=1e-5, rtol=0)


def test_the_area_matrix_of_equal_sizes_is_the_identity():
    assert torch.equal(area_matrix(256, 256), torch.eye(256))


def test_three_samples_into_two_share_the_middle_one():
    torch.testing.assert_close(area_matrix(3, 2), torch.tensor([[2, 1, 0], [0, 1, 2]]) / 3)


def test_halving_takes_means_of_two_by_two():
    prepared = torch.randint(0, 256, (2, 256, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    means = torch.nn.functional.avg_pool2d(prepared.float()[:, None] / 255, 2)

    scaled = InputLayer(128, (0.0,), (1.0,)).scale(prepared)

    assert scaled.shape == (2, 1, 128, 128)
    torch.testing.assert_close(scaled, means, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [32, 96, 256])
def test_scaled_slices_fill_zero_to_one_and_no_more(size):
    prepared = torch.stack([torch.zeros(256, 256), torch.full((256, 256), 255)]).to(torch.uint8)

    scaled = InputLayer(size, (0.0,), (1.0,)).scale(prepared)

    assert scaled.dtype == torch.float32
    torch.testing.assert_close(scaled[0], torch.zeros(1, size, size))
    torch.testing.assert_close(scaled[1], torch.ones(1, size, size), atol=1e-5, rtol=0)


def test_a_size_that_is_asked_for_goes_before_the_doors_own():
    assert InputLayer(64, (0.0,), (1.0,)).scale(torch.zeros(1, 256, 256, dtype=torch.uint8), 32).shape == (1, 1, 32, 32)


def test_normalising_repeats_grey_over_the_channels_and_applies_each_ones_statistics():
    door = InputLayer(32, (0.5, 0.25, 0.0), (0.5, 0.25, 1.0))

    normal = door.normalise(torch.ones(2, 1, 32, 32))

    assert normal.shape == (2, 3, 32, 32)
    for channel, value in enumerate((1.0, 3.0, 1.0)):
        assert (normal[:, channel] == value).all()


def test_statistics_are_no_part_of_the_weights():
    assert InputLayer(32, (0.5,), (0.5,)).state_dict() == {}
