"""The bundle, a model as files: ``model.onnx``, ``bundle.json`` and optionally ``weights.safetensors``.

The first two suffice for predictions; the weights are for fine-tuning. No pickle; digests are verified.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from gadolin.datasets.manifest import file_digest
from gadolin.errors import BundleError, DataError, RequestError, suggestion
from gadolin.files.atomic import write_json
from gadolin.models.model_path import FACTS, GRAPH, SHIPPED, beside, model_folder, model_place
from gadolin.models.tumour_scale import TumourScale, Validation, require_scales
from gadolin.preprocessing.montage import HEAD_COUNTER
from gadolin.preprocessing.prepare import Preparation

__all__ = [
    "FORMAT_VERSION",
    "SHIPPED",
    "Bundle",
    "TumourScale",
    "Validation",
    "beside",
    "model_place",
    "read_bundle",
    "require_digest",
    "require_weights",
    "write_bundle",
]

FORMAT_VERSION = 3
_FORMATS = (1, 2, FORMAT_VERSION)
_OLDER_KEYS = {"abstain_below": "confidence_threshold", "strange_above": "ood_threshold"}  # of formats 1 and 2
_WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The settings of a model, and the paths of its graph and weights.

    ``classes`` are K names, two or more, in the order of the logits. The graph takes prepared slices (N, size, size)
    uint8 and returns logits (N, K), features (N, F) and evidence (N, K, h, w) float32. Softmax and abstention are
    applied at run time: logits are divided by ``temperature``, above 0; the model abstains below the probability
    ``confidence_threshold``, in [0, 1], and above the OOD score ``ood_threshold``, 0 or more, if the graph has that
    output and the threshold is not 0. ``head_counter`` identifies the rule that declines pictures of several slices
    (``montage.HEAD_COUNTER``); if it is empty, as in bundles of format 1, none is declined. ``sequence`` lists the MRI
    sequences that the graph recognises, ``p_tumour`` the calibrations of its tumour probability, ``validated`` the
    classes and sequences that it was validated on; they are None if the model has no such output or list. ``facts``
    describe the provenance.
    """

    folder: Path
    classes: tuple[str, ...]
    preparation: Preparation
    graph_digest: str
    temperature: float = 1.0
    confidence_threshold: float = 0.0
    ood_threshold: float = 0.0
    head_counter: str = ""
    licence: str = ""
    manifest_digest: str = ""
    weights_digest: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    sequence: tuple[str, ...] | None = None
    p_tumour: tuple[TumourScale, ...] | None = None
    validated: tuple[Validation, ...] | None = None

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / GRAPH

    @property
    def weights(self) -> Path:
        """The safetensors file for fine-tuning; a bundle may lack it."""
        return self.folder / _WEIGHTS

    def tumour_scale(self, sequence: str | None) -> TumourScale | None:
        """Return the scale of the tumour probability for a sequence; None if that probability is not calibrated."""
        if self.p_tumour is None:
            return None
        scales = {one.sequence: one for one in self.p_tumour}
        return scales.get(sequence or "", scales[""])

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits: the SHA-256 of all that decides a prediction, such as graph and thresholds."""
        decisive = [
            self.graph_digest,
            self.classes,
            self.preparation.as_json(),
            self.temperature,
            self.confidence_threshold,
            *([self.ood_threshold] if self.ood_threshold else []),
            *([self.head_counter] if self.head_counter else []),
            *([self.sequence] if self.sequence else []),
            *([[asdict(one) for one in self.p_tumour]] if self.p_tumour else []),
            *([[asdict(one) for one in self.validated]] if self.validated else []),
        ]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``bundle.json``."""
        content = asdict(self)
        del content["folder"]
        return {"format": FORMAT_VERSION, "digest": self.digest, **content}


def write_bundle(bundle: Bundle) -> None:
    """Write ``bundle.json`` beside the graph; it is written last and marks the bundle as complete."""
    write_json(bundle.folder / FACTS, bundle.as_json())


def read_bundle(model: Path | str | None) -> Bundle:
    """Read a bundle, given as :func:`model_place` accepts it or as a run folder; verify the digest of its graph.

    Raises BundleError if it is missing, damaged or of another format.
    """
    folder = model_folder(model)
    try:
        content = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        return _bundle(folder, content)
    except BundleError as error:
        raise error.at(folder) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(
            code="bundle_damaged",
            rule="a bundle must be valid",
            got=f"this one is damaged ({error})",
            remedy="download or export it again",
            path=folder / FACTS,
        ) from error


def _bundle(folder: Path, content: dict[str, Any]) -> Bundle:
    version = content.pop("format")
    if version not in _FORMATS:
        raise BundleError(
            code="bundle_format_unknown",
            rule=f"a bundle must be of format {' or '.join(map(str, _FORMATS))}",
            got=f"this one is {version}",
            remedy="install the Gadolin that wrote it",
        )
    written = content.pop("digest")
    if version < FORMAT_VERSION:
        content = _current_format(content)
    known = [item.name for item in fields(Bundle)]
    for key in content:
        if key not in known:
            raise BundleError(
                code="bundle_key_unknown",
                rule=f"unknown bundle key {key!r}{suggestion(key, known)}",
                remedy="download the bundle again",
            )
    try:
        preparation = Preparation.from_json(content.pop("preparation"))
    except RequestError as error:
        raise BundleError(**error.fields()) from error
    classes = tuple(content.pop("classes"))
    sequence, p_tumour, validated = (content.pop(name, None) for name in ("sequence", "p_tumour", "validated"))
    bundle = Bundle(
        folder=folder,
        classes=classes,
        preparation=preparation,
        sequence=None if sequence is None else tuple(sequence),
        p_tumour=None if p_tumour is None else tuple(TumourScale(**one) for one in p_tumour),
        validated=None if validated is None else tuple(Validation(**one) for one in validated),
        **content,
    )
    _check_values(bundle)
    _check_graph(bundle)
    require_digest(bundle, written)
    return bundle


def _current_format(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a bundle of format 1 or 2 under the keys of the current format."""
    content = {_OLDER_KEYS.get(key, key): value for key, value in content.items()}
    facts = content.get("facts")
    if isinstance(facts, dict) and "went_on_from" in facts:
        content["facts"] = {("finetuned_from" if key == "went_on_from" else key): facts[key] for key in facts}
    return content


def require_digest(bundle: Bundle, digest: str) -> None:
    """Raise BundleError if the digest of a bundle is not ``digest``."""
    if bundle.digest != digest:
        raise BundleError(
            code="bundle_changed",
            rule="a bundle must be unchanged",
            got="its digest differs",
            remedy="download or export it again",
            path=bundle.folder / FACTS,
        )


def _check_values(bundle: Bundle) -> None:
    if not isinstance(bundle.facts, dict) or not all(isinstance(part, dict) for part in bundle.metrics.values()):
        raise BundleError(
            code="bundle_invalid",
            rule="a bundle's facts and metrics must be JSON objects",
            got="these are not",
            remedy="download it again",
        )
    if bundle.head_counter not in ("", HEAD_COUNTER):
        raise BundleError(
            code="bundle_counter_unknown",
            rule=f"a bundle's head counter must be {HEAD_COUNTER!r} or none",
            got=f"this one has {bundle.head_counter!r}",
            remedy="install the Gadolin that wrote it",
        )
    if len(set(bundle.classes)) < max(2, len(bundle.classes)):
        raise BundleError(
            code="bundle_invalid",
            rule="a bundle must have two or more classes, all different",
            remedy="download it again",
        )
    if not bundle.temperature > 0 or not 0 <= bundle.confidence_threshold <= 1 or not bundle.ood_threshold >= 0:
        got = f"{bundle.temperature}, {bundle.confidence_threshold} and {bundle.ood_threshold}"
        raise BundleError(
            code="bundle_invalid",
            rule=(
                "a bundle must have a positive temperature, a confidence threshold in 0 to 1 "
                "and an OOD threshold of 0 or more"
            ),
            got=f"got {got}",
            remedy="download it again",
        )
    require_scales(bundle.p_tumour)


def require_weights(bundle: Bundle) -> Path:
    """Return the path of the bundle's weights; raises BundleError if they are missing or their digest differs."""
    if not bundle.weights.is_file():
        raise BundleError(
            code="bundle_without_weights",
            rule="fine-tuning needs a bundle with weights.safetensors",
            got=f"{bundle.folder} has none",
            remedy="choose another",
        )
    if file_digest(bundle.weights) != bundle.weights_digest:
        raise BundleError(
            code="bundle_changed",
            rule="the weights must match the digest in bundle.json",
            got="their digest differs",
            remedy="download it again",
            path=bundle.weights,
        )
    return bundle.weights


def _check_graph(bundle: Bundle) -> None:
    try:
        digest = file_digest(bundle.graph)
    except DataError as error:
        raise BundleError(
            code="bundle_without_network",
            rule="a bundle must contain model.onnx",
            got="this one does not",
            remedy="download the bundle again",
            path=bundle.graph,
        ) from error
    if digest != bundle.graph_digest:
        raise BundleError(
            code="bundle_changed",
            rule="the network must match the digest in bundle.json",
            got="its digest differs",
            remedy="download the bundle again",
            path=bundle.graph,
        )
