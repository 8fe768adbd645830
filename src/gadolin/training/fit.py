"""The training loop."""

from __future__ import annotations

import csv
import io
import math
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from lightning_fabric import Fabric
from torch.utils.tensorboard import SummaryWriter

from gadolin.atomic import write_json, write_text
from gadolin.errors import DataError, RecipeError
from gadolin.network import Classifier
from gadolin.network.spread import global_batch_norm
from gadolin.progress import Progress
from gadolin.training.batches import Examples
from gadolin.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from gadolin.training.claim import begun
from gadolin.training.learner import Learner, make_learner, train_epoch, validate
from gadolin.training.machine import Machine
from gadolin.training.memory import Memory
from gadolin.training.processes import agreed
from gadolin.training.recipe import Recipe

__all__ = ["fit", "halvings"]


def fit(
    network: Classifier,
    recipe: Recipe,
    parts: tuple[Examples, Examples],
    *,
    machine: Machine,
    run: Path,
    progress: Progress | None = None,
) -> Checkpoint:
    """Train ``network`` on the first of ``parts``; the epoch that the recipe says is chosen, by default on the second.

    Goes on from the checkpoint in ``run`` where there is one, as if it had never stopped: everything random follows
    from the seed, the epoch and the step. Returns the last checkpoint, whose ``best`` holds the chosen weights.
    Several processes learn from one batch together, as one process would; the first of them writes.
    Raises RecipeError where the loss is no longer a finite number or one slice does not fit into memory.
    """
    train, validation = parts
    fabric = machine.fabric()
    memory = Memory(halvings(run), record=partial(_record, run))
    with global_batch_norm(network, fabric.world_size), _board(run, fabric) as board:
        learner = make_learner(network, recipe, train, fabric=fabric, seed=machine.seed, memory=memory)
        state = _resumed(learner, run)
        agreed(fabric, partial(_tell, run, state.history, board))
        while state.epoch < recipe.epochs and not _out_of_patience(state, recipe.patience):
            started = time.perf_counter()
            row = {"epoch": float(state.epoch + 1)}
            row |= train_epoch(learner, train, state.epoch, progress)
            row |= validate(learner, validation)
            agreed(fabric, partial(_require_finite, row))
            row["seconds"] = round(time.perf_counter() - started, 2)
            _advance(state, learner, row)
            agreed(fabric, partial(_keep, state, run, board))
    return state


def halvings(run: Path) -> list[dict[str, int]]:
    """Return from which steps on the run in ``run`` splits its batches into how many parts."""
    if not (run / "run.json").exists():
        return []
    return list(begun(run).get("halvings", []))


def _record(run: Path, found: list[dict[str, int]]) -> None:
    """Write down at once that batches are split, so that a run that goes on splits the same ones."""
    if (run / "run.json").exists():
        write_json(run / "run.json", begun(run) | {"halvings": found})


def _board(run: Path, fabric: Fabric) -> AbstractContextManager[SummaryWriter | None]:
    return SummaryWriter(str(run / "tensorboard"), purge_step=1) if fabric.is_global_zero else nullcontext()


def _resumed(learner: Learner, run: Path) -> Checkpoint:
    """Return where the run stands, and put the learner there; raises DataError where processes see other runs."""
    path, fabric = run / "checkpoint.safetensors", learner.fabric
    state = agreed(fabric, lambda: load_checkpoint(path) if path.exists() else Checkpoint())
    first = fabric.broadcast(state.epoch)

    def require_same() -> None:
        if state.epoch != first:
            raise DataError(
                code="run_folders_differ",
                rule="every process must see the same run folder",
                got=f"{path} is at epoch {state.epoch} here and at {first} for the first",
                remedy="put the run folder where all machines share it",
            )

    agreed(fabric, require_same)
    _restore(learner, state)
    return state


def _keep(state: Checkpoint, run: Path, board: SummaryWriter | None) -> None:
    """Write down the epoch that is done; only the first process has a board."""
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
                remedy="train anew with a smaller optimizer.lr",
            )


def _advance(state: Checkpoint, learner: Learner, row: dict[str, float]) -> None:
    """Take the finished epoch into the state; keep its weights where it is the one to choose so far."""
    state.history.append(row)
    state.epoch += 1
    best = min(state.history, key=lambda each: each["validation_loss"])
    if best is row or learner.recipe.choose == "last":
        state.best_epoch = state.epoch
        state.best = {name: tensor.detach().cpu().clone() for name, tensor in learner.state().items()}
    state.network = learner.network.state_dict()
    state.average = learner.average
    state.optimizer = optimizer_tensors(learner.optimizer)


def _out_of_patience(state: Checkpoint, patience: int) -> bool:
    return bool(patience) and state.best_epoch > 0 and state.epoch - state.best_epoch >= patience


def _tell(run: Path, history: list[dict[str, float]], board: SummaryWriter | None) -> None:
    """Write again what a run that was killed may not have come to write; the board forgets its own first."""
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
