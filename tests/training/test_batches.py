from __future__ import annotations

import numpy as np
import pytest
import torch

from gadolin.preprocessing.outlines import Outlines
from gadolin.training.batches import Examples, batches, epoch_order, steps_per_epoch
from gadolin.training.class_weights import class_weights


@pytest.fixture
def examples():
    """Make 20 slices whose grey value is their number; the split is the even ones, 7 of class 0 and 3 of class 1."""
    slices = np.arange(20, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    return Examples(slices, np.arange(0, 20, 2), np.array([0] * 7 + [1] * 3, np.int64))


def drawn(examples, *, batch_size=4, rank=0, world_size=1, **settings):
    order = epoch_order(examples, **{"balance": "none", "seed": 0, "epoch": 0, **settings})
    return list(batches(examples, order, batch_size, rank=rank, world_size=world_size))


def grey(batch):
    return batch.prepared[:, 0, 0].tolist()


def test_taking_returns_the_slices_of_the_part_and_their_classes(examples):
    prepared, targets, outlines, outlined, *_ = examples.take(np.array([9, 0]))

    assert prepared.shape == (2, 4, 4)
    assert prepared.dtype == torch.uint8
    assert prepared[:, 0, 0].tolist() == [18, 0]
    assert targets.tolist() == [1, 0]
    assert outlines is None
    assert outlined is None
    assert len(examples) == 10


def test_outlines_are_taken_with_their_slices(examples):
    coverage = np.arange(20, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)
    outlined = Examples(examples.slices, examples.rows, examples.targets, Outlines(coverage, np.arange(20) % 4 == 0))

    batch = outlined.take(np.array([9, 0]))

    assert batch.outlines[:, 0, 0].tolist() == [18, 0]
    assert batch.outlined.tolist() == [False, True]


def test_an_epoch_has_only_full_batches_and_no_slice_twice(examples):
    epoch = drawn(examples)

    seen = [value for batch in epoch for value in grey(batch)]
    assert [len(batch[1]) for batch in epoch] == [4, 4]
    assert len(set(seen)) == 8
    assert set(seen) <= set(range(0, 20, 2))


def test_a_part_smaller_than_a_batch_is_one_batch(examples):
    (batch,) = drawn(examples, batch_size=64)

    assert sorted(grey(batch)) == list(range(0, 20, 2))
    assert steps_per_epoch(10, 64) == 1


def test_targets_stay_with_their_slices(examples):
    for batch in drawn(examples):
        assert batch.targets.tolist() == [int(value >= 14) for value in grey(batch)]


def test_the_order_follows_from_seed_and_epoch_alone(examples):
    def order(**settings):
        return [grey(batch) for batch in drawn(examples, **settings)]

    assert order(seed=1, epoch=2) == order(seed=1, epoch=2)
    assert order(seed=1, epoch=2) != order(seed=1, epoch=3)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=2)


def test_the_sampler_draws_classes_equally_often(examples):
    epochs = [drawn(examples, balance="sampler", epoch=epoch) for epoch in range(200)]

    share = np.mean([batch.targets.float().mean() for epoch in epochs for batch in epoch])
    assert share == pytest.approx(0.5, abs=0.04)


def test_weights_are_the_inverse_of_counts_with_mean_one_over_slices(examples):
    weights = class_weights(examples.targets, 2, "weights")

    assert weights.tolist() == pytest.approx([10 / 14, 10 / 6])
    assert float(weights[torch.from_numpy(examples.targets)].mean()) == pytest.approx(1)


@pytest.mark.parametrize("balance", ["sampler", "none"])
def test_other_balances_weigh_all_classes_alike(examples, balance):
    assert class_weights(examples.targets, 3, balance).tolist() == [1, 1, 1]


def test_a_class_without_slices_gets_a_finite_weight(examples):
    assert torch.isfinite(class_weights(examples.targets, 3, "weights")).all()


@pytest.mark.parametrize("balance", ["none", "sampler"])
@pytest.mark.parametrize("world_size", [2, 5])
def test_the_shares_of_all_processes_are_together_the_batches_of_one(world_size, balance, examples):
    whole = drawn(examples, balance=balance, batch_size=10)
    shares = [
        drawn(examples, balance=balance, batch_size=10, rank=rank, world_size=world_size) for rank in range(world_size)
    ]

    for batch, *parts in zip(whole, *shares, strict=True):
        assert {len(part.targets) for part in parts} == {10 // world_size}
        assert [grey(part) for part in parts] == [grey(batch)[rank::world_size] for rank in range(world_size)]


@pytest.mark.parametrize("world_size", [3, 4, 16])
def test_shares_of_a_batch_that_does_not_divide_have_one_size_and_miss_no_slice(world_size, examples):
    shares = [drawn(examples, batch_size=64, rank=rank, world_size=world_size) for rank in range(world_size)]

    seen = [grey(batch) for share in shares for batch in share]
    assert {len(each) for each in seen} == {-(-10 // world_size)}
    assert {value for each in seen for value in each} == set(range(0, 20, 2))
