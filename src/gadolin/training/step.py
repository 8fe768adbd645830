"""One step of learning: augment a batch, add up its gradients, move the weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Generator, Tensor
from torch.optim import Optimizer

from gadolin.network import Classifier
from gadolin.network.spread import place_in_batch
from gadolin.recipes import Corruptions, Recipe
from gadolin.training import augment
from gadolin.training.batches import Batch
from gadolin.training.disturb import disturb, draw_disturbance
from gadolin.training.lesions import draw_exchange, exchange
from gadolin.training.memory import Memory, is_out_of_memory, must_fit
from gadolin.training.processes import share_of

__all__ = ["Learner", "learn", "places_loss", "train_step"]


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
    memory: Memory = field(default_factory=Memory)

    def state(self) -> dict[str, Tensor]:
        """Return the state that answers: the moving average where the recipe keeps one."""
        return self.average or self.network.state_dict()


class _Seen(NamedTuple):
    """What is learned from: this process's rows of a batch of ``whole`` slices, from row ``first`` on.

    ``scaled`` (n, 1, s, s) float32 in [0, 1] as augmentation leaves it, ``wanted`` (n, K) float32 with rows that sum to
    1, ``places`` (n, 1, h, w) float32 in [0, 1] how much of each place is lesion, below 0 where that is not known;
    ``outlined`` slices of the whole batch have it known.
    """

    scaled: Tensor
    wanted: Tensor
    places: Tensor | None
    first: int
    whole: int
    outlined: int


def train_step(learner: Learner, batch: Batch, *, size: int, number: int, strength: float = 1.0) -> tuple[float, int]:
    """Learn from one batch; returns its loss and how many slices were named correctly, of those that have one class.

    ``size`` is the side of what the network sees, ``strength`` in [0, 1] how much of the recipe's lesions, tones and
    disturbances is used.
    All chance follows from the seed and the step's number. Of several processes each learns from its rows, and the
    loss is such that its mean over processes is that of the batch. Where memory is short the batch is split and the
    step repeated, with the gradients of the parts added up; batch norm then takes its statistics from each part.
    Raises RecipeError where one slice does not fit.
    """
    with must_fit("an augmented batch"):
        seen = _augmented(learner, batch, size, number, _as_strong(learner.recipe, strength))
    return _learn(learner, seen, number)


def learn(
    learner: Learner, scaled: Tensor, wanted: Tensor, *, number: int, places: Tensor | None = None
) -> tuple[float, int]:
    """Learn from slices as augmentation left them; returns the loss and how many were named correctly.

    ``scaled`` is (N, 1, s, s) float32 in [0, 1], ``wanted`` (N, K) float32 with rows that sum to 1, ``places``
    (N, 1, h, w) float32 in [0, 1] how much of each place is lesion, below 0 where that is not known.
    """
    known = 0 if places is None else int((places[:, 0, 0, 0] >= 0).sum())
    return _learn(learner, _Seen(scaled, wanted, places, 0, len(wanted), known), number)


def _learn(learner: Learner, seen: _Seen, number: int) -> tuple[float, int]:
    learner.memory.keep(learner.network)
    while (result := _gradients(learner, seen, number)) is None:
        learner.memory.halve(number, len(seen.wanted))
    recipe = learner.recipe
    with must_fit("the optimizer's state"):
        if recipe.optimizer.clip_norm:
            torch.nn.utils.clip_grad_norm_(learner.network.parameters(), recipe.optimizer.clip_norm)
        learner.optimizer.step()
    _follow(learner.average, learner.network, min(recipe.ema_decay, (1 + number) / (10 + number)))
    return result


def _gradients(learner: Learner, seen: _Seen, number: int) -> tuple[float, int] | None:
    """Gather the gradients of a batch and return its loss and how many were right; None where memory is short."""
    loss, right, count = 0.0, 0, len(seen.wanted)
    parts = min(learner.memory.parts(number), count)
    try:
        learner.optimizer.zero_grad(set_to_none=True)
        for part in range(parts):
            torch.manual_seed(learner.seed * 1_000_003 + number)
            part_loss, part_right = _loss(learner, seen, *share_of(count, part, parts))
            learner.fabric.backward(part_loss)
            loss, right = loss + float(part_loss.detach()), right + int(part_right)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return loss, right


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


def _augmented(learner: Learner, batch: Batch, size: int, number: int, recipe: Recipe) -> _Seen:
    """Return what this process learns from: its own rows of the batch, as all of it was augmented and mixed."""
    network, fabric = learner.network, learner.fabric
    generator = Generator().manual_seed(learner.seed * 1_000_003 + number)
    prepared, targets = fabric.to_device((batch.prepared, batch.targets))
    first, last = batch.first, batch.first + len(targets)
    with torch.no_grad():
        drawn = augment.draw(batch.whole, recipe.augmentation, generator).share(first, last)
        scaled = augment.apply(network.door.scale(prepared, size), drawn)
        wanted = F.one_hot(targets, len(learner.weights)).float()
        places = _lesions(learner, batch, drawn) if recipe.network.evidence == "outlines" else None
        if places is None:
            scaled, wanted = augment.mix(scaled, wanted, recipe.augmentation.mixup, generator)
        else:
            if recipe.augmentation.p_lesion_removal or recipe.augmentation.p_lesion_paste:
                moved = draw_exchange(batch.whole, recipe.augmentation, generator)
                scaled, places, wanted = exchange(scaled, places, wanted, _healthy(batch).to(scaled.device), moved)
            places = F.adaptive_avg_pool2d(places, size // 4)
        if recipe.corruptions != Corruptions():
            disturbed = draw_disturbance(batch.whole, recipe.corruptions, generator)
            scaled = disturb(scaled, disturbed if len(scaled) == batch.whole else disturbed.share(first, last))
    if len(targets) == batch.whole and fabric.world_size > 1:
        first, last = share_of(batch.whole, fabric.global_rank, fabric.world_size)
        scaled, wanted = scaled[first:last], wanted[first:last]
        places = None if places is None else places[first:last]
    return _Seen(scaled, wanted, places, first, batch.whole, batch.known)


def _loss(learner: Learner, seen: _Seen, start: int, stop: int) -> tuple[Tensor, Tensor]:
    """Return what rows ``start`` to ``stop`` add to the loss of the batch, and how many of them were right."""
    scaled, wanted = seen.scaled[start:stop], seen.wanted[start:stop]
    place_in_batch(learner.network, seen.first + start, seen.first + stop, seen.whole)
    with learner.fabric.autocast():  # one process: Fabric casts in forward() alone, not in other methods
        if seen.places is None:
            output, said = learner.model.classify(scaled), None
        else:
            output, said = learner.model.classify_places(scaled)
    extra = torch.zeros((), device=scaled.device)
    if said is not None and seen.places is not None:
        extra = learner.recipe.outline_weight * places_loss(
            said.float(), seen.places[start:stop], wanted, known_slices=seen.outlined
        )
    logits = output.logits.float()
    smoothing = learner.recipe.label_smoothing
    loss = F.cross_entropy(logits, wanted, weight=learner.weights, label_smoothing=smoothing)
    processes = learner.fabric.world_size  # the mean over processes is taken of gradients
    loss = loss * (processes * len(wanted) / seen.whole) + extra * processes
    one_class = wanted.amax(1) > 1 / wanted.shape[1]
    return loss, ((logits.argmax(1) == wanted.argmax(1)) & one_class).sum()


def places_loss(said: Tensor, lesion: Tensor, wanted: Tensor, *, known_slices: int | None = None) -> Tensor:
    """Return the loss of what was said of each place: cross-entropy plus soft Dice (Milletari et al. 2016).

    ``said`` (N, K + 1, h, w) are scores of the classes and background, ``lesion`` (N, 1, h, w) in [0, 1] the share of
    lesion, below 0 where unknown (such slices count nothing), ``wanted`` (N, K) the class of each slice. It is the mean
    over the slices with a known lesion, or the sum over ``known_slices`` where these are but a part of the batch.
    """
    known = (lesion[:, 0, 0, 0] >= 0).float()
    lesion = lesion.clamp(min=0)
    target = torch.cat([wanted[:, :, None, None] * lesion, 1 - lesion], dim=1)
    entropy = -(target * said.log_softmax(dim=1)).sum(dim=1).mean(dim=(1, 2))
    right = (said.softmax(dim=1)[:, :-1] * wanted[:, :, None, None]).sum(dim=1)
    overlap = 2 * (right * lesion[:, 0]).sum(dim=(1, 2)) + 1
    dice = 1 - overlap / (right.sum(dim=(1, 2)) + lesion.sum(dim=(1, 2, 3)) + 1)
    count = known.sum().clamp(min=1) if known_slices is None else max(known_slices, 1)
    return ((entropy + dice) * known).sum() / count


def _lesions(learner: Learner, batch: Batch, drawn: augment.Draw) -> Tensor | None:
    """Return the batch's outlines (n, 1, 64, 64) in [0, 1], moved as the slices were; below 0 where unknown."""
    if batch.outlines is None or batch.outlined is None:
        return None
    outlines, known = learner.fabric.to_device((batch.outlines, batch.outlined))
    moved = augment.move(outlines.float().unsqueeze(1) / 255, drawn)
    return torch.where(known.view(-1, 1, 1, 1), moved, -1.0)


def _healthy(batch: Batch) -> Tensor:
    """Return (n,) bool: which slices are known to show no lesion, however they were moved."""
    assert batch.outlines is not None, "only asked where outlines are learned from"
    assert batch.outlined is not None, "it comes with the outlines"
    return batch.outlined & (batch.outlines.amax(dim=(1, 2)) == 0)


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
