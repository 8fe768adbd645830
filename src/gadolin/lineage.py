"""What a model went on from, and what is known of the slices that the packaged one learned from."""

from __future__ import annotations

from gadolin.bundle import SHIPPED, Bundle, read_bundle

__all__ = ["SHIPPED_LEARNED", "knows_shipped", "lineage"]

SHIPPED_LEARNED = (
    "the model that comes with the package learned from Figshare 1512427 (folds 0 to 3) and from the Kaggle set's "
    "pictures without a tumour, and what goes on from it knows them too: do not believe figures on slices of these "
    "collections"
)
"""Said where a figure could rest on them: which slices they were is not listed with the model."""


def lineage(bundle: Bundle) -> tuple[str, ...]:
    """Return the digests of a model's weights and of all that these went on from, newest first."""
    before = bundle.facts.get("went_on_from", [])
    return (bundle.weights_digest, *(str(one) for one in before))


def knows_shipped(digests: tuple[str, ...]) -> bool:
    """Tell whether the packaged model's weights are among those of a :func:`lineage`."""
    return read_bundle(SHIPPED).weights_digest in digests
