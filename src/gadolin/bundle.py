"""The bundle: ``model.onnx`` and ``bundle.json``, all that a prediction needs. No pickle, digests checked.

``weights.safetensors`` may lie beside them, for training that starts from this model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from gadolin.atomic import write_json
from gadolin.errors import BundleError, DataError, RequestError, suggestion
from gadolin.manifest import file_digest
from gadolin.prepare import Preparation

__all__ = [
    "FORMAT_VERSION",
    "SHIPPED",
    "Bundle",
    "beside",
    "model_place",
    "read_bundle",
    "require_weights",
    "write_bundle",
]

FORMAT_VERSION = 1
_GRAPH = "model.onnx"
_WEIGHTS = "weights.safetensors"
_FACTS = "bundle.json"

SHIPPED = Path(__file__).with_name("shipped")
"""The bundle that comes with the package."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What travels with the weights.

    ``classes`` fixes the order of the logits, here and nowhere else. The graph takes prepared slices (N, size, size)
    uint8 and returns logits (N, K), features (N, F) and evidence (N, K, h, w) float32; softmax, ``temperature`` and
    abstention (below ``abstain_below`` of probability, above ``strange_above`` of the graph's strangeness, where it
    tells that and the bound is not 0) happen at run time. ``facts`` describe where it comes from.
    """

    folder: Path
    classes: tuple[str, ...]
    preparation: Preparation
    graph_digest: str
    temperature: float = 1.0
    abstain_below: float = 0.0
    strange_above: float = 0.0
    licence: str = ""
    manifest_digest: str = ""
    weights_digest: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / _GRAPH

    @property
    def weights(self) -> Path:
        """The safetensors file to go on training from; a bundle may come without it."""
        return self.folder / _WEIGHTS

    @property
    def digest(self) -> str:
        """A digest of everything that decides an answer: graph, classes, preparation, temperature, thresholds."""
        decisive = [
            self.graph_digest,
            self.classes,
            self.preparation.as_json(),
            self.temperature,
            self.abstain_below,
            *([self.strange_above] if self.strange_above else []),
        ]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``bundle.json``."""
        content = asdict(self)
        del content["folder"]
        return {"format": FORMAT_VERSION, "digest": self.digest, **content}


def write_bundle(bundle: Bundle) -> None:
    """Write ``bundle.json`` beside the graph; written last, it marks the bundle as whole."""
    write_json(bundle.folder / _FACTS, bundle.as_json())


def model_place(model: Path | str | None) -> Path:
    """Return where a model lies: for None and "shipped" in the package, whatever else is called so here."""
    return SHIPPED if model is None or str(model) == "shipped" else Path(model)


def beside(model: Path | str | None) -> Path:
    """Return where reports on a model go by default: into its folder, of the packaged one into the working folder."""
    place = model_place(model)
    return Path() if place == SHIPPED else place


def read_bundle(model: Path | str | None) -> Bundle:
    """Read a bundle from where :func:`model_place` says, or from the run folder there; the graph's digest is verified.

    Raises BundleError where it is missing, damaged or of another format.
    """
    model = model_place(model)
    if not model.exists():
        msg = f"a model must be a run folder or a bundle, {model} does not exist; check the path"
        raise BundleError(msg)
    folder = next((each for each in (model, model / "bundle") if (each / _FACTS).is_file()), None)
    if folder is None:
        msg = (
            f"a model must be a run folder or a bundle, {model} holds no {_FACTS}; "
            "if it is an unfinished run, resume it"
        )
        raise BundleError(msg)
    try:
        content = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        return _bundle(folder, content)
    except BundleError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        msg = (
            f"{folder / _FACTS}: a bundle must be whole, this one is damaged ({error}); "
            "fetch it again or export it anew"
        )
        raise BundleError(msg) from error


def _bundle(folder: Path, content: dict[str, Any]) -> Bundle:
    version = content.pop("format")
    if version != FORMAT_VERSION:
        msg = (
            f"{folder}: a bundle must be of format {FORMAT_VERSION}, this one is {version}; "
            "install the Gadolin that wrote it"
        )
        raise BundleError(msg)
    written = content.pop("digest")
    known = [item.name for item in fields(Bundle)]
    for key in content:
        if key not in known:
            msg = f"{folder}: unknown bundle key {key!r}{suggestion(key, known)}; fetch the bundle again"
            raise BundleError(msg)
    try:
        preparation = Preparation.from_json(content.pop("preparation"))
    except RequestError as error:
        msg = f"{folder}: {error}"
        raise BundleError(msg) from error
    classes = tuple(content.pop("classes"))
    bundle = Bundle(folder=folder, classes=classes, preparation=preparation, **content)
    _check_values(bundle)
    _check_graph(bundle)
    if bundle.digest != written:
        msg = f"{folder / _FACTS}: a bundle must be as it was written, its digest differs; fetch or export it again"
        raise BundleError(msg)
    return bundle


def _check_values(bundle: Bundle) -> None:
    if not isinstance(bundle.facts, dict) or not all(isinstance(part, dict) for part in bundle.metrics.values()):
        msg = f"{bundle.folder}: a bundle's facts and metrics must be JSON objects, these are not; fetch it again"
        raise BundleError(msg)
    if len(set(bundle.classes)) < max(2, len(bundle.classes)):
        msg = f"{bundle.folder}: a bundle must have two different classes or more; fetch it again"
        raise BundleError(msg)
    if not bundle.temperature > 0 or not 0 <= bundle.abstain_below <= 1 or not bundle.strange_above >= 0:
        got = f"{bundle.temperature}, {bundle.abstain_below} and {bundle.strange_above}"
        msg = (
            f"{bundle.folder}: a bundle must have a positive temperature, a threshold in 0 to 1 and a bound of "
            f"0 or more, got {got}; "
            "fetch it again"
        )
        raise BundleError(msg)


def require_weights(bundle: Bundle) -> Path:
    """Return the path of the bundle's weights; raises BundleError where they are missing or not those it names."""
    if not bundle.weights.is_file():
        msg = f"a bundle to start from must hold weights.safetensors, {bundle.folder} does not; choose another"
        raise BundleError(msg)
    if file_digest(bundle.weights) != bundle.weights_digest:
        msg = f"{bundle.weights}: the weights must be those that the bundle names, their digest differs; fetch it again"
        raise BundleError(msg)
    return bundle.weights


def _check_graph(bundle: Bundle) -> None:
    try:
        digest = file_digest(bundle.graph)
    except DataError as error:
        msg = f"{bundle.graph}: a bundle must hold its network, this one does not; fetch the bundle again"
        raise BundleError(msg) from error
    if digest != bundle.graph_digest:
        msg = (
            f"{bundle.graph}: the network must be the one that the bundle names, its digest differs; "
            "fetch the bundle again"
        )
        raise BundleError(msg)
