"""One training run: data in, a run folder out with the provenance, the model and its evaluation."""

from __future__ import annotations

import logging
import math
import platform
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric

from gadolin.datasets.manifest import manifest_digest, write_manifest
from gadolin.duplicates import copies_where_readable
from gadolin.errors import DataError, RequestError
from gadolin.models.bundle import Bundle
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import Provenance, RunFolder
from gadolin.models.runtime import open_runtime
from gadolin.networks import Classifier, build_classifier
from gadolin.networks.backbones import require_backbone
from gadolin.networks.heads import OutlineHead
from gadolin.progress import Progress
from gadolin.recipe import Recipe
from gadolin.records import Record
from gadolin.reports.assessment import Assessment, assess_model
from gadolin.reports.data_sources import data_name
from gadolin.reports.evaluation import Evaluation
from gadolin.splits import overlap
from gadolin.training.batches import Examples, epoch_size, steps_per_epoch
from gadolin.training.bundling import make_bundle
from gadolin.training.checkpoint import Checkpoint
from gadolin.training.data import Parts, divide
from gadolin.training.fit import fit
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.pretrained_weights import has_lesion_decoder, load_weights, require_unseen
from gadolin.training.processes import detect_lost_rank, gather_errors, rank_zero_first
from gadolin.training.resume import claimed, require_same

__all__ = ["Trained", "train_model", "with_evidence"]

_LOG = logging.getLogger("gadolin")
_FEW_STEPS, _ENOUGH_STEPS = 200, 400
_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "lightning-fabric",
    "onnx",
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
    "pillow",
)


class Trained(NamedTuple):
    """The result of a training: the evaluation on the test part, and the provenance."""

    evaluation: Evaluation
    provenance: Provenance


def train_model(plan: Plan, *, progress: Progress | None = None) -> Trained | None:
    """Train as ``plan`` specifies and evaluate on the test part, which is read once, at the end.

    ``progress`` is called with (done, total, what). If torchrun started several processes, they train together: rank 0
    writes and returns the result, the others return None, and an error in one is raised in all. Raises a GadolinError
    before anything is written if data, weights or folder cannot be used; ``resume`` continues an interrupted run.
    """
    fabric = plan.machine.fabric()
    with ExitStack() as stack, detect_lost_rank(fabric):
        gather_errors(fabric, lambda: _require_divisible(plan, fabric.world_size))
        gather_errors(fabric, lambda: require_backbone(plan.recipe.network.backbone))
        if fabric.is_global_zero:
            plan = gather_errors(fabric, lambda: stack.enter_context(claimed(plan)))
        else:
            plan = gather_errors(fabric, lambda: replace(plan, resume=True))  # rank 0 writes what the others read
        return _train(plan, fabric, progress)


def _require_divisible(plan: Plan, processes: int) -> None:
    batch_size, accumulate = plan.recipe.batch_size, plan.machine.accumulate
    pieces = processes * accumulate
    if batch_size % pieces:
        best = max(pieces, round(batch_size / pieces) * pieces)
        raise RequestError(
            code="batch_not_divisible",
            rule="batch_size must divide evenly into the micro-batches of all processes",
            got=f"got {batch_size} for {processes} processes with {accumulate} micro-batches each",
            remedy=f"set batch_size={best}",
        )


def _train(plan: Plan, fabric: Fabric, progress: Progress | None) -> Trained | None:
    plan = replace(plan, machine=_agreed(plan.machine, fabric))
    parts, plan, network, facts = rank_zero_first(fabric, lambda: _begin(plan, fabric, progress))
    examples = (parts.train, parts.validation)
    state = fit(network, plan.recipe, examples, machine=plan.machine, run=plan.out, progress=progress)

    def finish() -> Trained | None:
        if not fabric.is_global_zero:
            return None
        network.load_state_dict(state.best)
        return _finish(plan, network, parts, _with_outcome(facts, state), progress)

    return gather_errors(fabric, finish)


def _agreed(machine: Machine, fabric: Fabric) -> Machine:
    """Return the machine with the precision of rank 0, if there are several processes."""
    if fabric.world_size == 1:
        return machine
    return replace(machine, precision=fabric.broadcast("bfloat16" if machine.bfloat16 else "float32"))


def _begin(plan: Plan, fabric: Fabric, progress: Progress | None) -> tuple[Parts, Plan, Classifier, Provenance]:
    """Return data, resolved plan, network and provenance; only rank 0 reads weights and opens the run."""
    parts = divide(plan, progress)
    plan = _resolved(plan, parts, pretrained=_has_outline_weights(plan, fabric))
    torch.manual_seed(plan.machine.seed)
    network = build_classifier(plan.recipe.network, len(parts.classes), len(parts.sequences))
    facts = _provenance(plan, parts, fabric)
    if fabric.is_global_zero:
        require_unseen(plan.weights, parts.records)
        facts = replace(
            facts, **load_weights(network, plan.recipe.network.backbone, plan.weights, parts.classes, parts.sequences)
        )
        _open_run(plan, parts.records, facts)
        if not plan.resume:
            _warn_of_few_steps(plan.recipe, epoch_size(parts.train, plan.recipe.sources.draws))
            _warn_of_missing_outlines(plan.recipe, parts.train)
            _warn_of_frozen_random_weights(plan)
    _mark_lesion_classes(network, plan.recipe.network.no_lesion_class, parts)
    return parts, plan, network, facts


def _warn_of_few_steps(recipe: Recipe, slices: int) -> None:
    """Warn of a short training, with the number of epochs that makes ``_ENOUGH_STEPS``."""
    each = steps_per_epoch(slices, recipe.batch_size)
    enough = math.ceil(_ENOUGH_STEPS / each)
    if recipe.epochs * each < _FEW_STEPS:
        _LOG.warning(
            "a training of %d steps is short: --set epochs=%d makes %d steps",
            recipe.epochs * each,
            enough,
            enough * each,
        )


def _warn_of_missing_outlines(recipe: Recipe, train: Examples) -> None:
    """Warn of tumours without an outline if the network learns from outlines."""
    if recipe.network.evidence != "outlines" or train.outlines is None:
        return
    tumours = np.isin(train.targets, train.kinds)
    without = int((tumours & ~train.outlines.known[train.rows]).sum())
    if without:
        text = "%d of %d tumours have no outline, so the network does not learn their location"
        _LOG.warning(text, without, int(tumours.sum()))


def _warn_of_frozen_random_weights(plan: Plan) -> None:
    """Warn of frozen stages without pretrained weights: they keep their random weights."""
    network = plan.recipe.network
    if plan.weights.kind == "none" and (network.freeze or network.freeze_blocks):
        _LOG.warning(
            "network.freeze=%d and network.freeze_blocks=%d freeze random weights, which then never learn; start from "
            "--weights imagenet, or set both to 0",
            network.freeze,
            network.freeze_blocks,
        )


def _mark_lesion_classes(network: Classifier, no_lesion_class: str, parts: Parts) -> None:
    """Mark the classes without lesions in an OutlineHead: all their training slices are known to show none."""
    if not isinstance(network.head, OutlineHead) or no_lesion_class == "auto":
        return
    network.head.lesion.fill_(1)
    if no_lesion_class == "residual":
        without = _without_lesions(parts.train, len(parts.classes))
        network.head.lesion[without] = 0
        if not without:
            _LOG.warning(
                "network.no_lesion_class=residual has no effect: no class has only slices known to show no lesion"
            )


def _without_lesions(train: Examples, classes: int) -> list[int]:
    """Return the classes whose training slices are all known to show no lesion."""
    if train.outlines is None:
        return []
    healthy = train.outlines.known[train.rows] & (train.outlines.coverage[train.rows].max(axis=(1, 2)) == 0)
    by_class = [healthy[train.targets == number] for number in range(classes)]
    return [number for number, each in enumerate(by_class) if len(each) and bool(each.all())]


def _with_outcome(facts: Provenance, state: Checkpoint) -> Provenance:
    """Return the provenance with the results of training."""
    return replace(
        facts,
        chosen_epoch=state.best_epoch,
        epochs=state.epoch,
        training_seconds=round(sum(row["seconds"] for row in state.history), 1),
        chosen=state.history[state.best_epoch - 1],
    )


def _finish(plan: Plan, network: Classifier, parts: Parts, facts: Provenance, progress: Progress | None) -> Trained:
    """Write the bundle, evaluate on the test part and write the report; then mark the run as finished."""
    run = RunFolder(plan.out)
    bundle = make_bundle(network, plan.recipe, parts, facts, run.bundle)
    run.write(facts)
    evaluation = _evaluated(plan, bundle, parts, progress)
    evaluation.save(run.evaluation)
    facts = replace(facts, finished=True)
    run.write(facts)
    run.checkpoint.unlink(missing_ok=True)
    return Trained(evaluation, facts)


def _has_outline_weights(plan: Plan, fabric: Fabric) -> bool:
    """Return whether the weights were trained on outlines; rank 0 reads them, the other ranks read ``run.json``."""
    if fabric.is_global_zero:
        return has_lesion_decoder(plan.weights)
    return bool(RunFolder(plan.out).read().recipe["network"]["evidence"] == "outlines")


def _resolved(plan: Plan, parts: Parts, *, pretrained: bool) -> Plan:
    """Return the plan with ``network.evidence`` resolved; ``pretrained``: the weights were trained on outlines.

    Raises DataError if the recipe needs outlines and neither the manifest nor the weights provide them.
    """
    outlines = parts.train.outlines
    outlined = outlines is not None and bool(outlines.known[parts.train.rows].any())
    if plan.recipe.network.evidence == "outlines" and not outlined and not pretrained:
        raise DataError(
            code="no_outlines",
            rule="network.evidence=outlines needs outlines in the manifest",
            got="the training part has none",
            remedy="set it to auto or map",
        )
    return replace(plan, recipe=with_evidence(plan.recipe, outlined=outlined or pretrained))


def with_evidence(recipe: Recipe, *, outlined: bool) -> Recipe:
    """Return the recipe with an evidence of "auto" resolved; ``outlined``: the data or weights provide outlines."""
    network = recipe.network
    if network.evidence != "auto":
        return recipe
    evidence = "outlines" if outlined and not network.hidden else "map"
    return replace(recipe, network=replace(network, evidence=evidence))


def _provenance(plan: Plan, parts: Parts, fabric: Fabric) -> Provenance:
    """Return the provenance: resolved settings, seed, versions, digests, counts."""
    records = parts.records
    counts = Counter((record.split, record.label) for record in records)
    return Provenance(
        recipe_name=plan.recipe.name,
        recipe=plan.recipe.as_json(),
        data=str(plan.data_path.resolve()),
        manifest_digest=manifest_digest(records),
        counts={
            part: {label: n for (p, label), n in sorted(counts.items()) if p == part}
            for part in sorted({p for p, _ in counts})
        },
        patients=len({record.patient for record in records if record.patient}),
        seed=plan.machine.seed,
        precision="bfloat16" if plan.machine.bfloat16 else "float32",
        device=fabric.device.type,
        threads=torch.get_num_threads(),
        accumulate=plan.machine.accumulate,
        processes=fabric.world_size,
        validation=plan.validation,
        test=plan.test,
        python=platform.python_version(),
        versions={name: version(name) for name in ("gadolin", *_PACKAGES)},
        errors=parts.errors,
        left_out=parts.left_out,
    )


def _open_run(plan: Plan, records: Sequence[Record], facts: Provenance) -> None:
    run = RunFolder(plan.out)
    if plan.resume:
        keys = ["recipe", "seed", "manifest_digest", "precision", "accumulate", "weights_digest"]
        keys += [] if facts.weights_digest else ["weights"]  # the digest of a file identifies it better than its name
        require_same(run, {key: getattr(facts, key) for key in keys})
        return
    write_manifest(run.manifest, records)
    run.write(facts)


def _evaluated(plan: Plan, bundle: Bundle, parts: Parts, progress: Progress | None) -> Evaluation:
    copies = parts.copies or copies_where_readable(parts.records, cache=plan.cache)
    shared = overlap(parts.records, copies)
    assessment = Assessment(
        records=[record for record in parts.records if record.split == "test"],
        title=f"{plan.recipe.name} on the test part of {data_name(str(plan.data_path.resolve()), parts.records)}",
        run=RunFolder(plan.out),
        parts=shared.by_key(parts.records),
        duplicates_by=shared.found_by,
        prepared=parts.test,
    )
    return assess_model(Predictor(bundle, open_runtime(bundle.graph)), assessment, progress=progress)
