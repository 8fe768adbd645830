"""One epoch of training, and the validation after it."""

from __future__ import annotations

import math

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.optim import Optimizer

from gadolin.networks import Classifier
from gadolin.networks.backbones import backbone
from gadolin.networks.classifier import train_mode
from gadolin.progress import Progress
from gadolin.recipe import Optimizer as OptimizerSettings
from gadolin.recipe import Recipe
from gadolin.training.batches import Examples, batches, epoch_order, epoch_size, steps_per_epoch
from gadolin.training.class_weights import class_weights
from gadolin.training.ema import start_ema
from gadolin.training.step import Learner, class_loss, learn, lesion_map_loss, target_rows, train_step

__all__ = [
    "Learner",
    "curriculum_progress",
    "learn",
    "learning_rate",
    "lesion_map_loss",
    "make_learner",
    "slice_size",
    "train_epoch",
    "train_step",
    "validate",
]

_EVALUATION_BATCH = 64


def make_learner(
    network: Classifier, recipe: Recipe, train: Examples, *, fabric: Fabric, seed: int, accumulate: int = 1
) -> Learner:
    """Return a learner for ``network`` on the device of ``fabric``, with ``accumulate`` micro-batches per step."""
    network.to(memory_format=torch.channels_last)
    optimizer = _optimizer(network, recipe.optimizer)
    model, optimizer = fabric.setup(network, optimizer)
    for method in ("classify", "classify_places"):
        model.mark_forward_method(method)
    average = start_ema(network) if recipe.ema_decay else {}
    known = slice(None) if train.kind_known is None else train.kind_known
    weights = class_weights(train.targets[known], network.head.classes, recipe.balance).to(fabric.device)
    kinds = torch.zeros(network.head.classes, device=fabric.device)
    kinds[list(train.kinds)] = 1
    return Learner(fabric, network, model, optimizer, average, weights, kinds, recipe, seed, accumulate)


def train_epoch(learner: Learner, examples: Examples, epoch: int, progress: Progress | None = None) -> dict[str, float]:
    """Train one epoch; return its mean loss and accuracy on the augmented slices, input size and learning rate."""
    recipe, fabric = learner.recipe, learner.fabric
    train_mode(learner.network)
    total = steps_per_epoch(epoch_size(examples, recipe.sources.draws), recipe.batch_size)
    size = slice_size(recipe, epoch)
    loss, right, count = 0.0, 0, 0
    draws = recipe.sources.draws
    order = epoch_order(examples, balance=recipe.balance, draws=draws, seed=learner.seed, epoch=epoch)
    shares = batches(examples, order, recipe.batch_size, rank=fabric.global_rank, world_size=fabric.world_size)
    for step, batch in enumerate(shares):
        rate = learning_rate(recipe.optimizer, epoch + step / total, recipe.epochs)
        for group in learner.optimizer.param_groups:
            group["lr"] = rate
        batch_loss, batch_right = train_step(
            learner, batch, size=size, number=epoch * total + step, strength=curriculum_progress(recipe, epoch)
        )
        slices = len(batch.targets)
        loss, right, count = loss + batch_loss * slices, right + batch_right, count + slices
        if progress is not None:
            progress(epoch * total + step + 1, recipe.epochs * total, f"epoch {epoch + 1}/{recipe.epochs}")
    if fabric.world_size > 1:
        sums = torch.tensor([loss, right, count], dtype=torch.float64, device=fabric.device)
        distributed.all_reduce(sums)
        loss, right, count = sums.tolist()
    return {"size": size, "lr": rate, "train_loss": loss / count, "train_accuracy": right / count}


def validate(learner: Learner, examples: Examples) -> dict[str, float]:
    """Return the loss (negative log likelihood), accuracy and balanced accuracy of ``learner.state()``.

    For a tumour of unknown kind, any kind is correct.
    """
    network = learner.network
    kept = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()} if learner.average else {}
    network.load_state_dict(learner.state())
    network.eval()
    logits = _logits(learner, examples)
    truth = torch.from_numpy(examples.targets)
    if kept:
        network.load_state_dict(kept)
    rows = target_rows(truth, _tensor(examples.kind_known), learner.kinds.cpu())
    right = rows.gather(1, logits.argmax(1, keepdim=True)).squeeze(1)
    recall = [float(right[truth == k].mean()) for k in range(logits.shape[1]) if bool((truth == k).any())]
    return {
        "validation_loss": float(class_loss(logits, rows, weight=torch.ones_like(learner.kinds).cpu())),
        "validation_accuracy": float(right.mean()),
        "validation_balanced_accuracy": sum(recall) / len(recall),
    }


def _tensor(known: NDArray[np.bool_] | None) -> Tensor | None:
    return None if known is None else torch.from_numpy(known)


def _logits(learner: Learner, examples: Examples) -> Tensor:
    """Return (N, K) float32 on the CPU; several processes compute a share each and all return the whole."""
    fabric = learner.fabric
    logits = torch.zeros(len(examples), len(learner.weights), device=fabric.device)
    stride = _EVALUATION_BATCH * fabric.world_size
    with torch.no_grad():
        for start in range(_EVALUATION_BATCH * fabric.global_rank, len(examples), stride):
            stop = min(start + _EVALUATION_BATCH, len(examples))
            batch = examples.take(np.arange(start, stop))
            scaled = learner.network.input_layer.scale(fabric.to_device(batch.prepared))
            with fabric.autocast():
                logits[start:stop] = learner.model.classify(scaled).logits.float()
    if fabric.world_size > 1:
        distributed.all_reduce(logits)
    return logits.cpu()


def learning_rate(config: OptimizerSettings, epoch: float, epochs: int) -> float:
    """Return the learning rate at a (fractional) epoch: linear warm-up, then constant or cosine to a hundredth."""
    if epoch < config.warmup_epochs:
        return config.lr * max(epoch / config.warmup_epochs, 0.01)
    if config.schedule == "constant":
        return config.lr
    done = (epoch - config.warmup_epochs) / max(epochs - config.warmup_epochs, 1e-9)
    return config.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))


def curriculum_progress(recipe: Recipe, epoch: int) -> float:
    """Return the difficulty of an epoch, in [0, 1]; it reaches 1 after 70 % of the epochs.

    Input size and augmentation strength grow together (Tan and Le, "EfficientNetV2", ICML 2021); the difficulty is 1
    from the start if the recipe is not progressive.
    """
    return 1.0 if recipe.progressive == 1 else min(1.0, epoch / max(0.7 * recipe.epochs, 1))


def slice_size(recipe: Recipe, epoch: int) -> int:
    """Return the input size of an epoch: a multiple of 32 that grows to the full size, or the backbone's fixed size."""
    whole = recipe.network.input_size
    if backbone(recipe.network.backbone).fixed_size:
        return whole
    share = recipe.progressive + (1 - recipe.progressive) * curriculum_progress(recipe, epoch)
    return max(32, min(whole, round(whole * share / 32) * 32))


def _optimizer(network: Classifier, config: OptimizerSettings) -> Optimizer:
    """Return the optimizer; biases and batch norm have no weight decay."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.lr)
