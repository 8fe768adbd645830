"""One training step: augment a batch, accumulate its gradients, update the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Generator, Tensor
from torch.optim import Optimizer

from gadolin.networks import Classifier
from gadolin.networks.classifier import SequenceOutput
from gadolin.recipe import Corruptions, Recipe
from gadolin.training.augmentation import transforms
from gadolin.training.augmentation.corruptions import corrupt, draw_corruptions
from gadolin.training.augmentation.foreign_lesions import draw_foreign, paint_foreign
from gadolin.training.augmentation.lesions import draw_exchange, exchange
from gadolin.training.augmentation.styles import draw_styles, mix_styles
from gadolin.training.batches import Batch

__all__ = ["Learner", "class_loss", "learn", "lesion_map_loss", "target_rows", "train_step", "update_ema"]

_NEXT_RANK = 2_654_435_761  # a prime near 2**32 / 1.618: the ranks' seeds stay apart in the 32 bits that torch uses


@dataclass(frozen=True, slots=True)
class Learner:
    """A network and what it needs to learn.

    ``model`` is ``network`` as Fabric wrapped it; ``average`` holds the moving average of its state, or is empty;
    ``weights`` (K,) float32 are the weights of the classes in the loss, ``kinds`` (K,) float32 is 1 for kinds of
    tumour. ``accumulate`` is into how many micro-batches each process splits its share of a batch.
    """

    fabric: Fabric
    network: Classifier
    model: Any  # a _FabricModule, which has the methods of Classifier
    optimizer: Optimizer
    average: dict[str, Tensor]
    weights: Tensor
    kinds: Tensor
    recipe: Recipe
    seed: int
    accumulate: int = 1

    def state(self) -> dict[str, Tensor]:
        """Return the state to validate and export: the moving average where the recipe keeps one."""
        return self.average or self.network.state_dict()

    def step_seed(self, number: int) -> int:
        """Return the seed of step ``number`` in this process."""
        return self.seed * 1_000_003 + number + self.fabric.global_rank * _NEXT_RANK


class _MicroBatch(NamedTuple):
    """Slices that pass through the network together.

    ``scaled`` (n, 1, s, s) float32 in [0, 1] as augmentation leaves it, ``targets`` (n, K) float32 as ``class_loss``
    takes them, ``lesion_map`` (n, 1, h, w) float32 in [0, 1], the share of lesion at each place, below 0 where unknown,
    ``sequences`` (n,) int64, -1 where unknown.
    """

    scaled: Tensor
    targets: Tensor
    lesion_map: Tensor | None
    sequences: Tensor | None = None


def train_step(learner: Learner, batch: Batch, *, size: int, number: int, strength: float = 1.0) -> tuple[float, int]:
    """Learn from one batch; returns its mean loss and how many of the slices with one class were classified correctly.

    ``size`` is the side of the network's input, ``strength`` in [0, 1] how much of the recipe's lesions, tones and
    disturbances is used. Everything random follows from the seed, the number of the step and the rank. Of several
    processes, each passes its own share of the batch.
    """
    augmented = _augmented(learner, batch, size, number, _as_strong(learner.recipe, strength))
    known = 0 if batch.outlined is None else int(batch.outlined.sum())
    return _learn(learner, augmented, number, known)


def learn(
    learner: Learner, scaled: Tensor, targets: Tensor, *, number: int, lesion_map: Tensor | None = None
) -> tuple[float, int]:
    """Learn from slices as augmentation left them; returns the mean loss and how many were classified correctly.

    ``scaled`` is (N, 1, s, s) float32 in [0, 1], ``targets`` (N, K) float32 as ``class_loss`` takes them,
    ``lesion_map`` (N, 1, h, w) float32 in [0, 1], the share of lesion at each place, below 0 where unknown.
    """
    known = 0 if lesion_map is None else int((lesion_map[:, 0, 0, 0] >= 0).sum())
    return _learn(learner, _MicroBatch(scaled, targets, lesion_map), number, known)


def _learn(learner: Learner, whole: _MicroBatch, number: int, known: int) -> tuple[float, int]:
    """Accumulate the gradients of all micro-batches of ``whole``, then update the weights once."""
    fabric, recipe = learner.fabric, learner.recipe
    loss, right, count = 0.0, 0, len(whole.targets)
    torch.manual_seed(learner.step_seed(number))
    learner.optimizer.zero_grad(set_to_none=True)
    parts = _micro_batches(whole, min(learner.accumulate, count))
    for index, part in enumerate(parts, 1):
        with fabric.no_backward_sync(learner.model, enabled=index < len(parts)):
            part_loss, part_right = _loss(learner, part, count, known)
            fabric.backward(part_loss)
        loss, right = loss + float(part_loss.detach()), right + int(part_right)
    if recipe.optimizer.clip_norm:
        torch.nn.utils.clip_grad_norm_(learner.network.parameters(), recipe.optimizer.clip_norm)
    learner.optimizer.step()
    update_ema(learner.average, learner.network, min(recipe.ema_decay, (1 + number) / (10 + number)))
    return loss, right


def _micro_batches(whole: _MicroBatch, count: int) -> list[_MicroBatch]:
    scaled, targets = whole.scaled.tensor_split(count), whole.targets.tensor_split(count)
    maps = [None] * count if whole.lesion_map is None else whole.lesion_map.tensor_split(count)
    sequences = [None] * count if whole.sequences is None else whole.sequences.tensor_split(count)
    return [_MicroBatch(*each) for each in zip(scaled, targets, maps, sequences, strict=True)]


def _as_strong(recipe: Recipe, strength: float) -> Recipe:
    """Return the recipe with so much of what is learned later."""
    if strength == 1:
        return recipe
    less = {
        name: strength * getattr(recipe.augmentation, name) for name in ("tone", "p_lesion_removal", "p_lesion_paste")
    }
    given = recipe.corruptions
    corruptions = Corruptions(strength * given.bias, strength * given.marks, strength * given.invert)
    return replace(recipe, augmentation=replace(recipe.augmentation, **less), corruptions=corruptions)


def _augmented(learner: Learner, batch: Batch, size: int, number: int, recipe: Recipe) -> _MicroBatch:
    """Return the batch scaled, augmented and mixed, on the device."""
    generator = Generator().manual_seed(learner.step_seed(number))
    prepared, classes = learner.fabric.to_device((batch.prepared, batch.targets))
    count = len(classes)
    with torch.no_grad():
        drawn = transforms.draw(count, recipe.augmentation, generator)
        scaled = transforms.apply(learner.network.input_layer.scale(prepared, size), drawn)
        targets = target_rows(classes, batch.kind_known, learner.kinds)
        lesion_map = _lesion_map(learner, batch, drawn) if recipe.network.evidence == "outlines" else None
        if recipe.augmentation.p_style:
            scaled = mix_styles(scaled, draw_styles(count, recipe.augmentation.p_style, generator))
        if lesion_map is None:
            scaled, targets = transforms.mix(scaled, targets, recipe.augmentation.mixup, generator)
        else:
            if recipe.augmentation.p_lesion_removal or recipe.augmentation.p_lesion_paste:
                moved = draw_exchange(count, recipe.augmentation, generator)
                healthy = _healthy(batch).to(scaled.device)
                scaled, lesion_map, targets = exchange(scaled, lesion_map, targets, healthy, moved)
            if recipe.augmentation.p_foreign:
                painted = draw_foreign(count, recipe.augmentation.p_foreign, generator)
                free = _healthy(batch).to(scaled.device) & (lesion_map.amax(dim=(1, 2, 3)) <= 0)
                scaled, lesion_map, targets = paint_foreign(scaled, lesion_map, targets, free, learner.kinds, painted)
            lesion_map = F.adaptive_avg_pool2d(lesion_map, size // 4)
        sequences = None if batch.sequences is None else batch.sequences.to(scaled.device)
        if recipe.corruptions != Corruptions():
            disturbance = draw_corruptions(count, recipe.corruptions, generator)
            scaled = corrupt(scaled, disturbance)
            if sequences is not None:  # with its tones turned a slice is of no sequence
                sequences = torch.where(disturbance.turned.to(scaled.device), -1, sequences)
    return _MicroBatch(scaled, targets, lesion_map, sequences)


def _loss(learner: Learner, part: _MicroBatch, count: int, known: int) -> tuple[Tensor, Tensor]:
    """Return what a micro-batch adds to the mean loss, and how many of its slices were classified correctly.

    The mean is over the process's ``count`` slices, for lesion maps over those of them whose map is ``known``.
    """
    with learner.fabric.autocast():  # one process: Fabric casts in forward() alone, not in other methods
        if part.lesion_map is None:
            output, scores = learner.model.classify(part.scaled), None
        else:
            output, scores = learner.model.classify_places(part.scaled)
    logits = output.logits.float()
    smoothing = learner.recipe.label_smoothing
    loss = class_loss(logits, part.targets, weight=learner.weights, smoothing=smoothing)
    loss = loss * (len(part.targets) / count)
    if isinstance(output, SequenceOutput) and part.sequences is not None:
        wrong = F.nll_loss(output.sequence.clamp(min=1e-8).log(), part.sequences, ignore_index=-1, reduction="sum")
        loss = loss + learner.recipe.sources.sequence_weight * wrong / count
    if scores is not None and part.lesion_map is not None:
        other = learner.recipe.sources.outline_weight
        of_maps = lesion_map_loss(
            scores.float(), part.lesion_map, part.targets, known_slices=known, candidates_weight=other
        )
        loss = loss + learner.recipe.outline_weight * of_maps
    one_class = part.targets.amax(1) > 1 / part.targets.shape[1]
    named = part.targets.gather(1, logits.argmax(1, keepdim=True)).squeeze(1)
    return loss, ((named == part.targets.amax(1)) & one_class).sum()


def target_rows(classes: Tensor, kind_known: Tensor | None, kinds: Tensor) -> Tensor:
    """Return targets (N, K) as ``class_loss`` takes them: one class each, all ``kinds`` (K,) where the kind is unknown.

    ``classes`` (N,) int64 and ``kind_known`` (N,) bool are as in ``Batch``.
    """
    rows = F.one_hot(classes, len(kinds)).float()
    return rows if kind_known is None else torch.where(kind_known.to(rows.device).view(-1, 1), rows, kinds)


def class_loss(logits: Tensor, targets: Tensor, *, weight: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of ``logits`` (N, K), with class weights (K,) and label smoothing in [0, 1).

    ``targets`` (N, K) are distributions, or candidates: a row with several ones, of which one class is right and which
    is not known. Its loss is that of the sum of their probabilities (Cour, Sapp and Taskar, "Learning from Partial
    Labels", JMLR 2011), without class weights.
    """
    several = _is_candidates(targets)
    if not bool(several.any()):
        return F.cross_entropy(logits, targets, weight=weight, label_smoothing=smoothing)
    alone = F.cross_entropy(logits, targets, weight=weight, label_smoothing=smoothing, reduction="none")
    likely = logits.log_softmax(dim=1)
    together = (1 - smoothing) * -_log_sum(likely, targets) - smoothing * likely.mean(dim=1)
    return torch.where(several, together, alone).mean()


def _is_candidates(targets: Tensor) -> Tensor:
    """Return (N,) bool: which rows of targets (N, K) name candidates."""
    return targets.sum(dim=1) > 1.5


def _log_sum(likely: Tensor, targets: Tensor) -> Tensor:
    """Return the logarithm of the summed probability of the classes that ``targets`` (N, K) names.

    ``likely`` (N, K, ...) are logarithms of probabilities; the result is (N, ...).
    """
    without = (targets == 0).view(*targets.shape, *(1,) * (likely.ndim - 2))
    return likely.masked_fill(without, -math.inf).logsumexp(dim=1)


def lesion_map_loss(
    scores: Tensor,
    lesion_map: Tensor,
    targets: Tensor,
    *,
    known_slices: int | None = None,
    candidates_weight: float = 1.0,
) -> Tensor:
    """Return the loss of the scores of each place: cross-entropy plus soft Dice (Milletari et al. 2016).

    ``scores`` (N, K + 1, h, w) are those of the classes and background, ``lesion_map`` (N, 1, h, w) in [0, 1] the share
    of lesion, below 0 where unknown (such slices count nothing), ``targets`` (N, K) the class of each slice, as
    ``class_loss`` takes them. It is the mean over the slices with a known map, or their sum over ``known_slices`` where
    they are part of a larger batch. Slices with several candidates count ``candidates_weight``.
    """
    several = _is_candidates(targets)
    known = (lesion_map[:, 0, 0, 0] >= 0).float()
    lesion = lesion_map.clamp(min=0)
    truth = torch.cat([targets[:, :, None, None] * lesion, 1 - lesion], dim=1)
    likely = scores.log_softmax(dim=1)
    entropy = -(truth * likely).sum(dim=1)
    if bool(several.any()):
        together = -lesion[:, 0] * _log_sum(likely[:, :-1], targets) - (1 - lesion[:, 0]) * likely[:, -1]
        entropy = torch.where(several.view(-1, 1, 1), together, entropy)
        known = known * torch.where(several, candidates_weight, 1.0)
    entropy = entropy.mean(dim=(1, 2))
    right = (scores.softmax(dim=1)[:, :-1] * targets[:, :, None, None]).sum(dim=1)
    overlap = 2 * (right * lesion[:, 0]).sum(dim=(1, 2)) + 1
    dice = 1 - overlap / (right.sum(dim=(1, 2)) + lesion.sum(dim=(1, 2, 3)) + 1)
    count = (lesion_map[:, 0, 0, 0] >= 0).sum().clamp(min=1) if known_slices is None else max(known_slices, 1)
    return ((entropy + dice) * known).sum() / count


def _lesion_map(learner: Learner, batch: Batch, drawn: transforms.Draw) -> Tensor | None:
    """Return the batch's outlines (n, 1, 64, 64) in [0, 1], moved as the slices were; below 0 where unknown."""
    if batch.outlines is None or batch.outlined is None:
        return None
    outlines, known = learner.fabric.to_device((batch.outlines, batch.outlined))
    moved = transforms.move(outlines.float().unsqueeze(1) / 255, drawn)
    return torch.where(known.view(-1, 1, 1, 1), moved, -1.0)


def _healthy(batch: Batch) -> Tensor:
    """Return (n,) bool: which slices are known to show no lesion, however they were moved."""
    assert batch.outlines is not None, "only asked where outlines are learned from"
    assert batch.outlined is not None, "it comes with the outlines"
    return batch.outlined & (batch.outlines.amax(dim=(1, 2)) == 0)


def update_ema(average: dict[str, Tensor], network: Classifier, decay: float) -> None:
    """Move the exponential moving average towards the network's state; an empty one stays empty."""
    if not average:
        return
    with torch.no_grad():
        state = network.state_dict()
        floating = [name for name, tensor in average.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([average[n] for n in floating], [state[n] for n in floating], 1 - decay)
        for name in average.keys() - set(floating):
            average[name].copy_(state[name])
