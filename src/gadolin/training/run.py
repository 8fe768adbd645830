"""One training run: data in, a run folder out that holds all it was made from and all it made."""

from __future__ import annotations

import logging
import math
import platform
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from gadolin.atomic import write_json
from gadolin.bundle import Bundle
from gadolin.copies import copies_where_readable
from gadolin.errors import DataError, RequestError
from gadolin.manifest import manifest_digest, write_manifest
from gadolin.network import Classifier, build_classifier
from gadolin.network.heads import OutlineHead
from gadolin.predictor import Predictor
from gadolin.progress import Progress
from gadolin.records import Record
from gadolin.report.assessment import Assessment, assess_and_report
from gadolin.runtime import open_runtime
from gadolin.splits import overlap
from gadolin.training.batches import Examples, steps_per_epoch
from gadolin.training.bundling import make_bundle
from gadolin.training.checkpoint import Checkpoint
from gadolin.training.claim import begun, claimed, require_same
from gadolin.training.fit import fit, halvings
from gadolin.training.machine import Machine
from gadolin.training.parts import Parts, divide
from gadolin.training.plan import Plan
from gadolin.training.processes import agreed, by_turns, joined
from gadolin.training.recipe import Recipe
from gadolin.training.weights import localise, require_unseen, start_from

__all__ = ["train_model", "with_evidence"]

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


def train_model(plan: Plan, *, progress: Progress | None = None) -> Path:
    """Train by ``plan`` and return the path of the report on the test part, which is read once, at the end.

    ``progress`` is called with (done, total, what). Several processes that torchrun started train together; the first
    alone writes, and an error in one is raised in all. Raises a GadolinError, before anything is written, where data,
    weights or folder cannot be used; an interrupted run goes on with ``resume``.
    """
    fabric = plan.machine.fabric()
    with ExitStack() as stack, joined(fabric):
        agreed(fabric, lambda: _require_divisible(plan.recipe, fabric.world_size))
        if fabric.is_global_zero:
            plan = agreed(fabric, lambda: stack.enter_context(claimed(plan)))
        else:
            plan = agreed(fabric, lambda: replace(plan, resume=True))  # the first writes what the others read
        return _train(plan, fabric, progress)


def _require_divisible(recipe: Recipe, processes: int) -> None:
    if recipe.batch_size % processes:
        best = max(processes, round(recipe.batch_size / processes) * processes)
        raise RequestError(
            code="batch_not_divisible",
            rule="batch_size counts the slices of all processes and must divide by their number",
            got=f"got {recipe.batch_size} for {processes}",
            remedy=f"set batch_size={best}",
        )


def _train(plan: Plan, fabric: Fabric, progress: Progress | None) -> Path:
    plan = replace(plan, machine=_settled(plan.machine, fabric))
    parts, plan, network, facts = by_turns(fabric, lambda: _begin(plan, fabric, progress))
    examples = (parts.train, parts.validation)
    state = fit(network, plan.recipe, examples, machine=plan.machine, run=plan.out, progress=progress)

    def finish() -> Path:
        if not fabric.is_global_zero:
            return plan.out / "evaluation" / "report.html"
        network.load_state_dict(state.best)
        return _finish(plan, network, parts, facts | _outcome(plan, state), progress)

    return agreed(fabric, finish)


def _settled(machine: Machine, fabric: Fabric) -> Machine:
    """Return the machine with the first process's precision, where there are several."""
    if fabric.world_size == 1:
        return machine
    return replace(machine, precision=fabric.broadcast("bfloat16" if machine.bfloat16 else "float32"))


def _begin(plan: Plan, fabric: Fabric, progress: Progress | None) -> tuple[Parts, Plan, Classifier, dict[str, Any]]:
    """Return data, resolved plan, network and facts; only the first process reads weights, and opens the run."""
    parts = divide(plan, progress)
    plan = _resolved(plan, parts, knows=_weights_know(plan, fabric))
    torch.manual_seed(plan.machine.seed)
    network = build_classifier(plan.recipe.network, len(parts.classes))
    not_taken = {"errors": parts.errors, "left_out": parts.left_out}
    facts = _facts(plan, parts.records) | {"processes": fabric.world_size, **not_taken}
    if fabric.is_global_zero:
        require_unseen(plan.weights, parts.records)
        facts |= start_from(network, plan.recipe.network.backbone, plan.weights, parts.classes)
        _open_run(plan, parts.records, facts)
        if not plan.resume:
            _warn_of_few_steps(plan.recipe, len(parts.train))
    _tell_lesions(network, plan.recipe.network.healthy, parts)
    return parts, plan, network, facts


def _warn_of_few_steps(recipe: Recipe, slices: int) -> None:
    """Say so where a training is too short to learn much, and how many epochs would take ``_ENOUGH_STEPS``."""
    each = steps_per_epoch(slices, recipe.batch_size)
    enough = math.ceil(_ENOUGH_STEPS / each)
    if recipe.epochs * each < _FEW_STEPS:
        _LOG.warning(
            "a training of %d steps is short; --set epochs=%d takes %d",
            recipe.epochs * each,
            enough,
            enough * each,
        )


def _tell_lesions(network: Classifier, healthy: str, parts: Parts) -> None:
    """Tell a head that answers by lesions which classes have none: all of their training slices are known to."""
    if not isinstance(network.head, OutlineHead) or healthy == "auto":
        return
    network.head.lesion.fill_(1)
    if healthy == "absence":
        without = _without_lesions(parts.train, len(parts.classes))
        network.head.lesion[without] = 0
        if not without:
            _LOG.warning("network.healthy=absence changes nothing: no class has only slices known to show no lesion")


def _without_lesions(train: Examples, classes: int) -> list[int]:
    """Return the classes of which every training slice is known to show no lesion."""
    if train.outlines is None:
        return []
    healthy = train.outlines.known[train.rows] & (train.outlines.coverage[train.rows].max(axis=(1, 2)) == 0)
    own = [healthy[train.targets == number] for number in range(classes)]
    return [number for number, each in enumerate(own) if len(each) and bool(each.all())]


def _outcome(plan: Plan, state: Checkpoint) -> dict[str, Any]:
    """Return what ``run.json`` records of the training."""
    split = halvings(plan.out)
    return {
        "chosen_epoch": state.best_epoch,
        "epochs": state.epoch,
        "training_seconds": round(sum(row["seconds"] for row in state.history), 1),
        "history": state.history[state.best_epoch - 1],
    } | ({"halvings": split} if split else {})


def _finish(plan: Plan, network: Classifier, parts: Parts, facts: dict[str, Any], progress: Progress | None) -> Path:
    """Write the bundle, read the test part and write the report; the run counts as finished only then."""
    bundle = make_bundle(network, plan.recipe, parts, facts, plan.out / "bundle")
    write_json(plan.out / "run.json", facts | {"finished": False})
    page = _read_test(plan, bundle, parts, progress)
    write_json(plan.out / "run.json", facts | {"finished": True})
    (plan.out / "checkpoint.safetensors").unlink(missing_ok=True)
    return page


def _weights_know(plan: Plan, fabric: Fabric) -> bool:
    """Tell whether the weights know outlines; only the first process reads them, the others what it wrote."""
    if fabric.is_global_zero:
        return localise(plan.weights)
    return bool(begun(plan.out)["recipe"]["network"]["evidence"] == "outlines")


def _resolved(plan: Plan, parts: Parts, *, knows: bool) -> Plan:
    """Return the plan with what it leaves to the data decided: what evidence is made of.

    Raises DataError where outlines are asked for and neither the manifest names some nor the weights know them.
    """
    outlines = parts.train.outlines
    outlined = outlines is not None and bool(outlines.known[parts.train.rows].any())
    if plan.recipe.network.evidence == "outlines" and not outlined and not knows:
        raise DataError(
            code="no_outlines",
            rule="network.evidence=outlines needs outlines in the manifest",
            got="got none for training",
            remedy="set it to auto or map",
        )
    return replace(plan, recipe=with_evidence(plan.recipe, outlined=outlined or knows))


def with_evidence(recipe: Recipe, *, outlined: bool) -> Recipe:
    """Return the recipe with "auto" decided: evidence is of outlines where they, or the weights, know some."""
    network = recipe.network
    if network.evidence != "auto":
        return recipe
    evidence = "outlines" if outlined and not network.hidden else "map"
    return replace(recipe, network=replace(network, evidence=evidence))


def _facts(plan: Plan, records: Sequence[Record]) -> dict[str, Any]:
    """Return what ``run.json`` records: settings resolved, seeds, versions, digests, counts."""
    counts = Counter((record.split, record.label) for record in records)
    return {
        "recipe_name": plan.recipe.name,
        "recipe": plan.recipe.as_json(),
        "data": str(plan.data),
        "manifest_digest": manifest_digest(records),
        "counts": {
            part: {label: n for (p, label), n in sorted(counts.items()) if p == part}
            for part in sorted({p for p, _ in counts})
        },
        "patients": len({record.patient for record in records if record.patient}),
        "seed": plan.machine.seed,
        "precision": "bfloat16" if plan.machine.bfloat16 else "float32",
        "device": plan.machine.device,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("gadolin", *_PACKAGES)},
    }


def _open_run(plan: Plan, records: Sequence[Record], facts: dict[str, Any]) -> None:
    if plan.resume:
        keys = ("recipe", "seed", "manifest_digest", "precision", "weights", "weights_digest")
        require_same(plan.out, {key: facts.get(key) for key in keys})
        return
    write_manifest(plan.out / "manifest.csv", records)
    write_json(plan.out / "run.json", facts | {"finished": False})


def _read_test(plan: Plan, bundle: Bundle, parts: Parts, progress: Progress | None) -> Path:
    tested = [record for record in parts.records if record.split == "test"]
    copies = parts.copies or copies_where_readable(parts.records, cache=plan.cache)
    shared = overlap(parts.records, copies)
    assessment = Assessment(
        records=tested,
        out=plan.out / "evaluation",
        title=f"{plan.recipe.name} on the test part of {plan.data.name}",
        run=plan.out,
        parts=shared.by_key(parts.records),
        duplicates_by=shared.found_by,
        prepared=parts.test,
    )
    _, page = assess_and_report(Predictor(bundle, open_runtime(bundle.graph)), assessment, progress=progress)
    return page
