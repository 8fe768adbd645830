"""The weights that a model was fine-tuned from, and the training data of the packaged models."""

from __future__ import annotations

from gadolin.models.bundle import Bundle

__all__ = ["TRAINING_DATA", "pretraining_notice", "weights_history"]

TRAINING_DATA = {
    "0f3c16ecffcd0db28c4c559c8b0020aa7f1ed664201e5392ad319b1d6617679c": (
        "Figshare 1512427 (folds 0 to 3) and the Kaggle set's pictures without a tumour"
    ),
    "fa97d33ca8ff2be36b1b74304c6440705b3d3742571a2d04b00f7c02763cc7af": (
        "Figshare 1512427 (folds 0 to 3), the Kaggle set's pictures without a tumour, TCGA-LGG and tumours of Br35H"
    ),
}
"""Training data of each packaged model, by the SHA-256 of its weights; the current one is last."""


def weights_history(bundle: Bundle) -> tuple[str, ...]:
    """Return the SHA-256 of a model's weights and of all that they were fine-tuned from, newest first."""
    before = bundle.facts.get("finetuned_from")
    return (bundle.weights_digest, *(map(str, before) if isinstance(before, list) else ()))


def pretraining_notice(digests: tuple[str, ...]) -> str:
    """Return a warning for evaluation figures if a packaged model is in a :func:`weights_history`, else "".

    The package has no list of its training slices, so an overlap with the test slices cannot be detected.
    """
    training_data = next((TRAINING_DATA[one] for one in digests if one in TRAINING_DATA), "")
    if not training_data:
        return ""
    return (
        f"this is the packaged model or was fine-tuned from it, and the packaged model was trained on {training_data}: "
        "figures on these slices are too optimistic"
    )
