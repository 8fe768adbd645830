"""What a user asks of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gadolin.errors import RequestError
from gadolin.recipes import Recipe
from gadolin.sources import Scan
from gadolin.starting_point import StartingPoint
from gadolin.training.machine import Machine

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train on, how, and where to.

    ``validation`` and ``test`` are the shares of the training and of all slices that are cut off by group where the
    data names no such part. ``resume`` goes on with the unfinished run in ``out``.
    """

    data: Scan | Path
    out: Path
    recipe: Recipe
    weights: StartingPoint = field(default_factory=lambda: StartingPoint("none", "none"))
    machine: Machine = field(default_factory=Machine)
    patient_from: str | None = None
    skip_unreadable: bool = False
    validation: float = 0.1
    test: float = 0.2
    cache: Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        """Refuse shares that leave nothing on one side."""
        for name in ("validation", "test"):
            share = getattr(self, name)
            if not 0 < share < 1:
                raise RequestError(
                    code="share_out_of_range",
                    rule=f"the {name} share must lie between 0 and 1",
                    got=f"got {share}",
                    remedy="0.2 is usual",
                )

    @property
    def data_path(self) -> Path:
        """The folder or manifest that the data is from."""
        return self.data.root if isinstance(self.data, Scan) else self.data
