"""The state of a run between two epochs, in one safetensors file: no pickle, written atomically."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gadolin.errors import DataError
from gadolin.files.atomic import write_bytes

__all__ = ["Checkpoint", "load_checkpoint", "optimizer_tensors", "restore_optimizer", "save_checkpoint"]

Tensors = dict[str, Tensor]


@dataclass(slots=True)
class Checkpoint:
    """The state of a run: completed epochs, its history, and its tensors by role."""

    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    network: Tensors = field(default_factory=dict)
    average: Tensors = field(default_factory=dict)
    optimizer: Tensors = field(default_factory=dict)
    best: Tensors = field(default_factory=dict)


_ROLES = ("network", "average", "optimizer", "best")


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint atomically, replacing an older one."""
    tensors = {
        f"{role}/{name}": tensor.detach().contiguous().cpu().clone()
        for role in _ROLES
        for name, tensor in getattr(checkpoint, role).items()
    }
    facts = {"epoch": checkpoint.epoch, "history": checkpoint.history, "best_epoch": checkpoint.best_epoch}
    write_bytes(path, save(tensors, metadata={"gadolin": json.dumps(facts)}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of ``save_checkpoint``; raises DataError if it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads(file.metadata()["gadolin"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            code="checkpoint_unreadable",
            rule="a checkpoint must be written by this version",
            got=f"{path} is not ({error})",
            remedy="start the run again",
        ) from error
    checkpoint = Checkpoint(facts["epoch"], facts["history"], facts["best_epoch"])
    for key, tensor in tensors.items():
        role, _, name = key.partition("/")
        getattr(checkpoint, role)[name] = tensor
    return checkpoint


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Return the optimizer's moments by parameter number and name."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value) for number, slot in state.items() for name, value in slot.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Restore the state that ``optimizer_tensors`` returned."""
    state: dict[int, Tensors] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
