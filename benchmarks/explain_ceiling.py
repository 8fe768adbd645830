"""How well LIME and SHAP could point at best, whatever the model: superpixels against outlines.

    python benchmarks/explain_ceiling.py DATA [--pieces 30 60 120 240] [--write]

DATA is a manifest with outlines; its test part is looked at. The hottest pixel of a map over superpixels is a whole
superpixel, and only the share of it that lies in the outline counts as a hit. No model is asked.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explain import turn_about
from gadolin.datasets import scan
from gadolin.explanations.explained_slice import subject
from gadolin.explanations.methods.superpixels import superpixels
from gadolin.metrics.assess import tested_records
from gadolin.preprocessing.outlines import slice_and_mask
from publish import markdown, publish


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pieces", type=int, nargs="+", default=[30, 60, 120, 240])
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    outlined = [record for record in tested_records(scan(arguments.data).records) if record.outlined]
    records = turn_about(outlined)[: arguments.slices]
    best: dict[tuple[int, str], list[float]] = defaultdict(list)
    for record in records:
        image, mask = slice_and_mask(record)
        asked = subject(lambda pixels: np.full((len(pixels), 2), 0.5, np.float32), image)
        for count in arguments.pieces:
            share = best_share(superpixels(asked, count=count).labels, mask)
            best[count, "all"].append(share)
            best[count, record.label].append(share)
    columns = ["all", *sorted({record.label for record in records})]
    rows = [[str(count), *(f"{np.mean(best[count, name]):.3f}" for name in columns)] for count in arguments.pieces]
    note = f"{len(records)} slices, as they are in the test part of the manifest."
    publish(
        "explain-ceiling",
        "The best that a map over superpixels can point",
        [*markdown(["superpixels", *columns], rows), "", note],
        write=arguments.write,
    )


def best_share(labels: NDArray[np.int32], mask: NDArray[np.bool_]) -> float:
    """Return the largest share of any superpixel of ``labels`` (H, W), -1 for none, that lies in ``mask`` (H, W)."""
    inside = labels >= 0
    sizes = np.bincount(labels[inside])
    hits = np.bincount(labels[inside], weights=mask[inside])
    return float((hits / np.maximum(sizes, 1)).max())


if __name__ == "__main__":
    main()
