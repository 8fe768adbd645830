"""Promises when memory is short: the batch is split, the step repeated, and everybody is told."""

from __future__ import annotations

import json
import logging
import re

import numpy as np
import pytest
import torch
from torch import nn

from gadolin.errors import RecipeError
from gadolin.network.classifier import Classifier
from gadolin.network.door import Door
from gadolin.network.heads import LinearHead
from gadolin.training.fit import fit, halvings
from gadolin.training.learner import make_learner, train_step
from gadolin.training.memory import Memory, is_out_of_memory

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    RuntimeError("MPS backend out of memory"),
    MemoryError(),
]


class Greedy(nn.Module):
    """A body with batch norm or none that finds no memory for more than ``most`` slices at once."""

    def __init__(self, most, error=ERRORS[0], *, norm=False):
        super().__init__()
        self.most, self.error, self.sizes = most, error, []
        self.conv = nn.Conv2d(1, 8, 5, stride=4, padding=2)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()

    def forward(self, scaled):
        maps = self.norm(self.conv(scaled))
        self.sizes.append(len(scaled))
        if self.training and len(scaled) > self.most:
            raise self.error
        return [torch.relu(maps)]


@pytest.fixture
def greedy():
    def make(most, error=ERRORS[0], *, norm=False):
        torch.manual_seed(0)
        return Classifier(Door(32, (0.0,), (1.0,)), Greedy(most, error, norm=norm), LinearHead(8, 2, 0.5))

    return make


@pytest.fixture
def learner_of(tiny_recipe, squares, machine):
    def make(network, memory=None, **fields):
        recipe = tiny_recipe(**fields)
        return make_learner(network, recipe, squares(32), fabric=machine.fabric(), seed=3, memory=memory)

    return make


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_device_is_understood_when_memory_is_short(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ValueError("out of memory")])
def test_other_errors_are_not_about_memory(error, greedy, learner_of, squares):
    assert not is_out_of_memory(error)
    learner = learner_of(greedy(1, error))

    with pytest.raises(type(error), match=str(error)):
        train_step(learner, squares(8).take(np.arange(8)), size=32, number=0)


@pytest.mark.parametrize(("most", "parts"), [(7, 2), (4, 2), (3, 4), (1, 8)])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_split_batch_moves_the_weights_as_the_whole_one(error, most, parts, greedy, learner_of, squares):
    """Without batch norm the parts add up to the batch exactly, dropout and the moving average included."""
    batch = squares(8).take(np.arange(8))
    results = []
    for network in (greedy(8), greedy(most, error)):
        learner = learner_of(network, ema_decay=0.9, label_smoothing=0.1)
        results.append((train_step(learner, batch, size=32, number=5), learner))

    (whole, first), (split, second) = results
    assert split[0] == pytest.approx(whole[0], abs=1e-6)
    assert split[1] == whole[1]
    assert second.memory.halvings[-1] == {"step": 5, "parts": parts}
    for name, tensor in first.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], tensor, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(second.average[name], first.average[name], atol=1e-5, rtol=1e-4)


def test_the_attempt_that_failed_leaves_no_trace_in_batch_norm(greedy, learner_of, squares):
    batch = squares(8).take(np.arange(8))
    states = []
    for network, memory in ((greedy(4, norm=True), None), (greedy(4, norm=True), Memory([{"step": 0, "parts": 2}]))):
        learner = learner_of(network, memory)
        train_step(learner, batch, size=32, number=0)
        states.append(learner.network.state_dict())

    assert int(states[0]["backbone.norm.num_batches_tracked"]) == 2
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_it_is_told_once_and_remembered_for_the_next_steps(greedy, learner_of, squares, caplog):
    network = greedy(4)
    learner = learner_of(network)

    with caplog.at_level(logging.WARNING, "gadolin"):
        for number in range(3):
            train_step(learner, squares(8).take(np.arange(8)), size=32, number=number)

    (record,) = caplog.records
    assert "out of memory at step 0: from here on a batch of 8 slices is learned from in 2 parts" in record.getMessage()
    assert network.backbone.sizes == [8, 4, 4, 4, 4, 4, 4]


def test_a_slice_that_does_not_fit_alone_ends_the_training_with_what_to_do(greedy, learner_of, squares):
    learner = learner_of(greedy(0))

    with pytest.raises(RecipeError, match=re.escape("a batch of one slice must fit into memory, it did not; set")):
        train_step(learner, squares(8).take(np.arange(8)), size=32, number=0)


def test_several_processes_are_not_split_but_told_what_to_do():
    with pytest.raises(RecipeError, match=r"share of a batch must fit .*, 4 slices did not; set a smaller batch_size"):
        Memory(processes=2).halve(0, 4)


def test_an_optimizer_that_does_not_fit_ends_the_training_with_what_to_do(greedy, learner_of, squares, monkeypatch):
    learner = learner_of(greedy(8))

    def full(*args, **kwargs):
        raise ERRORS[0]

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", full)

    with pytest.raises(RecipeError, match="the optimizer's state must fit into memory"):
        train_step(learner, squares(8).take(np.arange(8)), size=32, number=0)


def test_a_run_that_goes_on_splits_the_same_steps(greedy, tiny_recipe, squares, machine, tmp_path):
    """The resumed part has memory enough, and still ends with the weights of the run that had not."""
    parts = (squares(32), squares(16, seed=1))
    recipe = tiny_recipe(epochs=2)
    runs = [tmp_path / name for name in ("whole", "broken")]
    for run in runs:
        run.mkdir()
        (run / "run.json").write_text(json.dumps({"seed": 3}))

    def stop(done, total, what):
        if done == 7:
            raise KeyboardInterrupt

    whole = fit(greedy(4, norm=True), recipe, parts, machine=machine, run=runs[0])
    with pytest.raises(KeyboardInterrupt):
        fit(greedy(4, norm=True), recipe, parts, machine=machine, run=runs[1], progress=stop)
    resumed = fit(greedy(8, norm=True), recipe, parts, machine=machine, run=runs[1])

    assert halvings(runs[0]) == halvings(runs[1]) == [{"step": 0, "parts": 2}]
    assert json.loads((runs[1] / "run.json").read_text())["seed"] == 3
    assert all(torch.equal(whole.network[name], resumed.network[name]) for name in whole.network)


def test_the_command_line_prints_the_warning_on_standard_error(capsys):
    from gadolin.cli.train import _told_once

    with _told_once():
        Memory().halve(7, 8)

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("gadolin: out of memory at step 7: from here on a batch of 8 slices is learned")
    assert len(printed.err.splitlines()) == 1
