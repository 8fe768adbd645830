"""A runtime that needs little memory: onnxruntime on one slice after another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.models.runtime import RUNTIMES, NetworkOutput

__all__ = ["OneByOne"]


class OneByOne:
    """Runs the graph of a bundle on each slice by itself."""

    def __init__(self, graph: Path, threads: int) -> None:
        self._run = RUNTIMES.get("onnxruntime")(graph, threads)

    def __call__(self, prepared: NDArray[np.uint8]) -> NetworkOutput:
        """Return the outputs of the network for prepared slices (N, H, H) uint8."""
        return NetworkOutput.joined([self._run(one[None]) for one in prepared])
