"""Evaluation of answers that do not fit into memory: minutes and memory for many rows.

    python -m benchmarks run bulk_evaluate [--rows 100000000] [--patients 1000000] [--work FOLDER] [--write]

The answers and labels are drawn and written as Parquet, in partitions of a million rows, into ``--work``, which is
emptied at the end. ``gadolin evaluate`` runs in a process of its own, whose memory is measured. On a sample that fits
into memory, its figures and intervals are compared with those of ``measure``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.measured import Cost, measured
from benchmarks.publish import markdown, publish
from gadolin.metrics import Table, measure

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
PART = 1_000_000
SAMPLE = 20_000
COMPARED = ("accuracy", "balanced_accuracy", "macro_f1", "brier", "nll")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, help="folder for the drawn tables; by default a temporary one")
    parser.add_argument("--write", action="store_true", help="store the result and render the pages")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        home = Path(folder)
        sample = draw(home / "sample", SAMPLE, max(20, arguments.patients * SAMPLE // arguments.rows), keep=True)
        found, _ = evaluate(home / "sample")
        assert sample is not None, "kept"
        difference = largest_difference(found, measure(sample).as_json())
        shutil.rmtree(home / "sample")
        draw(home / "whole", arguments.rows, arguments.patients)
        size = sum(path.stat().st_size for path in (home / "whole").rglob("*.parquet"))
        found, cost = evaluate(home / "whole")
    rows = [
        ["rows; patients", f"{found['n']:,}; {found['groups']:,}"],
        ["answers and labels on disk", f"{size / 1e9:.1f} GB"],
        ["minutes", f"{cost.seconds / 60:.1f}"],
        ["peak memory", f"{cost.mebibytes:,.0f} MiB"],
        [f"largest difference of values and ends of intervals, sample of {SAMPLE:,} rows", f"{difference:.1e}"],
    ]
    publish(
        "bulk-evaluate", "Evaluation of very many answers", markdown(["measure", "value"], rows), write=arguments.write
    )


def draw(home: Path, rows: int, patients: int, *, keep: bool = False) -> Table | None:
    """Write answers and labels of ``rows`` slices; return them as a table if ``keep``."""
    (home / "answers").mkdir(parents=True)
    (home / "labels").mkdir()
    random = np.random.default_rng(0)
    kept = None
    for number, start in enumerate(range(0, rows, PART)):
        count = min(PART, rows - start)
        patient = random.integers(0, patients, count)
        truth = (patient + random.integers(0, 2, count)) % len(CLASSES)
        given = random.gamma(np.where(np.arange(len(CLASSES)) == truth[:, None], 3.0, 0.4))
        given /= given.sum(axis=1, keepdims=True)
        names = numbered("s3://archive/", np.arange(start, start + count), ".dcm")
        labels = np.array(CLASSES)
        answers = {
            "path": names, "frame": pa.nulls(count, pa.int32()), "digest": pa.nulls(count, pa.string()),
            "outcome": pa.repeat("predicted", count),
            "label": pa.array(labels[given.argmax(axis=1)], mask=given.max(axis=1) < 0.6),
            **{f"p_{name}": given[:, place] for place, name in enumerate(CLASSES)}, "p_tumour": 1 - given[:, 2],
        }  # fmt: skip
        people = numbered("patient-", patient)
        pq.write_table(pa.table(answers), home / "answers" / f"part-{number:06}.parquet", compression="zstd")
        truths = pa.table({"path": names, "label": labels[truth], "patient": people})
        pq.write_table(truths, home / "labels" / f"part-{number:06}.parquet", compression="zstd")
        if keep:
            empty = ("",) * count
            kept = Table(CLASSES, given, truth, tuple(names.to_pylist()), tuple(people.to_pylist()), empty, empty)
    return kept


def numbered(before: str, numbers: NDArray[np.int64], after: str = "") -> pa.Array:
    """Return texts with numbers of nine digits."""
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), 9, "0")
    return pc.binary_join_element_wise(before, digits, after, "")


def evaluate(home: Path) -> tuple[dict[str, Any], Cost]:
    """Run the command on drawn tables; return its JSON, and its time and memory."""
    out = home / "metrics.json"
    command = [sys.executable, "-m", "gadolin", "evaluate", str(home / "answers")]
    cost = measured([*command, "--labels", str(home / "labels"), "--out", str(out)])
    return json.loads(out.read_text(encoding="utf-8")), cost


def largest_difference(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """Return the largest difference of the values and the ends of the intervals that both have."""
    pairs = [(found[name], expected[name]) for name in COMPARED]
    return max(abs(one[end] - other[end]) for one, other in pairs for end in ("value", "low", "high"))


if __name__ == "__main__":
    main()
