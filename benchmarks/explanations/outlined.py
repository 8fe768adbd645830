"""Slices with outlines, in the order in which the benchmarks of explanations take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gadolin.datasets import scan
from gadolin.metrics.assess import tested_records
from gadolin.records import Record


def outlined_records(data: Path) -> list[Record]:
    """Return the records of the test part that have an outline, classes interleaved."""
    return interleaved([record for record in tested_records(scan(data).records) if record.outlined])


def interleaved(records: Sequence[Record]) -> list[Record]:
    """Return records with the classes in turn and patients shuffled."""
    order = np.random.default_rng(0).permutation(len(records)).tolist()
    classes: dict[str, Iterator[Record]] = {
        label: iter([records[place] for place in order if records[place].label == label])
        for label in sorted({record.label for record in records})
    }
    turns = [next(classes[label], None) for _ in range(len(records)) for label in classes]
    return [record for record in turns if record is not None]
