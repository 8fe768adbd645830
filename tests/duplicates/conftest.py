"""Images for tests of the duplicate finder: phantoms of different patients."""

from __future__ import annotations

import numpy as np
import pytest

from gadolin.phantoms import CLASSES, draw_patient
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.records import Slice


def _prepared(pictures):
    return np.stack([prepare(Slice(np.asarray(one, np.float32)), Preparation()) for one in pictures])


@pytest.fixture(scope="session")
def prepared():
    """Prepare images (H, W) of any size as slices (N, 256, 256) uint8."""
    return _prepared


@pytest.fixture(scope="session")
def pictures():
    """Return one slice of each of twelve phantom patients, (256, 256) uint8."""
    return [draw_patient(CLASSES[patient % 4], patient, slices=1)[0].pixels for patient in range(12)]


@pytest.fixture(scope="session")
def slices(pictures):
    """Return the same slices, prepared."""
    return _prepared(pictures)
