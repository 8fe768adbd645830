"""Compare two kept tables of logits on Figshare's slices that are in both, person by person.

    python -m benchmarks run kept_answers A B [--write]

A and B are names of docs/predictions, such as multisource-seed0-fold3-no-CS. Logits are compared without calibration,
so only the class with the largest one counts; every difference is B minus A.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.accuracy.tables import four_and_three_classes
from benchmarks.answers import read_answers
from benchmarks.publish import markdown, percent, predictions_path, publish
from gadolin.metrics.comparison import Comparison, compare
from gadolin.metrics.table import Table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs=2, metavar=("A", "B"))
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    a, b = (dict(four_and_three_classes(table(name))) for name in arguments.names)
    rows = [row(what, compare(a[what], b[what])) for what in a if what != "four classes"]
    head = ["what", "n", "patients", "A", "B", "B - A, points (95 %)"]
    lines = [f"A: `{arguments.names[0]}`, B: `{arguments.names[1]}`.", "", *markdown(head, rows)]
    publish("kept-answers", "Trained without the sources that restrict the licence", lines, write=arguments.write)


def table(name: str) -> Table:
    """Return the uncalibrated predictions of a kept table for slices of Figshare."""
    answers = read_answers(predictions_path(name))
    odds = np.exp(answers.logits - answers.logits.max(axis=1, keepdims=True))
    return answers.table(odds).only(answers.of("source") == "figshare")


def row(what: str, found: Comparison) -> list[str]:
    right = (percent(count / found.common) for count in (found.correct_a, found.correct_b))
    low, high = found.accuracy.low, found.accuracy.high
    assert low is not None, "there are many persons"
    assert high is not None, "there are many persons"
    shift = 100 * (found.correct_b - found.correct_a) / found.common
    spread = f"{shift:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return [what, str(found.common), str(found.groups), *right, spread]


if __name__ == "__main__":
    main()
