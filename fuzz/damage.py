"""Damaged files for fuzzing, as the tests of the readers make them (``tests/readers``)."""

from __future__ import annotations

import sys

from benchmarks.results import ROOT

sys.path.insert(0, str(ROOT / "tests" / "readers"))

from mutations import Seed, damaged, mutated
from seeds import SEEDS

__all__ = ["SEEDS", "Seed", "damaged", "mutated"]
