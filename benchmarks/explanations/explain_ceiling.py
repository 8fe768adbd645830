"""Upper bound of the pointing game for LIME and SHAP: superpixels against outlines.

    python -m benchmarks run explain_ceiling DATA [--pieces 30 60 120 240] [--write]

DATA is a manifest with outlines; its test part is used. The maximum of a map over superpixels is a whole superpixel,
and only the share of it inside the outline counts as a hit. No model is needed.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.explanations.outlined import outlined_records
from benchmarks.publish import markdown, publish
from gadolin.explanations.explained_slice import subject
from gadolin.explanations.methods.superpixels import superpixels
from gadolin.preprocessing.outlines import slice_and_mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pieces", type=int, nargs="+", default=[30, 60, 120, 240])
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    records = outlined_records(arguments.data)[: arguments.slices]
    best: dict[tuple[int, str], list[float]] = defaultdict(list)
    for record in records:
        image, mask = slice_and_mask(record)
        explained = subject(lambda pixels: np.full((len(pixels), 2), 0.5, np.float32), image)
        for count in arguments.pieces:
            share = best_share(superpixels(explained, count=count).labels, mask)
            best[count, "all"].append(share)
            best[count, record.label].append(share)
    columns = ["all", *sorted({record.label for record in records})]
    rows = [[str(count), *(f"{np.mean(best[count, name]):.3f}" for name in columns)] for count in arguments.pieces]
    note = (
        "The largest share of a superpixel that is inside the outline, for a number of superpixels; means over "
        f"{len(records)} slices of the test part. No map that is constant on superpixels can score higher."
    )
    publish(
        "explain-ceiling",
        "Upper bound of the pointing game for superpixels",
        [*markdown(["superpixels", *columns], rows), "", note],
        write=arguments.write,
    )


def best_share(labels: NDArray[np.int32], mask: NDArray[np.bool_]) -> float:
    """Return the largest share of a superpixel inside ``mask`` (H, W) bool; ``labels`` (H, W), -1 is background."""
    inside = labels >= 0
    sizes = np.bincount(labels[inside])
    hits = np.bincount(labels[inside], weights=mask[inside])
    return float((hits / np.maximum(sizes, 1)).max())
