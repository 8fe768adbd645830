"""The table of README.md: a leaky test folder beside new patients and other hospitals.

    python -m benchmarks run headline [--write]

It is computed from docs/predictions alone, so it can be repeated without data. Intervals resample patients, or groups
of copies where the patient is unknown; for fewer than ten patients they are Wilson intervals with the patients as
trials.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.hospitals import share
from benchmarks.publish import markdown, predictions_path, publish
from gadolin.metrics.table import Table, read_table
from gadolin.models.bundle import SHIPPED, read_bundle
from gadolin.models.decision import TUMOUR_SUSPECTED

HEAD = ["tested on", "slices", "patients or groups", "accuracy, every slice (95 %)", "answered (95 %)",
        "accuracy of the answered (95 %)"]  # fmt: skip
OTHER_HOSPITALS: Mapping[str, str] = {
    "progression": "another hospital, glioma after treatment: tumour or none",
    "ms": "another hospital, multiple sclerosis: tumour or none",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the result and render the pages")
    arguments = parser.parse_args()
    leaky, new = read_table(predictions_path("kaggle-default-seed0")), read_table(predictions_path("shipped-fold4"))
    copies = np.mean([part == "duplicate" for part in leaky.parts])
    hospitals = read_table(predictions_path(f"hospitals-{read_bundle(SHIPPED).digest}"))
    rows = [
        row(f"recipe `default`: a test folder, {100 * copies:.0f} % of it also in the training folder", leaky),
        row("recipe `default`: new patients, five folds", read_table(predictions_path("crossval-default-seed0"))),
        row("packaged model: new patients", new),
        *(
            row(f"packaged model: {name}", part_of(hospitals, key), kinds=False)
            for key, name in OTHER_HOSPITALS.items()
        ),
    ]
    publish(
        "headline", "A leaky test folder, new patients and other hospitals", markdown(HEAD, rows), write=arguments.write
    )


def part_of(table: Table, key: str) -> Table:
    """Return the rows of one set of hospitals."""
    return table.only(np.array([group.startswith(f"{key}-") for group in table.groups]))


def row(name: str, table: Table, *, kinds: bool = True) -> list[str]:
    """Return the cells of one test; without ``kinds``, tumour or none is what counts as right."""
    every = np.ones(len(table), np.bool_)
    right = table.correct if kinds else suspected(table) == is_tumour(table)
    cells = [name, str(len(table)), str(len(set(table.groups))), share(right, every, table.groups)]
    if table.decisions is None:
        return [*cells, "", ""]
    answered = has_answer(table, kinds=kinds)
    return [*cells, share(answered, every, table.groups), share(right, answered, table.groups)]


def has_answer(table: Table, *, kinds: bool) -> NDArray[np.bool_]:
    """Return the rows with a class, without ``kinds`` also those where a tumour is suspected, (N,)."""
    assert table.decisions is not None, "checked by row"
    decided = zip(table.decisions.labels, table.decisions.reason_codes, strict=True)
    return np.array([bool(label) or (not kinds and reason in TUMOUR_SUSPECTED) for label, reason in decided])


def suspected(table: Table) -> NDArray[np.bool_]:
    """Return the rows where a tumour is at least as probable as none, (N,)."""
    return np.asarray(1 - table.probabilities[:, table.classes.index("notumor")] >= 0.5)


def is_tumour(table: Table) -> NDArray[np.bool_]:
    """Return the rows whose true class is a tumour, (N,)."""
    return np.asarray(table.truth != table.classes.index("notumor"))


if __name__ == "__main__":
    main()
