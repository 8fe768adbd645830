"""The training loop, with early stopping and resuming."""

from __future__ import annotations

import csv
import io
import logging
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch.utils.tensorboard import SummaryWriter

from gadolin.errors import DataError, RecipeError
from gadolin.files.atomic import write_text
from gadolin.networks import Classifier
from gadolin.networks.global_batch_norm import global_batch_norm
from gadolin.progress import Progress
from gadolin.recipe import Recipe
from gadolin.training.batches import Examples
from gadolin.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from gadolin.training.epoch import Learner, make_learner, train_epoch, validate
from gadolin.training.machine import Machine
from gadolin.training.processes import gather_errors

__all__ = ["fit", "is_out_of_memory", "should_stop_early"]

_LOG = logging.getLogger(__name__)
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


def fit(
    network: Classifier,
    recipe: Recipe,
    parts: tuple[Examples, Examples],
    *,
    machine: Machine,
    run: Path,
    progress: Progress | None = None,
) -> Checkpoint:
    """Train ``network`` on the first of ``parts`` and validate it on the second after each epoch.

    Resumes exactly from the checkpoint in ``run``, if any: all randomness depends only on the seed, the epoch and the
    step. Returns the last checkpoint, whose ``best`` has the weights of the epoch that the recipe chooses. Several
    processes share every batch, and rank 0 writes.
    Raises RecipeError if the loss is not finite or a step does not fit into memory.
    """
    train, validation = parts
    fabric = machine.fabric()
    with _memory_required(), global_batch_norm(network, fabric.world_size), _board(run, fabric) as board:
        learner = make_learner(network, recipe, train, fabric=fabric, seed=machine.seed, accumulate=machine.accumulate)
        state = _resumed(learner, run)
        gather_errors(fabric, partial(_rewrite_history, run, state.history, board))
        while state.epoch < recipe.epochs and not should_stop_early(state, recipe.patience):
            started = time.perf_counter()
            row = {"epoch": float(state.epoch + 1)}
            row |= train_epoch(learner, train, state.epoch, progress)
            row |= validate(learner, validation)
            gather_errors(fabric, partial(_require_finite, row))
            row["seconds"] = round(time.perf_counter() - started, 2)
            _advance(state, learner, row)
            gather_errors(fabric, partial(_write_epoch, state, run, board))
            _LOG.info(_epoch_line(state.history, recipe.epochs))
        if state.epoch < recipe.epochs:
            _LOG.info("stopped early, by patience=%d: the validation loss has not improved", recipe.patience)
    return state


def _epoch_line(history: list[dict[str, float]], epochs: int) -> str:
    """Return losses and accuracy of the last epoch as a line; the best epoch so far has the lowest validation loss."""
    row = history[-1]
    best = min(history, key=lambda each: each["validation_loss"])
    return (
        f"epoch {row['epoch']:{len(str(epochs))}.0f}/{epochs}: loss {row['train_loss']:.3f}; "
        f"validation loss {row['validation_loss']:.3f}, accuracy {100 * row['validation_accuracy']:.1f} %; "
        f"best epoch {best['epoch']:.0f}"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` is an out-of-memory error, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


@contextmanager
def _memory_required() -> Iterator[None]:
    """Raise RecipeError if the block runs out of memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RecipeError(
            code="out_of_memory",
            rule="a training step must fit into memory",
            got="it did not",
            remedy="use a smaller batch_size, a larger --accumulate or a smaller network.input_size",
        ) from error


def _board(run: Path, fabric: Fabric) -> AbstractContextManager[SummaryWriter | None]:
    return SummaryWriter(str(run / "tensorboard"), purge_step=1) if fabric.is_global_zero else nullcontext()


def _resumed(learner: Learner, run: Path) -> Checkpoint:
    """Load the checkpoint of the run into the learner; raises DataError if processes see different run folders."""
    path, fabric = run / "checkpoint.safetensors", learner.fabric
    state = gather_errors(fabric, lambda: load_checkpoint(path) if path.exists() else Checkpoint())
    first = fabric.broadcast(state.epoch)

    def require_same() -> None:
        if state.epoch != first:
            raise DataError(
                code="run_folders_differ",
                rule="every process must see the same run folder",
                got=f"{path} is at epoch {state.epoch} here and at {first} in process 0",
                remedy="put the run folder on a disk that all machines share",
            )

    gather_errors(fabric, require_same)
    _restore(learner, state)
    return state


def _write_epoch(state: Checkpoint, run: Path, board: SummaryWriter | None) -> None:
    """Write the finished epoch; only rank 0 has a board."""
    if board is not None:
        save_checkpoint(run / "checkpoint.safetensors", state)
        _log(run / "history.csv", state.history)
        _draw(board, state.history[-1])


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
            raise RecipeError(
                code="loss_not_finite",
                rule="the loss must stay a finite number",
                got=f"{name} is {row[name]} after epoch {row['epoch']:.0f}",
                remedy="train again with a smaller optimizer.lr",
            )


def _advance(state: Checkpoint, learner: Learner, row: dict[str, float]) -> None:
    """Add the finished epoch to the state; keep its weights if it is the best so far or the last is chosen."""
    state.history.append(row)
    state.epoch += 1
    best = min(state.history, key=lambda each: each["validation_loss"])
    if best is row or learner.recipe.choose == "last":
        state.best_epoch = state.epoch
        state.best = {name: tensor.detach().cpu().clone() for name, tensor in learner.state().items()}
    state.network = learner.network.state_dict()
    state.average = learner.average
    state.optimizer = optimizer_tensors(learner.optimizer)


def should_stop_early(state: Checkpoint, patience: int) -> bool:
    """Return whether the validation loss has not improved for ``patience`` epochs; always false if that is 0."""
    return bool(patience) and state.best_epoch > 0 and state.epoch - state.best_epoch >= patience


def _rewrite_history(run: Path, history: list[dict[str, float]], board: SummaryWriter | None) -> None:
    """Write the history of earlier epochs again, which a killed run may have left incomplete."""
    if board is None:
        return
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
