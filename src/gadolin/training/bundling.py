"""Build the bundle of a trained network: graph, OOD detector, temperature, thresholds, provenance."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save

from gadolin.datasets.manifest import file_digest
from gadolin.files.atomic import write_bytes
from gadolin.models.bundle import Bundle, Validation, write_bundle
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import Provenance
from gadolin.models.runtime import NetworkOutput, open_runtime
from gadolin.networks import Classifier, MirrorAverage
from gadolin.preprocessing.appearance import appearance, summary
from gadolin.preprocessing.montage import HEAD_COUNTER
from gadolin.recipe import Recipe
from gadolin.splits import grouping_keys
from gadolin.training.calibrate import calibrated, validations
from gadolin.training.data import Parts
from gadolin.training.export import export_graph
from gadolin.training.imagenet import BACKBONE_KEY
from gadolin.training.ood import ENOUGH, OODDetector, add_ood_score, fit_ood_detector, fit_ood_threshold

__all__ = ["make_bundle"]

_LOG = logging.getLogger(__name__)

_FACTS = ("recipe_name", "weights", "seed", "precision", "counts", "chosen_epoch", "versions")
_PARITY_SLICES = 32  # spread over the validation part, to include every class
_FEATURES_OF = 4096  # largest number of training slices that the OOD detector is fitted on
_FEWEST = 30  # slices of one class and sequence for a separate cluster
_COARSE_SIDE, _COARSE_EVERY = 64, 8


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

    The OOD detector is fitted on the training part and, if given, on prepared ``foreign`` (L, H, H) uint8, pictures
    of other things than heads. Its threshold, the temperature and the confidence threshold are fitted on the validation
    split. If that is too small for thresholds, a warning is logged and the model has none.
    """
    validation = parts.validation
    deployed = MirrorAverage(network) if recipe.network.mirror_average else network
    examples = validation.slices[validation.rows[:: max(1, len(validation) // _PARITY_SLICES)][:_PARITY_SLICES]]
    weights = {name: tensor.contiguous() for name, tensor in network.cpu().state_dict().items()}
    write_bytes(folder / "weights.safetensors", save(weights, metadata={BACKBONE_KEY: recipe.network.backbone}))
    digest = export_graph(deployed, examples, folder / "model.onnx")
    plain = Bundle(
        folder=folder,
        classes=parts.classes,
        preparation=recipe.preparation,
        graph_digest=digest,
        head_counter=HEAD_COUNTER,
        manifest_digest=facts.manifest_digest,
        weights_digest=file_digest(folder / "weights.safetensors"),
        sequence=parts.sequences or None,
        facts={key: getattr(facts, key) for key in _FACTS}
        | ({"finetuned_from": list(facts.finetuned_from)} if facts.finetuned_from else {})
        | {"evidence": recipe.network.evidence, "statistics": _statistics(parts)},
    )
    predictor = Predictor(plain, open_runtime(plain.graph))
    output = predictor.run_network(validation.slices[validation.rows])
    detector = _ood_detector(predictor, parts, output.features, foreign)
    enough = _is_enough(len(validation))
    accuracy = float((output.logits.argmax(axis=1) == validation.targets).mean())
    bundle = replace(
        calibrated(
            plain,
            output.logits,
            validation.targets,
            validation.kind_known,
            sequences=predictor.sequences(output),
            thresholds=enough,
        ),
        graph_digest=add_ood_score(plain.graph, detector),
        ood_threshold=fit_ood_threshold(detector.ood_score(output.features)) if enough else 0.0,
        metrics={"validation": {"slices": len(validation), "accuracy": accuracy}},
    )
    bundle = replace(bundle, validated=_validated(bundle, parts, output))
    write_bundle(bundle)
    return bundle


def _validated(bundle: Bundle, parts: Parts, output: NetworkOutput) -> tuple[Validation, ...] | None:
    """Return what the bundle is validated on, by the validation part; None if it recognises no sequences."""
    if output.sequence is None:
        return None
    records = [record for record in parts.records if record.split == "validation"]
    likeliest = output.sequence.argmax(axis=1)
    seen = [one.sequence or parts.sequences[place] for one, place in zip(records, likeliest, strict=True)]
    return validations(bundle, output.logits, parts.validation.targets, seen, grouping_keys(records))


def _is_enough(slices: int) -> bool:
    """Return whether the validation part is large enough for thresholds; warn if it is not."""
    if slices < ENOUGH:
        _LOG.warning(
            "%d validation slices are too few to set thresholds, so this model will classify any greyscale picture; "
            "hold out %d or more, with a larger --validation or more slices",
            slices,
            ENOUGH,
        )
    return slices >= ENOUGH


def _ood_detector(
    predictor: Predictor, parts: Parts, held_out: NDArray[np.float32], foreign: NDArray[np.uint8] | None
) -> OODDetector:
    """Return the fitted OOD detector; ``held_out`` (M, F) float32 are the features of the validation part."""
    some = slice(None, None, -(-len(parts.train) // _FEATURES_OF))
    slices = parts.train.slices[parts.train.rows[some]]
    learned = predictor.run_network(slices).features
    sequences = [one.sequence for one in parts.records if one.split == "train"][some]
    clusters = _clusters(parts.train.targets[some], sequences)
    if foreign is None:
        return fit_ood_detector(learned, clusters, held_out)
    coarse = predictor.run_network(_coarse(slices[::_COARSE_EVERY])).features
    return fit_ood_detector(learned, clusters, held_out, predictor.run_network(foreign).features, coarse)


def _clusters(targets: NDArray[np.int64], sequences: Sequence[str]) -> NDArray[np.int64]:
    """Return a cluster index (N,) for each class and sequence; rare sequences of a class are pooled."""
    cells = list(zip(targets.tolist(), sequences, strict=True))
    counts = Counter(cells)
    kept = [(target, name if counts[target, name] >= _FEWEST else "") for target, name in cells]
    numbers = {cell: number for number, cell in enumerate(sorted(set(kept)))}
    return np.array([numbers[cell] for cell in kept], np.int64)


def _coarse(slices: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return prepared slices (N, H, H) with the detail of low-resolution pictures."""
    size = slices.shape[1:]
    small = (cv2.resize(one, (_COARSE_SIDE, _COARSE_SIDE), interpolation=cv2.INTER_AREA) for one in slices)
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in small])


def _statistics(parts: Parts) -> dict[str, Any]:
    """Return image statistics of the training part, with which an audit measures drift."""
    train = parts.train
    learned = [record for record in parts.records if record.split == "train"]
    labels = [record.label for record in learned]
    return summary(appearance(train.slices, train.rows), labels, grouping_keys(learned))
