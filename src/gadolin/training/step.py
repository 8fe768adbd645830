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
from gadolin.training.ema import ema_decay, update_ema

__all__ = ["Learner", "class_loss", "learn", "lesion_map_loss", "target_rows", "train_step"]

_NEXT_RANK = 2_654_435_761  # a prime near 2**32 / 1.618: keeps the seeds of ranks apart in the 32 bits that torch uses


@dataclass(frozen=True, slots=True)
class Learner:
    """A network with its optimizer and training settings.

    ``model`` is ``network`` as wrapped by Fabric; ``average`` is the moving average of its state, or empty;
    ``weights`` (K,) float32 are the class weights of the loss, ``kinds`` (K,) float32 is 1 for kinds of tumour.
    ``accumulate`` is the number of micro-batches into which each process splits its share of a batch.
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
        """Return the state to validate and export: the moving average if the recipe keeps one."""
        return self.average or self.network.state_dict()

    def step_seed(self, number: int) -> int:
        """Return the seed of step ``number`` in this process."""
        return self.seed * 1_000_003 + number + self.fabric.global_rank * _NEXT_RANK


class _MicroBatch(NamedTuple):
    """Slices that pass through the network together.

    ``scaled`` (n, 1, s, s) float32 in [0, 1] after augmentation, ``targets`` (n, K) float32 as in ``class_loss``,
    ``lesion_map`` (n, 1, h, w) float32 in [0, 1], the lesion coverage of each location, below 0 if unknown,
    ``sequences`` (n,) int64, -1 if unknown.
    """

    scaled: Tensor
    targets: Tensor
    lesion_map: Tensor | None
    sequences: Tensor | None = None


def train_step(learner: Learner, batch: Batch, *, size: int, number: int, strength: float = 1.0) -> tuple[float, int]:
    """Train on one batch; return its mean loss and the number of correctly classified slices of known class.

    ``size`` is the side of the network's input; ``strength`` in [0, 1] scales the recipe's lesion, tone and corruption
    augmentation. All randomness depends only on the seed, the step ``number`` and the rank. Each of several processes
    passes its share of the batch.
    """
    augmented = _augmented(learner, batch, size, number, _scaled_augmentation(learner.recipe, strength))
    known = 0 if batch.outlined is None else int(batch.outlined.sum())
    return _learn(learner, augmented, number, known)


def learn(
    learner: Learner, scaled: Tensor, targets: Tensor, *, number: int, lesion_map: Tensor | None = None
) -> tuple[float, int]:
    """Train on augmented slices; return the mean loss and the number of correctly classified slices.

    ``scaled`` is (N, 1, s, s) float32 in [0, 1], ``targets`` (N, K) float32 as in ``class_loss``, ``lesion_map``
    (N, 1, h, w) float32 in [0, 1], the lesion coverage of each location, below 0 if unknown.
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
    update_ema(learner.average, learner.network, ema_decay(recipe.ema_decay, number))
    return loss, right


def _micro_batches(whole: _MicroBatch, count: int) -> list[_MicroBatch]:
    scaled, targets = whole.scaled.tensor_split(count), whole.targets.tensor_split(count)
    maps = [None] * count if whole.lesion_map is None else whole.lesion_map.tensor_split(count)
    sequences = [None] * count if whole.sequences is None else whole.sequences.tensor_split(count)
    return [_MicroBatch(*each) for each in zip(scaled, targets, maps, sequences, strict=True)]


def _scaled_augmentation(recipe: Recipe, strength: float) -> Recipe:
    """Return the recipe with its lesion, tone and corruption augmentation scaled by ``strength``."""
    if strength == 1:
        return recipe
    scaled = {
        name: strength * getattr(recipe.augmentation, name) for name in ("tone", "p_lesion_removal", "p_lesion_paste")
    }
    full = recipe.corruptions
    corruptions = Corruptions(strength * full.bias, strength * full.marks, strength * full.invert)
    return replace(recipe, augmentation=replace(recipe.augmentation, **scaled), corruptions=corruptions)


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
            if sequences is not None:  # an inverted slice has no sequence
                sequences = torch.where(disturbance.turned.to(scaled.device), -1, sequences)
    return _MicroBatch(scaled, targets, lesion_map, sequences)


def _loss(learner: Learner, part: _MicroBatch, count: int, known: int) -> tuple[Tensor, Tensor]:
    """Return the contribution of a micro-batch to the mean loss, and its number of correctly classified slices.

    The mean is over the process's ``count`` slices, for lesion maps over the ``known`` slices with a map.
    """
    with learner.fabric.autocast():  # one process: Fabric casts only in forward(), not in other methods
        if part.lesion_map is None:
            output, scores = learner.model.classify(part.scaled), None
        else:
            output, scores = learner.model.classify_places(part.scaled)
    logits = output.logits.float()
    smoothing = learner.recipe.label_smoothing
    loss = class_loss(logits, part.targets, weight=learner.weights, smoothing=smoothing)
    loss = loss * (len(part.targets) / count)
    if isinstance(output, SequenceOutput) and part.sequences is not None:
        likelihoods = output.sequence.clamp(min=1e-8).log()
        sequence_loss = F.nll_loss(likelihoods, part.sequences, ignore_index=-1, reduction="sum")
        loss = loss + learner.recipe.sources.sequence_weight * sequence_loss / count
    if scores is not None and part.lesion_map is not None:
        weight = learner.recipe.sources.outline_weight
        map_loss = lesion_map_loss(
            scores.float(), part.lesion_map, part.targets, known_slices=known, candidates_weight=weight
        )
        loss = loss + learner.recipe.outline_weight * map_loss
    one_class = part.targets.amax(1) > 1 / part.targets.shape[1]
    target = part.targets.gather(1, logits.argmax(1, keepdim=True)).squeeze(1)
    return loss, ((target == part.targets.amax(1)) & one_class).sum()


def target_rows(classes: Tensor, kind_known: Tensor | None, kinds: Tensor) -> Tensor:
    """Return targets (N, K) as in ``class_loss``: one class each, or all ``kinds`` (K,) if the kind is unknown.

    ``classes`` (N,) int64 and ``kind_known`` (N,) bool are as in ``Batch``.
    """
    rows = F.one_hot(classes, len(kinds)).float()
    return rows if kind_known is None else torch.where(kind_known.to(rows.device).view(-1, 1), rows, kinds)


def class_loss(logits: Tensor, targets: Tensor, *, weight: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of ``logits`` (N, K), with class weights (K,) and label smoothing in [0, 1).

    Each row of ``targets`` (N, K) is a distribution, or a set of candidates: several ones, of which an unknown one is
    the true class. The loss of candidates is that of their summed probability (Cour, Sapp and Taskar, "Learning from
    Partial Labels", JMLR 2011), without class weights.
    """
    several = _is_candidates(targets)
    if not bool(several.any()):
        return F.cross_entropy(logits, targets, weight=weight, label_smoothing=smoothing)
    single_loss = F.cross_entropy(logits, targets, weight=weight, label_smoothing=smoothing, reduction="none")
    log_probabilities = logits.log_softmax(dim=1)
    summed_loss = (1 - smoothing) * -_log_sum(log_probabilities, targets) - smoothing * log_probabilities.mean(dim=1)
    return torch.where(several, summed_loss, single_loss).mean()


def _is_candidates(targets: Tensor) -> Tensor:
    """Return (N,) bool: which rows of targets (N, K) are candidates."""
    return targets.sum(dim=1) > 1.5


def _log_sum(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """Return the logarithm of the summed probability of the candidates in ``targets`` (N, K).

    ``log_probabilities`` are (N, K, ...), the result is (N, ...).
    """
    without = (targets == 0).view(*targets.shape, *(1,) * (log_probabilities.ndim - 2))
    return log_probabilities.masked_fill(without, -math.inf).logsumexp(dim=1)


def lesion_map_loss(
    scores: Tensor,
    lesion_map: Tensor,
    targets: Tensor,
    *,
    known_slices: int | None = None,
    candidates_weight: float = 1.0,
) -> Tensor:
    """Return the loss of the scores at each location: cross-entropy plus soft Dice (Milletari et al. 2016).

    ``scores`` (N, K + 1, h, w) are those of the classes and background, ``lesion_map`` (N, 1, h, w) in [0, 1] is the
    lesion coverage, below 0 if unknown (such slices are ignored), ``targets`` (N, K) are as in ``class_loss``. The
    result is the mean over the slices with a known map or, for part of a larger batch, their sum divided by
    ``known_slices``. Slices with several candidates have the weight ``candidates_weight``.
    """
    several = _is_candidates(targets)
    known = (lesion_map[:, 0, 0, 0] >= 0).float()
    lesion = lesion_map.clamp(min=0)
    truth = torch.cat([targets[:, :, None, None] * lesion, 1 - lesion], dim=1)
    log_probabilities = scores.log_softmax(dim=1)
    entropy = -(truth * log_probabilities).sum(dim=1)
    if bool(several.any()):
        candidates, background = _log_sum(log_probabilities[:, :-1], targets), log_probabilities[:, -1]
        summed = -lesion[:, 0] * candidates - (1 - lesion[:, 0]) * background
        entropy = torch.where(several.view(-1, 1, 1), summed, entropy)
        known = known * torch.where(several, candidates_weight, 1.0)
    entropy = entropy.mean(dim=(1, 2))
    right = (scores.softmax(dim=1)[:, :-1] * targets[:, :, None, None]).sum(dim=1)
    overlap = 2 * (right * lesion[:, 0]).sum(dim=(1, 2)) + 1
    dice = 1 - overlap / (right.sum(dim=(1, 2)) + lesion.sum(dim=(1, 2, 3)) + 1)
    count = (lesion_map[:, 0, 0, 0] >= 0).sum().clamp(min=1) if known_slices is None else max(known_slices, 1)
    return ((entropy + dice) * known).sum() / count


def _lesion_map(learner: Learner, batch: Batch, drawn: transforms.Draw) -> Tensor | None:
    """Return the batch's outlines (n, 1, 64, 64) in [0, 1], moved like the slices; below 0 if unknown."""
    if batch.outlines is None or batch.outlined is None:
        return None
    outlines, known = learner.fabric.to_device((batch.outlines, batch.outlined))
    moved = transforms.move(outlines.float().unsqueeze(1) / 255, drawn)
    return torch.where(known.view(-1, 1, 1, 1), moved, -1.0)


def _healthy(batch: Batch) -> Tensor:
    """Return (n,) bool: which slices are known to show no lesion."""
    assert batch.outlines is not None, "only called if the network learns from outlines"
    assert batch.outlined is not None, "given with the outlines"
    return batch.outlined & (batch.outlines.amax(dim=(1, 2)) == 0)
