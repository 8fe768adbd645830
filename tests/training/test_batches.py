from __future__ import annotations

import numpy as np
import pytest
import torch

from gadolin.outlines import Outlines
from gadolin.training.batches import Examples, batches, class_weights, steps_per_epoch


@pytest.fixture
def examples():
    """Make 20 slices that bear their number as grey; the part is the even ones, 7 of class 0 and 3 of class 1."""
    slices = np.arange(20, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    return Examples(slices, np.arange(0, 20, 2), np.array([0] * 7 + [1] * 3, np.int64))


def drawn(examples, **settings):
    usual = {"balance": "none", "seed": 0, "epoch": 0}
    return list(batches(examples, settings.pop("batch_size", 4), **{**usual, **settings}))


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
def test_the_shares_of_several_processes_are_together_the_batches_of_one(balance, examples):
    whole = drawn(examples, balance=balance, batch_size=5)
    shares = [drawn(examples, balance=balance, batch_size=5, piece=(number, 2)) for number in range(2)]

    for batch, *pieces in zip(whole, *shares, strict=True):
        assert [value for piece in pieces for value in grey(piece)] == grey(batch)
        assert [piece.first for piece in pieces] == [0, 2]
        assert {piece.whole for piece in pieces} == {batch.whole} == {5}


def test_a_share_knows_how_many_outlines_the_batch_has(examples):
    coverage = np.zeros((20, 2, 2), np.uint8)
    outlined = Examples(examples.slices, examples.rows, examples.targets, Outlines(coverage, np.arange(20) % 4 == 0))

    pieces = [next(batches(outlined, 10, balance="none", seed=0, epoch=0, piece=(number, 2))) for number in range(2)]

    assert [piece.known for piece in pieces] == [5, 5]
    assert sum(int(piece.outlined.sum()) for piece in pieces) == 5
    assert outlined.take(np.arange(10)).known == 5
