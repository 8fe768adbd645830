"""The weights that a model was fine-tuned from, and the training data of the packaged models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gadolin.datasets import SOURCES
from gadolin.models.bundle import Bundle
from gadolin.records import Record

__all__ = ["TRAINING_DATA", "TRAINING_RELEASES", "pretraining_notice", "weights_history"]

_SEVERAL = "Figshare 1512427 (folds 0 to 3), the Kaggle set's pictures without a tumour, TCGA-LGG and tumours of Br35H"
_SEVERAL_RELEASES = ("figshare-1512427", "kaggle-7023", "lgg", "br35h")

TRAINING_DATA = {
    "0f3c16ecffcd0db28c4c559c8b0020aa7f1ed664201e5392ad319b1d6617679c": (
        "Figshare 1512427 (folds 0 to 3) and the Kaggle set's pictures without a tumour"
    ),
    "fa97d33ca8ff2be36b1b74304c6440705b3d3742571a2d04b00f7c02763cc7af": _SEVERAL,
    "cd3fc30af73bd694822b1e88f631d41fca5e9b966387b3fdf7920203fd3e0f0b": _SEVERAL,
}
"""Training data of each packaged model, by the SHA-256 of its weights; the current one is last."""

TRAINING_RELEASES = {
    "0f3c16ecffcd0db28c4c559c8b0020aa7f1ed664201e5392ad319b1d6617679c": ("figshare-1512427", "kaggle-7023"),
    "fa97d33ca8ff2be36b1b74304c6440705b3d3742571a2d04b00f7c02763cc7af": _SEVERAL_RELEASES,
    "cd3fc30af73bd694822b1e88f631d41fca5e9b966387b3fdf7920203fd3e0f0b": _SEVERAL_RELEASES,
}
"""The sources of that data, by the same SHA-256, as in ``Release.name`` and ``Record.source``.

The tumours of kaggle-7023 are slices of figshare-1512427."""


def weights_history(bundle: Bundle) -> tuple[str, ...]:
    """Return the SHA-256 of a model's weights and of all that they were fine-tuned from, newest first."""
    before = bundle.facts.get("finetuned_from")
    return (bundle.weights_digest, *(map(str, before) if isinstance(before, list) else ()))


def pretraining_notice(digests: tuple[str, ...], records: Sequence[Record]) -> str:
    """Return what a packaged model was trained on if it is in a :func:`weights_history`, else "".

    It counts those of ``records`` that are from a release that the model was trained on, perhaps on a part of it. The
    package has no list of its training slices, so other overlap cannot be detected, and the notice claims none.
    """
    digest = next((one for one in digests if one in TRAINING_DATA), "")
    if not digest:
        return ""
    known = _of_releases(records, TRAINING_RELEASES.get(digest, ()))
    if known:
        overlap = (
            f"{sum(known.values()):,} of {len(records):,} slices are from {' and '.join(sorted(known))}: figures on "
            "those that it learned from are too optimistic"
        )
    else:
        overlap = "whether any of these slices is among them is not known"
    return (
        "this is the packaged model or was fine-tuned from it, and the packaged model was trained on "
        f"{TRAINING_DATA[digest]}; {overlap}"
    )


def _of_releases(records: Sequence[Record], names: Sequence[str]) -> Counter[str]:
    """Return the number of records from each release, by their source; without sources, by the counts of the classes.

    The counts must be those of the whole release or of one of its parts.
    """
    if any(record.source for record in records):
        return Counter(record.source for record in records if record.source in names)
    built_in = [SOURCES.get(name).release for name in SOURCES.built_in]
    found = [release.name for release in built_in if release.name in names and release.is_part(records)]
    return Counter({name: len(records) for name in found[:1]})
