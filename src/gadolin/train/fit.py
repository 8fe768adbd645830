"""The training loop."""

from __future__ import annotations

import csv
import io
import math
import time
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from gadolin.atomic import write_text
from gadolin.errors import RecipeError
from gadolin.network import Classifier
from gadolin.train.batches import Examples
from gadolin.train.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from gadolin.train.learner import Learner, Progress, make_learner, train_epoch, validate
from gadolin.train.machine import Machine
from gadolin.train.recipe import Recipe

__all__ = ["fit"]


def fit(
    network: Classifier,
    recipe: Recipe,
    parts: tuple[Examples, Examples],
    *,
    machine: Machine,
    run: Path,
    progress: Progress | None = None,
) -> Checkpoint:
    """Train ``network`` on the first of ``parts``; the epoch with the lowest loss on the second is chosen.

    Goes on from the checkpoint in ``run`` where there is one, as if it had never stopped: everything random follows
    from the seed, the epoch and the step. Returns the last checkpoint, whose ``best`` holds the chosen weights.
    Raises RecipeError where the loss is no longer a finite number.
    """
    train, validation = parts
    path = run / "checkpoint.safetensors"
    learner = make_learner(network, recipe, train, fabric=machine.fabric(), seed=machine.seed)
    state = load_checkpoint(path) if path.exists() else Checkpoint()
    _restore(learner, state)
    with SummaryWriter(str(run / "tensorboard"), purge_step=1) as board:
        _tell(run, state.history, board)
        while state.epoch < recipe.epochs and not _out_of_patience(state, recipe.patience):
            started = time.perf_counter()
            row = {"epoch": float(state.epoch + 1)}
            row |= train_epoch(learner, train, state.epoch, progress)
            row |= validate(learner, validation)
            _require_finite(row)
            row["seconds"] = round(time.perf_counter() - started, 2)
            _advance(state, learner, row)
            save_checkpoint(path, state)
            _log(run / "history.csv", state.history)
            _draw(board, row)
    return state


def _restore(learner: Learner, state: Checkpoint) -> None:
    if not state.network:
        return
    learner.network.load_state_dict(state.network)
    for name, tensor in state.average.items():
        learner.average[name].copy_(tensor)
    restore_optimizer(learner.optimizer, state.optimizer)


def _require_finite(row: dict[str, float]) -> None:
    for name in ("train_loss", "validation_loss"):
        if not math.isfinite(row[name]):
            msg = (
                f"the loss must stay a finite number, {name} is {row[name]} after epoch {row['epoch']:.0f}; "
                "train anew with a smaller optimizer.lr"
            )
            raise RecipeError(msg)


def _advance(state: Checkpoint, learner: Learner, row: dict[str, float]) -> None:
    """Take the finished epoch into the state; keep its weights if no epoch had a lower validation loss."""
    state.history.append(row)
    state.epoch += 1
    best = min(state.history, key=lambda each: each["validation_loss"])
    if best is row:
        state.best_epoch = state.epoch
        state.best = {name: tensor.detach().cpu().clone() for name, tensor in learner.state().items()}
    state.network = learner.network.state_dict()
    state.average = learner.average
    state.optimizer = optimizer_tensors(learner.optimizer)


def _out_of_patience(state: Checkpoint, patience: int) -> bool:
    return bool(patience) and state.best_epoch > 0 and state.epoch - state.best_epoch >= patience


def _tell(run: Path, history: list[dict[str, float]], board: SummaryWriter) -> None:
    """Write again what a run that was killed may not have come to write; the board forgets its own first."""
    if history:
        _log(run / "history.csv", history)
    for row in history:
        _draw(board, row)


def _log(path: Path, history: list[dict[str, float]]) -> None:
    out = io.StringIO()
    rows = csv.DictWriter(out, list(history[0]), lineterminator="\n")
    rows.writeheader()
    rows.writerows(history)
    write_text(path, out.getvalue())


def _draw(board: SummaryWriter, row: dict[str, float]) -> None:
    for name, value in row.items():
        board.add_scalar(name, value, int(row["epoch"]))
