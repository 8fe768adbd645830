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
from gadolin.bundle import Bundle, Validation, write_bundle
from gadolin.checks.appearance import appearance, summary
from gadolin.manifest import file_digest
from gadolin.montage import HEAD_COUNTER
from gadolin.network import Classifier, MirrorAverage
from gadolin.predictor import Predictor
from gadolin.recipe import Recipe
from gadolin.run_folder import Provenance
from gadolin.runtime import NetworkOutput, open_runtime
from gadolin.splits import grouping_keys
from gadolin.training.calibrate import calibrated, validations
from gadolin.training.export import export_graph
from gadolin.training.gate import ENOUGH, Gate, add_gate, bound, fit_gate
from gadolin.training.imagenet import BACKBONE_KEY
from gadolin.training.parts import Parts
from gadolin.training.sequences import SequenceProbe, add_sequence, fit_sequences

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
    enough = _is_enough(len(validation))
    accuracy = float((said.logits.argmax(axis=1) == validation.targets).mean())
    digest = add_gate(plain.graph, gate)
    probe = _sequences(asking, parts)
    if probe is not None:
        digest = add_sequence(plain.graph, probe)
    bundle = replace(
        calibrated(plain, said.logits, validation.targets, validation.kind_known, thresholds=enough),
        graph_digest=digest,
        sequence=None if probe is None else probe.names,
        ood_threshold=bound(gate.strangeness(said.features)) if enough else 0.0,
        metrics={"validation": {"slices": len(validation), "accuracy": accuracy}},
    )
    if probe is not None:
        bundle = replace(bundle, validated=_validated(bundle, parts, said))
    write_bundle(bundle)
    return bundle


def _is_enough(slices: int) -> bool:
    """Return whether the validation part is large enough for thresholds, with a warning where it is not."""
    if slices < ENOUGH:
        _LOG.warning(
            "%d slices of the validation part are too few to say when to decline, and this model will name whatever "
            "grey picture it is shown; hold out %d or more, with a larger --validation or more slices",
            slices,
            ENOUGH,
        )
    return slices >= ENOUGH


def _sequences(asking: Predictor, parts: Parts) -> SequenceProbe | None:
    """Return what tells the sequences of the training part apart; None where it names fewer than two."""
    learned = [record for record in parts.records if record.split == "train"]
    names = [record.sequence for record in learned]
    if len({name for name in names if name}) < 2:
        return None
    some = slice(None, None, -(-len(learned) // _GATE_SLICES))
    return fit_sequences(asking.ask(parts.train.slices[parts.train.rows[some]]).features, names[some])


def _validated(bundle: Bundle, parts: Parts, said: NetworkOutput) -> tuple[Validation, ...]:
    """Return what the validation part shows that the bundle may answer for; sequences that are not named, as seen."""
    records = [record for record in parts.records if record.split == "validation"]
    seen = Predictor(bundle, open_runtime(bundle.graph)).ask(parts.validation.slices[parts.validation.rows])
    assert seen.sequence is not None, "only asked of a graph that has them"
    assert bundle.sequence is not None, "it comes with the graph's"
    sequences = [
        one.sequence or bundle.sequence[best] for one, best in zip(records, seen.sequence.argmax(1), strict=True)
    ]
    return validations(bundle, said.logits, parts.validation.targets, sequences, grouping_keys(records))


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
