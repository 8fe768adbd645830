"""A trained network from its run folder, for what needs gradients."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from safetensors.torch import load_file

from gadolin.bundle import Bundle, require_weights
from gadolin.errors import BundleError
from gadolin.network.classifier import Classifier, NetworkConfig, build_classifier

__all__ = ["restored"]


def restored(bundle: Bundle) -> Classifier:
    """Return the classifier of a run's bundle with its weights, in inference mode; shared between callers.

    Raises BundleError where the bundle does not lie in its run folder or has no weights.
    """
    return _restored(bundle.folder.resolve(), len(bundle.classes), require_weights(bundle))


@lru_cache(maxsize=2)
def _restored(folder: Path, classes: int, weights: Path) -> Classifier:
    described = folder.parent / "run.json"
    try:
        config = NetworkConfig(**json.loads(described.read_text(encoding="utf-8"))["recipe"]["network"])
        network = build_classifier(config, classes)
        network.load_state_dict(load_file(weights))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise BundleError(
            code="run_folder_needed",
            rule=f"gradients need the run folder around {folder} with its run.json",
            got=f"this one cannot be used ({error})",
            remedy="use evidence, lime or shap",
        ) from error
    return network.eval()
