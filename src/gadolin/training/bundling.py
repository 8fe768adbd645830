"""From a trained network to its bundle: graph, gate, temperature, and where it comes from."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save

from gadolin.atomic import write_bytes
from gadolin.bundle import Bundle, write_bundle
from gadolin.checks.appearance import appearance, summary
from gadolin.manifest import file_digest
from gadolin.metrics import fit_temperature
from gadolin.metrics.selective import naming_bound
from gadolin.montage import HEAD_COUNTER
from gadolin.network import Classifier, MirrorAverage
from gadolin.predictor import Predictor, probabilities
from gadolin.recipe import Recipe
from gadolin.run_folder import Provenance
from gadolin.runtime import open_runtime
from gadolin.splits import grouping_keys
from gadolin.training.export import export_graph
from gadolin.training.gate import ENOUGH, Gate, add_gate, bound, fit_gate
from gadolin.training.imagenet import BACKBONE_KEY
from gadolin.training.parts import Parts

__all__ = ["make_bundle"]

_LOG = logging.getLogger(__name__)

_FACTS = ("recipe_name", "weights", "seed", "precision", "counts", "chosen_epoch", "versions")
_PARITY_SLICES = 32  # spread over the validation part, so that every class is among them
_GATE_SLICES = 4096  # of the training part, at most, whose features the gate is made from


def make_bundle(
    network: Classifier,
    recipe: Recipe,
    parts: Parts,
    facts: Provenance,
    folder: Path,
    *,
    foreign: NDArray[np.uint8] | None = None,
) -> Bundle:
    """Write the bundle of a trained network to ``folder`` and return it.

    The gate is made from the training part and, where there are some, from prepared pictures of other things
    ``foreign`` (L, H, H) uint8; its bound, the temperature and the probability below which nothing is named are fitted
    on the validation part. Where that is too small for bounds a warning says so, and nothing is declined.
    """
    validation = parts.validation
    answering = MirrorAverage(network) if recipe.network.mirror_average else network
    examples = validation.slices[validation.rows[:: max(1, len(validation) // _PARITY_SLICES)][:_PARITY_SLICES]]
    weights = {name: tensor.contiguous() for name, tensor in network.cpu().state_dict().items()}
    write_bytes(folder / "weights.safetensors", save(weights, metadata={BACKBONE_KEY: recipe.network.backbone}))
    digest = export_graph(answering, examples, folder / "model.onnx")
    plain = Bundle(
        folder=folder,
        classes=parts.classes,
        preparation=recipe.preparation,
        graph_digest=digest,
        head_counter=HEAD_COUNTER,
        manifest_digest=facts.manifest_digest,
        weights_digest=file_digest(folder / "weights.safetensors"),
        facts={key: getattr(facts, key) for key in _FACTS}
        | ({"finetuned_from": list(facts.finetuned_from)} if facts.finetuned_from else {})
        | {"statistics": _statistics(parts)},
    )
    asking = Predictor(plain, open_runtime(plain.graph))
    said = asking.ask(validation.slices[validation.rows])
    gate = _gate(asking, parts, said.features, foreign)
    temperature = fit_temperature(said.logits, validation.targets)
    enough = len(validation) >= ENOUGH
    if not enough:
        _LOG.warning(
            "%d slices of the validation part are too few to say when to decline, and this model will name whatever "
            "grey picture it is shown; hold out %d or more, with a larger --validation or more slices",
            len(validation),
            ENOUGH,
        )
    likely = probabilities(said.logits, temperature)
    accuracy = float((said.logits.argmax(axis=1) == validation.targets).mean())
    bundle = replace(
        plain,
        graph_digest=add_gate(plain.graph, gate),
        temperature=temperature,
        confidence_threshold=naming_bound(likely, validation.targets) if enough else 0.0,
        ood_threshold=bound(gate.strangeness(said.features)) if enough else 0.0,
        metrics={"validation": {"slices": len(validation), "accuracy": accuracy}},
    )
    write_bundle(bundle)
    return bundle


def _gate(asking: Predictor, parts: Parts, known: NDArray[np.float32], foreign: NDArray[np.uint8] | None) -> Gate:
    """Return the gate; ``known`` (M, F) float32 are the features of the validation part."""
    some = slice(None, None, -(-len(parts.train) // _GATE_SLICES))
    learned = asking.ask(parts.train.slices[parts.train.rows[some]]).features
    others = None if foreign is None else asking.ask(foreign).features
    return fit_gate(learned, parts.train.targets[some], known, others)


def _statistics(parts: Parts) -> dict[str, Any]:
    """Return what the slices of the training part look like, for audits of what the model is used on."""
    train = parts.train
    learned = [record for record in parts.records if record.split == "train"]
    labels = [record.label for record in learned]
    return summary(appearance(train.slices, train.rows), labels, grouping_keys(learned))
