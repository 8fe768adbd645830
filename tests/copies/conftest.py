"""What the tests of the copy finder look at: phantoms of different patients, and stacks of made slices."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gadolin.phantom import CLASSES, draw_patient
from gadolin.prepare import Preparation, prepare
from gadolin.records import Slice


def _prepared(pictures):
    return np.stack([prepare(Slice(np.asarray(one, np.float32)), Preparation()) for one in pictures])


def _tissue(rng):
    """Return folds and grain: (256, 256) of mean 0 and deviation 1."""
    field = sum(
        share * cv2.GaussianBlur(rng.normal(0, 2 * width, (256, 256)), (0, 0), width)
        for width, share in ((6, 2), (3, 1))
    )
    return (field - field.mean()) / field.std()


@pytest.fixture(scope="session")
def prepared():
    """Turn pictures (H, W) of any sizes into prepared slices (N, 256, 256) uint8."""
    return _prepared


@pytest.fixture(scope="session")
def draw_stack():
    """Draw one head in ``count`` slices (256, 256) uint8; tissue of neighbours correlates as ``likeness`` says."""

    def draw(count, likeness, seed=0):
        rng = np.random.default_rng(seed)
        head = np.zeros((256, 256), np.float32)
        cv2.ellipse(head, (128, 128), (90, 115), 0, 0, 360, 1.0, -1)
        head = cv2.GaussianBlur(head, (7, 7), 0)
        tissue = _tissue(rng)
        drawn = []
        for _ in range(count):
            drawn.append(np.clip(np.rint(head * (110 + 40 * tissue)), 0, 255).astype(np.uint8))
            tissue = likeness * tissue + np.sqrt(1 - likeness**2) * _tissue(rng)
        return np.stack(drawn)

    return draw


@pytest.fixture(scope="session")
def pictures():
    """Return one slice of each of twelve phantom patients, (256, 256) uint8."""
    return [draw_patient(CLASSES[patient % 4], patient, slices=1)[0].pixels for patient in range(12)]


@pytest.fixture(scope="session")
def slices(pictures):
    """Return the same, prepared."""
    return _prepared(pictures)
