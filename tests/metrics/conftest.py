from __future__ import annotations

import numpy as np
import pytest

from gadolin.metrics import Table

CLASSES = ("glioma", "meningioma", "pituitary", "no tumour")


@pytest.fixture
def make_table():
    """Make a plausible table of predictions from a seed; keywords replace its fields."""

    def make(rows=200, seed=0, **fields):
        random = np.random.default_rng(seed)
        truth = random.integers(0, len(CLASSES), rows)
        logits = random.normal(0, 1.3, (rows, len(CLASSES)))
        logits[np.arange(rows), truth] += 2.0
        odds = np.exp(logits)
        usual = {
            "classes": CLASSES,
            "probabilities": odds / odds.sum(axis=1, keepdims=True),
            "truth": truth,
            "paths": tuple(f"slice-{row:04d}.png" for row in range(rows)),
            "groups": tuple(f"patient-{row // 2}" for row in range(rows)),
            "parts": ("",) * rows,
            "digests": tuple(f"{row:064x}" for row in range(rows)),
        }
        return Table(**{**usual, **fields})

    return make


@pytest.fixture
def certain_table():
    """Make a table of two or more classes; ``certainty`` is the probability of each predicted class."""

    def make(truth, predicted, classes=("a", "b"), certainty=1.0):
        rows = len(truth)
        rest = (1 - certainty) / (len(classes) - 1)
        probabilities = np.full((rows, len(classes)), rest)
        probabilities[np.arange(rows), predicted] = certainty
        names = tuple(str(row) for row in range(rows))
        return Table(classes, probabilities, np.asarray(truth), names, names, ("",) * rows, ("",) * rows)

    return make
