"""Content of a report besides the metrics: the model, facts about its training, and its worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.metrics.table import Table

__all__ = ["Mistake", "ReportContext", "worst_mistakes"]


@dataclass(frozen=True, slots=True, eq=False)
class Mistake:
    """A misclassified slice.

    ``truth`` and ``predicted`` are class names, ``probability`` in [0, 1] is that of ``predicted``.
    ``picture`` is shown to the reader: (H, W) uint8, 0 black to 255 white. ``reason_code`` is that of the abstention,
    "" if the model answers. Raises DataError for another picture.
    """

    path: str
    truth: str
    predicted: str
    probability: float
    picture: NDArray[np.uint8]
    reason_code: str = ""

    def __post_init__(self) -> None:
        """Check the picture."""
        if self.picture.ndim != 2 or self.picture.dtype != np.uint8 or not self.picture.size:
            raise DataError(
                code="shape_mismatch",
                rule="a picture must be (H, W) uint8",
                got=f"got {self.picture.shape} {self.picture.dtype} for {self.path}",
                remedy="scale it to 0 to 255 first",
            )


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What :func:`gadolin.reports.write_report` adds to the metrics.

    ``facts`` describe how the model was made (recipe, weights, data, seeds, versions), shown as a table in their
    order. ``history`` has one mapping per epoch (epoch, train_loss, train_accuracy, validation_loss,
    validation_accuracy). ``notes`` are sentences, such as the meaning of a subset; ``created`` is an ISO date.
    ``never_declines``: the model has no threshold below or above which it abstains.
    """

    title: str
    model: str
    created: str
    facts: Mapping[str, str] = field(default_factory=dict)
    history: Sequence[Mapping[str, float | None]] = ()
    mistakes: Sequence[Mistake] = ()
    notes: Sequence[str] = ()
    never_declines: bool = False

    def as_json(self) -> dict[str, object]:
        """Return what ``metrics.json`` holds besides the metrics."""
        return {"never_declines": self.never_declines, "notes": list(self.notes)}


def worst_mistakes(table: Table, *, most: int = 12) -> tuple[int, ...]:
    """Return at most ``most`` misclassified rows, the most confident first."""
    wrong = np.flatnonzero(~table.correct)
    order = np.argsort(-table.confidence[wrong], kind="stable")
    return tuple(int(row) for row in wrong[order[:most]])
