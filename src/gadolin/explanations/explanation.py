"""What an explanation is: heat on the pixels of a slice, for one class, by one method."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Explanation"]


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why a class was given its probability, as ``method`` tells it.

    ``heat`` (H, W) float32 lies on the pixels of the slice: above 0 speaks for ``label``, below 0 against it, 0 says
    nothing; units differ between methods. ``probability`` in [0, 1] is the model's for that class. ``samples`` is how
    often the model was asked, ``settings`` what else decides the map: the same ones give the same map.
    """

    method: str
    label: str
    heat: NDArray[np.float32]
    probability: float
    samples: int
    settings: dict[str, object] = field(default_factory=dict)
