"""A network in training: one step, one epoch, one look at the validation part."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Generator, Tensor
from torch.optim import Optimizer

from gadolin.network import Classifier
from gadolin.network.classifier import train_mode
from gadolin.train import augment
from gadolin.train.batches import Batch, Examples, batches, class_weights, steps_per_epoch
from gadolin.train.recipe import OptimizerConfig, Recipe

__all__ = [
    "Learner",
    "Progress",
    "learn",
    "learning_rate",
    "make_learner",
    "places_loss",
    "slice_size",
    "train_epoch",
    "train_step",
    "validate",
]

Progress = Callable[[int, int, str], None]
_EVALUATION_BATCH = 64


@dataclass(frozen=True, slots=True)
class Learner:
    """A network and what it needs to learn.

    ``model`` is ``network`` as Fabric wrapped it; ``average`` holds the moving average of its state, or is empty;
    ``weights`` (K,) float32 are the classes' shares in the loss.
    """

    fabric: Fabric
    network: Classifier
    model: Classifier
    optimizer: Optimizer
    average: dict[str, Tensor]
    weights: Tensor
    recipe: Recipe
    seed: int

    def state(self) -> dict[str, Tensor]:
        """Return the state that answers: the moving average where the recipe keeps one."""
        return self.average or self.network.state_dict()


def make_learner(network: Classifier, recipe: Recipe, train: Examples, *, fabric: Fabric, seed: int) -> Learner:
    """Return a learner for ``network`` on the device of ``fabric``."""
    network.to(memory_format=torch.channels_last)
    optimizer = _optimizer(network, recipe.optimizer)
    model, optimizer = fabric.setup(network, optimizer)
    for method in ("classify", "classify_places"):
        model.mark_forward_method(method)
    average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    weights = class_weights(train.targets, network.head.linear.out_features, recipe.balance).to(fabric.device)
    return Learner(fabric, network, model, optimizer, average if recipe.ema_decay else {}, weights, recipe, seed)


def train_epoch(learner: Learner, examples: Examples, epoch: int, progress: Progress | None = None) -> dict[str, float]:
    """Learn from every slice once; returns the epoch's mean loss and accuracy on the augmented slices."""
    recipe = learner.recipe
    train_mode(learner.network)
    total = steps_per_epoch(len(examples), recipe.batch_size)
    size = slice_size(recipe, epoch)
    loss, right, count = 0.0, 0, 0
    order = batches(examples, recipe.batch_size, balance=recipe.balance, seed=learner.seed, epoch=epoch)
    for step, batch in enumerate(order):
        rate = learning_rate(recipe.optimizer, epoch + step / total, recipe.epochs)
        for group in learner.optimizer.param_groups:
            group["lr"] = rate
        batch_loss, batch_right = train_step(learner, batch, size=size, number=epoch * total + step)
        loss, right, count = loss + batch_loss * len(batch.targets), right + batch_right, count + len(batch.targets)
        if progress is not None:
            progress(epoch * total + step + 1, recipe.epochs * total, f"epoch {epoch + 1}/{recipe.epochs}")
    return {"size": size, "lr": rate, "train_loss": loss / count, "train_accuracy": right / count}


def train_step(learner: Learner, batch: Batch, *, size: int, number: int) -> tuple[float, int]:
    """Learn from one batch; returns its loss and how many slices were named correctly.

    All chance follows from the seed and the step's number.
    """
    recipe, network = learner.recipe, learner.network
    generator = Generator().manual_seed(learner.seed * 1_000_003 + number)
    torch.manual_seed(learner.seed * 1_000_003 + number)
    prepared, targets = learner.fabric.to_device((batch.prepared, batch.targets))
    with torch.no_grad():
        drawn = augment.draw(len(targets), recipe.augment, generator)
        scaled = augment.apply(network.door.scale(prepared, size), drawn)
        wanted = F.one_hot(targets, len(learner.weights)).float()
        places = _wanted_places(learner, batch, drawn, size) if recipe.network.evidence == "outlines" else None
        if places is None:
            scaled, wanted = augment.mix(scaled, wanted, recipe.augment.mixup, generator)
    return learn(learner, scaled, wanted, places=places, number=number)


def learn(
    learner: Learner, scaled: Tensor, wanted: Tensor, *, number: int, places: Tensor | None = None
) -> tuple[float, int]:
    """Learn from slices as augmentation left them; returns the loss and how many were named correctly.

    ``scaled`` is (N, 1, s, s) float32 in [0, 1], ``wanted`` (N, K) float32 with rows that sum to 1, ``places``
    (N, 1, h, w) float32 in [0, 1] how much of each place is lesion, below 0 where that is not known.
    """
    recipe = learner.recipe
    if places is None:
        output, extra = learner.model.classify(scaled), torch.zeros((), device=scaled.device)
    else:
        output, said = learner.model.classify_places(scaled)
        extra = places_loss(said.float(), places, wanted)
    logits = output.logits.float()
    loss = F.cross_entropy(logits, wanted, weight=learner.weights, label_smoothing=recipe.label_smoothing) + extra
    learner.optimizer.zero_grad(set_to_none=True)
    learner.fabric.backward(loss)
    if recipe.optimizer.clip_norm:
        torch.nn.utils.clip_grad_norm_(learner.network.parameters(), recipe.optimizer.clip_norm)
    learner.optimizer.step()
    _follow(learner.average, learner.network, min(recipe.ema_decay, (1 + number) / (10 + number)))
    return float(loss.detach()), int((logits.argmax(1) == wanted.argmax(1)).sum())


def places_loss(said: Tensor, lesion: Tensor, wanted: Tensor) -> Tensor:
    """Return the loss of what was said of each place: cross-entropy plus soft Dice (Milletari et al. 2016).

    ``said`` (N, K + 1, h, w) are scores of the classes and background, ``lesion`` (N, 1, h, w) in [0, 1] the share of
    lesion, below 0 where unknown (such slices count nothing), ``wanted`` (N, K) the class of each slice.
    """
    known = (lesion[:, 0, 0, 0] >= 0).float()
    lesion = lesion.clamp(min=0)
    target = torch.cat([wanted[:, :, None, None] * lesion, 1 - lesion], dim=1)
    entropy = -(target * said.log_softmax(dim=1)).sum(dim=1).mean(dim=(1, 2))
    right = (said.softmax(dim=1)[:, :-1] * wanted[:, :, None, None]).sum(dim=1)
    overlap = 2 * (right * lesion[:, 0]).sum(dim=(1, 2)) + 1
    dice = 1 - overlap / (right.sum(dim=(1, 2)) + lesion.sum(dim=(1, 2, 3)) + 1)
    return ((entropy + dice) * known).sum() / known.sum().clamp(min=1)


def _wanted_places(learner: Learner, batch: Batch, drawn: augment.Draw, size: int) -> Tensor | None:
    """Return the batch's outlines, moved as the slices were, on the grid of stride 8; below 0 where unknown."""
    if batch.outlines is None or batch.outlined is None:
        return None
    outlines, known = learner.fabric.to_device((batch.outlines, batch.outlined))
    moved = augment.move(outlines.float().unsqueeze(1) / 255, drawn)
    coarse = F.adaptive_avg_pool2d(moved, size // 8)
    return torch.where(known.view(-1, 1, 1, 1), coarse, -1.0)


def validate(learner: Learner, examples: Examples) -> dict[str, float]:
    """Return the loss (negative log likelihood), accuracy and balanced accuracy of the state that answers."""
    network = learner.network
    kept = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()} if learner.average else {}
    network.load_state_dict(learner.state())
    network.eval()
    logits, targets = [], []
    with torch.no_grad():
        for start in range(0, len(examples), _EVALUATION_BATCH):
            chosen = np.arange(start, min(start + _EVALUATION_BATCH, len(examples)))
            batch = examples.take(chosen)
            scaled = network.door.scale(learner.fabric.to_device(batch.prepared))
            logits.append(learner.model.classify(scaled).logits.float().cpu())
            targets.append(batch.targets)
    if kept:
        network.load_state_dict(kept)
    said, truth = torch.cat(logits), torch.cat(targets)
    right = (said.argmax(1) == truth).float()
    recall = [float(right[truth == k].mean()) for k in range(said.shape[1]) if bool((truth == k).any())]
    return {
        "validation_loss": float(F.cross_entropy(said, truth)),
        "validation_accuracy": float(right.mean()),
        "validation_balanced_accuracy": sum(recall) / len(recall),
    }


def learning_rate(config: OptimizerConfig, epoch: float, epochs: int) -> float:
    """Return the rate at a (fractional) epoch: linear warm-up, then constant or a cosine down to a hundredth."""
    if epoch < config.warmup_epochs:
        return config.lr * max(epoch / config.warmup_epochs, 0.01)
    if config.schedule == "constant":
        return config.lr
    done = (epoch - config.warmup_epochs) / max(epochs - config.warmup_epochs, 1e-9)
    return config.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))


def slice_size(recipe: Recipe, epoch: int) -> int:
    """Return the input size of an epoch: a multiple of 32 that grows to the whole in the first 70 % of epochs."""
    whole = recipe.network.input_size
    done = min(1.0, epoch / max(0.7 * recipe.epochs, 1))
    share = recipe.progressive + (1 - recipe.progressive) * done
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


def _follow(average: dict[str, Tensor], network: Classifier, decay: float) -> None:
    """Move the average towards the network's state."""
    if not average:
        return
    with torch.no_grad():
        state = network.state_dict()
        floating = [name for name, tensor in average.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([average[n] for n in floating], [state[n] for n in floating], 1 - decay)
        for name in average.keys() - set(floating):
            average[name].copy_(state[name])
