from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import torch

from gadolin.errors import OutputError, RecipeError
from gadolin.recipe import Augmentation, Optimizer
from gadolin.training import fit as fitting
from gadolin.training.checkpoint import load_checkpoint
from gadolin.training.fit import fit

EPOCHS = 3


@pytest.fixture
def fit_into(tiny_network, tiny_recipe, squares, machine):
    """Fit the squares in a run folder; keywords replace fields of the recipe."""

    def run(folder, *, progress=None, **fields):
        folder.mkdir(exist_ok=True)
        augmentation = Augmentation(rotate_degrees=20, noise=0.1, elastic=0.05, mixup=0.5)
        recipe = tiny_recipe(**{"epochs": EPOCHS, "ema_decay": 0.9, "augmentation": augmentation, **fields})
        parts = (squares(32), squares(16, seed=1))
        return fit(tiny_network(), recipe, parts, machine=machine, run=folder, progress=progress)

    return run


def interrupt_in_epoch(number):
    def progress(done, total, what):
        if what.startswith(f"epoch {number}/") and done % 4 == 2:
            raise KeyboardInterrupt

    return progress


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


@pytest.mark.parametrize("balance", ["weights", "sampler"])
def test_a_run_that_was_interrupted_goes_on_as_if_it_had_never_stopped(balance, fit_into, tmp_path):
    whole = fit_into(tmp_path / "whole", balance=balance)
    for epoch in (2, 3):
        with pytest.raises(KeyboardInterrupt):
            fit_into(tmp_path / "broken", progress=interrupt_in_epoch(epoch), balance=balance)
        assert load_checkpoint(tmp_path / "broken" / "checkpoint.safetensors").epoch == epoch - 1

    resumed = fit_into(tmp_path / "broken", balance=balance)

    assert without_seconds(resumed.history) == without_seconds(whole.history)
    assert resumed.best_epoch == whole.best_epoch
    for role in ("network", "average", "optimizer", "best"):
        first, second = getattr(whole, role), getattr(resumed, role)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_interruption_in_the_first_epoch_starts_anew(fit_into, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit_into(tmp_path / "broken", progress=interrupt_in_epoch(1))
    assert not (tmp_path / "broken" / "checkpoint.safetensors").exists()

    whole, again = fit_into(tmp_path / "whole", epochs=1), fit_into(tmp_path / "broken", epochs=1)

    assert all(torch.equal(whole.best[name], again.best[name]) for name in whole.best)


def test_a_finished_fit_trains_no_further(fit_into, tmp_path):
    before = fit_into(tmp_path / "run", epochs=1)

    assert fit_into(tmp_path / "run", epochs=1).history == before.history


@pytest.fixture
def planned_losses(monkeypatch):
    """Make validation return these losses, one per epoch; training only stores the epoch in a weight."""

    def plan(*losses):
        coming = iter(losses)

        def epoch(learner, examples, number, progress=None):
            with torch.no_grad():
                learner.network.head.linear.bias.fill_(number + 1)
            return {"size": 32, "lr": 0.1, "train_loss": 1.0, "train_accuracy": 0.5}

        monkeypatch.setattr(fitting, "train_epoch", epoch)
        monkeypatch.setattr(
            fitting,
            "validate",
            lambda learner, examples: {"validation_loss": next(coming), "validation_accuracy": 0.75},
        )

    return plan


@pytest.mark.parametrize(
    ("losses", "patience", "epochs", "best"),
    [
        ((3, 2, 1, 2), 0, 4, 3),
        ((3, 1, 2, 2, 2), 2, 4, 2),
        ((3, 1, 2, 0.5, 2), 2, 5, 4),
        ((1, 2), 1, 2, 1),
        ((1, 1, 1), 0, 3, 1),
    ],
    ids=str,
)
def test_the_epoch_with_the_lowest_validation_loss_is_chosen_and_patience_ends_a_fit(
    losses, patience, epochs, best, planned_losses, fit_into, tmp_path
):
    planned_losses(*losses)

    state = fit_into(tmp_path / "run", epochs=len(losses), patience=patience, ema_decay=0)

    assert (state.epoch, state.best_epoch) == (epochs, best)
    assert state.best["head.linear.bias"].tolist() == [best, best]


def test_the_last_epoch_is_chosen_where_the_recipe_says_so(planned_losses, fit_into, tmp_path):
    planned_losses(3, 1, 2)

    state = fit_into(tmp_path / "run", epochs=3, choose="last", ema_decay=0)

    assert state.best_epoch == 3
    assert state.best["head.linear.bias"].tolist() == [3, 3]


def test_each_epoch_is_a_line_with_losses_accuracy_and_the_best_so_far(planned_losses, fit_into, tmp_path, caplog):
    planned_losses(3, 1, 2)

    with caplog.at_level("INFO", logger="gadolin"):
        fit_into(tmp_path / "run", epochs=10, patience=1, ema_decay=0)

    assert [record.getMessage() for record in caplog.records] == [
        "epoch  1/10: loss 1.000; validation loss 3.000, accuracy 75.0 %; best epoch 1",
        "epoch  2/10: loss 1.000; validation loss 1.000, accuracy 75.0 %; best epoch 2",
        "epoch  3/10: loss 1.000; validation loss 2.000, accuracy 75.0 %; best epoch 2",
        "stopped early, by patience=1: the validation loss has not improved",
    ]


def test_patience_is_remembered_when_a_run_goes_on(planned_losses, fit_into, tmp_path):
    planned_losses(1, 2)
    fit_into(tmp_path / "run", epochs=5, patience=1)

    assert fit_into(tmp_path / "run", epochs=5, patience=1).epoch == 2


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_fit_with_what_to_do(loss, planned_losses, fit_into, tmp_path):
    planned_losses(1, loss)

    with pytest.raises(RecipeError) as caught:
        fit_into(tmp_path / "run")
    assert caught.value.code == "loss_not_finite"
    assert "optimizer.lr" in caught.value.remedy

    assert load_checkpoint(tmp_path / "run" / "checkpoint.safetensors").epoch == 1


def test_the_history_is_written_as_a_table_and_for_tensorboard(fit_into, tmp_path):
    state = fit_into(tmp_path / "run", epochs=2)

    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == state.history
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"train_loss", "validation_loss", "validation_accuracy", "lr", "size", "seconds"} <= rows[0].keys()
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_a_full_disk_ends_the_fit_with_what_to_do(fit_into, tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)

    with pytest.raises(OutputError) as caught:
        fit_into(tmp_path / "run")
    assert caught.value.code == "unwritable"
    assert "checkpoint.safetensors" in str(caught.value)


def test_another_seed_trains_another_network(fit_into, tiny_network, tiny_recipe, squares, machine, tmp_path):
    optimizer = Optimizer(lr=0.01, warmup_epochs=0)
    states = []
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        states.append(
            fit(
                tiny_network(),
                tiny_recipe(epochs=1, optimizer=optimizer),
                (squares(32), squares(16, seed=1)),
                machine=replace(machine, seed=seed),
                run=tmp_path / str(seed),
            )
        )

    assert not torch.equal(states[0].best["head.linear.weight"], states[1].best["head.linear.weight"])
