"""A network in training: one epoch, one look at the validation part."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, distributed
from torch.optim import Optimizer

from gadolin.network import Classifier
from gadolin.network.backbones import backbone
from gadolin.network.classifier import train_mode
from gadolin.progress import Progress
from gadolin.training.batches import Examples, batches, class_weights, steps_per_epoch
from gadolin.training.memory import Memory
from gadolin.training.recipe import OptimizerConfig, Recipe
from gadolin.training.step import Learner, learn, places_loss, train_step

__all__ = [
    "Learner",
    "grown",
    "learn",
    "learning_rate",
    "make_learner",
    "places_loss",
    "slice_size",
    "train_epoch",
    "train_step",
    "validate",
]

_EVALUATION_BATCH = 64


def make_learner(
    network: Classifier, recipe: Recipe, train: Examples, *, fabric: Fabric, seed: int, memory: Memory | None = None
) -> Learner:
    """Return a learner for ``network`` on the device of ``fabric``; ``memory`` keeps how batches are split."""
    network.to(memory_format=torch.channels_last)
    optimizer = _optimizer(network, recipe.optimizer)
    model, optimizer = fabric.setup(network, optimizer)
    for method in ("classify", "classify_places"):
        model.mark_forward_method(method)
    average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    weights = class_weights(train.targets, network.head.classes, recipe.balance).to(fabric.device)
    memory = memory or Memory()
    memory.processes = fabric.world_size
    average = average if recipe.ema_decay else {}
    return Learner(fabric, network, model, optimizer, average, weights, recipe, seed, memory)


def train_epoch(learner: Learner, examples: Examples, epoch: int, progress: Progress | None = None) -> dict[str, float]:
    """Learn from every slice once; returns the epoch's mean loss and accuracy on the augmented slices."""
    recipe = learner.recipe
    train_mode(learner.network)
    total = steps_per_epoch(len(examples), recipe.batch_size)
    size = slice_size(recipe, epoch)
    fabric = learner.fabric
    outlines = recipe.network.evidence == "outlines" and examples.outlines is not None
    exchanged = recipe.augment.lesions or recipe.augment.pastes
    needs_others = exchanged if outlines else recipe.augment.mixup
    piece = (0, 1) if needs_others else (fabric.global_rank, fabric.world_size)
    loss, right, count = 0.0, 0, 0
    order = batches(examples, recipe.batch_size, balance=recipe.balance, seed=learner.seed, epoch=epoch, piece=piece)
    for step, batch in enumerate(order):
        rate = learning_rate(recipe.optimizer, epoch + step / total, recipe.epochs)
        for group in learner.optimizer.param_groups:
            group["lr"] = rate
        batch_loss, batch_right = train_step(
            learner, batch, size=size, number=epoch * total + step, strength=grown(recipe, epoch)
        )
        loss, right, count = loss + batch_loss * batch.whole, right + batch_right, count + batch.whole
        if progress is not None:
            progress(epoch * total + step + 1, recipe.epochs * total, f"epoch {epoch + 1}/{recipe.epochs}")
    if fabric.world_size > 1:
        sums = torch.tensor([loss, right], dtype=torch.float64, device=fabric.device)
        distributed.all_reduce(sums)
        loss, right = float(sums[0]) / fabric.world_size, int(sums[1])
    return {"size": size, "lr": rate, "train_loss": loss / count, "train_accuracy": right / count}


def validate(learner: Learner, examples: Examples) -> dict[str, float]:
    """Return the loss (negative log likelihood), accuracy and balanced accuracy of the state that answers."""
    network = learner.network
    kept = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()} if learner.average else {}
    network.load_state_dict(learner.state())
    network.eval()
    said = _logits(learner, examples)
    truth = torch.from_numpy(examples.targets)
    if kept:
        network.load_state_dict(kept)
    right = (said.argmax(1) == truth).float()
    recall = [float(right[truth == k].mean()) for k in range(said.shape[1]) if bool((truth == k).any())]
    return {
        "validation_loss": float(F.cross_entropy(said, truth)),
        "validation_accuracy": float(right.mean()),
        "validation_balanced_accuracy": sum(recall) / len(recall),
    }


def _logits(learner: Learner, examples: Examples) -> Tensor:
    """Return (N, K) float32 on the CPU; several processes share the slices out, and each returns all."""
    fabric = learner.fabric
    said = torch.zeros(len(examples), len(learner.weights), device=fabric.device)
    stride = _EVALUATION_BATCH * fabric.world_size
    with torch.no_grad():
        for start in range(_EVALUATION_BATCH * fabric.global_rank, len(examples), stride):
            stop = min(start + _EVALUATION_BATCH, len(examples))
            batch = examples.take(np.arange(start, stop))
            scaled = learner.network.door.scale(fabric.to_device(batch.prepared))
            with fabric.autocast():
                said[start:stop] = learner.model.classify(scaled).logits.float()
    if fabric.world_size > 1:
        distributed.all_reduce(said)
    return said.cpu()


def learning_rate(config: OptimizerConfig, epoch: float, epochs: int) -> float:
    """Return the rate at a (fractional) epoch: linear warm-up, then constant or a cosine down to a hundredth."""
    if epoch < config.warmup_epochs:
        return config.lr * max(epoch / config.warmup_epochs, 0.01)
    if config.schedule == "constant":
        return config.lr
    done = (epoch - config.warmup_epochs) / max(epochs - config.warmup_epochs, 1e-9)
    return config.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))


def grown(recipe: Recipe, epoch: int) -> float:
    """Return how far the difficulty of an epoch has grown, in [0, 1]; it is whole after 70 % of the epochs.

    Size and disturbances grow together (Tan and Le, "EfficientNetV2", ICML 2021); they are whole from the start where
    the recipe is not progressive.
    """
    return 1.0 if recipe.progressive == 1 else min(1.0, epoch / max(0.7 * recipe.epochs, 1))


def slice_size(recipe: Recipe, epoch: int) -> int:
    """Return the input size of an epoch: a multiple of 32 that grows to the whole, or the one size of a backbone."""
    whole = recipe.network.input_size
    if backbone(recipe.network.backbone).fixed_size:
        return whole
    share = recipe.progressive + (1 - recipe.progressive) * grown(recipe, epoch)
    return max(32, min(whole, round(whole * share / 32) * 32))


def _optimizer(network: Classifier, config: OptimizerConfig) -> Optimizer:
    """Return the optimizer; biases and batch norm are not decayed."""
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.lr)
