"""What a model went on from, and what is known of the slices that a packaged one learned from."""

from __future__ import annotations

from gadolin.bundle import Bundle

__all__ = ["SHIPPED_LEARNED", "lineage", "shipped_learned"]

SHIPPED_LEARNED = {
    "0f3c16ecffcd0db28c4c559c8b0020aa7f1ed664201e5392ad319b1d6617679c": (
        "Figshare 1512427 (folds 0 to 3) and the Kaggle set's pictures without a tumour"
    ),
}
"""What each model that came with the package learned from, by the digest of its weights; the last one comes now."""


def lineage(bundle: Bundle) -> tuple[str, ...]:
    """Return the digests of a model's weights and of all that these went on from, newest first."""
    before = bundle.facts.get("went_on_from")
    return (bundle.weights_digest, *(map(str, before) if isinstance(before, list) else ()))


def shipped_learned(digests: tuple[str, ...]) -> str:
    """Return what to say of figures where a packaged model is in a :func:`lineage`, else an empty string.

    Which slices it learned from is not listed with it.
    """
    learned = next((SHIPPED_LEARNED[one] for one in digests if one in SHIPPED_LEARNED), "")
    if not learned:
        return ""
    return (
        f"the model of the package, which this is or goes on from, learned from {learned}: figures on these slices "
        "are too good to be believed"
    )
