"""Tests of gradient accumulation: the same batch in less memory, and one clear error when memory is short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gadolin.errors import RecipeError
from gadolin.networks import build_classifier
from gadolin.networks.classifier import Classifier
from gadolin.networks.heads import LinearHead
from gadolin.networks.input import InputLayer
from gadolin.recipe import Augmentation, Network
from gadolin.training.batches import Batch
from gadolin.training.epoch import lesion_map_loss, make_learner, train_step
from gadolin.training.fit import fit, is_out_of_memory

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    RuntimeError("MPS backend out of memory"),
    MemoryError(),
]


class Body(nn.Module):
    """A body without batch norm that runs out of memory above ``most`` slices."""

    def __init__(self, most=8, error=ERRORS[0]):
        super().__init__()
        self.most, self.error, self.sizes = most, error, []
        self.conv = nn.Conv2d(1, 8, 5, stride=4, padding=2)

    def forward(self, scaled):
        self.sizes.append(len(scaled))
        if self.training and len(scaled) > self.most:
            raise self.error
        return [torch.relu(self.conv(scaled))]


def network_with(**fields):
    torch.manual_seed(0)
    return Classifier(InputLayer(32, (0.0,), (1.0,)), Body(**fields), LinearHead(8, 2, 0.0))


@pytest.fixture
def step_of(tiny_recipe, squares, machine):
    """Take one step on eight squares in ``accumulate`` micro-batches; return loss and learner."""

    def step(accumulate):
        recipe = tiny_recipe(ema_decay=0.9, label_smoothing=0.1, augmentation=Augmentation(noise=0.1, mixup=0.5))
        learner = make_learner(
            network_with(), recipe, squares(32), fabric=machine.fabric(), seed=3, accumulate=accumulate
        )
        return train_step(learner, squares(8).take(np.arange(8)), size=32, number=5), learner

    return step


@pytest.mark.parametrize("accumulate", [2, 3, 8, 20])
def test_micro_batches_update_the_weights_as_the_whole_batch(accumulate, step_of):
    (whole, first), (split, second) = step_of(1), step_of(accumulate)

    assert split[0] == pytest.approx(whole[0], abs=1e-6)
    assert split[1] == whole[1]
    for name, tensor in first.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], tensor, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(second.average[name], first.average[name], atol=1e-5, rtol=1e-4)


def test_a_batch_is_split_evenly_into_micro_batches(step_of):
    assert step_of(4)[1].network.backbone.sizes == [2, 2, 2, 2]


def test_lesion_maps_count_as_in_the_whole_batch():
    """Slices without a known map have no weight, wherever the known ones fall among the micro-batches."""
    chance = torch.Generator().manual_seed(0)
    scores, targets = torch.randn(8, 3, 4, 4, generator=chance), torch.eye(2)[torch.arange(8) % 2]
    lesion_map = torch.rand(8, 1, 4, 4, generator=chance)
    lesion_map[[0, 1, 2, 6]] = -1

    parts = [
        lesion_map_loss(scores[rows], lesion_map[rows], targets[rows], known_slices=4)
        for rows in (slice(3), slice(3, 8))
    ]

    torch.testing.assert_close(sum(parts), lesion_map_loss(scores, lesion_map, targets))


def test_outlines_are_learned_from_in_micro_batches(squares, tiny_recipe, machine):
    examples = squares(8)
    coverage = np.zeros((8, 64, 64), np.uint8)
    coverage[1::2, 16:48, 16:48] = 255
    batch = Batch(
        torch.from_numpy(examples.slices), torch.from_numpy(examples.targets), torch.from_numpy(coverage),
        torch.arange(8) % 3 > 0,
    )  # fmt: skip
    recipe = tiny_recipe(network=Network(input_size=64, evidence="outlines"))
    torch.manual_seed(0)
    network = build_classifier(recipe.network, 2)
    learner = make_learner(network, recipe, examples, fabric=machine.fabric(), seed=0, accumulate=2)

    losses = [train_step(learner, batch, size=64, number=number)[0] for number in range(8)]

    assert losses[-1] < losses[0] / 2


def test_an_interrupted_run_with_micro_batches_ends_with_the_same_weights(
    tiny_network, tiny_recipe, squares, machine, tmp_path
):
    parts, recipe, machine = (squares(32), squares(16, seed=1)), tiny_recipe(epochs=2), replace(machine, accumulate=2)
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()

    def stop(done, total, what):
        if done == 6:
            raise KeyboardInterrupt

    whole = fit(tiny_network(), recipe, parts, machine=machine, run=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_network(), recipe, parts, machine=machine, run=tmp_path / "broken", progress=stop)
    resumed = fit(tiny_network(), recipe, parts, machine=machine, run=tmp_path / "broken")

    assert all(torch.equal(whole.network[name], resumed.network[name]) for name in whole.network)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_missing_memory_is_one_clear_error_on_every_device(error, tiny_recipe, squares, machine, tmp_path):
    with pytest.raises(RecipeError) as caught:
        fit(network_with(most=4, error=error), tiny_recipe(), (squares(32), squares(16)), machine=machine, run=tmp_path)

    assert caught.value.code == "out_of_memory"
    assert caught.value.__cause__ is error
    assert all(way in caught.value.remedy for way in ("batch_size", "--accumulate", "input_size"))


def test_micro_batches_fit_where_the_whole_batch_does_not(tiny_recipe, squares, machine, tmp_path):
    machine = replace(machine, accumulate=2)

    state = fit(network_with(most=4), tiny_recipe(), (squares(32), squares(16)), machine=machine, run=tmp_path)

    assert state.epoch == 3


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ValueError("out of memory")])
def test_other_errors_are_not_about_memory(error, tiny_recipe, squares, machine, tmp_path):
    assert not is_out_of_memory(error)

    with pytest.raises(type(error)) as caught:
        fit(network_with(most=1, error=error), tiny_recipe(), (squares(32), squares(16)), machine=machine, run=tmp_path)

    assert caught.value is error
