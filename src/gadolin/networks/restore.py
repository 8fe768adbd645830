"""Restore a trained torch network from its run folder, for methods that need gradients."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from safetensors.torch import load_file

from gadolin.errors import BundleError, GadolinError
from gadolin.models.bundle import Bundle, require_weights
from gadolin.networks.classifier import Classifier, build_classifier
from gadolin.recipe import Recipe

__all__ = ["restored"]

_OTHER_FORMATS = ("recipe_format_newer", "recipe_format_older", "run_format_unknown")


def restored(bundle: Bundle) -> Classifier:
    """Return the classifier of a run's bundle with its weights, in inference mode; shared between callers.

    Raises BundleError if the bundle is not in its run folder or has no weights, DataError or RecipeError if the run is
    of another format.
    """
    return _restored(bundle.folder.resolve(), len(bundle.classes), len(bundle.sequence or ()), require_weights(bundle))


@lru_cache(maxsize=2)
def _restored(folder: Path, classes: int, sequences: int, weights: Path) -> Classifier:
    try:
        network = build_classifier(Recipe.from_run(folder.parent).network, classes, sequences)
        network.load_state_dict(load_file(weights))
    except (GadolinError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        if isinstance(error, GadolinError) and error.code in _OTHER_FORMATS:
            raise
        raise BundleError(
            code="run_folder_needed",
            rule=f"gradients need the run folder that contains {folder}",
            got=f"it cannot be used ({error})",
            remedy="use evidence, lime or shap",
        ) from error
    return network.eval()
