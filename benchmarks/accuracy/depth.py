"""Preparation of 16-bit slices against their 8-bit images, by percentiles of the intensity scaling.

    python -m benchmarks run depth FIGSHARE [--count 200] [--write]

FIGSHARE is as for ``figshare_fold``; its images are 16-bit slices, scaled from minimum to maximum. Each image is
prepared as it is and, multiplied by 16, as a 16-bit slice. Fold 4 is not used.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.publish import markdown, publish
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import read

PERCENTILES = ((0.5, 99.0), (0.5, 99.5), (0.5, 99.9), (0.0, 100.0))
UNREAD = "4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    csv.field_size_limit(10_000_000)
    with (arguments.figshare / "annotations.csv").open(newline="") as file:
        numbers = [row["number"] for row in csv.DictReader(file) if row["fold"] != UNREAD]
    chosen = np.random.default_rng(0).choice(numbers, arguments.count, replace=False)
    pictures = [read(arguments.figshare / "images" / f"{number}.jpg") for number in chosen]
    plain = [prepare(picture, Preparation()).astype(np.float64) for picture in pictures]
    rows = []
    for low, high in PERCENTILES:
        rule = Preparation(low_percentile=low, high_percentile=high)
        deep = [prepare(replace(one, pixels=one.pixels * 16, bits=16), rule).astype(np.float64) for one in pictures]
        difference = np.mean([np.abs(a - b).mean() for a, b in zip(plain, deep, strict=True)])
        agreement = np.median([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(plain, deep, strict=True)])
        default = " (default)" if rule == Preparation() else ""
        rows.append([f"{low} to {high}{default}", f"{difference:.1f}", f"{agreement:.4f}"])
    head = ["percentiles", "mean absolute difference, of 255", "median correlation"]
    note = (
        f"{arguments.count} slices of the Figshare collection, prepared from their 8-bit pictures (scaled from the "
        "minimum to the maximum of the slice) and as 16-bit slices, which are scaled between these percentiles of the "
        "intensities inside the head. The difference is in grey levels from 0 to 255."
    )
    lines = [*markdown(head, rows), "", note]
    publish("depth", "16-bit slices compared with their 8-bit pictures", lines, write=arguments.write)
